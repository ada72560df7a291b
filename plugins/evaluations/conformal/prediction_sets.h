#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "analysis/statistics.h"

/// Intervals and sets of labels from models that were each made without some of the rows. K models,
/// n rows that are each left out by one of them, N test rows, C classes. Barber, Candes, Ramdas and
/// Tibshirani 2021 (arXiv:1905.02928); Vovk 2015 (arXiv:1208.0806).
namespace modeldiff::conformal {

/// The rows that models were made without.
struct Calibration {
  at::Tensor fold;    // [n] int64, the model that has not seen the row
  at::Tensor scores;  // [n] float64, how badly that model fits it
};

struct Intervals {
  at::Tensor lower, upper;  // [N] float64; infinite when alpha (n + 1) < 1
};

/// Jackknife+ (one row a model) and CV+ (several), Barber et al. 2021, eq. 1.1 and Sec. 3: from the
/// floor(alpha (n + 1))-th smallest of f^{-i}(x) - R_i to the ceil((1 - alpha)(n + 1))-th smallest
/// of f^{-i}(x) + R_i.
/// @param predictions [K, N] float64, of each model on the test rows
/// @param calibration scores R_i = |y_i - f^{-i}(x_i)|
Intervals jackknife_plus(const at::Tensor& predictions, const Calibration& calibration,
                         double alpha);

/// Cross-conformal p-values: (1 + #{i: s_i >= s(x, c) of the model without i}) / (n + 1).
/// @param scores [K, N, C] float64, of each class on the test rows; large: does not fit
/// @return [N, C] float64; the set of a row is {c: p > alpha}
at::Tensor cross_p_values(const at::Tensor& scores, const Calibration& calibration);
/// p > alpha. @return [N, C] bool
at::Tensor cross_sets(const at::Tensor& p_values, double alpha);

/// What coverage is at least, on average over training sets, when rows are exchangeable and the
/// models exactly retrained: 1 - 2 alpha, for K < n folds less
/// min{2 (1 - 1/K) / (n/K + 1), (1 - K/n) / (K + 1)} (Barber et al. 2021, Theorems 1 and 4).
double guaranteed_coverage(double alpha, std::int64_t rows, std::int64_t folds);

/// A share with its Clopper-Pearson interval.
Interval proportion(std::int64_t successes, std::int64_t trials, double confidence);

}  // namespace modeldiff::conformal
