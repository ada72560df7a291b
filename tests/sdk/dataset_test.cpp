#include "modeldiff/dataset.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "modeldiff/core/error.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

Examples small() {
  Examples examples;
  examples.inputs = at::arange(0, 60, at::kByte).view({5, 1, 3, 4});
  examples.targets = at::tensor({4, 3, 2, 1, 0}, at::kLong);
  examples.planted = at::tensor({1, 0, 0, 1, 0}, at::kByte).to(at::kBool);
  return examples;
}

TEST_CASE("selected rows come in the order of their indices, with all that belongs to them") {
  const Examples chosen = small().select(at::tensor({3, 0, 3}, at::kLong));
  CHECK(chosen.size() == 3);
  CHECK(chosen.targets.equal(at::tensor({1, 4, 1}, at::kLong)));
  CHECK(chosen.inputs[1].equal(small().inputs[0]));
  CHECK(chosen.planted.equal(at::ones({3}, at::kBool)));
  CHECK_FALSE(chosen.groups.defined());
}

TEST_CASE("bytes become floats in [0, 1], floats stay") {
  Examples examples = small();
  CHECK(examples.floats().equal(examples.inputs.to(at::kFloat) / 255));
  CHECK(examples.floats(1, 3).equal(examples.inputs.slice(0, 1, 3).to(at::kFloat) / 255));
  examples.inputs = at::rand({5, 2});
  CHECK(examples.floats().equal(examples.inputs));
}

TEST_CASE("no examples are none") { CHECK(Examples().size() == 0); }

TEST_CASE("facts survive the way through JSON") {
  const DataFacts facts{.name = "birds",
                        .task = Task::regression,
                        .input_shape = {3, 8, 9},
                        .sparse = true,
                        .outputs = 2,
                        .class_names = {"a", "b"},
                        .groups = {"land", "sea"},
                        .mean = {0.5f},
                        .deviation = {0.25f},
                        .fill = {0.1f, 0.2f, 0.3f},
                        .planted = {{"class", 3}},
                        .source = "drawn"};
  const DataFacts back = data_facts_from_json(Json::parse(to_json(facts).dump()));
  CHECK(to_json(back) == to_json(facts));
  CHECK(back.task == Task::regression);
  CHECK(back.images());
  CHECK(back.sparse);
  Json old = to_json(facts);
  old.erase("sparse");
  CHECK_FALSE(data_facts_from_json(old).sparse);
  CHECK(back.fill == facts.fill);
}

TEST_CASE("facts that lack a key or name an unknown task are a DataError") {
  Json json = to_json(DataFacts{});
  json["task"] = "ranking";
  CHECK_THROWS_WITH_AS(
      data_facts_from_json(json),
      "facts of a data set: task must be 'classification' or 'regression', got 'ranking'",
      DataError);
  json.erase("task");
  CHECK_THROWS_AS(data_facts_from_json(json), DataError);
}

TEST_CASE("a transformation survives the way through JSON") {
  Transformation patch{.proposer = "patches",
                       .family = "solid_patch",
                       .label = "white 4x4",
                       .parameters = {{"row", 1}},
                       .tensors = {},
                       .direction = 2};
  const at::Tensor image = at::rand({3, 4, 4});
  const Transformation back = transformation_from_json(to_json(patch), {{"image", image}});
  CHECK(to_json(back) == to_json(patch));
  CHECK(back.tensors.at("image").equal(image));
  CHECK_THROWS_AS(transformation_from_json(Json::object(), {}), DataError);
}

}  // namespace
}  // namespace modeldiff
