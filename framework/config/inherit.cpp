#include "config/inherit.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "config/key_path.h"
#include "config/map_draft.h"
#include "config/merge.h"
#include "config/nearest.h"
#include "config/yaml.h"

namespace modeldiff {
namespace {

// Levels of nesting and of inheritance together, far above what a person writes and far below the
// end of the stack.
constexpr int kMaxDepth = 200;

std::string text_of(const std::vector<std::string>& path) {
  return fmt::format("{}", fmt::join(path, "."));
}

/// The texts under `extends`, each with its place; nullopt when it is neither a string nor a list
/// of them.
std::optional<Value::List> names_under(const Value& extends) {
  const Value::List names = extends.is(Value::Kind::list) ? extends.items() : Value::List{extends};
  const bool all_text = std::all_of(names.begin(), names.end(),
                                    [](const Value& v) { return v.is(Value::Kind::string); });
  return all_text && !names.empty() ? std::optional(names) : std::nullopt;
}

struct TreeSize {
  std::int64_t values = 0;
  int depth = 0;
};

/// Inheritance can double a tree at every step, so the count ends at the limits.
void measure(const Value& value, int depth, TreeSize& size) {
  ++size.values;
  size.depth = std::max(size.depth, depth);
  if (size.values > kYamlMaxValues || depth > kYamlMaxDepth) return;
  if (value.is(Value::Kind::list)) {
    for (const Value& item : value.items()) measure(item, depth + 1, size);
  } else if (value.is(Value::Kind::map)) {
    for (const auto& [key, entry] : value.entries()) measure(entry, depth + 1, size);
  }
}

void require_size_within_limits(const Value& root) {
  TreeSize size;
  measure(root, 0, size);
  const bool too_deep = size.depth > kYamlMaxDepth;
  if (!too_deep && size.values <= kYamlMaxValues) return;
  const std::string limit = too_deep ? fmt::format("{} levels of nesting", kYamlMaxDepth)
                                     : fmt::format("{} values", kYamlMaxValues);
  throw ConfigError(
      {{root.where(), "", fmt::format("the experiment grows beyond {} by 'extends'", limit)}});
}

class DepthGuard {
 public:
  explicit DepthGuard(int& depth) : depth_(++depth) {}
  ~DepthGuard() { --depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int& depth_;
};

}  // namespace

void Inheritance::report(const SourceLocation& where, const Path& path, std::string message) {
  errors_.push_back({where, text_of(path), std::move(message)});
}

Inheritance::Place Inheritance::child_of(const Place& place, const std::optional<Value>& base,
                                         const std::string& key, const Value& own) const {
  Place child{place.path, own, std::nullopt};
  child.path.push_back(key);
  // The name of a plugin is a word here, not a plugin written short.
  if (key == "plugin" || !base || !base->is(Value::Kind::map)) return child;
  if (const Value* inherited = base->find(key)) child.from_parent = *inherited;
  return child;
}

bool Inheritance::is_under_way(const Path& path) const {
  return std::find(under_way_.begin(), under_way_.end(), path) != under_way_.end();
}

void Inheritance::report_missing(const Place& place, const Value& name, Path parts) {
  std::string missing;
  while (!parts.empty() && !place_at(parts)) missing = parts.back(), parts.pop_back();
  std::vector<std::string> keys = keys_at(parts);
  if (place.path.size() == parts.size() + 1 &&
      std::equal(parts.begin(), parts.end(), place.path.begin())) {
    std::erase(keys, place.path.back());
  }
  report(name.where(), place.path,
         fmt::format("extends: there is no '{}' in {}{}", missing,
                     parts.empty() ? "this experiment" : fmt::format("'{}'", text_of(parts)),
                     name_advice(missing, keys, "there are")));
}

void Inheritance::report_cycle(const Place& place) {
  std::vector<std::string> cycle;
  for (auto at = std::find(under_way_.begin(), under_way_.end(), place.path);
       at != under_way_.end(); ++at) {
    cycle.push_back(text_of(*at));
  }
  report(place.own.find("extends")->where(), place.path,
         fmt::format("{0} inherits from itself: {1} -> {0}", text_of(place.path),
                     fmt::join(cycle, " -> ")));
}

std::optional<Value> Inheritance::target_of(const Place& place, const Value& name) {
  const auto parts = split_key_path(name.as_string());
  if (!parts) {
    report(name.where(), place.path,
           fmt::format("extends: '{}' is no key path such as algorithms.A", name.as_string()));
    return std::nullopt;
  }
  const std::optional<Value> target = find(*parts);
  if (!target) {
    report_missing(place, name, *parts);
    return std::nullopt;
  }
  const Value written_out = plugin_written_out(*target, catalog_);
  if (written_out.is(Value::Kind::map)) return written_out;
  report(name.where(), place.path,
         fmt::format("extends: '{}' is {}; only a map can be inherited", name.as_string(),
                     target->described()));
  return std::nullopt;
}

std::optional<Value> Inheritance::base_of(const Place& place) {
  if (const auto known = bases_.find(place.path); known != bases_.end()) return known->second;
  if (is_under_way(place.path)) {
    report_cycle(place);
    return std::nullopt;
  }
  std::optional<Value> base;
  if (place.from_parent) base = plugin_written_out(*place.from_parent, catalog_);
  if (base && !base->is(Value::Kind::map)) base.reset();
  const Value own = base ? plugin_written_out(place.own, catalog_) : place.own;
  if (!own.is(Value::Kind::map) || (base && names_another_plugin(own, *base))) base.reset();
  if (own.is(Value::Kind::map)) base = base_with_extends(place, own, std::move(base));
  return bases_[place.path] = base;
}

std::optional<Value> Inheritance::base_with_extends(const Place& place, const Value& own,
                                                    std::optional<Value> base) {
  const Value* extends = place.path.empty() ? nullptr : own.find("extends");
  if (!extends) return base;
  const auto names = names_under(*extends);
  if (!names) {
    report(extends->where(), place.path,
           fmt::format("extends must be a key path such as algorithms.A, or a list of them, got {}",
                       extends->described()));
    return base;
  }
  under_way_.push_back(place.path);
  for (const Value& name : *names) {
    std::optional<Value> target = target_of(place, name);
    if (!target) continue;
    if (const std::string* plugin = plugin_named_by(own)) {
      target = inheritable_by(*plugin, *target, catalog_);
    }
    base = base ? merged(*base, *target, catalog_) : *target;
  }
  under_way_.pop_back();
  return base;
}

Value Inheritance::result_of(const Place& place) {
  const bool is_scalar = !place.own.is(Value::Kind::map) && !place.own.is(Value::Kind::list);
  if (is_scalar && !place.from_parent) return place.own;
  if (const auto known = results_.find(place.path); known != results_.end()) return known->second;
  const DepthGuard guard(depth_);
  if (depth_ > kMaxDepth) {
    throw ConfigError({{place.own.where(), text_of(place.path),
                        fmt::format("more than {} levels of nesting and inheritance", kMaxDepth)}});
  }
  if (place.own.is(Value::Kind::list)) {
    Value::List items;
    for (const Value& item : place.own.items()) {
      items.push_back(result_of(child_of(place, std::nullopt, std::to_string(items.size()), item)));
    }
    return results_[place.path] = Value::list(std::move(items), place.own.where());
  }
  const std::optional<Value> base = base_of(place);
  const Value own = base ? plugin_written_out(place.own, catalog_) : place.own;
  if (!own.is(Value::Kind::map)) return results_[place.path] = own;
  MapDraft result = base ? MapDraft(*base) : MapDraft();
  for (const auto& [key, value] : own.entries()) {
    if (key == "extends" && !place.path.empty()) continue;
    result.put(key, result_of(child_of(place, base, key, value)), own.key_location(key));
  }
  return results_[place.path] = result.close(own.where());
}

std::optional<Inheritance::Place> Inheritance::place_at(const Path& parts) {
  Place place{{}, root_, std::nullopt};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (place.own.is(Value::Kind::list)) {
      const Value* item = find_key_path(place.own, {parts[i]});
      if (!item) return std::nullopt;
      place = child_of(place, std::nullopt, parts[i], *item);
      continue;
    }
    const std::optional<Value> base = base_of(place);
    const Value* own = place.own.is(Value::Kind::map) ? place.own.find(parts[i]) : nullptr;
    if (!own) {
      const Path rest(parts.begin() + static_cast<std::ptrdiff_t>(i), parts.end());
      const Value* inherited = base ? find_key_path(*base, rest) : nullptr;
      return inherited ? std::optional(Place{parts, *inherited, std::nullopt}) : std::nullopt;
    }
    place = child_of(place, base, parts[i], *own);
  }
  return place;
}

std::optional<Value> Inheritance::find(const Path& parts) {
  const std::optional<Place> place = place_at(parts);
  return place ? std::optional(result_of(*place)) : std::nullopt;
}

std::vector<std::string> Inheritance::keys_at(const Path& parts) {
  std::vector<std::string> keys;
  const std::optional<Place> place = place_at(parts);
  if (!place || !place->own.is(Value::Kind::map)) return keys;
  for (const auto& [key, value] : place->own.entries()) {
    if (key != "extends") keys.push_back(key);
  }
  const std::optional<Value> base = is_under_way(place->path) ? std::nullopt : base_of(*place);
  if (!base) return keys;
  for (const auto& [key, value] : base->entries()) {
    if (!place->own.find(key)) keys.push_back(key);
  }
  return keys;
}

Value Inheritance::resolved() {
  Value result = result_of({{}, root_, std::nullopt});
  if (!errors_.empty()) throw ConfigError(errors_);
  require_size_within_limits(result);
  return result;
}

}  // namespace modeldiff
