// An evaluation that counts its calls, and measures something that is not finite.
#include <limits>

#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

struct ForgetfulParams {
  bool finite = true;
  static Schema<ForgetfulParams> schema() {
    return Schema<ForgetfulParams>("forgetful")
        .field("finite", &ForgetfulParams::finite, "Measure a finite number.");
  }
};

class Forgetful final : public Evaluation {
 public:
  explicit Forgetful(const ForgetfulParams& params) : params_(params) {}

  EvaluationResult evaluate(const EvaluationRequest&) const override {
    static int calls = 0;
    const double value = params_.finite ? ++calls : std::numeric_limits<double>::infinity();
    return {.values = {{"calls", value}}, .summary = "Counted.", .exhibits = {}, .tensors = {}};
  }

 private:
  ForgetfulParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "forgetful", "1.0", "Counts its calls", Forgetful, ForgetfulParams,
                 "{}")

}  // namespace modeldiff
