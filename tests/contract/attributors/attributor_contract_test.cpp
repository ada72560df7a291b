// Laws that every attributor keeps. They run on all libraries in the build's folder of attributors.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "modeldiff/attributor.h"
#include "modeldiff/plugin.h"
#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

constexpr std::int64_t kExamples = 30, kQueries = 6, kClasses = 4;
/// Sums in another order: far above float32 rounding of a well-conditioned score, far below a score.
constexpr double kRounding = 1e-3;

struct Loaded {
  const PluginInfo* info;
  Json traits;
};

std::vector<Loaded> attributors() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(MODELDIFF_BUILD_DIR "/plugins/attributors")) {
    if (entry.path().extension() == ".so") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Loaded> out;
  for (const std::filesystem::path& file : files) {
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(dlerror());
    const auto entry = reinterpret_cast<const PluginInfo* (*)()>(dlsym(library, kPluginSymbol));
    if (!entry) throw std::runtime_error(file.string() + " exports no " + kPluginSymbol);
    out.push_back({entry(), Json::parse(entry()->traits)});
  }
  return out;
}

std::unique_ptr<Attributor> make(const Loaded& loaded, Json params = Json::object()) {
  for (const FieldInfo& field : loaded.info->schema().fields) {
    if (!params.contains(field.name)) params[field.name] = field.default_value;
  }
  std::unique_ptr<Plugin> plugin = loaded.info->create(params);
  auto* attributor = dynamic_cast<Attributor*>(plugin.get());
  REQUIRE(attributor != nullptr);
  plugin.release();
  return std::unique_ptr<Attributor>(attributor);
}

/// Runs of an experiment in small: a convolution net with random weights, a subset for each run where the attributor
/// asks for subsets.
class Experiment {
 public:
  explicit Experiment(const Loaded& loaded)
      : subsets_(loaded.traits.value("runs", "all") == "subsets"),
        columns_(loaded.traits.value("columns", "examples") == "examples" ? kExamples : -1) {
    for (int run = 0; run < (subsets_ ? 40 : 3); ++run) {
      fixtures_.push_back(make_fixture(std::make_shared<ConvModel>(), {kExamples, 3, 8, 8}, kQueries, kClasses));
      Fixture& fixture = *fixtures_.back();
      RandomStream random(run, "run");
      fixture.weights = fixture.predictor.model->initialise(random);
      for (std::int64_t step = 1; step <= 3; ++step) {
        Weights weights = fixture.weights;
        weights.parameters = weights.parameters * (0.7 + 0.1 * static_cast<double>(step));
        fixture.checkpoints.push_back({step, weights, {{"momentum", 0.01 * weights.parameters}}, 0.1});
      }
      rows_.push_back(at::tensor(random.choose(kExamples, kExamples / 2), at::kLong));
    }
  }

  std::int64_t columns() const { return columns_; }

  /// @param order of the queries, [N] int64
  Attribution attribute(const Attributor& attributor, const at::Tensor& order, int threads = 1) {
    std::vector<TensorMap> runs;
    at::Tensor masks = at::zeros({static_cast<std::int64_t>(fixtures_.size()), kExamples}, at::kBool);
    const Examples queries = fixtures_.front()->queries.select(order);
    for (std::size_t run = 0; run < fixtures_.size(); ++run) {
      Fixture& fixture = *fixtures_[run];
      runs.push_back(attributor.score_run({.facts = fixture.facts,
                                           .train = fixture.train,
                                           .queries = queries,
                                           .predictor = fixture.predictor,
                                           .weights = fixture.weights,
                                           .checkpoints = fixture.checkpoints,
                                           .subset = subsets_ ? rows_[run] : at::Tensor(),
                                           .seed = 100 + run,
                                           .progress = fixture.progress}));
      masks[static_cast<std::int64_t>(run)].index_fill_(0, rows_[run], true);
    }
    Fixture& first = *fixtures_.front();
    return attributor.combine({.runs = runs,
                               .masks = subsets_ ? masks : at::Tensor(),
                               .train = first.train,
                               .queries = queries,
                               .threads = threads,
                               .progress = first.progress});
  }

