#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "modeldiff/core/error.h"
#include "store/fault.h"
#include "store/layout.h"
#include "store/store.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

std::string text_of(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Waits until the bytes of one file or folder are on the disk.
void sync_one(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw_storage_error(errno, "open", path);
  const int synced = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  if (synced != 0) throw_storage_error(error, "write", path);
}

fs::path make_temporary_folder(const fs::path& parent) {
  while (true) {
    const fs::path folder = parent / layout::temporary_name();
    if (::mkdir(folder.c_str(), 0777) == 0) return folder;
    if (errno == ENOENT) {
      create_folders(parent);
    } else if (errno != EEXIST) {
      throw_storage_error(errno, "create the folder", folder);
    }
  }
}

}  // namespace

Publication::Publication(Store store, Key key, Json description)
    : store_(std::move(store)), key_(std::move(key)), description_(std::move(description)) {
  MODELDIFF_CHECK(description_.is_object() && description_.contains("kind") &&
                      description_.at("kind").is_string(),
                  "the description of an artifact: " + text_of(description_));
  folder_ = make_temporary_folder(store_.root() / "tmp");
  fault_point("after_tmp");
}

Publication::Publication(Publication&& other) noexcept
    : store_(std::move(other.store_)),
      key_(std::move(other.key_)),
      description_(std::move(other.description_)),
      folder_(std::exchange(other.folder_, {})),
      files_(std::move(other.files_)),
      manifest_sha256_(std::move(other.manifest_sha256_)) {}

Publication& Publication::operator=(Publication&& other) noexcept {
  if (this == &other) return *this;
  discard();
  store_ = std::move(other.store_);
  key_ = std::move(other.key_);
  description_ = std::move(other.description_);
  folder_ = std::exchange(other.folder_, {});
  files_ = std::move(other.files_);
  manifest_sha256_ = std::move(other.manifest_sha256_);
  return *this;
}

Publication::~Publication() { discard(); }

void Publication::discard() noexcept {
  if (!folder_.empty()) remove_quietly(std::exchange(folder_, {}));
}

template <typename Write>
void Publication::add(const std::string& name, Write&& write) {
  MODELDIFF_CHECK(!folder_.empty(),
                  "artifact " + key_.brief() + " was published or dropped before '" + name + "'");
  MODELDIFF_CHECK(layout::is_plain_name(name) && name != layout::kManifest,
                  "the file name '" + name + "'");
  MODELDIFF_CHECK(!files_.count(name), "file '" + name + "' given twice");
  try {
    files_[name] = write(folder_ / name);
  } catch (...) {
    discard();
    throw;
  }
}

void Publication::add_text(const std::string& name, std::string_view text) {
  add(name, [&](const fs::path& path) {
    OutputFile file(path, text.size());
    file.write(text);
    return file.close();
  });
}

void Publication::add_json(const std::string& name, const Json& value) {
  add_text(name, text_of(value) + '\n');
}

void Publication::add_json_lines(const std::string& name, std::span<const Json> values) {
  add(name, [&](const fs::path& path) {
    OutputFile file(path);
    for (const Json& value : values) file.write(text_of(value) + '\n');
    return file.close();
  });
}

void Publication::add_tensors(const std::string& name, const TensorViews& tensors,
                              const TensorMetadata& metadata) {
  add(name, [&](const fs::path& path) { return write_safetensors(path, tensors, metadata); });
}

void Publication::add_tensors(const std::string& name, std::vector<TensorSpec> tensors,
                              const TensorMetadata& metadata,
                              const std::function<void(SafetensorsWriter&)>& fill) {
  add(name, [&](const fs::path& path) {
    SafetensorsWriter writer(path, std::move(tensors), metadata);
    fill(writer);
    return writer.finish();
  });
}

void Publication::add_file(const std::string& name, const fs::path& source) {
  add(name, [&](const fs::path& path) {
    const MappedFile content(source);
    OutputFile file(path, content.size());
    file.write(content.data(), content.size());
    return file.close();
  });
}

