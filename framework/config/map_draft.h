#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "modeldiff/core/value.h"

namespace modeldiff {

/// The entries of a map with their places, to be changed and closed again. Keys keep their order.
class MapDraft {
 public:
  MapDraft() = default;
  explicit MapDraft(const Value& map) {
    for (const auto& [key, value] : map.entries()) put(key, value, map.key_location(key));
  }

  const Value* find(const std::string& key) const {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &entries_[found->second].second;
  }

  /// Replaces the entry, or puts it at the end.
  void put(const std::string& key, const Value& value, const SourceLocation& key_location) {
    const auto [found, is_new] = index_.emplace(key, entries_.size());
    if (is_new) {
      entries_.emplace_back(key, value);
      key_locations_.push_back(key_location);
    } else {
      entries_[found->second].second = value;
      key_locations_[found->second] = key_location;
    }
  }

  /// The draft is spent afterwards.
  Value close(const SourceLocation& where) {
    return Value::map(std::move(entries_), where, std::move(key_locations_));
  }

 private:
  Value::Map entries_;
  std::vector<SourceLocation> key_locations_;
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace modeldiff
