#include "config/references.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "config/key_path.h"
#include "config/nearest.h"

namespace modeldiff {
namespace {

/// The map under a section's name, or nullptr.
const Value* section_of(const Value& root, const std::string& name) {
  const auto parts = split_key_path(name);
  const Value* section = parts ? find_key_path(root, *parts) : nullptr;
  return section && section->is(Value::Kind::map) ? section : nullptr;
}

Diagnostic unknown_name(const ReferenceUse& use, const Value* section) {
  if (!section) {
    return {use.where, use.path,
            fmt::format("{}: there is no '{}', since the section '{}' is not there", use.path,
                        use.name, use.section)};
  }
  std::vector<std::string> names;
  for (const auto& [key, value] : section->entries()) names.push_back(key);
  return {use.where, use.path,
          fmt::format("{}: there is no '{}' in '{}'{}", use.path, use.name, use.section,
                      name_advice(use.name, names, "there are"))};
}

/// Entries of one section and what they name, walked depth first.
class CycleSearch {
 public:
  void add(const std::string& from, const ReferenceUse& use) { edges_[from].push_back(&use); }

  std::vector<Diagnostic> run() {
    for (const auto& [entry, uses] : edges_) visit(entry);
    return std::move(found_);
  }

 private:
  // Without recursion, since a chain of entries may be as long as the file.
  void visit(const std::string& start) {
    struct Step {
      std::string entry;
      std::size_t next = 0;
    };
    if (done_.contains(start)) return;
    std::vector<Step> way{{start}};
    std::map<std::string, std::size_t> on_way{{start, 0}};
    while (!way.empty()) {
      const auto edges = edges_.find(way.back().entry);
      if (edges == edges_.end() || way.back().next == edges->second.size()) {
        done_.insert(way.back().entry);
        on_way.erase(way.back().entry);
        way.pop_back();
        continue;
      }
      const ReferenceUse& use = *edges->second[way.back().next++];
      if (const auto at = on_way.find(use.name); at != on_way.end()) {
        std::vector<std::string> cycle;
        for (std::size_t i = at->second; i < way.size(); ++i) cycle.push_back(way[i].entry);
        found_.push_back({use.where, use.path,
                          fmt::format("{} needs itself: {} -> {}", join_key(use.section, use.name),
                                      fmt::join(cycle, " -> "), use.name)});
      } else if (!done_.contains(use.name)) {
        on_way.emplace(use.name, way.size());
        way.push_back({use.name});
      }
    }
  }

  std::map<std::string, std::vector<const ReferenceUse*>> edges_;
  std::set<std::string> done_;
  std::vector<Diagnostic> found_;
};

}  // namespace

std::vector<Diagnostic> check_references(const std::vector<ReferenceUse>& uses, const Value& root) {
  std::vector<Diagnostic> errors;
  std::set<std::pair<std::string, std::string>> said;
  std::map<std::string, CycleSearch> searches;
  for (const ReferenceUse& use : uses) {
    const Value* section = section_of(root, use.section);
    if (!section || !section->find(use.name)) {
      const bool inherited = !said.emplace(use.where.text(), use.name).second;
      if (!inherited) errors.push_back(unknown_name(use, section));
      continue;
    }
    const std::string prefix = use.section + ".";
    if (!use.path.starts_with(prefix)) continue;
    const std::string entry =
        use.path.substr(prefix.size(), use.path.find_first_of(".[", prefix.size()) - prefix.size());
    searches[use.section].add(entry, use);
  }
  for (auto& [section, search] : searches) {
    const std::vector<Diagnostic> cycles = search.run();
    errors.insert(errors.end(), cycles.begin(), cycles.end());
  }
  return errors;
}

}  // namespace modeldiff
