#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

/// The sections of an experiment file, in the order in which an experiment passes them. Their
/// declarations are the reference: checks, documentation and the JSON Schema come from them.
namespace modeldiff {

/// How a run's part of the training set is drawn. A mask is a pure function of (data, design, its
/// share, index), so that all algorithms share it.
enum class SubsetDesign { fixed, bernoulli };
template <>
struct Choices<SubsetDesign> {
  static constexpr std::pair<SubsetDesign, const char*> names[] = {
      {SubsetDesign::fixed, "fixed"}, {SubsetDesign::bernoulli, "bernoulli"}};
};

struct SubsetsSection {
  std::vector<double> keep = {0.5};
  SubsetDesign design = SubsetDesign::fixed;

  static Schema<SubsetsSection> schema() {
    return Schema<SubsetsSection>("subsets")
        .field("keep", &SubsetsSection::keep,
               "Share of the training set in each run. Of a list, runs have one after the other, in "
               "turn.",
               lone_item(), item_count(1, 16), each_item(more_than(0)), each_item(less_than(1)))
        .field("design", &SubsetsSection::design,
               "`fixed`: every run has the same number of examples; `bernoulli`: each example is "
               "drawn by itself.");
  }
};

struct QueriesSection {
  std::int64_t count = 300;
  bool balanced = false;
  std::optional<std::int64_t> planted;

  static Schema<QueriesSection> schema() {
    return Schema<QueriesSection>("queries")
        .field("count", &QueriesSection::count, "Test examples whose outputs are explained.",
               at_least(2))
        .field("balanced", &QueriesSection::balanced, "Draw equally many of each class.")
        .field("planted", &QueriesSection::planted,
               "How many of them carry the planted mark; left out: as the draw gives.",
               at_least(0));
  }
};

struct AttributeKeys {
  std::int64_t runs = 10;
  SubsetsSection subsets;

  static Schema<AttributeKeys> schema() {
    return Schema<AttributeKeys>("attribute")
        .field("runs", &AttributeKeys::runs, "Training runs of each algorithm that are attributed.",
               at_least(1))
        .field("subsets", &AttributeKeys::subsets,
               "The runs' parts of the training set, for attributors that learn from subsets.");
  }
};

struct AlgorithmKeys {
  std::string dataset;

  static Schema<AlgorithmKeys> schema() {
    return Schema<AlgorithmKeys>("algorithm")
        .field(
            "dataset", &AlgorithmKeys::dataset,
            "An entry of `datasets` to train on instead of `dataset`: pretraining, for example.");
  }
};

/// How directions are taken from the residual.
enum class DirectionBasis { principal, sparse, rotated };
template <>
struct Choices<DirectionBasis> {
  static constexpr std::pair<DirectionBasis, const char*> names[] = {
      {DirectionBasis::principal, "principal"},
      {DirectionBasis::sparse, "sparse"},
      {DirectionBasis::rotated, "rotated"}};
};

/// What directions are found in.
enum class ResidualKind { normalised, whitened, plain, cross_fit };
template <>
struct Choices<ResidualKind> {
  static constexpr std::pair<ResidualKind, const char*> names[] = {
      {ResidualKind::normalised, "normalised"},
      {ResidualKind::whitened, "whitened"},
      {ResidualKind::plain, "plain"},
      {ResidualKind::cross_fit, "cross_fit"}};
};

struct CompareSection {
  std::vector<Reference> between;
  bool paired = false;
  ResidualKind residual = ResidualKind::normalised;
  std::int64_t directions = 5;
  DirectionBasis basis = DirectionBasis::principal;
  double nonzeros = 0.05;
  std::int64_t permutations = 199;
  std::int64_t bootstrap = 20;
  bool control = true;

  static Schema<CompareSection> schema() {
    return Schema<CompareSection>("compare")
        .field("between", &CompareSection::between,
               "The two algorithms, A and B. More than two: each against each, a report for every "
               "pair. Empty: the first two by name.",
               names_entry_of("algorithms"), item_count(0, 16))
        .field(
            "paired", &CompareSection::paired,
            "Runs of the same number share their seed, and so first weights, order of the "
            "examples and subset, in all algorithms: tests then exchange the runs of a pair, and "
            "flip the signs of its differences in the verification.")
        .field("residual", &CompareSection::residual,
               "`normalised`: rows of scores of unit length, less what the other side's explain. "
               "Of runs on subsets also: `whitened`: unregularised scores less the other side's "
               "times a slope, whitened over queries by the covariance of their noise; `plain`: "
               "the same, not whitened; `cross_fit`: what the residuals of two halves of the runs "
               "have in common.")
        .field("directions", &CompareSection::directions, "Distinguishing directions of each side.",
               at_least(1))
        .field("basis", &CompareSection::basis,
               "`principal`: those along which the residual varies most; `sparse`: the same, each "
               "on few training examples; `rotated`: the principal ones turned so that each has "
               "its weight on few (varimax). p-values are those of the principal directions in "
               "all three: they tell how many directions there are.")
        .field("nonzeros", &CompareSection::nonzeros,
               "Share of the training examples that a sparse direction has weight on.",
               more_than(0), at_most(1))
        .field("permutations", &CompareSection::permutations,
               "Relabellings of the runs in the test whether there is a difference at all.",
               at_least(19))
        .field("bootstrap", &CompareSection::bootstrap,
               "Draws of the queries, with replacement, for the stability of each direction.",
               at_least(1))
        .field("control", &CompareSection::control,
               "Compare A with other runs of A too: what no difference looks like.");
  }
};

struct ProposeKeys {
  bool preregistered = false;
  Json target;
  std::string dataset;

