#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "modeldiff/core/error.h"
#include "sgd_fixture.h"

namespace modeldiff {
namespace {

using namespace testing;

SgdParams valid() {
  SgdParams params;
  params.model = mlp({4});
  params.epochs = 1;
  return params;
}

/// What the plugin says when it is made, one finding a line.
std::string refusal(const SgdParams& params) {
  return thrown_text<ConfigError>([&] { make_sgd(params); });
}

/// What it says when it meets the data.
std::string misfit(const SgdParams& params, const DataFacts& facts) {
  return thrown_text<ConfigError>([&] { make_sgd(params)->predictor(facts, {}, TestFactory()); });
}

TEST_CASE("a run has a length in epochs or in steps, not in both") {
  SgdParams params = valid();
  CHECK(refusal(params) == "");
  params.steps = 10;
  CHECK(refusal(params) == "steps: goes without `epochs`; both are given");
  params.epochs.reset();
  CHECK(refusal(params) == "");
  params.steps.reset();
  CHECK(refusal(params) == "epochs: is missing: how long to train, or `steps` in its place");
}

TEST_CASE("Nesterov's momentum needs momentum, and SGD") {
  SgdParams params = valid();
  params.nesterov = true;
  CHECK(refusal(params) == "");
  params.momentum = 0;
  CHECK(refusal(params) == "nesterov: needs a `momentum` above 0");
  params.optimizer = OptimizerKind::adamw;
  CHECK(refusal(params) == "nesterov: belongs to the optimizer `sgd`, not to `adamw`");
}

TEST_CASE("keys of a schedule belong to their kind") {
  SgdParams params = valid();
  params.schedule.milestones = {0.5};
  CHECK(refusal(params) == "schedule.milestones: belong to the schedule `step`, not to `triangle`");
  params.schedule.kind = ScheduleKind::step;
  CHECK(refusal(params) == "");
  params.schedule.milestones.clear();
  CHECK(refusal(params) == "schedule.milestones: are missing: where `step` lowers the rate");
  params.schedule.kind = ScheduleKind::one_cycle;
  params.schedule.warmup = 0.1;
  CHECK(refusal(params) == "schedule.warmup: is part of `one_cycle` already: move its `peak`");
}

TEST_CASE("keys of an augmentation belong to its kind, which needs one of its own") {
  SgdParams params = valid();
  params.augment.resize(3);
  params.augment[0].size = 3;
  params.augment[1].kind = AugmentationKind::crop;
  params.augment[2].kind = AugmentationKind::shift;
  params.augment[2].pixels = 2;
  params.augment[2].degrees = 3;
  CHECK(refusal(params) ==
        "augment[0].size: is no key of `flip`\n"
        "augment[1]: `crop` needs pad or scale: how strong it is\n"
        "augment[2].degrees: is no key of `shift`, which takes pixels");
}

TEST_CASE("a start comes from one place, and only a given start has a head to replace") {
  SgdParams params = valid();
  params.init.replace_head = true;
  CHECK(refusal(params) ==
        "init.replace_head: needs `from` or `file`: fresh weights have a fresh head");
  params.init.run = 0;
  CHECK(refusal(params) ==
        "init.run: needs `from`, the algorithm whose run it is\n"
        "init.replace_head: needs `from` or `file`: fresh weights have a fresh head");
  params.init.from = Reference{"other"};
  CHECK(refusal(params) == "");
  params.init.file = DataPath{"weights.safetensors"};
  CHECK(refusal(params) == "init.file: goes without `from`; both are given");
}

TEST_CASE("everything that is wrong is said at once") {
  SgdParams params;
  params.model = mlp({4});
  params.nesterov = true;
  params.momentum = 0;
  CHECK(refusal(params) ==
        "epochs: is missing: how long to train, or `steps` in its place\n"
        "nesterov: needs a `momentum` above 0");
}

TEST_CASE("pixels are hidden in images alone, and within them") {
  SgdParams params = valid();
  params.input_mask = Region{Region::Shape::square, 5, 6, 4};
  CHECK(misfit(params, table(1, 8, 2, Task::classification).facts) ==
        "input_mask: hides pixels, and the inputs of 'table' are tables of 8 columns");
  CHECK(misfit(params, images(1, 1, 8, 8).facts) ==
        "input_mask: a square of 4 x 4 pixels at row 5, column 6 leaves an image of 8 rows and 8 "
        "columns");
  CHECK(misfit(params, images(1, 1, 9, 10).facts) == "");
}

TEST_CASE("a table can be mixed and not flipped, a regression has no labels to smooth") {
  SgdParams params = valid();
  params.augment.resize(2);
  params.augment[0].kind = AugmentationKind::mixup;
  params.augment[0].alpha = 0.4;
  params.label_smoothing = 0.1;
  CHECK(misfit(params, table(1, 8, 2, Task::regression).facts) ==
        "label_smoothing: spreads labels over classes, and 'table' is a regression\n"
        "augment[1]: `flip` changes images, and the inputs of 'table' are tables of 8 columns");
}

TEST_CASE("what the model does not take is said under its key") {
  SgdParams params = valid();
  params.model = conv();
  CHECK(misfit(params, table(1, 8, 2, Task::classification).facts) ==
        "model.width: a convolution needs images");
}

TEST_CASE("parameters survive being written and read") {
  SgdParams params = valid();
  params.schedule.kind = ScheduleKind::step;
  params.schedule.milestones = {0.5, 0.75};
  params.input_mask = Region{Region::Shape::corners, 0, 0, 1};
  params.augment.resize(1);
  params.augment[0].probability = 0.25;
  params.init.from = Reference{"other"};
  params.clip = 2;
  const Json json = SgdParams::schema().write(params);
  CHECK(SgdParams::schema().write(SgdParams::schema().read(json)) == json);
  CHECK(json.at("schedule").at("kind") == "step");
  CHECK(json.at("input_mask").at("shape") == "corners");
  CHECK(json.at("init").at("from") == "other");
}

}  // namespace
}  // namespace modeldiff
