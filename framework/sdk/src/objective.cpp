#include "modeldiff/objective.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "modeldiff/autograd.h"
#include "modeldiff/core/error.h"
#include "sparse_kernels.h"

namespace modeldiff {
namespace {

/// Rows of one forward and backward pass of a model that is not linear.
constexpr std::int64_t kPassRows = 512;

at::Tensor loss_of(const at::Tensor& outputs, const at::Tensor& targets) {
  if (targets.scalar_type() == at::kLong)
    return at::cross_entropy_loss(outputs, targets, {}, at::Reduction::Sum);
  return 0.5 * at::mse_loss(outputs, targets, at::Reduction::Sum);
}

/// Any model whose outputs depend on a row alone, by autograd.
class NetworkObjective final : public Objective {
 public:
  NetworkObjective(Predictor predictor, at::Tensor inputs, at::Tensor targets)
      : predictor_(std::move(predictor)), inputs_(std::move(inputs)), targets_(std::move(targets)) {
    if (targets_.scalar_type() != at::kLong) targets_ = targets_.reshape({targets_.size(0), -1});
  }

  std::int64_t parameters() const override { return predictor_.model->parameters().count(); }
  bool convex() const override { return false; }
  double rounding() const override { return std::numeric_limits<float>::epsilon(); }
  bool keeps_small_differences() const override { return false; }

  double gradient_sum(const at::Tensor& w, RowSpan rows, at::Tensor& out) const override {
    const Weights weights{w.to(at::kFloat), {}};
    at::Tensor gradient = at::empty_like(weights.parameters);
    out.zero_();
    double loss = 0;
    for (std::size_t begin = 0; begin < rows.size(); begin += kPassRows) {
      const RowSpan part =
          rows.subspan(begin, std::min<std::size_t>(kPassRows, rows.size() - begin));
      const at::Tensor index = at::from_blob(const_cast<std::int32_t*>(part.data()),
                                             {static_cast<std::int64_t>(part.size())}, at::kInt);
      const at::Tensor targets = targets_.index_select(0, index);
      const LossGradient found = parameter_gradients(
          *predictor_.model, weights, predictor_.view.apply(inputs_.index_select(0, index)),
          [&](const at::Tensor& outputs) { return loss_of(outputs, targets); }, gradient);
      out += found.gradient;
      loss += found.loss.item<double>();
    }
    return loss;
  }

  void difference_sum(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                      at::Tensor& out) const override {
    at::Tensor before = at::empty_like(out);
    gradient_sum(w + v, rows, out);
    gradient_sum(w, rows, before);
    out -= before;
  }

  std::shared_ptr<const Objective> with_targets(const at::Tensor& targets) const override {
    return std::make_shared<NetworkObjective>(predictor_, inputs_, targets);
  }

 private:
  Predictor predictor_;
  at::Tensor inputs_, targets_;
};

/// One value a channel or column, repeated for each stored number of a row.
std::vector<double> for_each_column(const std::vector<float>& values,
                                    const std::vector<std::int64_t>& input_shape) {
  std::vector<double> out;
  const std::int64_t repeats = input_shape.size() == 3 ? input_shape[1] * input_shape[2] : 1;
  for (const float value : values) out.insert(out.end(), repeats, static_cast<double>(value));
  return out;
}

bool takes_kernels(const Model& model) {
  const std::optional<MlpShape> shape = model.mlp_shape();
  return shape && shape->layers() == 1 && shape->outputs() <= kSparseBlock;
}

}  // namespace

Objective::~Objective() = default;

void Objective::difference_sums(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                                at::Tensor& out) const {
  for (std::int64_t j = 0; j < v.size(0); ++j) {
    at::Tensor row = out[j];
    difference_sum(w, v[j], rows, row);
  }
}

KroneckerHessian Objective::kronecker_hessian(const at::Tensor&, RowSpan, const at::Tensor&) const {
  return {};
}

at::Tensor KroneckerHessian::times(const at::Tensor& v) const {
  const std::int64_t k = outputs.size(0), c = inputs.size(0), d = bias ? c - 1 : c;
  const at::Tensor own = v.to(at::kFloat);
  at::Tensor weights = own.narrow(0, 0, k * d).view({k, d});
  if (bias) weights = at::cat({weights, own.narrow(0, k * d, k).unsqueeze(1)}, 1);
  const at::Tensor product = outputs.matmul(weights).matmul(inputs);
  at::Tensor out = product.narrow(1, 0, d).reshape(-1);
  if (bias) out = at::cat({out, product.select(1, d)});
  return out.to(at::kDouble);
}

void require_objective(const Model& model, const DataFacts& facts, Precision precision) {
  if (model.buffers().count() > 0) {
    throw ConfigError("model",
                      "keeps running statistics (batch norm): its loss on a row depends on the "
                      "other rows of the batch, so that a training run cannot be followed row by "
                      "row; choose a model without");
  }
  if (precision == Precision::float64 && !takes_kernels(model))
    throw ConfigError("precision", "float64 is for linear models of at most 16 outputs");
  if (facts.sparse && !takes_kernels(model)) {
    throw ConfigError(
        "model", fmt::format("cannot read the sparse table '{}': linear models with a bias and at "
                             "most 16 outputs can; for others load it dense (`sparse: false`)",
                             facts.name));
  }
}

std::shared_ptr<const Objective> make_objective(const Predictor& predictor, const DataFacts& facts,
                                                const Examples& examples, Precision precision) {
  const Model& model = *predictor.model;
  require_objective(model, facts, precision);
  MODELDIFF_CHECK(!predictor.view.hidden.defined(), "hidden pixels");
  if (!takes_kernels(model))
    return std::make_shared<NetworkObjective>(predictor, examples.inputs, examples.targets);
  LinearInputs view{for_each_column(predictor.view.mean, facts.input_shape),
                    for_each_column(predictor.view.deviation, facts.input_shape)};
  const MlpShape shape = *model.mlp_shape();
  if (!view.mean.empty() && view.deviation.empty()) view.deviation.assign(view.mean.size(), 1.0);
  return make_linear_objective(examples.inputs, examples.targets, shape.outputs(), /*bias=*/true,
                               view, precision);
}

}  // namespace modeldiff
