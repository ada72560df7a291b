#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/json.h"
#include "store/safetensors.h"

/// The folder of content-addressed artifacts.
///
///   objects/ab/<key>/            one artifact: manifest.json and its files; immutable once visible
///   tmp/<host>.<pid>.<nonce>/    artifacts in the making; those of dead processes are swept
///   quarantine/<key>.<n>/        artifacts found corrupt
///   attempts/<process>.jsonl     timings and failures; no part of any artifact
///   runs/<experiment>/           resolved.yaml, plan.json, report; gc keeps the keys in plan.json
///   cache/                       what can be computed again
///
/// An artifact is published by renaming a finished folder to its place. So what is visible is
/// complete, a second publisher loses and compares, and there are no locks, no marks of unfinished
/// work and no database. Artifacts hold nothing of time, host or order: the same work gives the
/// same bytes.
namespace modeldiff {

/// The name of an artifact: 64 hexadecimal digits.
class Key {
 public:
  /// SHA-256 of the canonical text.
  static Key of(const Json& identity);
  /// @throws DataError unless the text is 64 lower-case hexadecimal digits
  static Key parse(const std::string& text);
  static bool is_key(std::string_view text);

  const std::string& text() const { return text_; }
  /// The first 12 digits, for people.
  std::string brief() const { return text_.substr(0, 12); }
  auto operator<=>(const Key&) const = default;

 private:
  explicit Key(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

struct ArtifactFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::string sha256;
};

/// A published artifact.
class Artifact {
 public:
  const Key& key() const { return key_; }
  /// What the publisher said it is; `description.kind` is always there.
  const Json& description() const { return description_; }
  const std::string& kind() const { return kind_; }
  const std::vector<ArtifactFile>& files() const { return files_; }
  /// SHA-256 of the manifest: equal for equal content.
  const std::string& digest() const { return digest_; }
  /// Bytes of all files, the manifest included.
  std::uint64_t bytes() const;

  bool contains(const std::string& name) const;
  // Each throws DataError with the path when there is no such file or it is not of that form; those
  // that read a file, when its hash is not the manifest's.
  std::filesystem::path file(const std::string& name) const;
  std::string text(const std::string& name) const;
  Json json(const std::string& name) const;
  std::vector<Json> json_lines(const std::string& name) const;
  SafetensorsFile tensors(const std::string& name) const;

  /// Reads every byte. @throws DataError naming the first file whose hash is not the manifest's
  void verify() const;

 private:
  friend class Store;
  friend class Publication;
  /// @throws DataError when the manifest cannot be read, or a file is missing or of another size
  Artifact(Key key, std::filesystem::path folder);
  const ArtifactFile& entry(const std::string& name) const;
  void compare(const ArtifactFile& file, const std::string& sha256) const;

  Key key_;
  std::filesystem::path folder_;
  Json description_;
  std::string kind_;
  std::string digest_;
  std::uint64_t manifest_bytes_ = 0;
  std::vector<ArtifactFile> files_;
};

enum class PublishOutcome {
  published,
  already_there,   // with the same content; ours was dropped
  nondeterminism,  // with other content; theirs was kept, ours dropped, an attempts line written
};

struct Published {
  PublishOutcome outcome = PublishOutcome::published;
  /// For nondeterminism: the files that differ, or "description".
  std::vector<std::string> differing;
};

struct ArtifactSummary {
  Key key;
  std::string kind;
  std::uint64_t bytes = 0;
};

struct KindUsage {
  std::int64_t artifacts = 0;
  std::uint64_t bytes = 0;
};

struct StoreProblem {
  Key key;
  std::string text;
};

struct GcOptions {
  /// Says what would go, and removes nothing.
  bool dry_run = false;
  /// Keeps these instead of what stands in runs/*/plan.json.
  std::optional<std::set<Key>> keep = std::nullopt;
  /// Temporary folders of other machines are swept when they are older than this.
  std::chrono::seconds foreign_tmp_age = std::chrono::hours(7 * 24);
};

struct GcReport {
  std::int64_t kept = 0;
  std::vector<ArtifactSummary> removed;
  std::int64_t temporary_folders = 0;
  std::int64_t quarantined = 0;
  /// Of all that went, or would go.
  std::uint64_t bytes = 0;
};

/// A plan that a process is at work on: until it is let go, or its process ends, gc keeps what it
/// names.
class PlanInUse {
 public:
  PlanInUse(PlanInUse&& other) noexcept : file_(std::exchange(other.file_, {})) {}
  PlanInUse& operator=(PlanInUse&&) = delete;
  ~PlanInUse();

