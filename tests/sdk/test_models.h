#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>
#include <vector>

#include "modeldiff/layers.h"

namespace modeldiff {

/// A model made of what a test says.
class TestModel final : public Model {
 public:
  using Forward =
      std::function<at::Tensor(const TestModel&, const Weights&, const at::Tensor&, Pass&)>;

  TestModel(ParameterLayout parameters, ParameterLayout buffers, Forward forward)
      : forward_(std::move(forward)) {
    parameters_ = std::move(parameters);
    buffers_ = std::move(buffers);
  }
  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()});
    random.fill_normal(flat.mutable_data_ptr<float>(), flat.numel(), 0.5f);
    at::Tensor buffers = buffers_.count() > 0 ? at::ones({buffers_.count()}) : at::Tensor();
    return {flat, buffers};
  }
  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    return forward_(*this, weights, inputs, pass);
  }
  std::vector<std::string> head() const override { return {}; }
  double forward_flops() const override { return 0; }

 private:
  Forward forward_;
};

inline at::Tensor normal(std::vector<std::int64_t> shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1.f);
  return out;
}

inline double largest(const at::Tensor& x) {
  return x.numel() == 0 ? 0 : x.abs().max().item<double>();
}
inline double difference(const at::Tensor& a, const at::Tensor& b) { return largest(a - b); }

}  // namespace modeldiff