  static Schema<ProposeKeys> schema() {
    return Schema<ProposeKeys>("propose")
        .field("preregistered", &ProposeKeys::preregistered,
               "All proposals go on to verification beside those that the screening keeps; the "
               "report marks them.")
        .field(
            "target", &ProposeKeys::target,
            "Name or number of the class whose probability they are tested on; left out: that on "
            "which the algorithms differ most surely on the screening runs.")
        .field("dataset", &ProposeKeys::dataset,
               "An entry of `datasets` whose test examples the proposer is given in the place of "
               "the training examples, and no directions: images that no run was trained on.");
  }
};

struct ScreenSection {
  std::int64_t runs = 5;
  std::int64_t images = 100;
  std::int64_t keep = 20;
  std::int64_t per_family = 3;

  static Schema<ScreenSection> schema() {
    return Schema<ScreenSection>("screen")
        .field("runs", &ScreenSection::runs,
               "Training runs of each algorithm that rank the proposals; used for nothing else.",
               at_least(2))
        .field("images", &ScreenSection::images,
               "Test examples for the ranking; used for nothing else.", at_least(1))
        .field("keep", &ScreenSection::keep, "Transformations that go on to verification.",
               at_least(1))
        .field("per_family", &ScreenSection::per_family, "At most so many of one family.",
               at_least(1));
  }
};

enum class Correction { benjamini_hochberg, benjamini_yekutieli };
template <>
struct Choices<Correction> {
  static constexpr std::pair<Correction, const char*> names[] = {
      {Correction::benjamini_hochberg, "benjamini_hochberg"},
      {Correction::benjamini_yekutieli, "benjamini_yekutieli"}};
};

struct VerifySection {
  std::int64_t runs = 20;
  std::optional<std::int64_t> images;
  double confidence = 0.95;
  double false_discovery_rate = 0.05;
  Correction correction = Correction::benjamini_hochberg;
  double relies = 0.02;
  double ignores = 0.01;
  std::int64_t bootstrap = 2000;
  bool control = true;
  std::vector<Reference> also;

  static Schema<VerifySection> schema() {
    return Schema<VerifySection>("verify")
        .field("runs", &VerifySection::runs, "Fresh training runs of each algorithm.", at_least(3))
        .field("images", &VerifySection::images, "Fresh test examples; left out: all that remain.",
               at_least(2))
        .field("confidence", &VerifySection::confidence, "Level of the intervals.", more_than(0.5),
               less_than(1))
        .field("false_discovery_rate", &VerifySection::false_discovery_rate,
               "Expected share of false claims.", more_than(0), less_than(1))
        .field("correction", &VerifySection::correction,
               "How p-values are adjusted for the number of tests.")
        .field("relies", &VerifySection::relies, "Least effect that counts as reliance.",
               at_least(0), unit("probability"))
        .field("ignores", &VerifySection::ignores, "Largest effect that counts as none.",
               more_than(0), unit("probability"))
        .field("bootstrap", &VerifySection::bootstrap,
               "Draws of the interval over runs and images.", at_least(200))
        .field("control", &VerifySection::control,
               "Verify the same claims between A and other runs of A too.")
        .field("also", &VerifySection::also,
               "More algorithms whose effects are told beside those of A and B: doses between "
               "them, for instance.",
               names_entry_of("algorithms"));
  }
};

/// Bounds that change no result.
struct LimitsSection {
  double cell_minutes = 60;
  double memory_gib = 0;

  static Schema<LimitsSection> schema() {
    return Schema<LimitsSection>("limits")
        .field("cell_minutes", &LimitsSection::cell_minutes,
               "A cell that takes longer is stopped and counts as failed.", more_than(0),
               unit("minutes"), not_semantic())
        .field("memory_gib", &LimitsSection::memory_gib,
               "Memory that one worker may need; 0: what is free now, divided by the workers.",
               at_least(0), unit("GiB"), not_semantic());
  }
};

}  // namespace modeldiff
