#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "analysis/json.h"
#include "analysis/scorecard.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"
#include "modeldiff/region.h"
#include "planted_params.h"

namespace modeldiff {
namespace {

/// A proposal that overlaps the mark this much is taken for the mark itself.
constexpr double kSamePixels = 0.8;

/// Which pixels a transformation replaces, [H, W] bool; undefined for one that changes all.
at::Tensor changed_pixels(const Json& transformation, const TensorMap& tensors, std::int64_t index,
                          std::int64_t height, std::int64_t width) {
  if (const auto mask = tensors.find(fmt::format("{}.mask", index)); mask != tensors.end())
    return mask->second;
  const auto values = tensors.find(fmt::format("{}.values", index));
  if (values == tensors.end()) return {};
  const Json& parameters = transformation.at("parameters");
  if (parameters.value("corners", false))
    return Region{.shape = Region::Shape::corners}.mask(height, width);
  at::Tensor out = at::zeros({height, width}, at::kBool);
  out.narrow(0, parameters.at("row").get<std::int64_t>(), values->second.size(1))
      .narrow(1, parameters.at("column").get<std::int64_t>(), values->second.size(2))
      .fill_(true);
  return out;
}

/// The score card of a planted difference: did the comparison find the examples, the proposals the
/// pixels, the verification the effect?
class Planted final : public Evaluation {
 public:
  explicit Planted(PlantedParams) {}

  EvaluationResult evaluate(const EvaluationRequest& request) const override {
    if (!request.train.planted.defined() || request.facts.planted.is_null()) {
      throw ConfigError("", "needs a planted mark, and the data set has none; add dataset.plant");
    }
    EvaluationResult out;
    const auto label = request.facts.planted.at("class").get<std::int64_t>();
    const Json& side = request.compare.at("sides")[0];
    const auto of = side.at("of").get<std::string>(),
               against = side.at("against").get<std::string>();
    const at::Tensor examples = request.compare_tensors.at(of + ".examples")[0],
                     queries = request.compare_tensors.at(of + ".queries")[0];
    const DirectionScore score =
        score_direction(examples, queries, request.train.planted, request.train.targets, label,
                        request.queries.planted);
    const auto marked = request.train.planted.sum().item<std::int64_t>();
    out.values = {{"planted", marked},
                  {"precision", score.precision},
                  {"auroc", score.auroc},
                  {"auroc_within_class", finite(score.auroc_within_class)},
                  {"query_precision", finite(score.query_precision)},
                  {"p_value", request.compare.at("p_value")}};
    if (request.verify.is_object()) judge_claims(request, of, against, out.values);
    const Json& values = out.values;
    out.summary = fmt::format(
        "The first direction of {} without {} holds {:.0f} % of the {} planted examples at its end "
        "(AUROC {:.2f}, within the class {:.2f}).",
        of, against, 100 * score.precision, marked, score.auroc, score.auroc_within_class);
    Json rows = Json::array();
    for (const auto& [name, value] : values.items()) {
      if (value.is_primitive()) rows.push_back({name, value});
    }
    out.exhibits.push_back(
        {"table", "Score card", {{"columns", {"measure", "value"}}, {"rows", rows}}});
    return out;
  }

 private:
  /// Where the mark stands among the verified claims, and what it does.
  static void judge_claims(const EvaluationRequest& request, const std::string& of,
                           const std::string& against, Json& values) {
    const std::int64_t height = request.facts.input_shape[1], width = request.facts.input_shape[2];
    const at::Tensor mark =
        Schema<Region>(Region::schema()).read(request.facts.planted.at("mark")).mask(height, width);
    const auto label = request.facts.planted.at("class").get<std::int64_t>();
    double best_overlap = 0, rank_overlap = 0;
    std::optional<std::size_t> rank;
    const Json& claims = request.verify.at("claims");
    const auto overlap_of = [&](const Json& claim) {
      const at::Tensor pixels =
          changed_pixels(claim.at("transformation"), request.verify_tensors,
                         claim.at("selected").get<std::int64_t>(), height, width);
      return pixels.defined() ? intersection_over_union(pixels, mark) : 0.0;
    };
    for (std::size_t i = 0; i < claims.size(); ++i) {
      const Json& claim = claims[i];
      const double overlap = overlap_of(claim);
      if (claim.at("family") == "blob") best_overlap = std::max(best_overlap, overlap);
      if (overlap < kSamePixels || overlap <= rank_overlap || claim.at("target_class") != label)
        continue;
      rank = i;
      rank_overlap = overlap;
    }
    values["overlap"] = best_overlap;
    values["tested"] = claims.size();
    values["discoveries"] = request.verify.at("discoveries");
    values["proposed"] = request.verify.at("proposed");
    values["rank"] = rank ? Json(*rank + 1) : Json();
    const auto best = request.verify.find("best");
    const bool leads = best != request.verify.end() && overlap_of(*best) >= kSamePixels;
    values["leads"] = leads;
    values["leads_with_class"] = leads && best->at("target_class") == label;
    if (request.verify.contains("control"))
      values["control_discoveries"] = request.verify.at("control").at("discoveries");
    if (!rank) return;
    const Json& claim = claims[*rank];
    values["effect"] = {{of, claim.at("effect").at(of)}, {against, claim.at("effect").at(against)}};
    values["effect_of_mark"] = claim.at("effect").at(of).at("estimate");
    values["effect_of_mark_lower"] = claim.at("effect").at(of).at("lower");
    values["largest_effect_against"] = claim.at("largest_single_effect").at(against);
  }
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "planted", "1.2",
                 "Score card of a planted difference: examples, pixels and effect found", Planted,
                 PlantedParams, R"({"needs": ["compare", "verify"], "data": "ground_truth"})");

}  // namespace modeldiff
