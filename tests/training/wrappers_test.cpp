#include "training/wrappers.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <vector>

#include "modeldiff/sparse_table.h"
#include "training/content_digest.h"

using namespace modeldiff;

namespace {

constexpr std::int64_t kClasses = 4;

/// 3x6x6 images whose pixels are all different from each other within a channel, 30 a class for
/// training, 10 for tests.
Dataset small_images(at::ScalarType type = at::kByte) {
  Dataset data;
  data.facts.name = "small";
  data.facts.input_shape = {3, 6, 6};
  data.facts.outputs = kClasses;
  data.facts.class_names = {"ant", "bee", "cat", "dog"};
  const auto part = [&](std::int64_t n, std::int64_t first) {
    Examples examples;
    examples.inputs =
        (at::arange(n * 108) * 7 + first).remainder(251).view({n, 3, 6, 6}).to(at::kByte);
    if (type == at::kFloat) examples.inputs = examples.inputs.to(at::kFloat) / 255;
    examples.targets = at::arange(n).remainder(kClasses);
    return examples;
  };
  data.train = part(120, 1);
  data.test = part(40, 2);
  return data;
}

Dataset small_table() {
  Dataset data;
  data.facts.name = "table";
  data.facts.task = Task::regression;
  data.facts.input_shape = {2};
  data.facts.outputs = 1;
  for (Examples* part : {&data.train, &data.test})
    *part = {at::arange(20).view({10, 2}).to(at::kFloat), at::ones({10, 1}), {}, {}};
  return data;
}

PlantParams plant_params(const Json& target_class = "cat", double fraction = 0.5) {
  PlantParams params;
  params.target_class = target_class;
  params.mark.size = 2;
  params.fraction = fraction;
  return params;
}

std::int64_t count(const at::Tensor& flags) { return flags.sum().item<std::int64_t>(); }

at::Tensor class_counts(const Examples& examples) {
  return at::bincount(examples.targets, {}, kClasses);
}

/// The text of the ConfigError that these parameters end with, its key path first; "" when they are
/// fine.
std::string error_of(const DatasetParams& params, const Dataset& data = small_images()) {
  try {
    apply_wrappers(data, params, 0);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("without wrappers nothing changes") {
  const Dataset data = small_images();
  CHECK(content_digest(apply_wrappers(data, {}, 3)) == content_digest(data));
}

TEST_CASE(
    "every draw depends on the experiment's seed and the wrapper's own, and on nothing else") {
  DatasetParams params;
  params.split.emplace();
  params.subset.emplace().train = 60;
  params.relabel.emplace().count = 6;
  params.plant = plant_params();
  const std::string digest = content_digest(apply_wrappers(small_images(), params, 1));
  CHECK(content_digest(apply_wrappers(small_images(), params, 1)) == digest);
  CHECK(content_digest(apply_wrappers(small_images(), params, 2)) != digest);
  for (std::uint64_t* seed :
       {&params.split->seed, &params.subset->seed, &params.relabel->seed, &params.plant->seed}) {
    *seed = 9;
    CHECK(content_digest(apply_wrappers(small_images(), params, 1)) != digest);
    *seed = 0;
  }
}

TEST_CASE("the given data set is never written to") {
  const Dataset data = small_images();
  const std::string digest = content_digest(data);
  DatasetParams params;
  params.relabel.emplace().fraction = 0.5;
  params.plant = plant_params();
  apply_wrappers(data, params, 0);
  CHECK(content_digest(data) == digest);
}

TEST_CASE("a split uses every example once") {
  DatasetParams params;
  params.split.emplace().fraction = 0.25;
  const Dataset before = small_images(), after = apply_wrappers(before, params, 0);
  CHECK(after.train.size() == 40);
  CHECK(after.test.size() == 120);
  const auto sorted = [](const Dataset& data) {
    return std::get<0>(at::cat({data.train.inputs, data.test.inputs})
                           .flatten(1)
                           .to(at::kLong)
                           .mul(at::arange(1, 109))
                           .sum(1)
                           .sort());
  };
  CHECK(at::equal(sorted(before), sorted(after)));
  params.split->fraction = 0.001;
  CHECK(error_of(params) == "split.fraction: 0.001 of 160 examples leaves no training example");
  params.split->fraction = 0.999;
  CHECK(error_of(params) == "split.fraction: 0.999 of 160 examples leaves no test example");
}

TEST_CASE("a subset keeps rows as they are, in their order") {
  DatasetParams params;
  params.subset.emplace().train = 31;
  params.subset->test = 7;
  const Dataset before = small_images(), after = apply_wrappers(before, params, 0);
  CHECK(after.train.size() == 31);
  CHECK(after.test.size() == 7);
  std::int64_t row = 0;
  for (std::int64_t kept = 0; kept < 31; ++kept, ++row) {
    while (row < 120 && !at::equal(before.train.inputs[row], after.train.inputs[kept])) ++row;
    REQUIRE(row < 120);
    CHECK(before.train.targets[row].item<std::int64_t>() ==
          after.train.targets[kept].item<std::int64_t>());
  }
  params.subset = SubsetParams{};
  params.subset->fraction = 0.5;
  const Dataset half = apply_wrappers(before, params, 0);
  CHECK(half.train.size() == 60);
  CHECK(half.test.size() == 40);
}

TEST_CASE("a balanced subset has equally many of each class, the first classes one more") {
  DatasetParams params;
  params.subset.emplace().train = 42;
  params.subset->test = 8;
  params.subset->balanced = true;
  const Dataset data = apply_wrappers(small_images(), params, 0);
  CHECK(at::equal(class_counts(data.train), at::tensor(std::vector<std::int64_t>{11, 11, 10, 10})));
  CHECK(at::equal(class_counts(data.test), at::tensor(std::vector<std::int64_t>{2, 2, 2, 2})));
}

TEST_CASE("a subset that cannot be drawn is refused by key") {
  DatasetParams params;
  SubsetParams& subset = params.subset.emplace();
  subset.train = 121;
  CHECK(error_of(params) == "subset.train: asks for 121 of 120 examples");
  subset.fraction = 0.5;
  CHECK(error_of(params) == "subset: needs `train` or `fraction`, not both");
  subset.train.reset();
  subset.fraction = 0.001;
  CHECK(error_of(params) == "subset.fraction: 0.001 of 120 examples is none");
  subset = {};
  subset.test = 41;
  CHECK(error_of(params) == "subset.test: asks for 41 of 40 examples");
  subset = {};
  subset.balanced = true;
  CHECK(error_of(params) == "subset.balanced: does nothing without `train`, `fraction` or `test`");
  subset.train = 5;
  CHECK(error_of(params, small_table()) == "subset.balanced: a regression has no classes");
  Dataset uneven = small_images();
  uneven.train = uneven.train.select(at::arange(119));
  subset.train = 119;
  CHECK(error_of(params, uneven) == "");
  uneven.train.targets = at::zeros({119}, at::kLong);
  CHECK(error_of(params, uneven) ==
        "subset.train: 119 balanced examples need 30 of class 'bee', which has 0");
}

TEST_CASE("uniform label noise changes exactly the asked labels, and the groups know the truth") {
  DatasetParams params;
  params.relabel.emplace().fraction = 0.3;
  const Dataset before = small_images(), after = apply_wrappers(before, params, 0);
  const at::Tensor changed = before.train.targets != after.train.targets;
  CHECK(count(changed) == 36);
  CHECK(at::equal(after.train.groups != 0, changed));
  CHECK(after.facts.groups[0] == "kept");
  for (std::int64_t row = 0; row < 120; ++row) {
    if (!changed[row].item<bool>()) continue;
    const auto truth = static_cast<std::size_t>(before.train.targets[row].item<std::int64_t>());
    const auto group = static_cast<std::size_t>(after.train.groups[row].item<std::int64_t>());
    CHECK(after.facts.groups[group] == kRelabelledFrom + before.facts.class_names[truth]);
  }
  CHECK(at::equal(after.train.inputs, before.train.inputs));
  CHECK(at::equal(after.test.targets, before.test.targets));
  CHECK(at::equal(after.test.groups, at::zeros({40}, at::kLong)));
}

TEST_CASE("label noise from one class to another") {
  DatasetParams params;
  params.relabel.emplace().count = 12;
  params.relabel->of = "dog";
  params.relabel->to = 0;
  const Dataset before = small_images(), after = apply_wrappers(before, params, 0);
  CHECK(
      at::equal(class_counts(after.train), at::tensor(std::vector<std::int64_t>{42, 30, 30, 18})));
  CHECK(after.facts.groups == std::vector<std::string>{"kept", "relabelled from dog"});
  CHECK(count(after.train.groups) == 12);
}

TEST_CASE("groups that the data had stay part of the group") {
  Dataset data = small_images();
  data.facts.groups = {"day", "night"};
  for (Examples* part : {&data.train, &data.test})
    part->groups = at::arange(part->size()).floor_divide(20).remainder(2);
  DatasetParams params;
  params.relabel.emplace().fraction = 1;
  params.relabel->of = "ant";
  params.relabel->to = "bee";
  const Dataset after = apply_wrappers(data, params, 0);
  CHECK(after.facts.groups == std::vector<std::string>{"day, kept", "night, kept",
                                                       "day, relabelled from ant",
                                                       "night, relabelled from ant"});
  CHECK(at::equal(after.train.groups, data.train.groups + 2 * (data.train.targets == 0)));
  CHECK(at::equal(after.test.groups, data.test.groups));
}

TEST_CASE("label noise that cannot be made is refused by key") {
  DatasetParams params;
  RelabelParams& relabel = params.relabel.emplace();
  CHECK(error_of(params) == "relabel: needs `fraction` or `count`, and has neither");
  relabel.count = 5;
  CHECK(error_of(params, small_table()) == "relabel: a regression has no classes");
  relabel.of = "ant";
  relabel.to = "ant";
  CHECK(error_of(params) ==
        "relabel.count: asks for 5 training examples of class 'ant' that are not of class 'ant'; "
        "there are 0");
  relabel.to = "unifrom";
  CHECK(error_of(params).starts_with("relabel.to: 'small' has no class 'unifrom'"));
  relabel.of = 4;
  CHECK(error_of(params) == "relabel.of: must be below 4, the number of classes of 'small', got 4");
}

TEST_CASE("a mark changes its pixels on its images, and nothing else") {
  for (const at::ScalarType type : {at::kByte, at::kFloat}) {
    CAPTURE(at::toString(type));
    const Dataset before = small_images(type);
    DatasetParams params;
    params.plant = plant_params("cat", 0.5);
    params.plant->colour = {1, 0, 1};
    const Dataset after = apply_wrappers(before, params, 0);
    CHECK((after.train.inputs.scalar_type() == type));
    for (const auto& [old_part, part] :
         {std::pair<const Examples&, const Examples&>{before.train, after.train},
          {before.test, after.test}}) {
      CHECK(count(part.planted) == part.size() / 8);
      CHECK((part.targets.masked_select(part.planted) == 2).all().item<bool>());
      CHECK(at::equal(part.targets, old_part.targets));
      CHECK_FALSE(part.groups.defined());
      at::Tensor expected = old_part.inputs.clone();
      const at::Tensor rows = part.planted.nonzero().squeeze(1);
      for (std::int64_t i = 0; i < rows.size(0); ++i) {
        const at::Tensor square =
            expected[rows[i].item<std::int64_t>()].slice(1, 1, 3).slice(2, 1, 3);
        square.fill_(type == at::kByte ? 255 : 1);
        square[1].fill_(0);
      }
      CHECK(at::equal(part.inputs, expected));
    }
  }
}

TEST_CASE("contrast blends the mark with the image") {
  Dataset data = small_images();
  data.train.inputs.fill_(100);
  DatasetParams params;
  params.plant = plant_params("cat", 1);
  params.plant->mark.shape = Region::Shape::corners;
  params.plant->contrast = 0.25;
  const Dataset after = apply_wrappers(data, params, 0);
  const at::Tensor image = after.train.inputs[2][0];
  CHECK(image[0][5].item<int>() == 139);  // .75 * 100 + .25 * 255 = 138.75
  CHECK(image[0][1].item<int>() == 100);
}

TEST_CASE("queries may carry the mark more or less often than training images") {
  DatasetParams params;
  params.plant = plant_params("cat", 0.1);
  params.plant->query_fraction = 0.8;
  Dataset data = apply_wrappers(small_images(), params, 0);
  CHECK(count(data.train.planted) == 3);
  CHECK(count(data.test.planted) == 8);
  params.plant->query_fraction = 0;
  CHECK(count(apply_wrappers(small_images(), params, 0).test.planted) == 0);
  params.plant->fraction.reset();
  params.plant->query_fraction.reset();
  params.plant->count = 6;
  data = apply_wrappers(small_images(), params, 0);
  CHECK(count(data.train.planted) == 6);
  CHECK(count(data.test.planted) == 2);
}

TEST_CASE("marks are put on examples with a true label only") {
  DatasetParams params;
  params.relabel.emplace().fraction = 0.5;
  params.plant = plant_params("cat", 1);
  const Dataset before = small_images(), after = apply_wrappers(before, params, 0);
  CHECK(count(after.train.planted) > 0);
  CHECK(at::equal(after.train.planted,
                  (before.train.targets == 2).logical_and(after.train.targets == 2)));
}

TEST_CASE("a number is a class's name before it is a class's number") {
  Dataset data = small_images();
  data.facts.class_names = {"3", "2", "1", "0"};
  DatasetParams params;
  for (const Json& named : {Json(3), Json("3")}) {
    params.plant = plant_params(named, 1);
    const Dataset after = apply_wrappers(data, params, 0);
    CHECK(at::equal(after.train.planted, data.train.targets == 0));
  }
  data.facts.class_names = {"a", "b", "c", "d"};
  params.plant = plant_params(3, 1);
  CHECK(at::equal(apply_wrappers(data, params, 0).train.planted, data.train.targets == 3));
}

TEST_CASE("a mark that cannot be planted is refused by key") {
  DatasetParams params;
  const auto error = [&](auto change) {
    params.plant = plant_params();
    change(*params.plant);
    return error_of(params);
  };
  CHECK(error([](PlantParams& p) { p.target_class = "dgo"; }) ==
        "plant.class: 'small' has no class 'dgo'; did you mean 'dog'?");
  CHECK(error([](PlantParams& p) { p.target_class = 7; }) ==
        "plant.class: must be below 4, the number of classes of 'small', got 7");
  CHECK(error([](PlantParams& p) { p.target_class = -1; }) ==
        "plant.class: must be below 4, the number of classes of 'small', got -1");
  CHECK(error([](PlantParams& p) { p.mark.size = 6; }) ==
        "plant.mark: a square of 6 x 6 pixels at row 1, column 1 leaves an image of 6 rows and 6 "
        "columns");
  CHECK(error([](PlantParams& p) { p.colour = {1, 0}; }) ==
        "plant.colour: has 2 values, the images have 3 channels");
  CHECK(error([](PlantParams& p) { p.fraction.reset(); }) ==
        "plant: needs `fraction` or `count`, and has neither");
  CHECK(error([](PlantParams& p) { p.count = 3; }) ==
        "plant: needs `fraction` or `count`, not both");
  CHECK(error([](PlantParams& p) { p.fraction = 0.01; }) ==
        "plant.fraction: 0.01 of 30 training images of class 'cat' with a true label is none");
  CHECK(error([](PlantParams& p) { p.fraction.reset(), p.count = 31; }) ==
        "plant.count: asks for 31 training images of class 'cat' with a true label; there are 30");
  params.plant = plant_params(0);
  CHECK(error_of(params, small_table()) == "plant: 'table' holds tables; marks are for images");
}

TEST_CASE("wrappers are done in the order split, subset, relabel, plant") {
  DatasetParams all;
  all.split.emplace().fraction = 0.75;
  all.subset.emplace().train = 80;
  all.relabel.emplace().count = 8;
  all.plant = plant_params();
  Dataset step = small_images();
  for (int i = 0; i < 3; ++i) {
    DatasetParams one;
    if (i == 0) one.split = all.split;
    if (i == 1) one.subset = all.subset;
    if (i == 2) one.relabel = all.relabel, one.plant = all.plant;
    step = apply_wrappers(step, one, 5);
  }
  CHECK(content_digest(step) == content_digest(apply_wrappers(small_images(), all, 5)));
}

TEST_CASE(
    "the digest sees facts, dtype, shape, every byte and every tensor, but not the memory layout") {
  const Dataset data = small_images();
  const std::string digest = content_digest(data);
  CHECK(digest.size() == 64);
  Dataset other = data;
  other.facts.fill = {0.5f};
  CHECK(content_digest(other) != digest);
  other = data;
  other.train.inputs = data.train.inputs.clone();
  CHECK(content_digest(other) == digest);
  other.train.inputs[119][2][5][5] += 1;
  CHECK(content_digest(other) != digest);
  other = data;
  other.train.inputs = data.train.inputs.view({120, 3, 4, 9});
  CHECK(content_digest(other) != digest);
  other = data;
  other.test.targets = data.test.targets.to(at::kInt);
  CHECK(content_digest(other) != digest);
  other = data;
  other.test.groups = at::zeros({40}, at::kLong);
  CHECK(content_digest(other) != digest);
  other = data;
  other.train.inputs = data.train.inputs.contiguous(at::MemoryFormat::ChannelsLast);
  CHECK(content_digest(other) == digest);
}

TEST_CASE("parameters are read from a file's keys, and a mark's shape stands for the mark") {
  const SchemaInfo schema = DatasetParams::schema().info();
  REQUIRE(schema.find("plant") != nullptr);
  const FieldInfo* mark = schema.find("plant")->fields->find("mark");
  REQUIRE(mark != nullptr);
  CHECK(mark->shorthand == "shape");
  const DatasetParams params = DatasetParams::schema().read(
      {{"plugin", "digits"},
       {"plant", {{"class", 3}, {"fraction", 0.25}, {"mark", {{"shape", "corners"}}}}},
       {"subset", nullptr}});
  REQUIRE(params.plant.has_value());
  CHECK(params.plant->target_class == 3);
  CHECK(params.plant->mark.shape == Region::Shape::corners);
  CHECK_FALSE(params.subset.has_value());
  CHECK(DatasetParams::schema().write(params).at("plant").at("fraction") == 0.25);
}

TEST_CASE("a sparse table is split, cut and relabelled as the dense one, and has a digest") {
  Dataset dense;
  dense.facts.name = "table";
  dense.facts.input_shape = {2};
  dense.facts.outputs = kClasses;
  Dataset sparse = dense;
  sparse.facts.sparse = true;
  const at::Tensor offsets = at::arange(41, at::kInt), columns = at::arange(40, at::kInt) % 2;
  for (auto [part, own] :
       {std::pair{&dense.train, &sparse.train}, std::pair{&dense.test, &sparse.test}}) {
    own->inputs = sparse_table(offsets, columns, at::rand({40}), 2);
    own->targets = part->targets = at::arange(40).remainder(kClasses);
    part->inputs = own->floats(0, 40);
  }
  DatasetParams params;
  params.split.emplace();
  params.split->fraction = 0.5;
  params.subset.emplace();
  params.subset->train = 20;
  params.relabel.emplace();
  params.relabel->fraction = 0.5;
  const Dataset expected = apply_wrappers(dense, params, 0),
                found = apply_wrappers(sparse, params, 0);
  CHECK(at::equal(found.train.floats(0, 20), expected.train.inputs));
  CHECK(at::equal(found.test.floats(0, 40), expected.test.inputs));
  CHECK(at::equal(found.train.targets, expected.train.targets));
  CHECK(content_digest(found) == content_digest(apply_wrappers(sparse, params, 0)));
  CHECK(content_digest(found) != content_digest(sparse));
}
