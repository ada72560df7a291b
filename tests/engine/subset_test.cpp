#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "engine/workspace.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

Json spec(double keep, std::int64_t index, const std::string& design = "fixed",
          const std::string& role = "attribute") {
  return {{"keep", keep}, {"design", design}, {"index", index}, {"role", role}};
}

const Key kData = Key::of("data");

std::vector<std::int64_t> rows_of(const at::Tensor& rows) {
  return {rows.const_data_ptr<std::int64_t>(), rows.const_data_ptr<std::int64_t>() + rows.numel()};
}

at::Tensor mask_of(std::int64_t examples, const Json& of) {
  return at::zeros({examples}, at::kDouble).index_fill_(0, draw_subset(kData, of, examples), 1);
}

}  // namespace

TEST_CASE("a subset of fixed size has floor(keep n) different rows") {
  struct Case {
    double keep;
    std::int64_t examples, rows;
  };
  // The products of the last three are a little less than whole in floating point.
  for (const Case& c : {Case{0.1, 101, 10}, Case{0.5, 101, 50}, Case{0.77, 101, 77},
                        Case{0.29, 100, 29}, Case{0.57, 1200, 684}, Case{0.58, 50, 29}}) {
    CAPTURE(c.keep);
    CHECK(mask_of(c.examples, spec(c.keep, 3)).sum().item<std::int64_t>() == c.rows);
  }
  CHECK_THROWS_WITH_AS(draw_subset(kData, spec(0.05, 0), 10),
                       "a subset of 0.05 of 10 examples is empty", DataError);
}

TEST_CASE("each example is drawn by itself where the design says so") {
  // 200 subsets of 100 examples: the share has standard deviation sqrt(.3 .7 / 20000) = .0032.
  double sum = 0;
  bool sizes_differ = false;
  const double first = mask_of(100, spec(0.3, 0, "bernoulli")).sum().item<double>();
  for (std::int64_t index = 0; index < 200; ++index) {
    const double size = mask_of(100, spec(0.3, index, "bernoulli")).sum().item<double>();
    sizes_differ = sizes_differ || size != first;
    sum += size;
  }
  CHECK(std::abs(sum / 20000 - 0.3) < 0.013);
  CHECK(sizes_differ);
}

TEST_CASE("a subset is a function of data, role, design, share and index, on any thread") {
  const at::Tensor rows = draw_subset(kData, spec(0.5, 7), 40);
  CHECK(draw_subset(kData, spec(0.5, 7), 40).equal(rows));
  CHECK_FALSE(draw_subset(kData, spec(0.5, 8), 40).equal(rows));
  CHECK_FALSE(draw_subset(kData, spec(0.5, 7, "fixed", "judge"), 40).equal(rows));
  CHECK_FALSE(draw_subset(Key::of("other data"), spec(0.5, 7), 40).equal(rows));
  // Of another share it is not the first rows of the same draw.
  CHECK((mask_of(40, spec(0.5, 7)) * mask_of(40, spec(0.25, 7))).sum().item<double>() < 10);
  std::vector<at::Tensor> drawn(4);
  std::vector<std::thread> threads;
  for (at::Tensor& out : drawn)
    threads.emplace_back([&out] { out = draw_subset(kData, spec(0.5, 7), 40); });
  for (std::thread& thread : threads) thread.join();
  for (const at::Tensor& out : drawn) CHECK(out.equal(rows));
}

TEST_CASE("the subset of an index is always this one") {
  CHECK(rows_of(std::get<0>(draw_subset(kData, spec(0.5, 0), 12).sort())) ==
        std::vector<std::int64_t>{2, 3, 4, 5, 9, 11});
}

TEST_CASE("subsets of a fixed size have rank n with the intercept, of several sizes n + 1") {
  constexpr std::int64_t kExamples = 30, kRuns = 90;
  const auto rank = [&](const std::vector<double>& keep) {
    std::vector<at::Tensor> rows;
    for (std::int64_t run = 0; run < kRuns; ++run)
      rows.push_back(mask_of(kExamples, spec(keep[run % keep.size()], run)));
    const at::Tensor design = at::cat({at::ones({kRuns, 1}, at::kDouble), at::stack(rows)}, 1);
    return at::linalg_matrix_rank(design).item<std::int64_t>();
  };
  CHECK(rank({0.5}) == kExamples);
  CHECK(rank({0.25, 0.5}) == kExamples + 1);
}

}  // namespace modeldiff
