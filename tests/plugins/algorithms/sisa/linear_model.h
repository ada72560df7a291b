#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/random.h"
#include "modeldiff/layers.h"
#include "modeldiff/model.h"

namespace modeldiff::sisa {

/// z = W x + b with normal first weights.
class LinearForTest final : public Model {
 public:
  LinearForTest(std::int64_t inputs, std::int64_t outputs) : inputs_(inputs), outputs_(outputs) {
    parameters_.add("head.weight", {outputs, inputs});
    parameters_.add("head.bias", {outputs});
  }
  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()});
    random.fill_normal(flat.mutable_data_ptr<float>(), flat.numel(), 1);
    return {flat, {}};
  }
  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    if (pass.want_features) pass.features = inputs;
    return linear(pass, *this, weights, "head", inputs);
  }
  std::optional<MlpShape> mlp_shape() const override { return MlpShape{{inputs_, outputs_}}; }
  std::vector<std::string> head() const override { return {"head.weight", "head.bias"}; }
  double forward_flops() const override { return 2.0 * static_cast<double>(inputs_ * outputs_); }

 private:
  std::int64_t inputs_, outputs_;
};

}  // namespace modeldiff::sisa
