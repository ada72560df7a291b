#include "dampen.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace modeldiff::dampening {

at::Tensor importance(const Objective& objective, const at::Tensor& w, RowSpan rows,
                      std::int64_t batch) {
  at::Tensor total = at::zeros_like(w), gradient = at::empty_like(w);
  std::int64_t batches = 0;
  for (std::size_t begin = 0; begin < rows.size(); begin += static_cast<std::size_t>(batch)) {
    const std::size_t count = std::min(static_cast<std::size_t>(batch), rows.size() - begin);
    objective.gradient_sum(w, rows.subspan(begin, count), gradient);
    gradient.div_(static_cast<double>(count));
    total.addcmul_(gradient, gradient);
    ++batches;
  }
  return total.div_(static_cast<double>(std::max<std::int64_t>(batches, 1)));
}

std::int64_t dampen(at::Tensor& w, const at::Tensor& all, const at::Tensor& forgotten,
                    double selection, double strength) {
  const at::Tensor selected = forgotten > selection * all;
  const at::Tensor factor = (strength * all / forgotten).clamp_max(1);
  w = at::where(selected, w * factor, w);
  return selected.sum().item<std::int64_t>();
}

}  // namespace modeldiff::dampening
