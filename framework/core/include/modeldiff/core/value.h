#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/json.h"

namespace modeldiff {

/// A node of an experiment file: immutable, cheap to copy, and it knows where it was written.
/// Composition makes new nodes that keep the location of the text they came from.
class MODELDIFF_API Value {
 public:
  enum class Kind { null, boolean, integer, number, string, list, map };
  using Map = std::vector<std::pair<std::string, Value>>;  // in the order of the file
  using List = std::vector<Value>;

  Value();
  static Value null(SourceLocation where = {});
  static Value boolean(bool value, SourceLocation where = {});
  static Value integer(std::int64_t value, SourceLocation where = {});
  static Value number(double value, SourceLocation where = {});
  static Value string(std::string value, SourceLocation where = {});
  static Value list(List items, SourceLocation where = {});
  /// @param key_locations one for each entry, or empty
  static Value map(Map entries, SourceLocation where = {},
                   std::vector<SourceLocation> key_locations = {});

  Kind kind() const;
  bool is(Kind kind) const { return this->kind() == kind; }
  const SourceLocation& where() const;

  // Each throws InternalError on another kind.
  bool as_boolean() const;
  std::int64_t as_integer() const;
  double as_number() const;  // integers too
  const std::string& as_string() const;
  const List& items() const;
  const Map& entries() const;

  /// The entry of a map, or nullptr.
  const Value* find(std::string_view key) const;
  SourceLocation key_location(std::string_view key) const;
  /// "a list of 3", "the string 'ten'", "the number 0.5": for error texts.
  std::string described() const;
  /// Locations are lost.
  Json to_json() const;

 private:
  struct Node;
  explicit Value(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  std::shared_ptr<const Node> node_;
};

/// "map", "list", "string", "number", "integer", "boolean", "null".
MODELDIFF_API std::string_view kind_name(Value::Kind kind);

}  // namespace modeldiff