 private:
  bool subsets_;
  std::int64_t columns_;
  std::vector<std::unique_ptr<Fixture>> fixtures_;
  std::vector<at::Tensor> rows_;
};

at::Tensor in_order() { return at::arange(kQueries, at::kLong); }

void for_each_attributor(const std::function<void(const Loaded&, Experiment&)>& law) {
  for (const Loaded& loaded : attributors()) {
    const std::string name = loaded.info->name;
    CAPTURE(name);
    Experiment experiment(loaded);
    law(loaded, experiment);
  }
}

}  // namespace

TEST_CASE("scores are [queries, columns] float32, finite and not all alike") {
  for_each_attributor([](const Loaded& loaded, Experiment& experiment) {
    const Attribution found = experiment.attribute(*make(loaded), in_order());
    REQUIRE(found.scores.dim() == 2);
    CHECK(found.scores.size(0) == kQueries);
    if (experiment.columns() > 0) CHECK(found.scores.size(1) == experiment.columns());
    CHECK((found.scores.scalar_type() == at::kFloat));
    CHECK(at::isfinite(found.scores).all().item<bool>());
    CHECK(found.scores.std().item<double>() > 0);
    if (found.raw.defined()) {
      CHECK(found.raw.sizes() == found.scores.sizes());
      CHECK(found.output_covariance.sizes() == at::IntArrayRef({kQueries, kQueries}));
      CHECK(found.noise_scale > 0);
    }
  });
}

TEST_CASE("the same seeds give the same bytes, on any number of threads") {
  for_each_attributor([](const Loaded& loaded, Experiment& experiment) {
    const at::Tensor scores = experiment.attribute(*make(loaded), in_order()).scores;
    CHECK(experiment.attribute(*make(loaded), in_order()).scores.equal(scores));
    CHECK(experiment.attribute(*make(loaded), in_order(), 2).scores.equal(scores));
  });
}

TEST_CASE("a permutation of the queries permutes the rows") {
  for_each_attributor([](const Loaded& loaded, Experiment& experiment) {
    const at::Tensor order = at::tensor({3, 0, 5, 1, 4, 2}, at::kLong);
    const at::Tensor scores = experiment.attribute(*make(loaded), in_order()).scores;
    const at::Tensor permuted = experiment.attribute(*make(loaded), order).scores;
    CHECK(relative_distance(permuted, scores.index_select(0, order)) < kRounding);
  });
}

TEST_CASE("the size of batches changes nothing beyond rounding") {
  for_each_attributor([](const Loaded& loaded, Experiment& experiment) {
    if (!loaded.info->schema().find("batch")) return;
    const at::Tensor scores = experiment.attribute(*make(loaded), in_order()).scores;
    for (const int batch : {1, 7}) {
      CAPTURE(batch);
      CHECK(relative_distance(experiment.attribute(*make(loaded, {{"batch", batch}}), in_order()).scores, scores) < kRounding);
    }
  });
}

TEST_CASE("an attributor that says it combines by the mean does") {
  for_each_attributor([](const Loaded& loaded, Experiment&) {
    const auto attributor = make(loaded);
    if (!attributor->combines_by_mean()) return;
    auto fixture = make_fixture(std::make_shared<ConvModel>(), {kExamples, 3, 8, 8}, kQueries, kClasses);
    std::vector<TensorMap> runs;
    at::Tensor sum = at::zeros({kQueries, kExamples}, at::kDouble);
    for (std::uint64_t seed : {1, 2, 3}) {
      runs.push_back(attributor->score_run({.facts = fixture->facts,
                                            .train = fixture->train,
                                            .queries = fixture->queries,
                                            .predictor = fixture->predictor,
                                            .weights = fixture->weights,
                                            .checkpoints = fixture->checkpoints,
                                            .subset = {},
                                            .seed = seed,
                                            .progress = fixture->progress}));
      sum += runs.back().at("scores");
    }
    const at::Tensor scores =
        attributor->combine({.runs = runs, .masks = {}, .train = fixture->train, .queries = fixture->queries,
                             .progress = fixture->progress})
            .scores;
    CHECK(relative_distance(scores, sum / 3) < 1e-6);
  });
}
