#include "estimates.h"

#include <ATen/ATen.h>

#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace modeldiff::jackknife {

Estimates estimate(const at::Tensor& all, const at::Tensor& without, const Design& design,
                   double confidence) {
  const auto n = static_cast<double>(design.rows), d = static_cast<double>(design.left_out),
             k = static_cast<double>(design.runs);
  const at::Tensor mean = without.mean(0);
  const at::Tensor squares = (without - mean).square().sum(0);
  Estimates out;
  out.bias = (n - d) / d * (mean - all);
  // The mean of K of the n / d sets of rows, drawn without replacement.
  out.bias_error = (n - d) / d * (squares / ((k - 1) * k) * (1 - k * d / n)).sqrt();
  out.corrected = all - out.bias;
  out.standard_error = ((n - d) / (d * k) * squares).sqrt();
  const double t = boost::math::quantile(
      boost::math::complement(boost::math::students_t(k - 1), (1 - confidence) / 2));
  const at::Tensor& centre = design.complete() ? out.corrected : all;
  out.lower = centre - t * out.standard_error;
  out.upper = centre + t * out.standard_error;
  return out;
}

}  // namespace modeldiff::jackknife
