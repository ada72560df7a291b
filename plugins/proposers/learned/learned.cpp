#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "common/random_phase.h"
#include "common/sizes.h"
#include "learned_params.h"
#include "modeldiff/core/error.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"
#include "objective.h"

namespace modeldiff {
namespace {

/// From which the places and classes that promise most are read off.
constexpr std::int64_t kImagesOfGradients = 256;

/// One of each two. The screening ranks on all of them, half of which nothing was learned from.
std::vector<InputRun> learned_from(const std::vector<InputRun>& runs) {
  std::vector<InputRun> out;
  for (std::size_t i = 0; i < runs.size(); i += 2) out.push_back(runs[i]);
  return out;
}

/// Indices of the `count` largest, the largest first, ties by index.
std::vector<std::int64_t> largest(const at::Tensor& values, std::int64_t count) {
  const at::Tensor order = values.argsort(/*stable=*/true, 0, /*descending=*/true);
  const std::int64_t* first = order.const_data_ptr<std::int64_t>();
  return {first, first + std::min(count, order.size(0))};
}

/// [k k - 1, height, width]: products of cosines of the `k` lowest frequencies along each side
/// (DCT-II) without the constant one, each with mean 0 and values in [-1, 1].
at::Tensor low_frequencies(std::int64_t k, std::int64_t height, std::int64_t width) {
  const auto cosines = [](std::int64_t count, std::int64_t length) {
    const at::Tensor place =
        (at::arange(length) + 0.5) * (std::numbers::pi / static_cast<double>(length));
    return (at::arange(count).unsqueeze(1) * place.unsqueeze(0)).cos();
  };
  const std::int64_t rows = std::min(k, height), columns = std::min(k, width);
  const at::Tensor products = cosines(rows, height).view({rows, 1, height, 1}) *
                              cosines(columns, width).view({1, columns, 1, width});
  return products.flatten(0, 1).slice(0, 1).contiguous();
}

/// @param raw [C, k k - 1] coefficients @return [C, H, W] with mean 0, at most `weight` anywhere
at::Tensor overlay_of(const at::Tensor& raw, const at::Tensor& basis, double weight) {
  const at::Tensor sum =
      at::mm(raw, basis.flatten(1)).view({raw.size(0), basis.size(1), basis.size(2)});
  return weight * sum / sum.abs().amax().clamp_min(1);
}

struct Place {
  std::int64_t row, column;
};

at::Tensor pasted(const at::Tensor& images, const at::Tensor& values, Place place) {
  at::Tensor out = images.clone();
  out.narrow(2, place.row, values.size(1)).narrow(3, place.column, values.size(2)).copy_(values);
  return out;
}

at::Tensor laid_over(const at::Tensor& images, const at::Tensor& overlay) {
  return (images + overlay).clamp(0, 1);
}

/// What is learned next, for one class.
struct Task {
  std::int64_t label = 0;
  Place place{};
};

/// Patches at the places where they promise most, for the classes where they promise most.
/// @param promise [classes, rows, columns] of the patch with its top left pixel there
std::vector<Task> patch_tasks(at::Tensor promise, std::int64_t length, std::int64_t classes,
                              std::int64_t places) {
  constexpr float kTaken = -std::numeric_limits<float>::infinity();
  std::vector<Task> out;
  for (const std::int64_t label : largest(promise.flatten(1).amax(1), classes)) {
    at::Tensor left = promise[label].clone();
    for (std::int64_t i = 0; i < places; ++i) {
      const auto best = left.argmax().item<std::int64_t>();
      const Place place{best / left.size(1), best % left.size(1)};
      if (left[place.row][place.column].item<float>() == kTaken) break;
      out.push_back({label, place});
      // The next one does not overlap it.
      left.slice(0, std::max<std::int64_t>(0, place.row - length + 1), place.row + length)
          .slice(1, std::max<std::int64_t>(0, place.column - length + 1), place.column + length)
          .fill_(kTaken);
    }
  }
  return out;
}

/// Family 26 of the table in docs/modeldiff.md: patches and overlays that are optimised to raise the
/// probability of a class under the runs of one algorithm and not of the other.
class Learned final : public Proposer {
 public:
  explicit Learned(LearnedParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    MODELDIFF_CHECK(request.runs.size() == 2, fmt::format("{} algorithms", request.runs.size()));
    const Examples examples = request.screen.select(at::arange(0, request.screen.size(), 2));
    if (examples.targets.eq(examples.targets[0]).all().item<bool>())
      throw DataError("learned: the screening images are all of one class");
    const at::Tensor images = examples.floats();
    const auto &first = *request.runs.begin(), &second = *request.runs.rbegin();
    std::vector<Side> sides;
    for (const bool swapped : {false, true}) {
      const auto &of = swapped ? second : first, &against = swapped ? first : second;
      sides.push_back(
          {fmt::format("{} over {}", of.first, against.first),
           {learned_from(of.second), learned_from(against.second), images, examples.targets},
           {},
           {}});
      plan(sides.back(), request.facts);
    }
    std::size_t tasks = 0;
    for (const Side& side : sides) tasks += side.patches.size() + side.overlays.size();
    Pulse pulse(request.progress, tasks);
    std::vector<Transformation> out;
    for (const Side& side : sides) {
      for (const Task& task : side.patches)
        out.push_back(patch(side, task, request, out.size(), pulse));
      for (const Task& task : side.overlays)
        out.push_back(overlay(side, task, request, out.size(), pulse));
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    if (transformation.family == "learned_spectrum")
      return laid_over(images, transformation.tensors.at("overlay"));
    return pasted(images, transformation.tensors.at("values"),
                  {transformation.parameters.at("row").get<std::int64_t>(),
                   transformation.parameters.at("column").get<std::int64_t>()});
  }

  std::optional<Transformation> placebo(const Transformation& transformation,
                                        RandomStream& random) const override {
    Transformation out = transformation;
    if (transformation.family == "learned_spectrum") {
      at::Tensor& overlay = out.tensors.at("overlay");
      overlay = with_random_phase(overlay, random);
      out.label = "random phase: " + out.label;
      return out;
    }
    at::Tensor& values = out.tensors.at("values");
    for (int attempt = 0; attempt < 100; ++attempt) {
      const at::Tensor order =
          at::tensor(random.permutation(values.size(1) * values.size(2)), at::kLong);
      const at::Tensor permuted = values.flatten(1).index_select(1, order).view_as(values);
      if (permuted.equal(values)) continue;
      values = permuted;
      out.label = "pixels permuted: " + out.label;
      return out;
    }
    return std::nullopt;
  }

 private:
  struct Side {
    std::string name;
    Objective objective;
    std::vector<Task> patches, overlays;
  };

  bool learns(LearnedForm form) const {
    return std::find(params_.forms.begin(), params_.forms.end(), form) != params_.forms.end();
  }

  std::int64_t length_of_patch(const DataFacts& facts) const {
    return std::min({pixels_of(params_.size, facts), facts.input_shape[1], facts.input_shape[2]});
  }

  at::Tensor basis(const DataFacts& facts) const {
    return low_frequencies(params_.frequencies, facts.input_shape[1], facts.input_shape[2]);
  }

  /// Chooses classes and places by what they promise to first order.
  void plan(Side& side, const DataFacts& facts) const {
    const auto [slope, offset] = side.objective.linear(facts.outputs, kImagesOfGradients);
    if (learns(LearnedForm::patch)) {
      const std::int64_t length = length_of_patch(facts);
      const at::Tensor pixels = (slope.clamp_min(0) - offset).sum(1);
      side.patches =
          patch_tasks(at::avg_pool2d(pixels, length, 1), length, params_.classes, params_.places);
    }
    if (learns(LearnedForm::spectrum)) {
      const at::Tensor coefficients = at::matmul(slope.flatten(2), basis(facts).flatten(1).t());
      for (const std::int64_t label :
           largest(coefficients.abs().flatten(1).sum(1), params_.classes))
        side.overlays.push_back({label, {}});
    }
  }

  at::Tensor learn(const Side& side, const Task& task, std::int64_t numbers,
                   const Objective::Change& change, const ProposeRequest& request,
                   std::size_t index, const std::string& label, Pulse& pulse) const {
    pulse.begin_run(index, label);
    RandomStream random(request.seed, "learned", index);
    return side.objective
        .maximise(task.label, numbers, change,
                  {params_.steps, params_.batch, params_.rate, params_.calm}, random, pulse)
        .detach();
  }

  Transformation patch(const Side& side, const Task& task, const ProposeRequest& request,
                       std::size_t index, Pulse& pulse) const {
    const std::int64_t channels = request.facts.input_shape[0],
                       length = length_of_patch(request.facts);
    const std::string label = fmt::format("{}x{} patch at row {}, column {}, learned for {} of {}",
                                          length, length, task.place.row, task.place.column,
                                          class_name(request.facts, task.label), side.name);
    const auto values = [&](const at::Tensor& raw) {
      return raw.sigmoid().view({channels, length, length});
    };
    const at::Tensor raw = learn(
        side, task, channels * length * length,
        [&](const at::Tensor& some, const at::Tensor& images) {
          return pasted(images, values(some), task.place);
        },
        request, index, label, pulse);
    return {"",
            "learned_patch",
            label,
            {{"row", task.place.row}, {"column", task.place.column}},
            {{"values", values(raw)}},
            -1};
  }

  Transformation overlay(const Side& side, const Task& task, const ProposeRequest& request,
                         std::size_t index, Pulse& pulse) const {
    const std::int64_t channels = request.facts.input_shape[0];
    const at::Tensor cosines = basis(request.facts);
    const std::string label = fmt::format("overlay of low frequencies, learned for {} of {}",
                                          class_name(request.facts, task.label), side.name);
    const auto values = [&](const at::Tensor& raw) {
      return overlay_of(raw.view({channels, cosines.size(0)}), cosines, params_.weight);
    };
    const at::Tensor raw = learn(
        side, task, channels * cosines.size(0),
        [&](const at::Tensor& some, const at::Tensor& images) {
          return laid_over(images, values(some));
        },
        request, index, label, pulse);
    return {"", "learned_spectrum", label, Json::object(), {{"overlay", values(raw)}}, -1};
  }

  static std::string class_name(const DataFacts& facts, std::int64_t label) {
    const auto at = static_cast<std::size_t>(label);
    return at < facts.class_names.size() ? facts.class_names[at] : std::to_string(label);
  }

  LearnedParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "learned", "1.0",
                 "Patches and overlays that are optimised to part the two algorithms", Learned,
                 LearnedParams, R"({"data": "images", "runs": "screen"})");

}  // namespace modeldiff
