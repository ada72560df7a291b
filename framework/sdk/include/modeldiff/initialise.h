#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>

#include "modeldiff/core/random.h"
#include "modeldiff/core/schema.h"
#include "modeldiff/model.h"

namespace modeldiff {

/// How a layer's weight and bias start, with fan-in = the inputs of one output.
enum class Initialisation {
  /// Weight normal with standard deviation sqrt(2 / fan-in), in the last layer sqrt(1 / fan-in);
  /// bias 0. He et al. 2015.
  normal,
  /// Weight and bias uniform in +-sqrt(1 / fan-in): torch's default.
  uniform,
  zero,
};

template <>
struct Choices<Initialisation> {
  static constexpr std::pair<Initialisation, const char*> names[] = {
      {Initialisation::normal, "normal"},
      {Initialisation::uniform, "uniform"},
      {Initialisation::zero, "zero"}};
};

enum class LayerPlace { hidden, last };

/// Fills `layer`.weight [out, ...] and, if the layout has it, `layer`.bias of `flat` [p] float32.
/// Numbers are drawn in the order of the layout, so that the same stream gives the same bytes.
MODELDIFF_API void initialise_layer(at::Tensor& flat, const ParameterLayout& layout,
                                    const std::string& layer, Initialisation how, LayerPlace place,
                                    RandomStream& random);

}  // namespace modeldiff
