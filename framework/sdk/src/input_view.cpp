#include "modeldiff/input_view.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

/// One value for each channel of [n, C, H, W] or column of [n, d], in a shape that broadcasts.
at::Tensor along_channels(const std::vector<float>& values, const at::Tensor& like,
                          const char* name) {
  if (static_cast<std::int64_t>(values.size()) != like.size(1)) {
    throw ShapeError(
        fmt::format("{} has {} values for inputs {}", name, values.size(), shape_text(like)));
  }
  std::vector<std::int64_t> shape(like.dim(), 1);
  shape[1] = like.size(1);
  return at::tensor(values, at::kFloat).view(shape);
}

}  // namespace

at::Tensor InputView::apply(const at::Tensor& inputs) const {
  at::Tensor x =
      inputs.scalar_type() == at::kByte ? inputs.to(at::kFloat).div_(255) : inputs.to(at::kFloat);
  if (hidden.defined()) {
    if (x.dim() != 4 || x.size(2) != hidden.size(0) || x.size(3) != hidden.size(1)) {
      throw ShapeError(fmt::format("pixels {} are hidden, but the inputs are {}",
                                   shape_text(hidden), shape_text(inputs)));
    }
    x = at::where(hidden, along_channels(fill, x, "fill"), x);
  }
  if (!mean.empty()) x = x - along_channels(mean, x, "mean");
  if (!deviation.empty()) x = x / along_channels(deviation, x, "deviation");
  return x;
}

}  // namespace modeldiff
