#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "modeldiff/core/schema.h"

namespace modeldiff {

/// The projection matrix P.
enum class ProjectionKind { rademacher, normal, structured, factored, identity };

template <>
struct Choices<ProjectionKind> {
  static constexpr std::pair<ProjectionKind, const char*> names[] = {
      {ProjectionKind::rademacher, "rademacher"},
      {ProjectionKind::normal, "normal"},
      {ProjectionKind::structured, "structured"},
      {ProjectionKind::factored, "factored"},
      {ProjectionKind::identity, "identity"}};
};

/// Parameters of the `trak` attributor.
struct TrakParams {
  std::optional<std::int64_t> projection;
  ProjectionKind projection_kind = ProjectionKind::rademacher;
  double damping = 1e-3;
  double q_power = 0;
  bool newton = false;
  std::int64_t checkpoints = 0;
  std::int64_t batch = 0;
  std::int64_t memory = 1024;

  static Schema<TrakParams> schema() {
    return Schema<TrakParams>("trak")
        .field("projection", &TrakParams::projection,
               "Numbers k that a gradient is projected to. Left out: 512 for models below 50,000 "
               "parameters, 1024 up to "
               "200,000, 2048 above.",
               at_least(1))
        .field("projection_kind", &TrakParams::projection_kind,
               "Entries of the projection: `rademacher`, signs; `normal`, standard normal numbers; "
               "`structured`, signs made by Hadamard transforms of the rows and columns of a "
               "layer's gradient, a hundred times less work; `factored`, signs that are products "
               "of one for the row and one for the column, the least work and the most noise; "
               "`identity`, none: the raw gradients, for small models.")
        .field("damping", &TrakParams::damping,
               "Added to the diagonal of the Gram matrix of projected gradients, as a share of its "
               "mean.",
               at_least(0))
        .field(
            "q_power", &TrakParams::q_power,
            "Power of the factor 1 - p of the training examples. 1 is the published estimator and "
            "raises LDS a "
            "little; it hides examples that are easy because of a feature, so comparisons use 0.",
            at_least(0))
        .field("newton", &TrakParams::newton,
               "Weight training examples by p (1 - p) in the Gram matrix.")
        .field("checkpoints", &TrakParams::checkpoints,
               "Evenly spaced checkpoints of each run that are scored, the last at its end, and "
               "averaged. 0: the final weights only.",
               at_least(0))
        .field("batch", &TrakParams::batch,
               "Examples in one forward pass; 0: as many as fit in 256 MB.", at_least(0),
               unit("examples"))
        .field("memory", &TrakParams::memory,
               "Memory for the features of the training examples; more of them are kept in a file "
               "while a run is scored.",
               at_least(1), unit("MiB"), not_semantic());
  }
};

}  // namespace modeldiff
