#include "config/merge.h"

#include <utility>

#include "config/map_draft.h"
#include "modeldiff/core/plugin.h"

namespace modeldiff {
namespace {

using SchemaPair = std::pair<const SchemaInfo*, const SchemaInfo*>;

/// The schemas of two plugins of one kind; null when no kind has both.
SchemaPair schemas_of_one_kind(const std::string& a, const std::string& b,
                               const PluginCatalog& catalog) {
  for (const char* kind : kPluginKinds) {
    const SchemaInfo* schema_a = catalog.find_schema(kind, a);
    const SchemaInfo* schema_b = catalog.find_schema(kind, b);
    if (schema_a && schema_b) return {schema_a, schema_b};
  }
  return {};
}

}  // namespace

const std::string* plugin_named_by(const Value& value) {
  if (!value.is(Value::Kind::map)) return nullptr;
  const Value* name = value.find("plugin");
  return name && name->is(Value::Kind::string) ? &name->as_string() : nullptr;
}

Value plugin_written_out(const Value& value, const PluginCatalog* catalog) {
  if (!catalog || !value.is(Value::Kind::string)) return value;
  for (const char* kind : kPluginKinds) {
    if (catalog->find_schema(kind, value.as_string())) {
      return Value::map({{"plugin", value}}, value.where());
    }
  }
  return value;
}

bool names_another_plugin(const Value& above, const Value& below) {
  const std::string* a = plugin_named_by(above);
  const std::string* b = plugin_named_by(below);
  return a && b && *a != *b;
}

Value merged(const Value& below, const Value& above, const PluginCatalog* catalog) {
  const bool below_is_map = below.is(Value::Kind::map), above_is_map = above.is(Value::Kind::map);
  if (below_is_map != above_is_map) {
    const Value lower = plugin_written_out(below, catalog),
                upper = plugin_written_out(above, catalog);
    if (lower.is(Value::Kind::map) && upper.is(Value::Kind::map)) {
      return merged(lower, upper, catalog);
    }
  }
  if (!below_is_map || !above_is_map || names_another_plugin(above, below)) return above;
  MapDraft draft(below);
  for (const auto& [key, value] : above.entries()) {
    const Value* lower = draft.find(key);
    draft.put(key, lower ? merged(*lower, value, catalog) : value, above.key_location(key));
  }
  return draft.close(above.where());
}

Value without_entries(const Value& map, const std::function<bool(const std::string&)>& dropped) {
  MapDraft kept;
  for (const auto& [key, value] : map.entries()) {
    if (!dropped(key)) kept.put(key, value, map.key_location(key));
  }
  return kept.close(map.where());
}

Value inheritable_by(const std::string& heir, const Value& base, const PluginCatalog* catalog) {
  const std::string* plugin = plugin_named_by(base);
  if (!plugin || *plugin == heir) return base;
  const auto [theirs, ours] = catalog ? schemas_of_one_kind(*plugin, heir, *catalog) : SchemaPair{};
  return without_entries(base, [&, theirs = theirs, ours = ours](const std::string& key) {
    return key == "plugin" || (theirs && theirs->find(key) && !ours->find(key));
  });
}

}  // namespace modeldiff