void Publication::write_manifest() {
  MODELDIFF_CHECK(!folder_.empty(),
                  "artifact " + key_.brief() + " was published or dropped before");
  fault_point("before_manifest");
  Json files = Json::object();
  for (const auto& [name, digest] : files_)
    files[name] = {{"bytes", digest.bytes}, {"sha256", digest.sha256}};
  const Json manifest = {{"description", description_},
                         {"files", files},
                         {"format", layout::kFormat},
                         {"key", key_.text()}};
  OutputFile file(folder_ / layout::kManifest);
  file.write(manifest.dump(1, ' ', false, Json::error_handler_t::replace) + '\n');
  manifest_sha256_ = file.close().sha256;
}

void Publication::sync() const {
  for (const auto& [name, digest] : files_) sync_one(folder_ / name);
  sync_one(folder_ / layout::kManifest);
  sync_one(folder_);
}

Published Publication::commit() {
  try {
    write_manifest();
    sync();
    return publish();
  } catch (...) {
    discard();
    throw;
  }
}

Published Publication::publish() {
  const fs::path place = store_.object_folder(key_);
  fault_point("before_rename");
  // A corrupt artifact in the way is moved aside; another process may put one there meanwhile,
  // hence the bound.
  for (int attempt = 0;; ++attempt) {
    int renamed = ::rename(folder_.c_str(), place.c_str());
    if (renamed != 0 && errno == ENOENT) {
      create_folders(place.parent_path());
      renamed = ::rename(folder_.c_str(), place.c_str());
    }
    const int error = errno;
    if (renamed == 0) {
      folder_.clear();
      fault_point("after_rename");
      return {PublishOutcome::published, {}};
    }
    // A network file system may report that a rename failed which it has done.
    const bool lost = error == ENOTEMPTY || error == EEXIST || !fs::exists(folder_);
    if (!lost || attempt == 3) throw_storage_error(error, "publish", place);
    try {
      const Artifact winner(key_, place);
      Published result{PublishOutcome::already_there, {}};
      if (winner.digest() != manifest_sha256_)
        result = {PublishOutcome::nondeterminism, differences(winner)};
      discard();
      if (result.outcome == PublishOutcome::nondeterminism) {
        store_.record_attempt({{"event", "nondeterminism"},
                               {"key", key_.text()},
                               {"kind", winner.kind()},
                               {"differing", result.differing}});
      }
      return result;
    } catch (const DataError& corrupt) {
      store_.quarantine(key_, corrupt.what());
    }
  }
}

std::vector<std::string> Publication::differences(const Artifact& winner) const {
  std::map<std::string, std::string> theirs;
  for (const ArtifactFile& file : winner.files()) theirs[file.name] = file.sha256;
  std::vector<std::string> differing;
  if (winner.description() != description_) differing.emplace_back("description");
  for (const auto& [name, digest] : files_) {
    const auto found = theirs.find(name);
    if (found == theirs.end() || found->second != digest.sha256) differing.push_back(name);
    if (found != theirs.end()) theirs.erase(found);
  }
  for (const auto& [name, sha256] : theirs) differing.push_back(name);
  return differing;
}

Publication Store::begin(const Key& key, Json description) const {
  return Publication(*this, key, std::move(description));
}

std::vector<Published> Store::commit_all(std::span<Publication> publications) const {
  if (publications.empty()) return {};
  std::vector<Published> results;
  try {
    for (Publication& publication : publications) publication.write_manifest();
    // One flush of the file system instead of several a file: everything must be on the disk before
    // the first rename.
    const int descriptor = ::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) throw_storage_error(errno, "open", root_);
    const int synced = ::syncfs(descriptor);
    const int error = errno;
    ::close(descriptor);
    if (synced != 0) throw_storage_error(error, "write", root_);
    for (Publication& publication : publications) results.push_back(publication.publish());
  } catch (...) {
    for (Publication& publication : publications) publication.discard();
    throw;
  }
  return results;
}

}  // namespace modeldiff
