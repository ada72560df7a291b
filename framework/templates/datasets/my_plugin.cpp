#include "my_plugin_params.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>

#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

/// Points in the plane: one normal blob for each class, its centre on the unit circle.
class MyPluginData final : public DatasetSource {
 public:
  explicit MyPluginData(const MyPluginParams& params) : params_(params) {}

  Dataset load(const Resources&) const override {
    Dataset data;
    data.facts.name = "my_plugin";
    data.facts.input_shape = {2};
    data.facts.outputs = params_.classes;
    data.facts.source = "generated";
    data.train = draw("my_plugin.train", params_.train);
    data.test = draw("my_plugin.test", params_.test);
    return data;
  }

 private:
  /// A stream for each role, so that more training examples leave the test examples as they are.
  Examples draw(const char* role, std::int64_t rows) const {
    RandomStream random(params_.seed, role);
    Examples out;
    out.inputs = at::empty({rows, 2}, at::kFloat);
    out.targets = at::empty({rows}, at::kLong);
    float* point = out.inputs.mutable_data_ptr<float>();
    std::int64_t* label = out.targets.mutable_data_ptr<std::int64_t>();
    for (std::int64_t row = 0; row < rows; ++row) {
      label[row] = row % params_.classes;
      const double share = static_cast<double>(label[row]) / static_cast<double>(params_.classes);
      const double angle = 2 * std::numbers::pi * share;
      *point++ = static_cast<float>(std::cos(angle) + params_.spread * random.normal());
      *point++ = static_cast<float>(std::sin(angle) + params_.spread * random.normal());
    }
    return out;
  }

  MyPluginParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "my_plugin", "0.1-dev",
                 "Points in the plane, one normal blob for each class", MyPluginData,
                 MyPluginParams, "{}")

}  // namespace modeldiff
