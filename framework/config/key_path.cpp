#include "config/key_path.h"

#include <fmt/format.h>

#include <charconv>

namespace modeldiff {
namespace {

std::optional<std::size_t> index_of(std::string_view digits) {
  std::size_t index = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return index;
}

const Value* child_of(const Value& parent, const std::string& part) {
  if (parent.is(Value::Kind::map)) return parent.find(part);
  if (!parent.is(Value::Kind::list)) return nullptr;
  const auto index = index_of(part);
  return index && *index < parent.items().size() ? &parent.items()[*index] : nullptr;
}

std::string join_rest(const std::vector<std::string>& parts, std::size_t from) {
  std::string text;
  for (std::size_t i = from; i < parts.size(); ++i) text += (i == from ? "" : ".") + parts[i];
  return text;
}

}  // namespace

std::optional<std::vector<std::string>> split_key_path(std::string_view path) {
  std::vector<std::string> parts;
  bool key_expected = true;
  while (!path.empty()) {
    if (path[0] == '[') {
      const std::size_t close = path.find(']');
      if (key_expected || close == std::string_view::npos || !index_of(path.substr(1, close - 1))) {
        return std::nullopt;
      }
      parts.emplace_back(path.substr(1, close - 1));
      path.remove_prefix(close + 1);
    } else if (key_expected) {
      const std::size_t end = std::min(path.find_first_of(".["), path.size());
      if (end == 0) return std::nullopt;
      parts.emplace_back(path.substr(0, end));
      path.remove_prefix(end);
      key_expected = false;
    } else if (path[0] == '.') {
      path.remove_prefix(1);
      key_expected = true;
    } else {
      return std::nullopt;
    }
  }
  if (key_expected) return std::nullopt;
  return parts;
}

std::string join_key(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string join_index(const std::string& path, std::size_t index) {
  return fmt::format("{}[{}]", path, index);
}

const Value* find_key_path(const Value& root, const std::vector<std::string>& parts) {
  const Value* at = &root;
  for (const std::string& part : parts) {
    at = child_of(*at, part);
    if (!at) return nullptr;
  }
  return at;
}

SourceLocation locate_key_path(const Value& root, std::string_view path) {
  const std::vector<std::string> parts = split_key_path(path).value_or(std::vector<std::string>{});
  const Value* at = &root;
  SourceLocation key = parts.empty() ? root.where() : SourceLocation{root.where().file, 0, 0};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string name = parts[i];
    const Value* child = child_of(*at, name);
    if (!child && at->is(Value::Kind::map)) {
      name = join_rest(parts, i);  // a key with dots in it, as those of `expect`
      child = at->find(name);
      if (child) i = parts.size();
    }
    if (!child) return key;
    key = at->is(Value::Kind::map) ? at->key_location(name) : child->where();
    at = child;
  }
  return at->is(Value::Kind::map) || at->is(Value::Kind::list) ? key : at->where();
}

}  // namespace modeldiff
