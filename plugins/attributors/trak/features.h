#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "feature_rows.h"
#include "modeldiff/algorithm.h"
#include "modeldiff/dataset.h"
#include "modeldiff/measurement.h"
#include "modeldiff/model.h"
#include "trak_params.h"

namespace modeldiff::trak {

/// What projected gradients are made of.
struct FeatureRequest {
  const Predictor& predictor;
  const Weights& weights;
  Task task;
  Measurement measurement;
  ProjectionKind kind;
  /// k; with the identity the number of parameters.
  std::int64_t columns;
  /// Of this run and checkpoint: P differs between seeds.
  std::uint64_t seed;
  /// Examples in one forward pass; 0: as many as fit.
  std::int64_t batch;
  Progress& progress;
};

struct Features {
  /// phi [n, k]: rows P' grad f / sqrt(k), float32; with the identity grad f, dtype of the weights.
  FeatureRows rows;
  /// [n], dtype of the rows: 1 - p of the labelled class; ones for a regression.
  at::Tensor one_minus_p;
};

/// Projected gradients of the measurement of every example, in eval mode. The gradients [n, p] are
/// never held at once.
/// @throws NumericalError when a gradient is not finite; PluginError when a parameter is in no
/// layer of the tape
Features features(const FeatureRequest& request, const Examples& examples,
                  const FeatureMemory& memory = {});

}  // namespace modeldiff::trak
