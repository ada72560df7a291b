#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/schema.h"

namespace modeldiff {

enum class Pattern { dog, truck, checker, stripes };
template <>
struct Choices<Pattern> {
  static constexpr std::pair<Pattern, const char*> names[] = {{Pattern::dog, "dog"},
                                                              {Pattern::truck, "truck"},
                                                              {Pattern::checker, "checker"},
                                                              {Pattern::stripes, "stripes"}};
};

enum class SquarePlace { corners, edges, middle };
template <>
struct Choices<SquarePlace> {
  static constexpr std::pair<SquarePlace, const char*> names[] = {{SquarePlace::corners, "corners"},
                                                                  {SquarePlace::edges, "edges"},
                                                                  {SquarePlace::middle, "middle"}};
};

enum class PatternPlace { study, middle };
template <>
struct Choices<PatternPlace> {
  static constexpr std::pair<PatternPlace, const char*> names[] = {
      {PatternPlace::study, "study"}, {PatternPlace::middle, "middle"}};
};

/// Parameters of the `patches` proposer. Sizes of squares are given for 32 pixels and scale with the
/// image.
struct PatchesParams {
  std::vector<std::int64_t> sizes = {4, 8};
  std::vector<std::string> colours = {"white", "black", "red",  "yellow",
                                      "green", "cyan",  "blue", "magenta"};
  std::vector<SquarePlace> squares = {SquarePlace::corners, SquarePlace::edges,
                                      SquarePlace::middle};
  std::int64_t margin = 1;
  bool corners = true;
  std::vector<Pattern> patterns = {Pattern::dog, Pattern::truck, Pattern::checker,
                                   Pattern::stripes};
  std::vector<std::int64_t> dog_rows = {4, 5, 6};
  std::vector<std::int64_t> truck_rows = {5, 6, 7, 8, 9};
  std::vector<std::int64_t> checker_rows = {4, 6, 9};
  std::vector<std::int64_t> stripes_rows = {4, 6, 9};
  std::vector<PatternPlace> places = {PatternPlace::study, PatternPlace::middle};

  static Schema<PatchesParams> schema() {
    using P = PatchesParams;
    return Schema<P>("patches")
        .field("sizes", &P::sizes, "Sides of the solid squares, of an image of 32 pixels.",
               item_count(0, 8), each_item(at_least(1)), unit("pixels"))
        .field("colours", &P::colours,
               "Of the squares and of the corner pixels; on grey images only white and black.",
               item_count(1, 8), each_item(one_of(P().colours)))
        .field("squares", &P::squares,
               "Where they lie: four in the `corners`, four in the middle of the `edges`, one in "
               "the `middle`.",
               item_count(1, 3))
        .field("margin", &P::margin, "Between a square and the border.", at_least(0),
               unit("pixels"))
        .field("corners", &P::corners, "The four corner pixels in each colour of the squares.")
        .field("patterns", &P::patterns,
               "Patches with a pattern: `dog`, a black block on white; `truck`, two black bars in "
               "white; `checker` and horizontal `stripes`.",
               item_count(0, 4))
        .field("dog_rows", &P::dog_rows, "Heights of the dog patch, which is 4 pixels wide.",
               item_count(0, 16), each_item(at_least(3)), unit("pixels"))
        .field("truck_rows", &P::truck_rows, "Heights of the truck patch, which is 5 pixels wide.",
               item_count(0, 16), each_item(at_least(3)), unit("pixels"))
        .field("checker_rows", &P::checker_rows, "Sides of the checker, a pixel a field.",
               item_count(0, 16), each_item(at_least(2)), unit("pixels"))
        .field("stripes_rows", &P::stripes_rows, "Sides of the square of stripes of one pixel.",
               item_count(0, 16), each_item(at_least(2)), unit("pixels"))
        .field(
            "places", &P::places,
            "Of the patterns: `study`, with the top left pixel at row 4, column 13 of 32, as the "
            "ModelDiff paper's study of SGD noise has it; `middle` of the image.",
            item_count(1, 2));
  }
};

}  // namespace modeldiff
