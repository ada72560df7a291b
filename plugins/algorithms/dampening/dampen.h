#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "modeldiff/objective.h"

namespace modeldiff::dampening {

/// Mean over batches of the squared mean gradient of each batch: what a weight matters to rows.
/// @param w [p] float64 @return [p] float64
at::Tensor importance(const Objective& objective, const at::Tensor& w, RowSpan rows,
                      std::int64_t batch);

/// w_i <- w_i min(strength all_i / forgotten_i, 1) where forgotten_i > selection all_i.
/// Foster, Schoepf and Brintrup 2024 (arXiv:2308.07707), Eqs. 3 and 4.
/// @return how many weights were dampened
std::int64_t dampen(at::Tensor& w, const at::Tensor& all, const at::Tensor& forgotten,
                    double selection, double strength);

}  // namespace modeldiff::dampening
