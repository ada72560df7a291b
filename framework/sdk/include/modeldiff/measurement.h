#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// The scalar f(query, model) that scores explain. One experiment uses one throughout.
enum class Measurement { log_odds_margin, max_margin, loss, output };

template <>
struct Choices<Measurement> {
  static constexpr std::pair<Measurement, const char*> names[] = {
      {Measurement::log_odds_margin, "log_odds_margin"},
      {Measurement::max_margin, "max_margin"},
      {Measurement::loss, "loss"},
      {Measurement::output, "output"}};
};

/// Log-odds margin of the labelled class: log(p_y / (1 - p_y)) = z_y - logsumexp_{c != y} z_c.
/// Park et al. 2023 (TRAK, arXiv:2303.14186), Sec. 3.3.
/// @param logits [..., n, classes], not normalised; classes >= 2
/// @param labels [n], int64, each in [0, classes)
/// @return       [..., n], dtype of logits, in nats; larger means more confident in the label
/// @throws ShapeError naming both shapes
MODELDIFF_API at::Tensor log_odds_margin(const at::Tensor& logits, const at::Tensor& labels);
/// z_y - max_{c != y} z_c: correct iff > 0. Ilyas et al. 2022 (datamodels, arXiv:2202.00622).
MODELDIFF_API at::Tensor max_margin(const at::Tensor& logits, const at::Tensor& labels);
/// Any of them. `loss` is cross-entropy or squared error of the row, negated so that larger is
/// better; `output` is the first output of a regression. @return [..., n]
MODELDIFF_API at::Tensor measure(Measurement measurement, const at::Tensor& outputs,
                                 const at::Tensor& targets);

}  // namespace modeldiff
