#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/json_schema.h"
#include "config/parameter_docs.h"
#include "small_experiment.h"

/// Documents made of declared parameters, compared with files under tests/config/golden.
/// MODELDIFF_UPDATE_GOLDEN=1 rewrites those.
namespace modeldiff {
namespace {

std::string golden(const std::string& name, const std::string& found) {
  const auto file = std::filesystem::path(MODELDIFF_SOURCE_DIR) / "tests/config/golden" / name;
  if (std::getenv("MODELDIFF_UPDATE_GOLDEN")) std::ofstream(file, std::ios::binary) << found;
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the JSON Schema of experiment files") {
  const std::string found =
      experiment_json_schema(test::small_schema(), test::small_catalog()).dump(2) + "\n";
  CHECK(found == golden("experiment.schema.json", found));
}

TEST_CASE("plugins that hold plugins of their own kind make a schema that ends") {
  struct Catalog final : PluginCatalog {
    SchemaInfo schema;
    Catalog() {
      schema.name = "outer";
      FieldInfo inner;
      inner.name = "inner";
      inner.type = FieldInfo::Type::plugin;
      inner.plugin_kind = "models";
      inner.nullable = true;
      schema.fields = {inner};
    }
    const SchemaInfo* find_schema(const std::string& kind, const std::string&) const override {
      return kind == "models" ? &schema : nullptr;
    }
    std::vector<std::string> names(const std::string& kind) const override {
      return kind == "models" ? std::vector<std::string>{"outer"} : std::vector<std::string>{};
    }
  };
  const Catalog catalog;
  const Json schema = experiment_json_schema(catalog.schema, catalog);
  CHECK(schema["properties"]["inner"]["anyOf"][0]["$ref"] == "#/definitions/models");
  const Json& keys = schema["definitions"]["models"]["oneOf"][1]["allOf"][0]["then"]["properties"];
  CHECK(keys["inner"]["anyOf"][0]["$ref"] == "#/definitions/models");
}

TEST_CASE("the Markdown reference of sections and plugins") {
  const auto summary = [](const std::string& kind, const std::string& name) {
    return "One of the " + kind + ", " + name + ".";
  };
  const std::string found =
      markdown_reference(test::small_schema(), test::small_catalog(), summary);
  CHECK(found == golden("reference.md", found));
}

TEST_CASE("the table for a terminal keeps to its width") {
  const std::string found = text_table(*test::small_catalog().find_schema("algorithms", "sgd"), 60);
  CHECK(found == golden("sgd.txt", found));
  std::istringstream lines(found);
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 60);
  CHECK(text_table(SchemaInfo{}) == "no parameters\n");
}

TEST_CASE("types and ranges in words") {
  const SchemaInfo& sgd = *test::small_catalog().find_schema("algorithms", "sgd");
  CHECK(type_phrase(*sgd.find("epochs")) == "integer");
  CHECK(range_phrase(*sgd.find("epochs")) == "at least 1 and at most 10000");
  CHECK(type_phrase(*sgd.find("init")) == "name of an entry of algorithms (from), or map");
  CHECK(range_phrase(*sgd.find("lr")) == "more than 0");
  const SchemaInfo& mlp = *test::small_catalog().find_schema("models", "mlp");
  CHECK(type_phrase(*mlp.find("hidden")) == "list of integers");
  CHECK(range_phrase(*mlp.find("hidden")) == "1 to 4 items, each at least 1");
  CHECK(type_phrase(*test::small_schema().find("algorithms")) ==
        "map of names to plugins of kind algorithms");
  CHECK(range_phrase(*test::small_catalog().find_schema("datasets", "digits")->find("examples")) ==
        "at least 10 (examples)");
}

}  // namespace modeldiff
