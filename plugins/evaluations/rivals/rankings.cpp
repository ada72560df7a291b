#include "rankings.h"

#include <ATen/ATen.h>

namespace modeldiff::rivals {

at::Tensor similarity(const at::Tensor& features, const at::Tensor& references) {
  const at::Tensor centred = features - features.mean(0, /*keepdim=*/true);
  const at::Tensor unit = centred / centred.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
  return at::matmul(unit, unit.index_select(0, references).t());
}

at::Tensor direction_of_difference(const UnitRows& rows) {
  const at::Tensor plain = (rows.a - rows.b).to(at::kDouble);
  const at::Tensor centred = plain - plain.mean(0, /*keepdim=*/true);
  const at::Tensor vectors = std::get<1>(at::linalg_eigh(at::matmul(centred, centred.t())));
  const at::Tensor v = at::matmul(centred.t(), vectors.select(1, -1));
  const at::Tensor unit = v / v.norm().clamp_min(1e-300);
  return unit.pow(3).sum().item<double>() < 0 ? -unit : unit;
}

}  // namespace modeldiff::rivals
