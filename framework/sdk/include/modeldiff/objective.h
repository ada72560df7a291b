#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/dataset.h"
#include "modeldiff/model.h"

/// Training losses as sums over rows, for algorithms that follow a training run step by step.
namespace modeldiff {

/// Rows of a training set.
using RowSpan = std::span<const std::int32_t>;

/// Of the sums over rows; what is between them is float64 always.
enum class Precision { float32, float64 };

template <>
struct Choices<Precision> {
  static constexpr std::pair<Precision, const char*> names[] = {{Precision::float32, "float32"},
                                                                {Precision::float64, "float64"}};
};

/// H ~ outputs (x) inputs on the weights of a linear model, W and b side by side: [k, c], c with 1
/// for the bias. Martens and Grosse 2015 (arXiv:1503.05671).
struct MODELDIFF_API KroneckerHessian {
  at::Tensor inputs;   // [c, c] float32, mean of x x'
  at::Tensor outputs;  // [k, k] float32, mean Hessian of the loss by the outputs
  bool bias = false;

  /// H v, both [p] float64.
  at::Tensor times(const at::Tensor& v) const;
};

/// The losses l_i(w) of the rows of a training set: cross-entropy in nats, or in a regression half
/// the squared error, summed over the outputs. No regularisation. The same rows give the same bits
/// for any number of threads. Vectors are [p] float64, contiguous.
class MODELDIFF_API Objective {
 public:
  virtual ~Objective();
  /// p
  virtual std::int64_t parameters() const = 0;
  /// Whether every l_i is convex in w.
  virtual bool convex() const = 0;
  /// out <- sum over rows of grad l_i(w). @return the sum of l_i(w)
  virtual double gradient_sum(const at::Tensor& w, RowSpan rows, at::Tensor& out) const = 0;
  /// Relative rounding error of a gradient sum, about.
  virtual double rounding() const = 0;
  /// Whether difference_sum() keeps its relative error as v shrinks.
  virtual bool keeps_small_differences() const = 0;
  /// out <- sum over rows of grad l_i(w + v) - grad l_i(w).
  virtual void difference_sum(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                              at::Tensor& out) const = 0;
  /// The same for each row of v [q, p], out [q, p], in one pass over the inputs where that is
  /// quicker. What comes of a v does not depend on the others, but may differ in rounding from
  /// difference_sum().
  virtual void difference_sums(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                               at::Tensor& out) const;
  /// The mean Hessian as if inputs and outputs did not depend on each other, from some of the rows;
  /// undefined tensors where the model is not linear. @param inputs of an earlier call, or undefined
  virtual KroneckerHessian kronecker_hessian(const at::Tensor& w, RowSpan rows,
                                             const at::Tensor& inputs) const;
  /// The same inputs with other targets. @param targets as Examples hold them
  virtual std::shared_ptr<const Objective> with_targets(const at::Tensor& targets) const = 0;
};

/// What the weights of a linear model see: (x - mean) / deviation, x of a byte being byte / 255.
struct LinearInputs {
  /// For each column; empty: 0 and 1.
  std::vector<double> mean, deviation;
};

/// The losses of z = W x + b. Parameters: W [outputs, columns], then b [outputs] if there.
/// Normalisation is folded into W and b, so that the zeros of x are passed over; inputs are read
/// once, as bytes where they are bytes.
/// @param inputs  [n, ...] uint8 or float32, or a sparse table
/// @param targets [n] int64 (classes), or [n, outputs] float32
/// @param outputs at most 16
MODELDIFF_API std::shared_ptr<const Objective> make_linear_objective(
    const at::Tensor& inputs, const at::Tensor& targets, std::int64_t outputs, bool bias,
    const LinearInputs& view, Precision precision);

/// Whether a model has such losses; no data are needed to tell.
/// @throws ConfigError when the model keeps running statistics, or for float64 or sparse data of a
///         model that is not linear
MODELDIFF_API void require_objective(const Model& model, const DataFacts& facts,
                                     Precision precision);

/// The losses of a model with its view. Linear models of at most 16 outputs take the kernels of
/// make_linear_objective(), others autograd.
/// @throws ConfigError as require_objective()
MODELDIFF_API std::shared_ptr<const Objective> make_objective(const Predictor& predictor,
                                                              const DataFacts& facts,
                                                              const Examples& examples,
                                                              Precision precision);

}  // namespace modeldiff
