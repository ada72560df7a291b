#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "common/sizes.h"
#include "modeldiff/image.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"
#include "patches_params.h"

namespace modeldiff {
namespace {

/// What is pasted: values [channels or 1, rows, columns], its top left pixel at (row, column).
struct Patch {
  at::Tensor values;
  std::int64_t row = 0, column = 0;
};

/// A drawing of '#' (black), 'o' (white): the patches of the reference's study of SGD.
at::Tensor drawing(const std::vector<std::string>& rows) {
  at::Tensor out = at::zeros(
      {1, static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows.front().size())});
  auto pixel = out.accessor<float, 3>();
  for (std::size_t y = 0; y < rows.size(); ++y) {
    for (std::size_t x = 0; x < rows[y].size(); ++x)
      pixel[0][static_cast<std::int64_t>(y)][static_cast<std::int64_t>(x)] =
          rows[y][x] == 'o' ? 1.0f : 0.0f;
  }
  return out;
}

/// White, s rows of 4 columns, with a black block of 3 x 2 in the last rows.
at::Tensor dog_patch(std::int64_t s) {
  std::vector<std::string> rows(static_cast<std::size_t>(s), "oooo");
  for (std::size_t i = rows.size() - 3; i < rows.size(); ++i) rows[i] = "o##o";
  return drawing(rows);
}

/// White, s rows of 5 columns, with two black bars inside.
at::Tensor truck_patch(std::int64_t s) {
  std::vector<std::string> rows(static_cast<std::size_t>(s), "o#o#o");
  rows.front() = rows.back() = "ooooo";
  return drawing(rows);
}

at::Tensor checker(std::int64_t s) {
  const at::Tensor line = at::arange(s);
  return (line.unsqueeze(0) + line.unsqueeze(1)).remainder(2).to(at::kFloat).unsqueeze(0);
}

at::Tensor stripes(std::int64_t s) {
  return at::arange(s)
      .remainder(2)
      .to(at::kFloat)
      .unsqueeze(1)
      .expand({s, s})
      .unsqueeze(0)
      .contiguous();
}

/// Families 8 and 9 of the table in docs/modeldiff.md: squares of one colour at nine places, and
/// patterned patches.
class Patches final : public Proposer {
 public:
  explicit Patches(PatchesParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    const std::int64_t channels = request.facts.input_shape[0],
                       height = request.facts.input_shape[1], width = request.facts.input_shape[2];
    std::vector<Transformation> out;
    std::set<std::int64_t> sizes;
    for (const std::int64_t size : params_.sizes) sizes.insert(pixels_of(size, request.facts));
    for (const auto& [name, colour] : colours(channels)) {
      for (const std::int64_t size : sizes) {
        const std::set<std::int64_t> rows = places(height, size), columns = places(width, size);
        for (const std::int64_t row : rows) {
          for (const std::int64_t column : columns) {
            if (!is_wanted(is_end(row, rows) + is_end(column, columns))) continue;
            add(out, "solid_patch", fmt::format("{} {}x{} square", name, size, size),
                {colour.view({channels, 1, 1}).expand({channels, size, size}).contiguous(), row,
                 column},
                request.facts);
          }
        }
      }
      if (!params_.corners) continue;
      out.push_back({"",
                     "solid_patch",
                     fmt::format("{} corner pixels", name),
                     {{"corners", true}},
                     {{"values", colour.view({channels, 1, 1})}},
                     -1});
    }
    add_patterns(out, request.facts);
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    const at::Tensor& values = transformation.tensors.at("values");
    at::Tensor out = images.clone();
    if (transformation.parameters.value("corners", false)) {
      for (const std::int64_t row : {std::int64_t{0}, images.size(2) - 1}) {
        for (const std::int64_t column : {std::int64_t{0}, images.size(3) - 1})
          out.narrow(2, row, 1).narrow(3, column, 1).copy_(values);
      }
      return out;
    }
    const auto row = transformation.parameters.at("row").get<std::int64_t>(),
               column = transformation.parameters.at("column").get<std::int64_t>();
    out.narrow(2, row, values.size(1)).narrow(3, column, values.size(2)).copy_(values);
    return out;
  }

