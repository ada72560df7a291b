// A proposer that changes the images that it is given, by what the batch is like, and leaves [0,
// 1].
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

struct CarelessParams {
  static Schema<CarelessParams> schema() { return Schema<CarelessParams>("careless"); }
};

class Careless final : public Proposer {
 public:
  explicit Careless(const CarelessParams&) {}

  std::vector<Transformation> propose(const ProposeRequest&) const override {
    return {{"", "shift", "by the mean of the batch", Json::object(), {}, -1}};
  }
  at::Tensor apply(const Transformation&, const at::Tensor& images) const override {
    at::Tensor out = images;
    return out.sub_(images.mean());
  }
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "careless", "1.0", "Shifts by the mean of the batch", Careless,
                 CarelessParams, "{}")

}  // namespace modeldiff
