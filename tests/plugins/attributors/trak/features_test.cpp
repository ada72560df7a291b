#include "plugins/attributors/trak/features.h"

#include <ATen/Parallel.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "plugins/attributors/trak/project_layer.h"
#include "plugins/attributors/trak/projection.h"
#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

struct Options {
  ProjectionKind kind = ProjectionKind::rademacher;
  std::int64_t columns = 200;  // no multiple of a panel's or a tile's
  std::int64_t batch = 0;
  std::uint64_t seed = 3;
};

trak::Features features_of(Fixture& fixture, const Examples& examples, const Options& options) {
  const std::int64_t columns = options.kind == ProjectionKind::identity
                                   ? fixture.predictor.model->parameters().count()
                                   : options.columns;
  return trak::features(
      {fixture.predictor, fixture.weights, Task::classification, Measurement::log_odds_margin,
       options.kind, columns, options.seed, options.batch, fixture.progress},
      examples);
}

/// Gradients of the margin, one backward pass an example. @return [n, p]
at::Tensor gradients_one_by_one(Fixture& fixture, const Examples& examples) {
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i < examples.size(); ++i) {
    const at::AutoGradMode with_gradients(true);
    Weights weights = fixture.weights;
    weights.parameters = weights.parameters.detach().clone().requires_grad_();
    Pass pass;
    const at::Tensor input = fixture.predictor.view.apply(examples.inputs.slice(0, i, i + 1));
    const at::Tensor margin =
        log_odds_margin(fixture.predictor.model->forward(weights, input, pass),
                        examples.targets.slice(0, i, i + 1));
    rows.push_back(torch::autograd::grad({margin.sum()}, {weights.parameters})[0]);
  }
  return at::stack(rows);
}

/// P [p, k] of a whole model, from the definition of its entries.
at::Tensor whole_projection(const Model& model, const std::vector<std::string>& layers,
                            const Options& options) {
  at::Tensor out = at::zeros({model.parameters().count(), (options.columns + 127) / 128 * 128});
  for (const std::string& layer : layers) {
    const trak::LayerProjection projection(options.kind, options.seed, layer);
    const std::int64_t offset = model.parameters().at(layer + ".weight").offset;
    std::int64_t rows = model.parameters().at(layer + ".weight").count;
    if (model.parameters().contains(layer + ".bias"))
      rows += model.parameters().at(layer + ".bias").count;
    for (std::int64_t block = 0; block < out.size(1) / 128; ++block) {
      trak::Panel panel;
      panel.draw(projection, 0, rows, block);
      for (std::int64_t tile = 0; tile < 8; ++tile) {
        panel.unpack(0, rows, tile,
                     out.data_ptr<float>() + offset * out.size(1) + block * 128 + tile * 16,
                     out.size(1));
      }
    }
  }
  return out.narrow(1, 0, options.columns);
}

std::unique_ptr<Fixture> mlp_fixture() {
  return make_fixture(std::make_shared<MlpModel>(std::vector<std::int64_t>{20, 12, 8, 4}), {30, 20},
                      7, 4);
}

std::unique_ptr<Fixture> conv_fixture() {
  return make_fixture(std::make_shared<ConvModel>(), {30, 3, 8, 8}, 7, 4);
}

}  // namespace

TEST_CASE("without a projection features are the gradients of every example") {
  for (const auto& fixture : {mlp_fixture(), conv_fixture()}) {
    const trak::Features found =
        features_of(*fixture, fixture->train, {.kind = ProjectionKind::identity});
    CHECK(relative_distance(found.rows.all(), gradients_one_by_one(*fixture, fixture->train)) <
          1e-5);
  }
}

TEST_CASE(
    "features are the gradients times P over sqrt(k), for linear and other layers, signs and "
    "normal numbers") {
  for (const ProjectionKind kind : {ProjectionKind::rademacher, ProjectionKind::normal}) {
    for (const bool convolutions : {false, true}) {
      CAPTURE(convolutions);
      const auto fixture = convolutions ? conv_fixture() : mlp_fixture();
      const std::vector<std::string> layers =
          convolutions ? std::vector<std::string>{"conv1", "norm1", "conv2", "conv3", "head"}
                       : std::vector<std::string>{"layer0", "layer1", "layer2"};
      const Options options{.kind = kind};
      const at::Tensor p = whole_projection(*fixture->predictor.model, layers, options);
      const at::Tensor expected =
          at::matmul(gradients_one_by_one(*fixture, fixture->train), p) / std::sqrt(200.0);
      CHECK(relative_distance(features_of(*fixture, fixture->train, options).rows.all(), expected) <
            1e-5);
    }
  }
}

TEST_CASE("batches and threads do not matter") {
  const int threads = at::get_num_threads();
  for (const auto& fixture : {mlp_fixture(), conv_fixture()}) {
    const at::Tensor whole = features_of(*fixture, fixture->train, {}).rows.all();
    CHECK(features_of(*fixture, fixture->train, {}).rows.all().equal(whole));
    for (const std::int64_t batch : {1, 7}) {
      CAPTURE(batch);
      CHECK(relative_distance(features_of(*fixture, fixture->train, {.batch = batch}).rows.all(),
                              whole) < 1e-5);
    }
    at::set_num_threads(3);
    const at::Tensor threaded = features_of(*fixture, fixture->train, {}).rows.all();
    at::set_num_threads(threads);
    CHECK(relative_distance(threaded, whole) < 1e-5);
  }
}