  const std::filesystem::path& file() const { return file_; }

 private:
  friend class Store;
  explicit PlanInUse(std::filesystem::path file) : file_(std::move(file)) {}
  std::filesystem::path file_;
};

class Publication;

/// Any number of processes and machines may use one store at once.
class Store {
 public:
  /// Makes the folder where there is none, and sweeps what dead processes of this machine left in
  /// tmp/.
  explicit Store(std::filesystem::path root);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path object_folder(const Key& key) const;
  std::filesystem::path quarantine_folder() const { return root_ / "quarantine"; }
  /// runs/<experiment>, made when absent. @throws ConfigError on a name that is no folder name
  std::filesystem::path run_folder(const std::string& experiment) const;

  /// Says to other processes what this one needs. @param text JSON that names the keys
  PlanInUse use_plan(std::string_view text) const;

  bool contains(const Key& key) const;
  /// All keys there are, sorted.
  std::vector<Key> keys() const;
  /// @throws DataError when it is absent or corrupt: then quarantine() it, and it is made again
  Artifact open(const Key& key) const;
  /// @param description what the artifact is; must hold a string `kind`
  Publication begin(const Key& key, Json description) const;
  /// Publishes all with one flush of the file system. @return one result for each, in their order
  std::vector<Published> commit_all(std::span<Publication> publications) const;

  /// Moves a corrupt artifact aside, so that it counts as missing. @return where it is now; nothing
  /// when it was gone
  std::optional<std::filesystem::path> quarantine(const Key& key, const std::string& reason) const;

  /// Adds a line to this process's attempts file; `time`, `host` and `pid` are filled in.
  void record_attempt(Json line) const;
  /// All lines of all processes; a line that was cut short is passed over.
  std::vector<Json> attempts() const;

  /// By key. Corrupt ones are listed under the kind "corrupt".
  std::vector<ArtifactSummary> list() const;
  std::map<std::string, KindUsage> usage() const;
  /// Reads every byte of every artifact. @param progress (done, total), may be empty
  std::vector<StoreProblem> verify_all(
      const std::function<void(std::int64_t, std::int64_t)>& progress = {}) const;
  /// Removes artifacts whose key stands in no runs/*/plan.json and no plan in use, quarantined ones
  /// and dead temporary folders.
  /// @throws DataError when a plan cannot be read: then nothing is removed
  GcReport gc(const GcOptions& options = {}) const;

 private:
  std::filesystem::path root_;
};

/// An artifact in the making: a temporary folder that commit makes visible. It is removed when it
/// is let go before that, or when anything fails. File names are letters, digits, '.', '_' and '-'.
class Publication {
 public:
  Publication(Publication&& other) noexcept;
  Publication& operator=(Publication&& other) noexcept;
  ~Publication();

  const Key& key() const { return key_; }
  /// The temporary folder. What is written into it beside the functions below must be gone before
  /// commit.
  const std::filesystem::path& folder() const { return folder_; }

  void add_text(const std::string& name, std::string_view text);
  /// Keys sorted, shortest numbers. JSON has no infinities: what is not finite is written as null.
  void add_json(const std::string& name, const Json& value);
  void add_json_lines(const std::string& name, std::span<const Json> values);
  void add_tensors(const std::string& name, const TensorViews& tensors,
                   const TensorMetadata& metadata = {});
  /// For what is larger than memory: `fill` gives all bytes to the writer, in the writer's order.
  void add_tensors(const std::string& name, std::vector<TensorSpec> tensors,
                   const TensorMetadata& metadata,
                   const std::function<void(SafetensorsWriter&)>& fill);
  /// Copies a file.
  void add_file(const std::string& name, const std::filesystem::path& source);

  /// Makes it visible, durably. For many at once Store::commit_all is far cheaper.
  Published commit();

 private:
  friend class Store;
  Publication(Store store, Key key, Json description);

  template <typename Write>
  void add(const std::string& name, Write&& write);
  void write_manifest();
  void sync() const;
  /// Renames the folder to its place, or compares it with what is there.
  Published publish();
  std::vector<std::string> differences(const Artifact& winner) const;
  void discard() noexcept;

  Store store_;
  Key key_;
  Json description_;
  std::filesystem::path folder_;  // empty once it is published or let go
  std::map<std::string, FileDigest> files_;
  std::string manifest_sha256_;
};

}  // namespace modeldiff
