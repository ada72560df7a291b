#include "store/store.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "modeldiff/core/error.h"
#include "store/layout.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyDigits = 64;
constexpr std::size_t kShardDigits = 2;
constexpr const char* kPlan = "plan.json";

/// The entries of a folder by name; none when it is absent.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    entries.push_back(at->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw DataError(fmt::format("cannot list '{}': {}", folder.string(), error.message()));
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// Every text within the value that is a key, as an entry or as a name of one.
void collect_keys(const Json& value, std::set<std::string>& keys) {
  if (value.is_string() && Key::is_key(value.get_ref<const std::string&>()))
    keys.insert(value.get<std::string>());
  if (value.is_object()) {
    for (const auto& [name, item] : value.items()) {
      if (Key::is_key(name)) keys.insert(name);
    }
  }
  if (value.is_structured()) {
    for (const Json& item : value) collect_keys(item, keys);
  }
}

std::set<std::string> keys_of_plan(const fs::path& plan) {
  const Json value = Json::parse(read_text(plan), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    throw DataError(fmt::format(
        "'{}' is not JSON, so what it needs is unknown; nothing was removed", plan.string()));
  }
  std::set<std::string> keys;
  collect_keys(value, keys);
  return keys;
}

std::set<std::string> planned_keys(const fs::path& runs) {
  std::set<std::string> keys;
  for (const fs::path& run : entries_of(runs)) {
    if (fs::exists(run / kPlan)) keys.merge(keys_of_plan(run / kPlan));
  }
  return keys;
}

/// What the plans name that processes are at work on; each plan is read once.
class KeysInUse {
 public:
  explicit KeysInUse(fs::path temporary) : temporary_(std::move(temporary)) {}

  const std::set<std::string>& now() {
    for (const fs::path& folder : entries_of(temporary_)) {
      if (layout::owner_of(folder.filename().string()) == layout::Owner::dead) continue;
      if (!fs::exists(folder / kPlan) || !seen_.insert(folder).second) continue;
      try {
        keys_.merge(keys_of_plan(folder / kPlan));
      } catch (const DataError&) {
        if (fs::exists(folder / kPlan)) throw;  // else its process has just ended
      }
    }
    return keys_;
  }

 private:
  fs::path temporary_;
  std::set<fs::path> seen_;
  std::set<std::string> keys_;
};

bool is_older_than(const fs::path& path, std::chrono::seconds age) {
  std::error_code error;
  const auto modified = fs::last_write_time(path, error);
  return !error && fs::file_time_type::clock::now() - modified > age;
}

}  // namespace

Key Key::of(const Json& identity) { return Key(sha256(canonical_text(identity))); }

Key Key::parse(const std::string& text) {
  if (!is_key(text)) {
    throw DataError(
        fmt::format("an artifact's key must be {} lower-case hexadecimal digits, found '{}'",
                    kKeyDigits, text.substr(0, 2 * kKeyDigits)));
  }
  return Key(text);
}

