#include "config/override.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/inherit.h"
#include "config/key_path.h"
#include "config/map_draft.h"
#include "config/merge.h"
#include "config/nearest.h"
#include "config/yaml.h"

namespace modeldiff {
namespace {

[[noreturn]] void fail(const Override& override, std::string message) {
  throw ConfigError({{override.where, override.path, std::move(message)}});
}

/// The left side of "path=value".
struct Assignment {
  Override override;
  std::string_view value_text;
};

Assignment split_assignment(const std::string& text, std::string_view option,
                            std::string_view example) {
  Assignment out;
  out.override.where.file = fmt::format("{} {}", option, text);
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    fail(out.override, fmt::format("a value is missing; write {} {}", option, example));
  }
  out.override.append = equals > 0 && text[equals - 1] == '+';
  out.override.path = text.substr(0, equals - (out.override.append ? 1 : 0));
  out.value_text = std::string_view(text).substr(equals + 1);
  const auto parts = split_key_path(out.override.path);
  if (!parts) {
    fail(out.override,
         fmt::format("'{}' is no key path; write {} {}", out.override.path, option, example));
  }
  if (parts->size() > kYamlMaxDepth) {
    fail(out.override, fmt::format("the path has more than {} parts", kYamlMaxDepth));
  }
  out.override.parts = *parts;
  if (out.value_text.find_first_not_of(' ') == std::string_view::npos) {
    fail(out.override, "a value is missing after '='; '' is the empty string and null is no value");
  }
  return out;
}

/// Puts the value into a tree, from the root down.
class Setter {
 public:
  Setter(const Value& root, const Override& override, const std::vector<std::string>& sections,
         const PluginCatalog* catalog)
      : root_(root),
        override_(override),
        sections_(sections),
        catalog_(catalog),
        inherited_(root, catalog) {}

  Value run() { return put(root_, 0); }

 private:
  const std::string& part(std::size_t depth) const { return override_.parts[depth]; }
  bool is_last(std::size_t depth) const { return depth + 1 == override_.parts.size(); }

  std::vector<std::string> prefix(std::size_t count) const {
    return {override_.parts.begin(), override_.parts.begin() + static_cast<std::ptrdiff_t>(count)};
  }
  std::string prefix_text(std::size_t count) const {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text = join_key(text, part(i));
    return text;
  }

  Value put(const Value& node, std::size_t depth) {
    if (node.is(Value::Kind::list)) return put_into_list(node, depth);
    const bool is_name = depth > 0 && part(depth - 1) == "plugin";
    const Value map = is_name ? node : plugin_written_out(node, catalog_);
    if (map.is(Value::Kind::map)) return put_into_map(map, depth);
    fail(override_, fmt::format("'{}' is {}, which has no key '{}'", prefix_text(depth),
                                node.described(), part(depth)));
  }

  Value put_into_map(const Value& map, std::size_t depth) {
    const Value* child = map.find(part(depth));
    MapDraft draft(map);
    const SourceLocation key = child ? map.key_location(part(depth)) : override_.where;
    if (is_last(depth)) {
      draft.put(part(depth), last_value(child, depth), key);
    } else {
      draft.put(part(depth), put(child ? *child : missing_parent(depth), depth + 1), key);
    }
    return draft.close(map.where());
  }

  Value put_into_list(const Value& list, std::size_t depth) {
    Value::List items = list.items();
    std::size_t index = 0;
    const char* end = part(depth).data() + part(depth).size();
    const auto [stop, problem] = std::from_chars(part(depth).data(), end, index);
    if (problem != std::errc() || stop != end || index >= items.size()) {
      const std::string valid =
          items.empty() ? "it is empty" : fmt::format("its items are 0 to {}", items.size() - 1);
      fail(override_,
           fmt::format("'{}' has no item '{}'; {}", prefix_text(depth), part(depth), valid));
    }
    items[index] = is_last(depth) ? last_value(&items[index], depth) : put(items[index], depth + 1);
    return Value::list(std::move(items), list.where());
  }

  Value last_value(const Value* present, std::size_t depth) {
    if (!override_.append) return override_.value;
    const std::optional<Value> list =
        present ? std::optional(*present) : inherited_.find(prefix(depth + 1));
    if (list && !list->is(Value::Kind::list)) {
      fail(override_, fmt::format("'+=' appends to a list, and '{}' is {}", override_.path,
                                  list->described()));
    }
    Value::List items = list ? list->items() : Value::List{};
    if (override_.value.is(Value::Kind::list)) {
      items.insert(items.end(), override_.value.items().begin(), override_.value.items().end());
    } else {
      items.push_back(override_.value);
    }
    return Value::list(std::move(items), list ? list->where() : override_.where);
  }

  /// What the path goes on in where the tree itself has nothing: a map to be laid over the
  /// inherited one, a copy of an inherited list, or a new section.
  Value missing_parent(std::size_t depth) {
    const std::optional<Value> inherited = inherited_.find(prefix(depth + 1));
    if (inherited) {
      return inherited->is(Value::Kind::map) ? Value::map({}, override_.where) : *inherited;
    }
    if (depth == 0 && std::find(sections_.begin(), sections_.end(), part(0)) != sections_.end()) {
      return Value::map({}, override_.where);
    }
    std::vector<std::string> known = inherited_.keys_at(prefix(depth));
    if (depth == 0) known.insert(known.end(), sections_.begin(), sections_.end());
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    const std::string parent =
        depth == 0 ? "the experiment" : fmt::format("'{}'", prefix_text(depth));
    fail(override_, fmt::format("{} has no '{}'{}", parent, part(depth),
                                name_advice(part(depth), known, "it has")));
  }

  const Value& root_;
  const Override& override_;
  const std::vector<std::string>& sections_;
  const PluginCatalog* catalog_;
  Inheritance inherited_;
};

}  // namespace

Override parse_override(const std::string& text) {
  Assignment assignment = split_assignment(text, "--set", "KEY.PATH=VALUE");
  assignment.override.value = parse_yaml_argument(assignment.value_text, assignment.override.where);
  return assignment.override;
}

Override parse_sweep_argument(const std::string& text) {
  Assignment assignment = split_assignment(text, "--sweep", "KEY.PATH=VALUE,VALUE,...");
  Override& out = assignment.override;
  if (out.append) fail(out, "'+=' appends a value to a list and has no meaning in a sweep");
  const bool is_written_out = assignment.value_text.starts_with('[') ||
                              assignment.value_text.find("..") != std::string::npos;
  out.value = parse_yaml_argument(is_written_out ? std::string(assignment.value_text)
                                                 : fmt::format("[{}]", assignment.value_text),
                                  out.where);
  return out;
}

Value with_override(const Value& root, const Override& override,
                    const std::vector<std::string>& sections, const PluginCatalog* catalog) {
  return Setter(root, override, sections, catalog).run();
}

}  // namespace modeldiff
