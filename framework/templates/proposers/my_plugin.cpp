#include "my_plugin_params.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// Brighter and darker images: x <- min(max(x + amount, 0), 1). A fixed grid, whatever the
/// directions; one that follows a direction looks at request.directions and at the training
/// examples with the largest weights.
class MyPluginProposer final : public Proposer {
 public:
  explicit MyPluginProposer(MyPluginParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest&) const override {
    std::vector<Transformation> out;
    for (const double amount : params_.amounts) {
      const std::string label =
          (amount < 0 ? "darker by " : "brighter by ") + Json(std::abs(amount)).dump();
      out.push_back({"", "brightness", label, {{"amount", amount}}, {}, -1});
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    return images.add(transformation.parameters.at("amount").get<double>()).clamp(0, 1);
  }

 private:
  MyPluginParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "my_plugin", "0.1-dev", "Brighter and darker images", MyPluginProposer,
                 MyPluginParams, R"({"data": "images"})")

}  // namespace modeldiff
