#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/catalog.h"
#include "modeldiff/core/value.h"

namespace modeldiff {

/// Resolves `extends: algorithms.A` inside the maps of one tree. A map is built of what its parent
/// inherited for it, then what it names itself, then its own keys; each wins over the one before.
class Inheritance {
 public:
  Inheritance(Value root, const PluginCatalog* catalog)
      : root_(std::move(root)), catalog_(catalog) {}

  /// The tree without any `extends`.
  /// @throws ConfigError with all paths that lead nowhere and all cycles, or when the tree outgrows
  /// the limits of
  ///         a file
  Value resolved();

  /// What stands at a path once everything is inherited; nullopt where nothing does. Errors of
  /// `extends` on the way are kept for resolved().
  std::optional<Value> find(const std::vector<std::string>& parts);

  /// The keys of the map at a path, inherited ones too.
  std::vector<std::string> keys_at(const std::vector<std::string>& parts);

 private:
  using Path = std::vector<std::string>;

  /// A place of the file and what it inherits there.
  struct Place {
    Path path;
    Value own;
    std::optional<Value> from_parent;
  };

  /// Where a path leads, through what is inherited; what is inherited as a whole stands as if it
  /// were the place's own.
  std::optional<Place> place_at(const Path& parts);
  bool is_under_way(const Path& path) const;
  std::optional<Value> base_of(const Place& place);
  std::optional<Value> base_with_extends(const Place& place, const Value& own,
                                         std::optional<Value> base);
  std::optional<Value> target_of(const Place& place, const Value& name);
  Value result_of(const Place& place);
  Place child_of(const Place& place, const std::optional<Value>& base, const std::string& key,
                 const Value& own) const;
  void report_missing(const Place& place, const Value& name, Path parts);
  void report_cycle(const Place& place);
  void report(const SourceLocation& where, const Path& path, std::string message);

  Value root_;
  const PluginCatalog* catalog_;
  std::map<Path, std::optional<Value>> bases_;
  std::map<Path, Value> results_;
  /// Places whose base is being worked out, in the order of their demand.
  std::vector<Path> under_way_;
  int depth_ = 0;
  std::vector<Diagnostic> errors_;
};

}  // namespace modeldiff