TEST_CASE("a projected layer is the same bytes for any number of examples at once and of threads") {
  const auto fixture = conv_fixture();
  LayerTape tape;
  Pass pass;
  pass.tape = &tape;
  const at::Tensor outputs =
      fixture->predictor.model->forward(fixture->weights, fixture->train.inputs, pass);
  const std::vector<at::Tensor> deltas =
      tape.output_gradients(log_odds_margin(outputs, fixture->train.targets).sum());
  const int threads = at::get_num_threads();
  for (const ProjectionKind kind : {ProjectionKind::rademacher, ProjectionKind::normal,
                                    ProjectionKind::structured, ProjectionKind::factored}) {
    for (std::size_t layer = 0; layer < deltas.size(); ++layer) {
      const LayerRecord& record = tape.records()[layer];
      CAPTURE(record.name);
      const trak::LayerProjection projection(kind, 5, record.name);
      const auto projected = [&](std::int64_t begin, std::int64_t count) {
        LayerRecord some = record;
        some.input = record.input.narrow(0, begin, count);
        some.output = record.output.narrow(0, begin, count);
        at::Tensor phi = at::zeros({count, 200});
        trak::add_projected_layer(projection, some, deltas[layer].narrow(0, begin, count), phi);
        return phi;
      };
      const at::Tensor together = projected(0, 30);
      for (const int used : {1, 3}) {
        at::set_num_threads(used);
        CHECK(projected(0, 30).equal(together));
        for (const std::int64_t count : {2, 7}) {
          CHECK(projected(11, count).equal(together.narrow(0, 11, count)));
        }
      }
      at::set_num_threads(threads);
    }
  }
}

TEST_CASE("a convolution whose gradients are taken in parts is the same bytes for any of them") {
  // 590,080 parameters: the gradients of 30 examples are too many at once, those of 3 are not.
  const auto drawn = [](std::uint64_t seed, std::vector<std::int64_t> shape) {
    at::Tensor out = at::empty(shape, at::kFloat);
    RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1);
    return out;
  };
  LayerRecord record;
  record.name = "conv";
  record.kind = LayerRecord::Kind::conv2d;
  record.input = drawn(1, {30, 256, 4, 4});
  record.output = at::zeros({30, 256, 4, 4});
  record.bias = true;
  record.kernel = {3, 3};
  record.stride = {1, 1};
  record.padding = {1, 1};
  const at::Tensor delta = drawn(2, record.output.sizes().vec());
  const trak::LayerProjection projection(ProjectionKind::rademacher, 5, record.name);
  const auto projected = [&](std::int64_t begin, std::int64_t count) {
    LayerRecord some = record;
    some.input = record.input.narrow(0, begin, count);
    some.output = record.output.narrow(0, begin, count);
    at::Tensor phi = at::zeros({count, 40});
    trak::add_projected_layer(projection, some, delta.narrow(0, begin, count), phi);
    return phi;
  };
  const at::Tensor together = projected(0, 30);
  for (const std::int64_t count : {2, 3, 17})
    CHECK(projected(5, count).equal(together.narrow(0, 5, count)));
}

TEST_CASE("training examples and queries of a run share P; runs do not") {
  const auto fixture = mlp_fixture();
  const at::Tensor whole = features_of(*fixture, fixture->train, {}).rows.all();
  const at::Tensor some =
      features_of(*fixture, fixture->train.select(at::arange(5, at::kLong)), {}).rows.all();
  CHECK(relative_distance(some, whole.narrow(0, 0, 5)) < 1e-6);
  const at::Tensor other = features_of(*fixture, fixture->train, {.seed = 4}).rows.all();
  CHECK(relative_distance(other, whole) > 0.5);
}

TEST_CASE("1 - p comes from the margin and does not vanish for confident examples") {
  auto fixture = make_fixture(std::make_shared<LogisticModel>(1), {1, 1}, 1, 2);
  fixture->train.inputs = at::full({1, 1}, 40.0f);
  fixture->train.targets = at::ones({1}, at::kLong);
  fixture->weights.parameters = at::ones({1});
  const double found = features_of(*fixture, fixture->train, {.kind = ProjectionKind::identity})
                           .one_minus_p.item<double>();
  CHECK(std::abs(found / std::exp(-40.0) - 1) < 1e-5);  // 4.2e-18
}

TEST_CASE("a model with parameters outside of the tape is refused") {
  auto fixture = make_fixture(std::make_shared<HalfTapedModel>(), {4, 3}, 2, 2);
  CHECK_THROWS_WITH_AS(
      features_of(*fixture, fixture->train, {}),
      "layers of the model that are written with the tape have 6 parameters, the model has 8",
      PluginError);
}
