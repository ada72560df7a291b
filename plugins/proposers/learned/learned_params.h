#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class LearnedForm { patch, spectrum };
template <>
struct Choices<LearnedForm> {
  static constexpr std::pair<LearnedForm, const char*> names[] = {
      {LearnedForm::patch, "patch"}, {LearnedForm::spectrum, "spectrum"}};
};

/// Parameters of the `learned` proposer. The patch's side is given for 32 pixels and scales with the
/// image.
struct LearnedParams {
  std::vector<LearnedForm> forms = {LearnedForm::patch, LearnedForm::spectrum};
  std::int64_t classes = 2;
  std::int64_t size = 8;
  std::int64_t places = 2;
  std::int64_t frequencies = 4;
  double weight = 0.3;
  double calm = 1;
  std::int64_t steps = 100;
  std::int64_t batch = 64;
  double rate = 0.2;

  static Schema<LearnedParams> schema() {
    using P = LearnedParams;
    return Schema<P>("learned")
        .field("forms", &P::forms,
               "What is learned: `patch`, a square pasted at one place; `spectrum`, an overlay of "
               "low frequencies over the whole image.",
               item_count(1, 2))
        .field("classes", &P::classes,
               "For each side and form, the classes that are learned: those on which the form "
               "promises most.",
               at_least(1))
        .field("size", &P::size, "Side of the patch.", at_least(1), unit("pixels"))
        .field("places", &P::places, "For each class, the places at which a patch is learned.",
               at_least(1))
        .field("frequencies", &P::frequencies,
               "Cosines along each side of the image in an overlay, the constant one included.",
               at_least(2))
        .field("weight", &P::weight, "Largest change of a pixel by an overlay.", more_than(0),
               at_most(1))
        .field("calm", &P::calm,
               "How much a change of the other side's probability costs; 0: nothing, the larger "
               "difference is always better.",
               at_least(0))
        .field("steps", &P::steps, "Of Adam, for each patch or overlay.", at_least(1))
        .field("batch", &P::batch, "Images of a step.", at_least(1), unit("examples"))
        .field("rate", &P::rate, "Learning rate of the first step; it falls linearly to 0.",
               more_than(0));
  }
};

}  // namespace modeldiff
