#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "linear_data.h"

namespace modeldiff {

/// Objective::difference_sums() of a linear objective, with one change in each lane of a vector.
class DifferencePass {
 public:
  virtual ~DifferencePass() = default;
  virtual void difference_sums(const at::Tensor& w, const at::Tensor& v, RowSpan rows,
                               at::Tensor& out) const = 0;
};

/// @param classes whether the losses are cross-entropies
template <typename S>
std::unique_ptr<DifferencePass> make_difference_pass(std::shared_ptr<const LinearData> data,
                                                     bool classes);

}  // namespace modeldiff
