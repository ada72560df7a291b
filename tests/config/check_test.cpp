#include "config/check.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "config/json_schema.h"
#include "config/parameter_docs.h"
#include "config/yaml.h"
#include "config_errors.h"
#include "small_experiment.h"

namespace modeldiff {
namespace {

const std::string kHead = "experiment: e\ndataset: digits\n";

Json described(const std::string& text) {
  return checked_description(parse_yaml(text, "f"), test::small_schema(), test::small_catalog());
}

std::string errors(const std::string& text) {
  return config_errors([&] { described(text); });
}

}  // namespace

TEST_CASE("a description is complete: defaults of sections, plugins and plugins within plugins") {
  const Json found =
      described(kHead + "algorithms: {A: {plugin: sgd, model: mlp}}\nattribute: trak\n");
  CHECK(found == Json::parse(R"({
    "experiment": "e", "seed": 0, "workers": 0, "expect": {}, "propose": [], "verify": null,
    "dataset": {"plugin": "digits", "examples": 1000},
    "algorithms": {"A": {"plugin": "sgd", "input_mask": "", "model": {"plugin": "mlp", "hidden": [64], "dropout": 0.0},
                         "epochs": 20, "lr": 0.1, "momentum": 0.9, "nesterov": false, "schedule": "triangle",
                         "init": {"from": "", "scale": 1.0}, "weights": null, "threads": 1}},
    "attribute": {"plugin": "trak", "projection": 512, "q_power": 0.0,
                  "proxy": {"plugin": "mlp", "hidden": [32], "dropout": 0.0}},
    "compare": {"directions": 5, "permutations": 199}})"));
}

TEST_CASE("equal values have equal texts, however they are written") {
  const std::string rest = "algorithms: {A: {plugin: sgd, model: mlp, lr: ";
  const auto text = [&](const std::string& lr_and_more) {
    return canonical_text(described(kHead + rest + lr_and_more + "}}"));
  };
  CHECK(text("1, epochs: 1000") == text("1.0, epochs: 1e3"));
  CHECK(text("1e0") == text("10e-1"));
  CHECK(text("1, momentum: -0.0") == text("1, momentum: 0"));
  CHECK(text("1, init: A2}, A2: {plugin: sgd, model: {plugin: mlp}") ==
        text("1, init: {from: A2}}, A2: {model: mlp, plugin: sgd"));
  CHECK(text("1") != text("2"));
}

TEST_CASE("what is described once more is the same") {
  const Json once = described(
      kHead + "algorithms: {A: {plugin: sgd, model: mlp}}\nverify: {baseline: retrain}\n");
  CHECK(described(once.dump()) == once);
}

TEST_CASE("the struct that declared the parameters reads the description") {
  const Json found = described(kHead +
                               "algorithms: {A: {plugin: sgd, model: mlp, lr: 1, init: {from: A2, "
                               "scale: 2}}, A2: {plugin: sgd, model: cnn}}\n");
  const auto experiment = test::ExperimentParams::schema().read(found);
  CHECK(experiment.dataset.plugin == "digits");
  CHECK_FALSE(experiment.verify);
  const auto sgd = test::SgdParams::schema().read(experiment.algorithms.at("A").params);
  CHECK(sgd.lr == 1.0);
  CHECK(sgd.init.from.name == "A2");
  CHECK(sgd.init.scale == 2.0);
  CHECK(test::MlpParams::schema().read(sgd.model.params).hidden == std::vector<std::int64_t>{64});
}

TEST_CASE(
    "a section may be given null where it may be left out, and free-form areas stand as they are") {
  const Json found = described(kHead +
                               "algorithms: {A: {plugin: sgd, model: mlp}}\nverify: "
                               "null\nattribute: ~\nmeta: {any: [thing, 3]}\nx-note: hello\n");
  CHECK(found["verify"].is_null());
  CHECK(found["attribute"].is_null());
  CHECK(found["meta"] == Json::parse(R"({"any": ["thing", 3]})"));
  CHECK(found["x-note"] == "hello");
}

TEST_CASE("free-form keys are free at the top of the file alone") {
  CHECK(errors(kHead + "algorithms: {A: {plugin: sgd, model: mlp, x-note: 3}}\ncompare: {meta: 3, "
                       "plugin: 4}\n") ==
        "f:3:43 unknown key 'x-note' in algorithm 'sgd'; valid keys: model, epochs, lr, momentum, "
        "nesterov, schedule, init, "
        "weights, threads, input_mask\n"
        "f:4:11 unknown key 'meta' in 'compare'; did you mean 'meta'?\n"
        "f:4:20 unknown key 'plugin' in 'compare'; did you mean 'plugin'?");
}

TEST_CASE("a whole number beyond 64 bits' exact doubles is no integer") {
  CHECK(described(kHead +
                  "seed: 9007199254740992.0\nalgorithms: {A: {plugin: sgd, model: mlp}}")["seed"] ==
        9007199254740992);
  CHECK(errors(kHead + "seed: 1e300\nalgorithms: {A: {plugin: sgd, model: mlp}}") ==
        "f:3:7 seed must be an integer, got the number 1e+300");
}

TEST_CASE("a long or many-lined value is cut in messages") {
  CHECK(errors(kHead + "seed: \"" + std::string(58, 'a') +
               "\u00e9\\nb\"\nalgorithms: {A: {plugin: sgd, model: mlp}}") ==
        "f:3:7 seed must be an integer, got the string '" + std::string(48, 'a') + "...'");
  CHECK(errors(kHead + "seed: \"a\\nb\"\nalgorithms: {A: {plugin: sgd, model: mlp}}") ==
        "f:3:7 seed must be an integer, got the string 'a b'");
}

TEST_CASE("a key that a section requires is missing where the section itself is") {
  SchemaInfo schema;
  FieldInfo section;
  section.name = "verify";
  section.type = FieldInfo::Type::object;
  section.fields = std::make_shared<SchemaInfo>(test::VerifyParams::schema().info());
  schema.fields = {section};
  const CheckedExperiment checked =
      check_experiment(Value::map({}, {"f", 1, 1}), schema, test::small_catalog());
  REQUIRE(checked.errors.size() == 1);
  CHECK(checked.errors[0].path == "verify.baseline");
  CHECK(checked.errors[0].message ==
        "missing key 'baseline' in 'verify': What the effect is compared with.");
}

TEST_CASE("where a lone item is allowed it is a list of one, and is checked as an item") {
  struct Shares {
    std::vector<double> keep = {0.5};
    static Schema<Shares> schema() {
      return Schema<Shares>("shares").field("keep", &Shares::keep, "Shares.", lone_item(),
                                            item_count(1, 2), each_item(less_than(1)));
    }
  };
  const SchemaInfo schema = schema_from_json(to_json(Shares::schema().info()));
  const auto kept = [&](const std::string& text) {
    return checked_description(parse_yaml(text, "f"), schema, test::small_catalog()).at("keep");
  };
  CHECK(kept("{}") == Json{0.5});
  CHECK(kept("keep: 0.25") == Json{0.25});
  CHECK(kept("keep: [0.25, 0.5]") == Json({0.25, 0.5}));
  CHECK(config_errors([&] { kept("keep: 2"); }) == "f:1:7 keep must be less than 1, got 2");
  CHECK(config_errors([&] { kept("keep: half"); }) ==
        "f:1:7 keep must be a number, got the string 'half'");
  CHECK(type_phrase(schema.fields.front()) == "number, or list of numbers");
  const Json property =
      experiment_json_schema(schema, test::small_catalog())["properties"]["keep"]["anyOf"];
  CHECK(property[0]["type"] == "number");
  CHECK(property[1]["items"]["exclusiveMaximum"] == 1);
}

TEST_CASE("a default that does not fit is said to be the default") {
  SchemaInfo schema;
  schema.fields = test::CompareParams::schema().info().fields;
  schema.fields[0].default_value = 0;
  FieldInfo dataset = *test::small_schema().find("dataset");
  dataset.required = false;
  dataset.default_value = {{"plugin", "mnist"}};
  schema.fields.push_back(dataset);
  const CheckedExperiment checked =
      check_experiment(Value::map({}, {"f", 1, 1}), schema, test::small_catalog());
  REQUIRE(checked.errors.size() == 2);
  CHECK(checked.errors[0].message == "directions must be at least 1, got 0, the default");
  CHECK(checked.errors[1].message ==
        "unknown dataset 'mnist'; there are: digits; dataset.plugin is the default");
}

TEST_CASE("the default of a surrounding struct wins over that of the nested one, key by key") {
  SchemaInfo schema;
  FieldInfo section;
  section.name = "compare";
  section.type = FieldInfo::Type::object;
  section.fields = std::make_shared<SchemaInfo>(test::CompareParams::schema().info());
  section.default_value = {{"directions", 9}, {"permutations", 99}};
  schema.fields = {section};
  CHECK(checked_description(parse_yaml("compare: {directions: 1}", "f"), schema,
                            test::small_catalog())
            .dump() == R"({"compare":{"directions":1,"permutations":99}})");
  CHECK(checked_description(Value::map({}), schema, test::small_catalog()).dump() ==
        R"({"compare":{"directions":9,"permutations":99}})");
}

TEST_CASE("the parameters of one plugin are completed without a file") {
  CHECK(complete_parameters("models", "mlp", {{"dropout", 0}}, test::small_catalog()).dump() ==
        R"({"dropout":0.0,"hidden":[64],"plugin":"mlp"})");
  CHECK(config_errors([] {
          complete_parameters("models", "mlp", {{"dropout", 1}, {"width", 3}},
                              test::small_catalog());
        }) ==
        "dropout must be less than 1, got 1\nunknown key 'width' in model 'mlp'; valid keys: "
        "hidden, dropout");
  CHECK_THROWS_WITH_AS(complete_parameters("models", "mpl", {}, test::small_catalog()),
                       "unknown model 'mpl'; did you mean 'mlp'?", PluginError);
}

TEST_CASE("a chain of a thousand references is no cycle, and its end may make it one") {
  // The table takes ten entries; the references are checked all the same.
  std::string text = kHead + "algorithms:\n";
  for (int i = 0; i < 1000; ++i) {
    text += fmt::format("  a{}: {{plugin: merge, of: [a{}]}}\n", i, i + 1);
  }
  CHECK(errors(text + "  a1000: {plugin: sgd, model: mlp}\n") ==
        "f:4:3 algorithms must have at most 10 names, got 1001");
  CHECK(errors(text + "  a1000: {plugin: merge, of: [a0]}\n")
            .find("algorithms.a0 needs itself: a0 -> a1 -> a2 -> ") != std::string::npos);
}

}  // namespace modeldiff