  std::optional<Transformation> placebo(const Transformation& transformation,
                                        RandomStream& random) const override {
    const at::Tensor& values = transformation.tensors.at("values");
    // A pattern's pixels in another order tell its shape from its brightness; a solid patch has no
    // shape but its place.
    if (transformation.family == "patterned_patch") {
      Transformation out = transformation;
      const at::Tensor order =
          at::tensor(random.permutation(values.size(1) * values.size(2)), at::kLong);
      out.tensors["values"] = values.flatten(1).index_select(1, order).view_as(values);
      out.label = "pixels permuted: " + out.label;
      return out;
    }
    if (transformation.parameters.value("corners", false)) return std::nullopt;
    const auto height = transformation.parameters.at("height").get<std::int64_t>(),
               width = transformation.parameters.at("width").get<std::int64_t>();
    const auto row = transformation.parameters.at("row").get<std::int64_t>(),
               column = transformation.parameters.at("column").get<std::int64_t>();
    Transformation out = transformation;
    const auto draw = [&](std::int64_t length, std::int64_t size) {
      return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(length - size + 1)));
    };
    for (int attempt = 0; attempt < 100; ++attempt) {
      const std::int64_t y = draw(height, values.size(1)), x = draw(width, values.size(2));
      const bool apart =
          std::abs(y - row) >= values.size(1) || std::abs(x - column) >= values.size(2);
      if (!apart) continue;
      out.parameters["row"] = y;
      out.parameters["column"] = x;
      out.label = fmt::format("elsewhere (row {}, column {}): {}", y, x, out.label);
      return out;
    }
    return std::nullopt;
  }

 private:
  /// Near the start, in the middle, near the end.
  std::set<std::int64_t> places(std::int64_t length, std::int64_t size) const {
    const std::int64_t last = length - size;
    if (last < 0) return {};
    return {std::min(params_.margin, last), last / 2,
            std::max<std::int64_t>(0, last - params_.margin)};
  }

  static bool is_end(std::int64_t place, const std::set<std::int64_t>& places) {
    return place == *places.begin() || place == *places.rbegin();
  }

  /// @param borders 2: the square lies in a corner, 1: at an edge, 0: in the middle
  bool is_wanted(int borders) const {
    const SquarePlace place = borders == 2   ? SquarePlace::corners
                              : borders == 1 ? SquarePlace::edges
                                             : SquarePlace::middle;
    return std::find(params_.squares.begin(), params_.squares.end(), place) !=
           params_.squares.end();
  }

  /// Those of `colours` that images with so many channels have, each [channels].
  std::vector<std::pair<std::string, at::Tensor>> colours(std::int64_t channels) const {
    std::vector<std::pair<std::string, at::Tensor>> out;
    for (const std::string& name : params_.colours) {
      if (name == "white" || name == "black") {
        out.emplace_back(name, at::full({channels}, name == "white" ? 1.0f : 0.0f));
      } else if (channels == 3) {
        const Colour& hue = *std::find_if(std::begin(kHues), std::end(kHues),
                                          [&](const Colour& c) { return c.name == name; });
        out.emplace_back(name, at::tensor({hue.rgb[0], hue.rgb[1], hue.rgb[2]}));
      }
    }
    return out;
  }

  static void add(std::vector<Transformation>& out, const char* family, const std::string& what,
                  const Patch& patch, const DataFacts& facts) {
    out.push_back({"",
                   family,
                   fmt::format("{} at row {}, column {}", what, patch.row, patch.column),
                   {{"row", patch.row},
                    {"column", patch.column},
                    {"height", facts.input_shape[1]},
                    {"width", facts.input_shape[2]}},
                   {{"values", patch.values}},
                   -1});
  }

  /// What the reference's drawings are called, with their values [1, rows, columns].
  std::vector<std::pair<std::string, at::Tensor>> drawings() const {
    std::vector<std::pair<std::string, at::Tensor>> out;
    for (const Pattern pattern : params_.patterns) {
      if (pattern == Pattern::dog) {
        for (const std::int64_t s : params_.dog_rows)
          out.emplace_back(fmt::format("dog patch of {} rows", s), dog_patch(s));
      } else if (pattern == Pattern::truck) {
        for (const std::int64_t s : params_.truck_rows)
          out.emplace_back(fmt::format("truck patch of {} rows", s), truck_patch(s));
      } else if (pattern == Pattern::checker) {
        for (const std::int64_t s : params_.checker_rows)
          out.emplace_back(fmt::format("checker of {}", s), checker(s));
      } else {
        for (const std::int64_t s : params_.stripes_rows)
          out.emplace_back(fmt::format("stripes of {}", s), stripes(s));
      }
    }
    return out;
  }

  void add_patterns(std::vector<Transformation>& out, const DataFacts& facts) const {
    const std::int64_t height = facts.input_shape[1], width = facts.input_shape[2];
    for (const auto& [name, values] : drawings()) {
      const std::int64_t rows = values.size(1), columns = values.size(2);
      if (2 * rows > height || 2 * columns > width) continue;
      for (const PatternPlace place : params_.places) {
        const Patch patch = place == PatternPlace::study
                                ? Patch{values, 4 * height / 32, 13 * width / 32}
                                : Patch{values, (height - rows) / 2, (width - columns) / 2};
        add(out, "patterned_patch", name, patch, facts);
      }
    }
  }

  PatchesParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "patches", "1.1",
                 "Squares of one colour and patterned patches at fixed places", Patches,
                 PatchesParams, R"({"data": "images"})");

}  // namespace modeldiff
