#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

const std::vector<std::int64_t> kImage{3, 32, 32};

/// '#' black, 'o' white, '.' as the image was (grey), from (row, column) of the first channel.
std::string picture(const at::Tensor& images, std::int64_t row, std::int64_t column,
                    std::int64_t rows, std::int64_t columns) {
  std::string out;
  for (std::int64_t y = row; y < row + rows; ++y) {
    for (std::int64_t x = column; x < column + columns; ++x) {
      const auto value = images[0][0][y][x].item<float>();
      out += value == 0 ? '#' : value == 1 ? 'o' : '.';
    }
    out += '\n';
  }
  return out;
}

std::int64_t changed_pixels(const at::Tensor& images) {
  return images[0][0].ne(0.5).sum().item<std::int64_t>();
}

TEST_CASE("the patches of the study of SGD noise, and nothing else") {
  const ProposerBench bench("patches", kImage,
                            {{"sizes", Json::array()},
                             {"corners", false},
                             {"patterns", {"dog", "truck"}},
                             {"places", {"study"}}});
  std::set<std::string> labels;
  for (const Transformation& one : bench.propose()) labels.insert(one.label);
  std::set<std::string> expected;
  for (const int s : {4, 5, 6})
    expected.insert("dog patch of " + std::to_string(s) + " rows at row 4, column 13");
  for (const int s : {5, 6, 7, 8, 9})
    expected.insert("truck patch of " + std::to_string(s) + " rows at row 4, column 13");
  CHECK(labels == expected);

  const at::Tensor grey = at::full({1, 3, 32, 32}, 0.5);
  const at::Tensor dog = bench.apply("dog patch of 4 rows at row 4, column 13", grey);
  CHECK(picture(dog, 3, 12, 6, 6) ==
        "......\n"
        ".oooo.\n"
        ".o##o.\n"
        ".o##o.\n"
        ".o##o.\n"
        "......\n");
  CHECK(changed_pixels(dog) == 16);
  const at::Tensor truck = bench.apply("truck patch of 5 rows at row 4, column 13", grey);
  CHECK(picture(truck, 3, 12, 7, 7) ==
        ".......\n"
        ".ooooo.\n"
        ".o#o#o.\n"
        ".o#o#o.\n"
        ".o#o#o.\n"
        ".ooooo.\n"
        ".......\n");
  CHECK(changed_pixels(truck) == 25);
  const at::Tensor large_dog = bench.apply("dog patch of 6 rows at row 4, column 13", grey);
  CHECK(picture(large_dog, 4, 13, 6, 4) ==
        "oooo\n"
        "oooo\n"
        "oooo\n"
        "o##o\n"
        "o##o\n"
        "o##o\n");
  CHECK(changed_pixels(large_dog) == 24);
  const at::Tensor large_truck = bench.apply("truck patch of 9 rows at row 4, column 13", grey);
  CHECK(picture(large_truck, 4, 13, 9, 5) ==
        "ooooo\n"
        "o#o#o\n"
        "o#o#o\n"
        "o#o#o\n"
        "o#o#o\n"
        "o#o#o\n"
        "o#o#o\n"
        "o#o#o\n"
        "ooooo\n");
  CHECK(changed_pixels(large_truck) == 45);
}

TEST_CASE("a square lies at its row and column") {
  const ProposerBench bench("patches", kImage, {{"sizes", {4}}, {"patterns", Json::array()}});
  const at::Tensor out =
      bench.apply("white 4x4 square at row 1, column 14", at::full({1, 3, 32, 32}, 0.5));
  CHECK(out.slice(2, 1, 5).slice(3, 14, 18).eq(1).all().item<bool>());
  CHECK(changed_pixels(out) == 16);
}

TEST_CASE("colours and places of squares can be chosen") {
  const auto labels = [](const Json& changes) {
    Json params = {{"sizes", {4}},
                   {"colours", {"yellow"}},
                   {"margin", 0},
                   {"corners", false},
                   {"patterns", Json::array()}};
    params.merge_patch(changes);
    std::set<std::string> out;
    for (const Transformation& one : ProposerBench("patches", kImage, params).propose())
      out.insert(one.label);
    return out;
  };
  CHECK(labels({{"squares", {"corners"}}}) ==
        std::set<std::string>{
            "yellow 4x4 square at row 0, column 0", "yellow 4x4 square at row 0, column 28",
            "yellow 4x4 square at row 28, column 0", "yellow 4x4 square at row 28, column 28"});
  CHECK(labels({{"squares", {"middle"}}, {"colours", {"black", "red"}}}) ==
        std::set<std::string>{"black 4x4 square at row 14, column 14",
                              "red 4x4 square at row 14, column 14"});
  CHECK(labels({{"squares", {"edges"}}}) ==
        std::set<std::string>{
            "yellow 4x4 square at row 0, column 14", "yellow 4x4 square at row 14, column 0",
            "yellow 4x4 square at row 14, column 28", "yellow 4x4 square at row 28, column 14"});
  CHECK(labels(Json::object()).size() == 9);
  const ProposerBench bench("patches", kImage, {{"sizes", {4}}, {"colours", {"yellow"}}});
  const at::Tensor out =
      bench.apply("yellow 4x4 square at row 1, column 1", at::full({1, 3, 32, 32}, 0.5));
  CHECK(out.select(3, 1).select(2, 1).equal(at::tensor({1.0f, 1.0f, 0.0f}).unsqueeze(0)));
}

TEST_CASE("the placebo of a pattern has its pixels in another order at the same place") {
  const ProposerBench bench("patches", kImage, {{"sizes", Json::array()}, {"corners", false}});
  const Transformation truck = bench.find("truck patch of 9 rows at row 4, column 13");
  RandomStream random(1);
  const at::Tensor values = truck.tensors.at("values"),
                   other = bench.proposer().placebo(truck, random)->tensors.at("values");
  CHECK(other.sum().equal(values.sum()));
  CHECK_FALSE(other.equal(values));
}

}  // namespace
}  // namespace modeldiff::testing
