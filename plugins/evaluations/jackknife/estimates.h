#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// The jackknife of statistics of a training set: bias, standard error and interval from values
/// without some of the rows. Quenouille 1956, Tukey 1958; delete-d: Shao and Wu 1989.
namespace modeldiff::jackknife {

/// Which rows were left out.
struct Design {
  std::int64_t rows = 0;      // n, of the training set
  std::int64_t left_out = 1;  // d, in each run
  std::int64_t runs = 0;      // K, of different rows

  /// Whether all rows were left out, each once.
  bool complete() const { return runs * left_out == rows; }
};

/// Of S statistics, each [S] float64.
struct Estimates {
  /// (n - d)/d (mean theta^{-k} - theta); for d = 1 the usual (n - 1)(mean - theta).
  at::Tensor bias;
  /// Standard error of the bias from leaving out only some of the rows; 0 when all were.
  at::Tensor bias_error;
  /// theta - bias
  at::Tensor corrected;
  /// Root of (n - d)/(d K) sum (theta^{-k} - mean)^2.
  at::Tensor standard_error;
  /// t interval with K - 1 degrees of freedom, around `corrected` when all rows were left out, else
  /// around theta, as the bias of a few rows is mostly chance.
  at::Tensor lower, upper;
};

/// @param all [S] float64, theta of the models that have seen all rows
/// @param without [K, S] float64, theta^{-k}; K >= 2
Estimates estimate(const at::Tensor& all, const at::Tensor& without, const Design& design,
                   double confidence);

}  // namespace modeldiff::jackknife
