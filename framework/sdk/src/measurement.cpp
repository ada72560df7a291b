#include "modeldiff/measurement.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <limits>

#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

void check_logits(const at::Tensor& logits, const at::Tensor& labels, std::int64_t least_classes) {
  const bool fits = logits.dim() >= 2 && labels.dim() == 1 && logits.size(-2) == labels.size(0) &&
                    logits.size(-1) >= least_classes && labels.scalar_type() == at::kLong;
  if (!fits) {
    throw ShapeError(
        fmt::format("logits must be [..., n, classes] with at least {} classes and labels [n] "
                    "int64, got {} and {}",
                    least_classes, shape_text(logits), shape_text(labels)));
  }
}

/// Labels as an index into the last dimension of the logits, [..., n, 1].
at::Tensor label_index(const at::Tensor& logits, const at::Tensor& labels) {
  std::vector<std::int64_t> shape = logits.sizes().vec();
  shape.back() = 1;
  return labels.unsqueeze(-1).expand(shape);
}

/// The logits with the labelled class at -infinity: what is left are the others.
at::Tensor other_logits(const at::Tensor& logits, const at::Tensor& index) {
  return logits.scatter(-1, index, -std::numeric_limits<double>::infinity());
}

at::Tensor squared_error(const at::Tensor& outputs, const at::Tensor& targets) {
  if (outputs.dim() < 2 || targets.dim() != 2 || outputs.size(-2) != targets.size(0) ||
      outputs.size(-1) != targets.size(1)) {
    throw ShapeError(
        fmt::format("outputs must be [..., n, outputs] and targets [n, outputs], got {} and {}",
                    shape_text(outputs), shape_text(targets)));
  }
  return (outputs - targets).square().mean(-1);
}

}  // namespace

at::Tensor log_odds_margin(const at::Tensor& logits, const at::Tensor& labels) {
  check_logits(logits, labels, 2);
  const at::Tensor index = label_index(logits, labels);
  return logits.gather(-1, index).squeeze(-1) - other_logits(logits, index).logsumexp(-1);
}

at::Tensor max_margin(const at::Tensor& logits, const at::Tensor& labels) {
  check_logits(logits, labels, 2);
  const at::Tensor index = label_index(logits, labels);
  return logits.gather(-1, index).squeeze(-1) - other_logits(logits, index).amax(-1);
}

at::Tensor measure(Measurement measurement, const at::Tensor& outputs, const at::Tensor& targets) {
  switch (measurement) {
    case Measurement::log_odds_margin:
      return log_odds_margin(outputs, targets);
    case Measurement::max_margin:
      return max_margin(outputs, targets);
    case Measurement::loss:
      if (targets.is_floating_point()) return -squared_error(outputs, targets);
      check_logits(outputs, targets, 1);
      return outputs.log_softmax(-1).gather(-1, label_index(outputs, targets)).squeeze(-1);
    case Measurement::output:
      return outputs.select(-1, 0);
  }
  throw InternalError("a measurement that is not of the list");
}

}  // namespace modeldiff
