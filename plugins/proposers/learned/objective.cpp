#include "objective.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "modeldiff/autograd.h"

namespace modeldiff {
namespace {

at::Tensor probabilities(const std::vector<InputRun>& runs, std::int64_t t,
                         const at::Tensor& images) {
  const InputRun& run = runs[static_cast<std::size_t>(t) % runs.size()];
  Pass pass;
  return run.predictor.model->forward(run.weights, run.predictor.view.apply(images), pass)
      .softmax(1);
}

at::Tensor gradient(const at::Tensor& value, const at::Tensor& leaf, bool keep_graph) {
  return torch::autograd::grad({value}, {leaf}, {}, keep_graph)[0];
}

}  // namespace

Objective::Linear Objective::linear(std::int64_t classes, std::int64_t images) const {
  const at::AutoGradMode with_gradients(true);
  const std::int64_t n = std::min(images, images_.size(0)),
                     runs = static_cast<std::int64_t>(std::max(of_.size(), against_.size()));
  const at::Tensor labels = labels_.narrow(0, 0, n);
  std::vector<std::int64_t> shape = images_.sizes().vec();
  shape[0] = classes;
  Linear out{at::zeros(shape), at::zeros(shape)};
  for (std::int64_t t = 0; t < runs; ++t) {
    const at::Tensor x = images_.narrow(0, 0, n).clone().requires_grad_();
    const at::Tensor values = probabilities(of_, t, x) - probabilities(against_, t, x);
    for (std::int64_t c = 0; c < classes; ++c) {
      const at::Tensor others = labels.ne(c);
      const double share =
          1.0 /
          static_cast<double>(runs * std::max<std::int64_t>(1, others.sum().item<std::int64_t>()));
      const at::Tensor g = gradient((values.select(1, c) * others).sum() * share, x, true);
      out.slope[c] += g.sum(0);
      out.offset[c] += (g * x.detach()).sum(0);
    }
  }
  return out;
}

at::Tensor Objective::maximise(std::int64_t c, std::int64_t numbers, const Change& change,
                               const Ascent& ascent, RandomStream& random, Pulse& pulse) const {
  const at::AutoGradMode with_gradients(true);
  const at::Tensor others = labels_.ne(c).nonzero().squeeze(1);
  const std::int64_t n = others.size(0);
  const MlpAdamW adam{.weight_decay = 0};
  at::Tensor raw = at::zeros({numbers}), first = at::zeros({numbers}),
             second = at::zeros({numbers});
  for (std::int64_t t = 0; t < ascent.steps; ++t) {
    const at::Tensor drawn = at::tensor(random.choose(n, std::min(ascent.batch, n)), at::kLong);
    const at::Tensor images = images_.index_select(0, others.index_select(0, drawn));
    const at::Tensor leaf = raw.clone().requires_grad_();
    const at::Tensor changed = change(leaf, images);
    const at::Tensor of = probabilities(of_, t, changed),
                     against = probabilities(against_, t, changed),
                     before = probabilities(against_, t, images);
    const at::Tensor loss =
        (against - of + ascent.calm * (against - before).abs()).select(1, c).mean();
    const double left = 1 - static_cast<double>(t) / static_cast<double>(ascent.steps);
    adamw_step(raw, gradient(loss, leaf, false).contiguous(), first, second, ascent.rate * left,
               adam, t + 1);
    pulse.beat(static_cast<double>(t + 1) / static_cast<double>(ascent.steps));
  }
  return raw;
}

}  // namespace modeldiff
