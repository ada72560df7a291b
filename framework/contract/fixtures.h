#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "contract/subject.h"
#include "modeldiff/algorithm.h"
#include "modeldiff/dataset.h"
#include "modeldiff/model.h"

/// What the laws are tried on.
namespace modeldiff::contract {

/// Calls `law(some)` for each case, and names the case when the law is broken.
template <typename Law>
void for_each_case(Law law) {
  for (const Case& some : subject().cases()) {
    const std::string text = some.params.dump();
    CAPTURE(text);
    law(some);
  }
}

/// Sums in another order: far above float32 rounding of a well-conditioned number, far below the
/// number.
inline constexpr double kRounding = 1e-3;

/// Standard normal numbers, float32.
at::Tensor normal(std::vector<std::int64_t> shape, std::uint64_t seed);
double largest(const at::Tensor& x);
/// |a - b| over |b|, all entries as one vector.
double relative_distance(const at::Tensor& a, const at::Tensor& b);
/// Also of two that are undefined.
bool same_bytes(const at::Tensor& a, const at::Tensor& b);
bool same_bytes(const TensorMap& a, const TensorMap& b);
bool is_finite(const at::Tensor& x);

/// Inputs in [0, 1], brighter from class to class; the corners of every second image of class 0 are
/// marked.
Examples drawn_examples(const Case& some, std::int64_t rows, std::uint64_t seed);
DataFacts facts_of(const Case& some);

/// A model for plugins that are given one: a convolution, batch norm and a linear layer for images,
/// two linear layers for tables.
Predictor small_predictor(const Case& some);
/// Fresh, with running statistics that are not those of the start.
Weights drawn_weights(const Model& model, std::uint64_t seed);

/// Fails a law when a share leaves [0, 1]; stops at once when told so.
class CheckedProgress final : public Progress {
 public:
  explicit CheckedProgress(bool stop = false) : stop_(stop) {}
  void update(double share, const std::string& what) override;
  void check_stop() const override;

 private:
  bool stop_;
};

/// Copies of tensors that a plugin is given, to see that it left them alone.
class Kept {
 public:
  void add(const at::Tensor& tensor) {
    if (tensor.defined()) tensors_.emplace_back(tensor, tensor.clone());
  }
  void add(const Examples& examples) {
    add(examples.inputs);
    add(examples.targets);
  }
  bool unchanged() const;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> tensors_;
};

}  // namespace modeldiff::contract
