#include "config/visit.h"

#include "config/key_path.h"

namespace modeldiff {
namespace {

class Walk {
 public:
  Walk(const PluginCatalog& catalog, const ParameterVisitor& visit)
      : catalog_(catalog), visit_(visit) {}

  void map(const std::string& path, const SchemaInfo& schema, const Json& map) const {
    for (const FieldInfo& field : schema.fields) {
      if (const auto at = map.find(field.name); at != map.end())
        parameter(join_key(path, field.name), field, *at);
    }
  }

 private:
  void parameter(const std::string& path, const FieldInfo& field, const Json& value) const {
    visit_(path, field, value);
    if (value.is_null()) return;
    switch (field.type) {
      case FieldInfo::Type::list:
        for (std::size_t i = 0; i < value.size(); ++i)
          parameter(join_index(path, i), *field.element, value[i]);
        break;
      case FieldInfo::Type::table:
        for (const auto& [key, entry] : value.items())
          parameter(join_key(path, key), *field.element, entry);
        break;
      case FieldInfo::Type::object:
        map(path, *field.fields, value);
        break;
      case FieldInfo::Type::plugin: {
        const SchemaInfo* schema =
            catalog_.find_schema(field.plugin_kind, value.at("plugin").get<std::string>());
        MODELDIFF_CHECK(schema, path);
        if (field.fields) map(path, *field.fields, value);
        map(path, *schema, value);
        break;
      }
      default:
        break;
    }
  }

  const PluginCatalog& catalog_;
  const ParameterVisitor& visit_;
};

}  // namespace

void visit_parameters(const Json& description, const SchemaInfo& schema,
                      const PluginCatalog& catalog, const ParameterVisitor& visit) {
  Walk(catalog, visit).map("", schema, description);
}

}  // namespace modeldiff
