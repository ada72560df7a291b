#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "analysis/effects.h"
#include "analysis/json.h"
#include "analysis/numbers.h"
#include "analysis/statistics.h"
#include "engine/artifacts.h"
#include "engine/stages.h"
#include "engine/transformations.h"
#include "modeldiff/measurement.h"
#include "planning/sections.h"
#include "training/classes.h"

namespace modeldiff {
namespace {

/// Before and after pictures of each claim in the report.
constexpr std::int64_t kShownPairs = 4;
/// Images on which the changed pixels of a transformation are counted.
constexpr std::int64_t kImagesOfExtent = 100;

const char* claim_text(Claim claim) {
  switch (claim) {
    case Claim::none:
      return "none";
    case Claim::a_relies_b_does_not:
      return "first relies, second does not";
    case Claim::b_relies_a_does_not:
      return "second relies, first does not";
    case Claim::a_relies_more:
      return "first relies more";
    case Claim::b_relies_more:
      return "second relies more";
  }
  return "";
}

/// The effects of all selected transformations on all runs of one side.
struct Effects {
  std::vector<at::Tensor>
      by_image;          // one for each transformation, [runs, images of other classes] float64
  at::Tensor by_class;   // [runs, F, C], on the probability of each class
  at::Tensor by_source;  // [runs, F, C], on that of the target class, on images of each class
  at::Tensor logit;      // [runs, F]
  at::Tensor predicted;  // [runs, F], on the share predicted as the target class
  at::Tensor margin;     // [runs, F], on the log-odds margin of the images' own classes
  at::Tensor placebo;    // [runs, F], NaN where there is none
  at::Tensor changed;    // [runs, F], share of predictions that change
};

Effects read_effects(const Workspace& workspace, const Cell& cell, const std::string& input) {
  Effects out;
  std::vector<std::vector<at::Tensor>> by_image;
  std::vector<at::Tensor> by_class, by_source, logit, predicted, margin, placebo, changed;
  for (std::size_t i = 0; i < workspace.input_count(cell, input); ++i) {
    const Artifact artifact = workspace.input(cell, input, i);
    const TensorMap tensors = map_tensors(artifact, "effects.safetensors");
    by_class.push_back(require_tensor(tensors, "by_class", artifact));
    by_source.push_back(require_tensor(tensors, "by_source", artifact));
    logit.push_back(require_tensor(tensors, "logit", artifact));
    predicted.push_back(require_tensor(tensors, "predicted", artifact));
    margin.push_back(require_tensor(tensors, "margin", artifact));
    placebo.push_back(require_tensor(tensors, "placebo", artifact));
    changed.push_back(require_tensor(tensors, "changed", artifact));
    const auto count = static_cast<std::size_t>(by_class.back().size(1));
    by_image.resize(count);
    for (std::size_t f = 0; f < count; ++f) {
      by_image[f].push_back(
          require_tensor(tensors, fmt::format("by_image.{}", f), artifact).to(at::kDouble));
    }
  }
  for (const auto& parts : by_image) out.by_image.push_back(at::cat(parts));
  out.by_class = at::cat(by_class);
  out.by_source = at::cat(by_source);
  out.logit = at::cat(logit);
  out.predicted = at::cat(predicted);
  out.margin = at::cat(margin);
  out.placebo = at::cat(placebo);
  out.changed = at::cat(changed);
  return out;
}

VerifyOptions options_of(const Json& config, std::uint64_t seed) {
  return {.confidence = config.at("confidence").get<double>(),
          .false_discovery_rate = config.at("false_discovery_rate").get<double>(),
          .dependent = FieldTraits<Correction>::read(config.at("correction")) ==
                       Correction::benjamini_yekutieli,
          .paired = config.at("paired").get<bool>(),
          .delta = config.at("relies").get<double>(),
          .epsilon = config.at("ignores").get<double>(),
          .bootstrap_draws = config.at("bootstrap").get<std::int64_t>(),
          .seed = seed};
}

/// @param extents of the transformations
Verification verify_sides(const Effects& a, const Effects& b, const std::vector<double>& extents,
                          const VerifyOptions& options) {
  std::vector<VerifyEntry> entries;
  for (std::size_t f = 0; f < a.by_image.size(); ++f)
    entries.push_back({a.by_image[f], b.by_image[f], extents[f]});
  return verify(entries, options);
}

/// Share of the pixels of images [I, C, H, W] that a transformation changes by half a grey level or
/// more in any channel.
double changed_pixels(const at::Tensor& before, const at::Tensor& after) {
  constexpr double kHalfLevel = 0.5 / 255;
  return (after - before).abs().amax(1).ge(kHalfLevel).to(at::kDouble).mean().item<double>();
}

std::vector<double> extents_of(const ProposalSet& selected, const Examples& images) {
  const at::Tensor plain =
      images.select(at::arange(std::min(images.size(), kImagesOfExtent))).floats();
  std::vector<double> out;
  for (std::size_t i = 0; i < selected.size(); ++i)
    out.push_back(changed_pixels(plain, selected.apply(i, plain)));
  return out;
}

/// @param effects [runs, F, C]
Json class_table(const at::Tensor& effects, std::int64_t f) {
  const at::Tensor means = effects.select(1, f).mean(0);
  Json out = Json::array();
  for (std::int64_t c = 0; c < means.size(0); ++c) {
    out.push_back(finite(means[c].item<double>()));
  }
  return out;
}

/// The effects on the two sides that are compared, and on the algorithms that are told beside them.
struct Sides {
  std::vector<std::string> names;
  Effects a, b;
  std::map<std::string, Effects> also;
};

Sides read_sides(const Workspace& workspace, const Cell& cell) {
  Sides out{cell.own.at("between").get<std::vector<std::string>>(),
            read_effects(workspace, cell, "effects of"),
            read_effects(workspace, cell, "effects against"),
            {}};
  for (const Json& name : cell.own.at("also"))
    out.also.emplace(name,
                     read_effects(workspace, cell, "effects also " + name.get<std::string>()));
  return out;
}

/// What transformation `index` does on each side, beside the mean effect that is tested.
Json effects_on(const Sides& sides, std::size_t index, bool has_placebo,
                const VerifyOptions& options) {
  const double confidence = options.confidence;
  const auto f = static_cast<std::int64_t>(index);
  const auto both = [&](const auto& describe) {
    return Json{{sides.names[0], describe(sides.a)}, {sides.names[1], describe(sides.b)}};
  };
  const auto intervals = [&](at::Tensor Effects::* values) {
    return both([&](const Effects& effects) {
      return to_json(t_interval(numbers((effects.*values).select(1, f)), confidence));
    });
  };
  const auto difference = [&](at::Tensor Effects::* values) {
    return to_json(difference_interval(numbers((sides.a.*values).select(1, f)),
                                       numbers((sides.b.*values).select(1, f)), confidence,
                                       options.paired));
  };
  Json placebo;
  if (has_placebo) {
    placebo = to_json(
        placebo_contrast(mean_by_run(sides.a.by_image[index]), mean_by_run(sides.b.by_image[index]),
                         numbers(sides.a.placebo.select(1, f)),
                         numbers(sides.b.placebo.select(1, f)), confidence, options.paired));
    placebo["effect"] =
        both([&](const Effects& e) { return e.placebo.select(1, f).mean().item<double>(); });
  }
  Json also = Json::object();
  for (const auto& [name, effects] : sides.also)
    also[name] = to_json(t_interval(mean_by_run(effects.by_image[index]), confidence));
  return {{"also", also},
          {"placebo", placebo},
          {"by_run", both([&](const Effects& e) { return mean_by_run(e.by_image[index]); })},
          {"largest_single_effect",
           both([&](const Effects& e) { return e.by_image[index].abs().max().item<double>(); })},
          {"logit_effect", intervals(&Effects::logit)},
          {"logit_difference", difference(&Effects::logit)},
          {"prediction_effect", intervals(&Effects::predicted)},
          {"prediction_difference", difference(&Effects::predicted)},
          {"margin_effect", intervals(&Effects::margin)},
          {"margin_difference", difference(&Effects::margin)},
          {"changed_predictions", intervals(&Effects::changed)},
          {"changed_difference", difference(&Effects::changed)},
          {"effect_by_class", both([&](const Effects& e) { return class_table(e.by_class, f); })},
          {"effect_by_source_class",
           both([&](const Effects& e) { return class_table(e.by_source, f); })}};
}

Json tests_of(const Verified& effect, const std::vector<std::string>& names) {
  return {{"changed_pixels", effect.extent},
          {"claim", claim_text(effect.claim)},
          {"discovery", effect.discovery},
          {"effect", {{names[0], to_json(effect.effect_a)}, {names[1], to_json(effect.effect_b)}}},
          {"difference", to_json(effect.difference)},
          {"difference_simultaneous", to_json(effect.difference_simultaneous)},
          {"difference_over_images", to_json(effect.difference_over_images)},
          {"p_value", effect.p_value},
          {"adjusted_p_value", effect.adjusted_p_value},
          {"equivalent_to_zero",
           {{names[0], effect.a_is_null.equivalent}, {names[1], effect.b_is_null.equivalent}}},
          {"bound", effect.bound}};
}

/// In the order in which they were named, so that expectations can name one by its place.
Json preregistered_of(const Json& claims) {
  std::map<std::size_t, Json> named;
  for (const Json& claim : claims) {
    if (claim.at("preregistered").get<bool>())
      named.emplace(claim.at("selected").get<std::size_t>(), claim);
  }
  Json out = Json::array();
  for (const auto& [index, claim] : named) out.push_back(claim);
  return out;
}

}  // namespace

void make_verify_effects(Workspace& workspace, const Cell& cell, Publication& out,
                         Progress& progress) {
  const ProposalSet selected(workspace, cell, "selection");
  const ProposalSet placebos(workspace, cell, "selection", "placebos");
  const Json rows = workspace.input(cell, "selection").json("selection.json").at("selected");
  const EffectRuns runs(workspace, cell);
  const Dataset& data = workspace.dataset(cell);
  const Examples images = data.test.select(workspace.split(cell).verify);
  const at::Tensor plain = images.floats();
  const at::Tensor logits = runs.logits(images.inputs);
  const at::Tensor before = logits.softmax(-1);
  const auto margins_of = [&](const at::Tensor& of_runs) {
    std::vector<at::Tensor> means;
    for (const at::Tensor& of_run : of_runs.unbind(0))
      means.push_back(log_odds_margin(of_run, images.targets).to(at::kDouble).mean());
    return at::stack(means);
  };
  const at::Tensor margins = margins_of(logits);

  TensorMap tensors;
  std::vector<at::Tensor> by_class, by_source, logit, predicted, margin, placebo, changed;
  for (std::size_t i = 0; i < selected.size(); ++i) {
    progress.check_stop();
    const auto target = rows[i].at("target_class").get<std::int64_t>();
    const at::Tensor logits_after = runs.logits(selected.apply(i, plain));
    const at::Tensor after = logits_after.softmax(-1);
    tensors.emplace(fmt::format("by_image.{}", i),
                    effect_by_image(before, after, images.targets, target).to(at::kFloat));
    by_class.push_back(treatment_effects(before, after, images.targets));
    by_source.push_back(effects_by_source_class(before, after, images.targets).select(2, target));
    logit.push_back(treatment_effects(logits, logits_after, images.targets).select(1, target));
    predicted.push_back(prediction_effects(before, after, images.targets).select(1, target));
    margin.push_back(margins_of(logits_after) - margins);
    changed.push_back(changed_predictions(before, after));
    const Json& index = rows[i].at("placebo");
    placebo.push_back(index.is_null() ? at::full({before.size(0)}, std::nan(""), at::kDouble)
                                      : treatment_effects(before,
                                                          runs.probabilities(placebos.apply(
                                                              index.get<std::size_t>(), plain)),
                                                          images.targets)
                                            .select(1, target));
    progress.update(static_cast<double>(i + 1) / static_cast<double>(selected.size()),
                    selected[i].label);
  }
  tensors.emplace("by_class", at::stack(by_class, 1));
  tensors.emplace("by_source", at::stack(by_source, 1));
  tensors.emplace("logit", at::stack(logit, 1));
  tensors.emplace("predicted", at::stack(predicted, 1));
  tensors.emplace("margin", at::stack(margin, 1));
  tensors.emplace("placebo", at::stack(placebo, 1));
  tensors.emplace("changed", at::stack(changed, 1));
  add_tensors(out, "effects.safetensors", tensors);
}

void make_verification(Workspace& workspace, const Cell& cell, Publication& out,
                       Progress& progress) {
  const VerifyOptions options =
      options_of(workspace.config(cell), cell.own.at("seed").get<std::uint64_t>());
  const ProposalSet selected(workspace, cell, "selection");
  const Json selection = workspace.input(cell, "selection").json("selection.json");
  const Dataset& data = workspace.dataset(cell);
  const Examples images = data.test.select(workspace.split(cell).verify);
  const Sides sides = read_sides(workspace, cell);
  const std::vector<double> extents = extents_of(selected, images);
  const Verification verified = verify_sides(sides.a, sides.b, extents, options);
  progress.update(0.7, "control");

  TensorMap pictures;
  Json claims = Json::array();
  for (const std::size_t index : verified.ranking) {
    const Json& row = selection.at("selected")[index];
    const auto target = row.at("target_class").get<std::int64_t>();
    Json claim{{"transformation", to_json(selected[index])},
               {"label", selected[index].label},
               {"family", selected[index].family},
               {"proposer", selected[index].proposer},
               {"target_class", target},
               {"target_class_name", class_name(data.facts, target)},
               {"preregistered", row.at("preregistered")},
               {"selected", index}};
    claim.update(effects_on(sides, index, !row.at("placebo").is_null(), options));
    claim.update(tests_of(verified.effects[index], sides.names));
    const at::Tensor others = (images.targets != target).nonzero().squeeze(1);
    const at::Tensor plain = images.select(others.slice(0, 0, kShownPairs)).floats();
    pictures.emplace(fmt::format("{}.before", claims.size()), as_bytes(plain));
    pictures.emplace(fmt::format("{}.after", claims.size()),
                     as_bytes(selected.apply(index, plain)));
    claims.push_back(std::move(claim));
  }
  Json result{
      {"between", sides.names},
      {"runs",
       {{sides.names[0], sides.a.by_class.size(0)}, {sides.names[1], sides.b.by_class.size(0)}}},
      {"images", images.size()},
      {"proposed", selection.at("proposed")},
      {"tested", claims.size()},
      {"discoveries", verified.discoveries},
      {"confidence", options.confidence},
      {"false_discovery_rate", options.false_discovery_rate},
      {"paired", options.paired},
      {"relies", options.delta},
      {"ignores", options.epsilon},
      {"claims", claims},
      {"preregistered", preregistered_of(claims)}};
  if (const auto best = leading_claim(verified)) {
    result["best"] = *std::find_if(claims.begin(), claims.end(), [&](const Json& claim) {
      return claim.at("selected") == *best;
    });
  }
  if (workspace.input_count(cell, "effects control") > 0) {
    // The control's runs share no seed with A's.
    VerifyOptions unpaired = options;
    unpaired.paired = false;
    const Verification null_pair =
        verify_sides(sides.a, read_effects(workspace, cell, "effects control"), extents, unpaired);
    double largest = 0;
    for (const Verified& effect : null_pair.effects) largest = std::max(largest, effect.bound);
    result["control"] = {{"discoveries", null_pair.discoveries}, {"largest_bound", largest}};
  }
  add_tensors(out, "images.safetensors", pictures);
  out.add_json("verification.json", result);
}

}  // namespace modeldiff
