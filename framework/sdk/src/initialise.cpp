#include "modeldiff/initialise.h"

#include <algorithm>
#include <cmath>

namespace modeldiff {

void initialise_layer(at::Tensor& flat, const ParameterLayout& layout, const std::string& layer,
                      Initialisation how, LayerPlace place, RandomStream& random) {
  const ParameterLayout::Entry& weight = layout.at(layer + ".weight");
  const double fan_in =
      static_cast<double>(weight.count) / static_cast<double>(weight.shape.front());
  const float bound = static_cast<float>(std::sqrt(1 / fan_in));
  const float deviation =
      static_cast<float>(std::sqrt((place == LayerPlace::last ? 1 : 2) / fan_in));
  const auto fill = [&](const ParameterLayout::Entry& entry, bool is_weight) {
    float* out = flat.mutable_data_ptr<float>() + entry.offset;
    if (how == Initialisation::uniform) {
      random.fill_uniform(out, entry.count, -bound, bound);
    } else if (how == Initialisation::normal && is_weight) {
      random.fill_normal(out, entry.count, deviation);
    } else {
      std::fill_n(out, entry.count, 0.f);
    }
  };
  fill(weight, true);
  if (layout.contains(layer + ".bias")) fill(layout.at(layer + ".bias"), false);
}

}  // namespace modeldiff
