#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"
#include "modeldiff/initialise.h"

namespace modeldiff {

enum class Resnet9Norm { batch, none };

template <>
struct Choices<Resnet9Norm> {
  static constexpr std::pair<Resnet9Norm, const char*> names[] = {{Resnet9Norm::batch, "batch"},
                                                                  {Resnet9Norm::none, "none"}};
};

/// Parameters of the `resnet9` model.
struct Resnet9Params {
  double width = 0.25;
  std::optional<std::vector<std::int64_t>> channels;
  Resnet9Norm norm = Resnet9Norm::batch;
  double output_scale = 0.2;
  Initialisation init = Initialisation::uniform;

  static Schema<Resnet9Params> schema() {
    return Schema<Resnet9Params>("resnet9")
        .field("width", &Resnet9Params::width, "Multiplies the channels 64, 128, 256, 128.",
               more_than(0))
        .field(
            "channels", &Resnet9Params::channels,
            "Channels of the two first convolutions, the third and the last, instead of `width`.",
            item_count(4, 4), each_item(at_least(1)))
        .field("norm", &Resnet9Params::norm,
               "`batch`: batch norm after each convolution; `none`: a bias in its place.")
        .field("output_scale", &Resnet9Params::output_scale, "The logits are multiplied by it.",
               more_than(0))
        .field("init", &Resnet9Params::init,
               "Of the convolutions and the last layer. `normal`: standard deviation sqrt(2 / "
               "fan-in), in the last layer "
               "sqrt(1 / fan-in); `uniform`: in +-sqrt(1 / fan-in); `zero`: all 0.");
  }
};

}  // namespace modeldiff