bool Key::is_key(std::string_view text) {
  return text.size() == kKeyDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Store::Store(fs::path root) : root_(fs::absolute(root)) {
  for (const char* part : {"objects", "tmp", "attempts", "runs", "cache"})
    create_folders(root_ / part);
  for (const fs::path& folder : entries_of(root_ / "tmp")) {
    if (layout::owner_of(folder.filename().string()) == layout::Owner::dead) remove_quietly(folder);
  }
}

fs::path Store::object_folder(const Key& key) const {
  return root_ / "objects" / key.text().substr(0, kShardDigits) / key.text();
}

fs::path Store::run_folder(const std::string& experiment) const {
  if (!layout::is_plain_name(experiment)) {
    throw ConfigError(
        "experiment",
        fmt::format("must be letters, digits, '.', '_' and '-', and start with none of "
                    "'.', to name a folder; found '{}'",
                    experiment));
  }
  const fs::path folder = root_ / "runs" / experiment;
  create_folders(folder);
  return folder;
}

PlanInUse Store::use_plan(std::string_view text) const {
  const fs::path folder = root_ / "tmp" / layout::temporary_name();
  create_folders(folder);
  write_text_atomically(folder / kPlan, text);
  return PlanInUse(folder / kPlan);
}

PlanInUse::~PlanInUse() {
  if (!file_.empty()) remove_quietly(file_.parent_path());
}

bool Store::contains(const Key& key) const {
  return ::access((object_folder(key) / layout::kManifest).c_str(), F_OK) == 0;
}

Artifact Store::open(const Key& key) const {
  const fs::path folder = object_folder(key);
  if (!fs::exists(folder)) {
    throw DataError(fmt::format("the store has no artifact {}: '{}' does not exist", key.brief(),
                                folder.string()));
  }
  return Artifact(key, folder);
}

std::optional<fs::path> Store::quarantine(const Key& key, const std::string& reason) const {
  create_folders(quarantine_folder());
  for (int n = 0;; ++n) {
    const fs::path aside = quarantine_folder() / fmt::format("{}.{}", key.text(), n);
    if (::rename(object_folder(key).c_str(), aside.c_str()) == 0) {
      record_attempt({{"event", "quarantine"},
                      {"key", key.text()},
                      {"reason", reason},
                      {"moved_to", aside.string()}});
      return aside;
    }
    if (errno == ENOENT) return std::nullopt;
    if (errno != ENOTEMPTY && errno != EEXIST)
      throw_storage_error(errno, "move a corrupt artifact to", aside);
  }
}

void Store::record_attempt(Json line) const {
  line["time"] = fmt::format("{:%FT%TZ}", fmt::gmtime(std::time(nullptr)));
  line["host"] = layout::host_name();
  line["pid"] = ::getpid();
  append_line(root_ / "attempts" / (layout::process_name() + ".jsonl"),
              line.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::vector<Json> Store::attempts() const {
  std::vector<Json> lines;
  for (const fs::path& path : entries_of(root_ / "attempts")) {
    const std::string text = read_text(path);
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = std::min(text.find('\n', start), text.size());
      Json line = Json::parse(text.begin() + start, text.begin() + end, nullptr,
                              /*allow_exceptions=*/false);
      if (line.is_object()) lines.push_back(std::move(line));
      start = end + 1;
    }
  }
  return lines;
}

std::vector<Key> Store::keys() const {
  std::vector<Key> keys;
  for (const fs::path& shard : entries_of(root_ / "objects")) {
    for (const fs::path& folder : entries_of(shard)) {
      if (Key::is_key(folder.filename().string()))
        keys.push_back(Key::parse(folder.filename().string()));
    }
  }
  return keys;
}

std::vector<ArtifactSummary> Store::list() const {
  std::vector<ArtifactSummary> summaries;
  for (const Key& key : keys()) {
    try {
      const Artifact artifact = open(key);
      summaries.push_back({key, artifact.kind(), artifact.bytes()});
    } catch (const DataError&) {
      summaries.push_back({key, "corrupt", layout::folder_bytes(object_folder(key))});
    }
  }
  return summaries;
}

std::map<std::string, KindUsage> Store::usage() const {
  std::map<std::string, KindUsage> usage;
  for (const ArtifactSummary& artifact : list()) {
    KindUsage& kind = usage[artifact.kind];
    ++kind.artifacts;
    kind.bytes += artifact.bytes;
  }
  return usage;
}

std::vector<StoreProblem> Store::verify_all(
    const std::function<void(std::int64_t, std::int64_t)>& progress) const {
  const std::vector<Key> all = keys();
  std::vector<StoreProblem> problems;
  for (std::size_t i = 0; i < all.size(); ++i) {
    try {
      open(all[i]).verify();
    } catch (const DataError& error) {
      problems.push_back({all[i], error.what()});
    }
    if (progress) progress(static_cast<std::int64_t>(i) + 1, static_cast<std::int64_t>(all.size()));
  }
  return problems;
}

GcReport Store::gc(const GcOptions& options) const {
  std::set<std::string> planned;
  if (options.keep) {
    for (const Key& key : *options.keep) planned.insert(key.text());
  } else {
    planned = planned_keys(root_ / "runs");
  }
  KeysInUse in_use(root_ / "tmp");
  GcReport report;
  for (ArtifactSummary& artifact : list()) {
    if (planned.count(artifact.key.text()) || in_use.now().count(artifact.key.text())) {
      ++report.kept;
      continue;
    }
    if (!options.dry_run) {
      // It disappears as it came, in one step.
      const fs::path aside = root_ / "tmp" / layout::temporary_name();
      if (::rename(object_folder(artifact.key).c_str(), aside.c_str()) != 0) {
        if (errno == ENOENT) continue;
        throw_storage_error(errno, "remove", object_folder(artifact.key));
      }
      remove_quietly(aside);
    }
    report.bytes += artifact.bytes;
    report.removed.push_back(std::move(artifact));
  }
  const auto sweep = [&](const fs::path& folder, std::int64_t& count) {
    ++count;
    report.bytes += layout::folder_bytes(folder);
    if (!options.dry_run) remove_quietly(folder);
  };
  for (const fs::path& folder : entries_of(root_ / "tmp")) {
    const layout::Owner owner = layout::owner_of(folder.filename().string());
    const bool left =
        owner == layout::Owner::dead ||
        (owner == layout::Owner::foreign && is_older_than(folder, options.foreign_tmp_age));
    if (left) sweep(folder, report.temporary_folders);
  }
  for (const fs::path& folder : entries_of(quarantine_folder())) sweep(folder, report.quarantined);
  return report;
}

}  // namespace modeldiff
