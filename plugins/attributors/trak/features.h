#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

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
  std::uint64_t run_seed;
  /// Examples in one forward pass; 0: as many as fit.
  std::int64_t batch;
  Progress& progress;
};

struct Features {
  /// phi [n, k], dtype of the weights: rows P' grad f / sqrt(k), with the identity grad f.
  at::Tensor rows;
  /// [n], dtype of the weights: 1 - p of the labelled class; ones for a regression.
  at::Tensor one_minus_p;
};

/// Projected gradients of the measurement of every example, in eval mode.
/// The gradients [n, p] are never made: a linear layer's are outer products, delta a', so that P is
/// applied to the inputs a for one unit at a time and scaled by delta; zeros of both are passed
/// over. Other layers are taken some channels at a time.
/// @throws NumericalError when a gradient is not finite; PluginError when a parameter is in no
/// layer of the tape
Features features(const FeatureRequest& request, const Examples& examples);

}  // namespace modeldiff::trak
