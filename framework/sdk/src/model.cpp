#include "modeldiff/model.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "modeldiff/core/error.h"
#include "modeldiff/sparse_table.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

/// Of the rows of a sparse table that are made dense at once.
constexpr std::int64_t kDenseNumbers = 4'000'000;

/// The weights of model `m` of a stack.
Weights of_stack(const Weights& stack, std::int64_t m) {
  return {stack.parameters[m], stack.buffers.defined() ? stack.buffers[m] : at::Tensor()};
}

void check_weights(const Model& model, const Weights& weights, std::int64_t dimensions) {
  const at::Tensor& parameters = weights.parameters;
  if (parameters.dim() != dimensions || parameters.size(-1) != model.parameters().count()) {
    throw ShapeError(fmt::format("weights must be [{}{}], got {}",
                                 dimensions == 2 ? "models, " : "", model.parameters().count(),
                                 shape_text(parameters)));
  }
}

/// Outputs of a multilayer perceptron by its own kernels, which beat a chain of small matrix
/// products.
at::Tensor mlp_outputs(const MlpShape& shape, const at::Tensor& parameters,
                       const at::Tensor& inputs) {
  const at::Tensor x = inputs.flatten(1).contiguous();
  const at::Tensor p = parameters.contiguous();
  at::Tensor z = at::empty({x.size(0), shape.outputs()}, at::kFloat);
  mlp_forward(shape, {p.const_data_ptr<float>(), static_cast<std::size_t>(p.numel())},
              {x.const_data_ptr<float>(), static_cast<std::size_t>(x.numel())},
              {z.mutable_data_ptr<float>(), static_cast<std::size_t>(z.numel())});
  return z;
}

/// One batch in eval mode.
at::Tensor outputs_of(const Model& model, const std::optional<MlpShape>& mlp,
                      const Weights& weights, const at::Tensor& x) {
  if (mlp && weights.parameters.scalar_type() == at::kFloat)
    return mlp_outputs(*mlp, weights.parameters, x);
  Pass pass;
  return model.forward(weights, x, pass);
}

/// Calls `body` with the batches of raw inputs as the model is shown them, and gathers its results
/// along `dimension`.
template <typename Body>
at::Tensor in_batches(const InputView& view, const at::Tensor& inputs, std::int64_t batch,
                      std::int64_t dimension, Body body) {
  const std::int64_t n = inputs.size(0);
  if (inputs.layout() == at::kSparseCsr)
    batch = std::clamp<std::int64_t>(kDenseNumbers / inputs.size(1), 1, batch);
  std::vector<at::Tensor> parts;
  for (std::int64_t begin = 0; begin == 0 || begin < n; begin += batch) {
    parts.push_back(body(view.apply(dense_rows(inputs, begin, std::min(n, begin + batch)))));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts, dimension);
}

}  // namespace

std::int64_t ParameterLayout::add(std::string name, std::vector<std::int64_t> shape) {
  MODELDIFF_CHECK(!contains(name), "parameter " + name);
  const std::int64_t count =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  index_.emplace(name, entries_.size());
  entries_.push_back({std::move(name), std::move(shape), count_, count});
  count_ += count;
  return static_cast<std::int64_t>(entries_.size()) - 1;
}

std::size_t ParameterLayout::index(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) throw InternalError("no parameter is called '" + name + "'");
  return found->second;
}

const ParameterLayout::Entry& ParameterLayout::at(const std::string& name) const {
  return entries_[index(name)];
}

bool ParameterLayout::contains(const std::string& name) const { return index_.count(name) > 0; }

at::Tensor ParameterLayout::view(const at::Tensor& flat, const std::string& name) const {
  return view(flat, at(name));
}

at::Tensor ParameterLayout::view(const at::Tensor& flat, const Entry& entry) const {
  std::vector<std::int64_t> shape = flat.sizes().vec();
  shape.pop_back();
  shape.insert(shape.end(), entry.shape.begin(), entry.shape.end());
  return flat.narrow(-1, entry.offset, entry.count).view(shape);
}

at::Tensor Model::parameter(const Pass& pass, const Weights& weights,
                            const std::string& name) const {
  const std::size_t index = parameters_.index(name);
  return pass.leaves ? (*pass.leaves)[index]
                     : parameters_.view(weights.parameters, parameters_.entries()[index]);
}

at::Tensor Model::forward_stacked(const Weights& weights, const at::Tensor& inputs) const {
  std::vector<at::Tensor> outputs;
  for (std::int64_t m = 0; m < weights.parameters.size(0); ++m) {
    Pass pass;
    outputs.push_back(forward(of_stack(weights, m), inputs, pass));
  }
  return at::stack(outputs);
}

at::Tensor Predictor::outputs(const Weights& weights, const at::Tensor& inputs,
                              std::int64_t batch) const {
  check_weights(*model, weights, 1);
  const std::optional<MlpShape> mlp = model->mlp_shape();
  at::Tensor out;
  {
    const c10::InferenceMode inference;
    out = in_batches(view, inputs, batch, 0,
                     [&](const at::Tensor& x) { return outputs_of(*model, mlp, weights, x); });
  }
  return out.clone();
}

at::Tensor Predictor::outputs_stacked(const Weights& weights, const at::Tensor& inputs,
                                      std::int64_t batch) const {
  check_weights(*model, weights, 2);
  const std::optional<MlpShape> mlp = model->mlp_shape();
  at::Tensor out;
  {
    const c10::InferenceMode inference;
    out = in_batches(view, inputs, batch, 1, [&](const at::Tensor& x) {
      std::vector<at::Tensor> outputs;
      for (std::int64_t m = 0; m < weights.parameters.size(0); ++m) {
        outputs.push_back(outputs_of(*model, mlp, of_stack(weights, m), x));
      }
      return at::stack(outputs);
    });
  }
  return out.clone();
}

}  // namespace modeldiff
