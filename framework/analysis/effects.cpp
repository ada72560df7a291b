#include "analysis/effects.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "analysis/numbers.h"
#include "modeldiff/core/error.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

constexpr double kEquivalenceLevel = 0.05;
/// Of the largest bound: below it a claim is not a sharper form of the largest one but another,
/// smaller one.
constexpr double kComparableBound = 0.5;
/// What changes less than this share of the pixels is about a part of the image.
constexpr double kPartOfImage = 0.5;

void check_outputs(const at::Tensor& before, const at::Tensor& after) {
  if (before.dim() != 3 || before.sizes() != after.sizes()) {
    throw ShapeError(
        fmt::format("outputs before and after must both be [runs, images, classes], got {} and {}",
                    shape_text(before), shape_text(after)));
  }
}

at::Tensor change(const at::Tensor& before, const at::Tensor& after) {
  check_outputs(before, after);
  return after.to(at::kDouble) - before.to(at::kDouble);
}

void check_labels(const at::Tensor& outputs, const at::Tensor& labels) {
  if (labels.dim() != 1 || labels.size(0) != outputs.size(1)) {
    throw ShapeError(
        fmt::format("labels {} are not those of the images in {} [runs, images, classes]",
                    shape_text(labels), shape_text(outputs)));
  }
}

at::Tensor class_indicator(const at::Tensor& labels, std::int64_t classes) {
  return labels.unsqueeze(1).eq(at::arange(classes, labels.options())).to(at::kDouble);  // [I, C]
}

/// How far from 0 an interval stays; 0 when it has 0 in it.
double bound_of(const Interval& interval) {
  return interval.lower > 0 ? interval.lower : std::max(-interval.upper, 0.0);
}

/// By what is sure; where nothing is, by what is seen.
bool clearer(const Screened& x, const Screened& y) {
  return std::pair(x.bound, std::abs(x.difference)) > std::pair(y.bound, std::abs(y.difference));
}

/// The class on which A and B differ most surely; or the one asked for.
Screened clearest_class(const ScreenEntry& entry, std::size_t index, double confidence) {
  if (entry.effects_a.dim() != 2 || entry.effects_b.dim() != 2 ||
      entry.effects_a.size(1) != entry.effects_b.size(1)) {
    throw ShapeError(fmt::format(
        "effects of family '{}' must be [runs, classes] of the same classes, got {} and {}",
        entry.family, shape_text(entry.effects_a), shape_text(entry.effects_b)));
  }
  std::optional<Screened> best;
  for (std::int64_t c = 0; c < entry.effects_a.size(1); ++c) {
    if (entry.target_class && *entry.target_class != c) continue;
    const std::vector<double> a = numbers(entry.effects_a.select(1, c));
    const std::vector<double> b = numbers(entry.effects_b.select(1, c));
    if (std::isnan(a.front()) || std::isnan(b.front())) continue;
    const Interval difference = welch_interval(a, b, confidence);
    const Screened found{index, c, difference.estimate, bound_of(difference)};
    if (!best || clearer(found, *best)) best = found;
  }
  if (!best) throw ShapeError(fmt::format("family '{}' has no class with an effect", entry.family));
  return *best;
}

std::vector<double> differences(std::span<const double> a, std::span<const double> b) {
  std::vector<double> out(a.size());
  std::transform(a.begin(), a.end(), b.begin(), out.begin(), std::minus<>());
  return out;
}

void check_entry(const VerifyEntry& entry, std::size_t index, bool paired) {
  const at::Tensor& a = entry.by_image_a;
  const at::Tensor& b = entry.by_image_b;
  if (a.dim() != 2 || b.dim() != 2 || a.size(1) != b.size(1) || a.size(0) < 2 || b.size(0) < 2 ||
      a.size(1) < 1) {
    throw ShapeError(fmt::format(
        "effects {} must be [runs >= 2, images] on the same images for A and B, got {} and {}",
        index, shape_text(a), shape_text(b)));
  }
  if (paired && a.size(0) != b.size(0)) {
    throw ShapeError(fmt::format("runs of effects {} cannot be paired: A has {}, B has {}", index,
                                 a.size(0), b.size(0)));
  }
}

