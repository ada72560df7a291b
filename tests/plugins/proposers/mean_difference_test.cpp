#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

const std::vector<std::int64_t> kGrey8{1, 8, 8};
constexpr const char* kEnd = ", direction 1 of A, positive end";

/// Grey images with a little noise; the four strongest examples of class 0 have a white square of
/// four pixels and a white pixel for themselves.
ProposerBench marked_bench() {
  ProposerBench bench("mean_difference", kGrey8, {{"top", 8}, {"weights", {1}}});
  at::Tensor& images = bench.train().inputs;
  images.mul_(0.01).add_(0.5);
  for (const std::int64_t row : {0, 2, 4, 6}) {
    images[row].slice(1, 1, 3).slice(2, 3, 5).fill_(1);
    images[row][0][6][6].fill_(1);
  }
  return bench;
}

at::Tensor mark() {
  at::Tensor out = at::zeros({8, 8}, at::kBool);
  out.slice(0, 1, 3).slice(1, 3, 5).fill_(true);
  out[6][6].fill_(true);
  return out;
}

TEST_CASE("the pixels that differ are those of the mark, and parts of it are proposed apart") {
  const ProposerBench bench = marked_bench();
  std::set<std::string> labels;
  for (const Transformation& one : bench.propose()) {
    if (one.label.ends_with(kEnd)) labels.insert(one.label);
  }
  const auto label = [](const char* what) { return std::string(what) + kEnd; };
  CHECK(labels == std::set<std::string>{label("1 x mean difference"),
                                        label("all different pixels (5 pixels)"),
                                        label("blob 1 (4 pixels)"), label("blob 2 (1 pixels)")});

  const at::Tensor black = at::zeros({2, 1, 8, 8});
  const at::Tensor pasted = bench.apply(label("all different pixels (5 pixels)"), black);
  CHECK(pasted.equal(mark().to(at::kFloat).expand({2, 1, 8, 8})));
  CHECK(bench.apply(label("blob 2 (1 pixels)"), black).sum().item<double>() == 2);
}

TEST_CASE("the mean difference is added: white less grey on the mark, almost nothing elsewhere") {
  const ProposerBench bench = marked_bench();
  const at::Tensor images = at::full({1, 1, 8, 8}, 0.2);
  const at::Tensor change =
      bench.apply(std::string("1 x mean difference") + kEnd, images)[0][0] - images[0][0];
  CHECK(change.masked_select(mark()).sub(0.495).abs().max().item<double>() < 0.006);
  CHECK(change.masked_select(mark().logical_not()).abs().max().item<double>() < 0.006);
}

}  // namespace
}  // namespace modeldiff::testing
