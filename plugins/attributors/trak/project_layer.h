#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "modeldiff/layers.h"
#include "projection.h"

namespace modeldiff::trak {

/// phi += g P for the gradients g of one layer's parameters, n examples. Any number of examples at
/// once, from two on, and any number of threads give the same bytes. (The product that makes the
/// gradient of a convolution takes another way for a single example.)
/// The gradients of a linear layer are outer products, delta a', and are not made: for a dense P, P is
/// applied to the inputs a for one unit at a time and scaled by delta, zeros of both passed over.
/// Other layers are taken a part at a time.
/// @param delta as LayerTape::output_gradients gives it, float32
/// @param phi   [n, k] float32, contiguous
void add_projected_layer(const LayerProjection& projection, const LayerRecord& record,
                         const at::Tensor& delta, at::Tensor& phi);

/// Gradients of consecutive parameters of a layer.
struct GradientBlock {
  at::Tensor gradients;  // [n, count]
  std::int64_t first;    // of the layer's parameters
};

/// Calls `use` with all gradients of a layer, in blocks that fit in memory.
void for_gradient_blocks(const LayerRecord& record, const at::Tensor& delta,
                         const std::function<void(const GradientBlock&)>& use);

}  // namespace modeldiff::trak
