#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/statistics.h"

/// Treatment effects of transformations: the change of a class probability on images of other
/// classes, by training run. R runs, I images, C classes.
namespace modeldiff {

/// T_r(F, c) = mean over images x with label(x) != c of p_r(c | F(x)) - p_r(c | x). Over all images
/// the effects of a run sum to 0 over c; with label(x) != c they need not.
/// @param before, after [R, I, C] probabilities (or logits, for logit effects), float32 or float64
/// @param labels        [I] int64
/// @return              [R, C] float64; NaN for a class that all images have
at::Tensor treatment_effects(const at::Tensor& before, const at::Tensor& after,
                             const at::Tensor& labels);

/// The same for each class of images apart. @return [R, C, C] float64: run, class of the images,
/// class of the effect; NaN where there is no image
at::Tensor effects_by_source_class(const at::Tensor& before, const at::Tensor& after,
                                   const at::Tensor& labels);

/// The changes that `treatment_effects` averages for class c. @return [R, images with label != c]
/// float64
at::Tensor effect_by_image(const at::Tensor& before, const at::Tensor& after,
                           const at::Tensor& labels, std::int64_t c);

/// T_r of the prediction instead of its probability: the change of the share of images x with
/// label(x) != c that are predicted as c. @return [R, C] float64; NaN for a class that all images have
at::Tensor prediction_effects(const at::Tensor& before, const at::Tensor& after,
                              const at::Tensor& labels);

/// Share of images whose predicted class changes to any other. @return [R] float64
at::Tensor changed_predictions(const at::Tensor& before, const at::Tensor& after);

/// The mean over images of each run. @param by_image [R, I] of any floating type
std::vector<double> mean_by_run(const at::Tensor& by_image);

/// A transformation on the propose runs.
struct ScreenEntry {
  std::string family;
  /// [R_A, C], [R_B, C] as treatment_effects() gives them.
  at::Tensor effects_a, effects_b;
  /// Named in the experiment file beforehand: always kept. With `target_class`, for that class.
  bool preregistered = false;
  std::optional<std::int64_t> target_class;
};

struct Screened {
  std::size_t entry = 0;
  std::int64_t target_class = 0;
  /// mean T_A - mean T_B, and the bound of its Welch interval nearest to 0 (0 when the interval has
  /// 0 in it).
  double difference = 0;
  double bound = 0;
};

struct ScreenOptions {
  std::size_t keep = 20;
  std::size_t per_family = 3;
  double confidence = 0.95;
};

/// What to verify: for each transformation the class with the largest bound, then the largest bound
/// first with at most `per_family` of a family, at most `keep`. Preregistered entries come first
/// and are not counted. A bound and not a standardised difference: with few runs, and a side that
/// does not vary at all, the latter prefers tiny effects.
std::vector<Screened> screen(std::span<const ScreenEntry> entries,
                             const ScreenOptions& options = {});

/// One (transformation, class) on the verify runs.
struct VerifyEntry {
  /// [R_A, I], [R_B, I]: effect_by_image(), the same images on both sides.
  at::Tensor by_image_a, by_image_b;
  /// Share of the pixels that the transformation changes; 1: all, or the inputs are no images.
  double extent = 1;
};

struct VerifyOptions {
  double confidence = 0.95;
  double false_discovery_rate = 0.05;
  /// Benjamini-Yekutieli instead of Benjamini-Hochberg.
  bool dependent = false;
  /// Run r of A and run r of B belong together: sign-flip test of their differences.
  bool paired = false;
  /// "Relies": lower bound of the effect above delta. "Does not": |effect| < epsilon by equivalence
  /// test at 5 %.
  double delta = 0.02;
  double epsilon = 0.01;
  std::int64_t bootstrap_draws = 2000;
  std::uint64_t seed = 0;
};

enum class Claim { none, a_relies_b_does_not, b_relies_a_does_not, a_relies_more, b_relies_more };

struct Verified {
  /// As in the entry.
  double extent = 1;
  /// Mean over runs and images; t intervals over runs, for "these images".
  Interval effect_a, effect_b;
  /// T_A - T_B with its Welch interval (paired: t interval of the differences).
  Interval difference;
  /// The same at the level 1 - (1 - confidence) / entries (Bonferroni): all of them at once hold the
  /// true differences with the confidence asked for.
  Interval difference_simultaneous;
  /// The interval of the difference for "images like these": runs and images drawn anew.
  Interval difference_over_images;
  double p_value = 1;
  double adjusted_p_value = 1;
  /// adjusted_p_value <= false discovery rate.
  bool discovery = false;
  EquivalenceTest a_is_null, b_is_null;
  Claim claim = Claim::none;
  /// A discovery to which one side responds, by its lower bound beyond epsilon, and the other is
  /// equivalent to 0 within epsilon: how far from 0 that other one may be. Nothing otherwise.
  std::optional<double> silent_side;
  /// What the ranking goes by: the bound of `difference` nearest to 0, 0 when the interval has 0 in
  /// it. >= 0
  double bound = 0;
};

struct Verification {
  /// In the order of the entries.
  std::vector<Verified> effects;
  /// Indices of the entries, the largest bound first.
  std::vector<std::size_t> ranking;
  std::int64_t discoveries = 0;
};

/// Both claims that name a side need a discovery. "a_relies_b_does_not": T_A's lower bound is above
/// delta and T_B is equivalent to 0 within epsilon; "a_relies_more": |T_A| > |T_B|, short of that.
/// @throws ShapeError naming the entry and both shapes
Verification verify(std::span<const VerifyEntry> entries, const VerifyOptions& options = {});

/// The claim to tell first: one to which a single side responds before any other, since it names a
/// difference in kind, be it small; of these, one about a part of the images (less than half of the
/// pixels) before one about all of them, which mixes features. Of those with at least half the
/// largest bound, the one whose other side moves least: what else a transformation carries, both
/// sides see. Ties go to the larger bound. Without any such, the first discovery of the ranking, or
/// else its first entry.
/// @return index of the effect; nothing when there are none
std::optional<std::size_t> leading_claim(const Verification& verification);

/// mean of a - mean of b over runs with its Welch interval, of pairs of runs with the t interval of
/// their differences.
/// @throws ShapeError for fewer than 2 runs
Interval difference_interval(std::span<const double> a, std::span<const double> b,
                             double confidence, bool paired);

/// (T_A - T_B) - (placebo_A - placebo_B), an interval as above.
/// @param effect_a, placebo_a [R_A], effect_b, placebo_b [R_B] effects by run of a transformation
/// and of its placebo
/// @throws ShapeError when a placebo has other runs
Interval placebo_contrast(std::span<const double> effect_a, std::span<const double> effect_b,
                          std::span<const double> placebo_a, std::span<const double> placebo_b,
                          double confidence, bool paired);

}  // namespace modeldiff