/// @param tested how many entries there are
Verified measured(const VerifyEntry& entry, std::size_t tested, const VerifyOptions& options) {
  const std::vector<double> a = mean_by_run(entry.by_image_a);
  const std::vector<double> b = mean_by_run(entry.by_image_b);
  Verified out;
  out.extent = entry.extent;
  out.effect_a = t_interval(a, options.confidence);
  out.effect_b = t_interval(b, options.confidence);
  const auto difference = [&](double confidence) {
    return difference_interval(a, b, confidence, options.paired);
  };
  out.difference = difference(options.confidence);
  out.difference_simultaneous =
      difference(1 - (1 - options.confidence) / static_cast<double>(tested));
  out.p_value =
      options.paired ? sign_flip_test(differences(a, b), options.seed) : welch_test(a, b).p_value;
  const std::vector<double> all_a = numbers(entry.by_image_a);
  const std::vector<double> all_b = numbers(entry.by_image_b);
  out.difference_over_images =
      two_way_bootstrap_difference({all_a, entry.by_image_a.size(0), entry.by_image_a.size(1)},
                                   {all_b, entry.by_image_b.size(0), entry.by_image_b.size(1)},
                                   options.confidence, options.bootstrap_draws, options.seed);
  out.a_is_null = equivalence_test(a, options.epsilon, kEquivalenceLevel);
  out.b_is_null = equivalence_test(b, options.epsilon, kEquivalenceLevel);
  out.bound = bound_of(out.difference);
  return out;
}

Claim claim_of(const Verified& effect, const VerifyOptions& options) {
  if (!effect.discovery) return Claim::none;
  if (effect.effect_a.lower > options.delta && effect.b_is_null.equivalent)
    return Claim::a_relies_b_does_not;
  if (effect.effect_b.lower > options.delta && effect.a_is_null.equivalent)
    return Claim::b_relies_a_does_not;
  return std::abs(effect.effect_a.estimate) > std::abs(effect.effect_b.estimate)
             ? Claim::a_relies_more
             : Claim::b_relies_more;
}

std::optional<double> silent_side(const Verified& effect, double epsilon) {
  const auto farthest = [](const Interval& side) {
    return std::max(std::abs(side.lower), std::abs(side.upper));
  };
  if (!effect.discovery) return std::nullopt;
  if (effect.effect_a.lower > epsilon && effect.b_is_null.equivalent)
    return farthest(effect.effect_b);
  if (effect.effect_b.lower > epsilon && effect.a_is_null.equivalent)
    return farthest(effect.effect_a);
  return std::nullopt;
}

}  // namespace

at::Tensor treatment_effects(const at::Tensor& before, const at::Tensor& after,
                             const at::Tensor& labels) {
  const at::Tensor changes = change(before, after);
  check_labels(changes, labels);
  const at::Tensor others = 1 - class_indicator(labels, changes.size(2));
  const at::Tensor counts = others.sum(0);
  const at::Tensor sums = (changes * others).sum(1);
  return at::where(counts.gt(0), sums / counts, kNaN);
}

at::Tensor effects_by_source_class(const at::Tensor& before, const at::Tensor& after,
                                   const at::Tensor& labels) {
  const at::Tensor changes = change(before, after);
  check_labels(changes, labels);
  const at::Tensor members = class_indicator(labels, changes.size(2));
  const at::Tensor counts = members.sum(0).unsqueeze(1);  // [C, 1]
  return at::where(counts.gt(0), at::matmul(members.t(), changes) / counts, kNaN);
}

at::Tensor effect_by_image(const at::Tensor& before, const at::Tensor& after,
                           const at::Tensor& labels, std::int64_t c) {
  const at::Tensor changes = change(before, after);
  check_labels(changes, labels);
  if (c < 0 || c >= changes.size(2)) {
    throw ShapeError(fmt::format("there is no class {} in outputs {}", c, shape_text(before)));
  }
  return changes.select(2, c).index_select(1, labels.ne(c).nonzero().squeeze(1)).contiguous();
}

at::Tensor prediction_effects(const at::Tensor& before, const at::Tensor& after,
                              const at::Tensor& labels) {
  const auto predicted = [](const at::Tensor& outputs) {
    return at::one_hot(outputs.argmax(2), outputs.size(2));
  };
  check_outputs(before, after);
  return treatment_effects(predicted(before), predicted(after), labels);
}

at::Tensor changed_predictions(const at::Tensor& before, const at::Tensor& after) {
  check_outputs(before, after);
  return before.argmax(2).ne(after.argmax(2)).to(at::kDouble).mean(1);
}

std::vector<double> mean_by_run(const at::Tensor& by_image) {
  return numbers(by_image.to(at::kDouble).mean(1));
}

std::vector<Screened> screen(std::span<const ScreenEntry> entries, const ScreenOptions& options) {
  std::vector<Screened> preregistered;
  std::vector<Screened> candidates;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    (entries[i].preregistered ? preregistered : candidates)
        .push_back(clearest_class(entries[i], i, options.confidence));
  }
  std::stable_sort(candidates.begin(), candidates.end(), clearer);
  std::map<std::string, std::size_t> of_family;
  std::size_t kept = 0;
  std::vector<Screened> out = std::move(preregistered);
  for (const Screened& candidate : candidates) {
    if (kept == options.keep) break;
    if (of_family[entries[candidate.entry].family]++ >= options.per_family) continue;
    out.push_back(candidate);
    ++kept;
  }
  return out;
}

Verification verify(std::span<const VerifyEntry> entries, const VerifyOptions& options) {
  Verification out;
  std::vector<double> p_values;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    check_entry(entries[i], i, options.paired);
    out.effects.push_back(measured(entries[i], entries.size(), options));
    p_values.push_back(out.effects.back().p_value);
  }
  const std::vector<double> adjusted =
      options.dependent ? benjamini_yekutieli(p_values) : benjamini_hochberg(p_values);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Verified& effect = out.effects[i];
    effect.adjusted_p_value = adjusted[i];
    effect.discovery = adjusted[i] <= options.false_discovery_rate;
    effect.claim = claim_of(effect, options);
    effect.silent_side = silent_side(effect, options.epsilon);
    out.discoveries += effect.discovery;
  }
  out.ranking.resize(entries.size());
  std::iota(out.ranking.begin(), out.ranking.end(), std::size_t{0});
  std::stable_sort(out.ranking.begin(), out.ranking.end(),
                   [&](auto i, auto j) { return out.effects[i].bound > out.effects[j].bound; });
  return out;
}

std::optional<std::size_t> leading_claim(const Verification& verification) {
  const auto leading = [&](double largest_extent) {
    std::optional<std::size_t> best;
    double largest_bound = 0;
    for (const std::size_t index : verification.ranking) {
      const Verified& effect = verification.effects[index];
      if (!effect.silent_side || effect.extent >= largest_extent) continue;
      if (!best) largest_bound = effect.bound;
      if (effect.bound < kComparableBound * largest_bound) break;
      if (!best || *effect.silent_side < *verification.effects[*best].silent_side) best = index;
    }
    return best;
  };
  if (const auto part = leading(kPartOfImage)) return part;
  if (const auto whole = leading(std::numeric_limits<double>::infinity())) return whole;
  const auto& ranking = verification.ranking;
  const auto discovery = std::find_if(ranking.begin(), ranking.end(), [&](std::size_t index) {
    return verification.effects[index].discovery;
  });
  if (discovery != ranking.end()) return *discovery;
  return ranking.empty() ? std::nullopt : std::optional(ranking.front());
}

Interval difference_interval(std::span<const double> a, std::span<const double> b,
                             double confidence, bool paired) {
  return paired ? t_interval(differences(a, b), confidence) : welch_interval(a, b, confidence);
}

Interval placebo_contrast(std::span<const double> effect_a, std::span<const double> effect_b,
                          std::span<const double> placebo_a, std::span<const double> placebo_b,
                          double confidence, bool paired) {
  if (effect_a.size() != placebo_a.size() || effect_b.size() != placebo_b.size()) {
    throw ShapeError(fmt::format("effects of {} and {} runs have placebos of {} and {}",
                                 effect_a.size(), effect_b.size(), placebo_a.size(),
                                 placebo_b.size()));
  }
  return difference_interval(differences(effect_a, placebo_a), differences(effect_b, placebo_b),
                             confidence, paired);
}

}  // namespace modeldiff
