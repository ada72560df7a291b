#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>

#include "proposer_plugin.h"

namespace modeldiff::testing {
namespace {

TEST_CASE("shuffled cells are the old ones, each at another place") {
  const at::Tensor images = drawn_images(1, {3, 32, 32}, 5);
  const ProposerBench bench("shapes", {3, 32, 32});
  for (const std::int64_t grid : {2, 4}) {
    CAPTURE(grid);
    const std::string text = std::to_string(grid);
    const at::Tensor out =
        bench.apply("cells of a " + text + "x" + text + " grid shuffled", images);
    const std::int64_t side = 32 / grid;
    const auto cells = [&](const at::Tensor& x) {
      std::vector<at::Tensor> all;
      for (const at::Tensor& rows : x[0].split(side, 1)) {
        for (const at::Tensor& cell : rows.split(side, 2)) all.push_back(cell);
      }
      return all;
    };
    const std::vector<at::Tensor> before = cells(images), after = cells(out);
    for (std::size_t i = 0; i < before.size(); ++i) {
      CHECK_FALSE(after[i].equal(before[i]));
      CHECK(std::count_if(after.begin(), after.end(),
                          [&](const at::Tensor& cell) { return cell.equal(before[i]); }) == 1);
    }
  }
}

TEST_CASE("an even image has no edges and no silhouette") {
  const at::Tensor even = at::full({1, 3, 9, 9}, 0.3);
  const ProposerBench bench("shapes", {3, 9, 9});
  CHECK(bench.apply("edges only", even).eq(0).all().item<bool>());
  CHECK(bench.apply("silhouette only", even).eq(0).all().item<bool>());
}

TEST_CASE("a step of .2 has edges of .4 on both of its sides, in every channel") {
  at::Tensor step = at::zeros({1, 3, 8, 8});
  step.slice(3, 4).fill_(0.2);
  const at::Tensor edges = ProposerBench("shapes", {3, 8, 8}).apply("edges only", step);
  at::Tensor expected = at::zeros({1, 3, 8, 8});
  expected.slice(3, 3, 5).fill_(0.4);
  CHECK((edges - expected).abs().max().item<float>() < 1e-6);
  CHECK(ProposerBench("shapes", {3, 8, 8})
            .apply("edges only", step.transpose(2, 3).contiguous())
            .transpose(2, 3)
            .equal(edges));
}

TEST_CASE("a silhouette is white where the image is brighter than its mean") {
  at::Tensor image = at::full({1, 3, 8, 8}, 0.2);
  image.slice(2, 2, 4).slice(3, 5, 7).fill_(0.6);
  CHECK(ProposerBench("shapes", {3, 8, 8})
            .apply("silhouette only", image)
            .equal(image.gt(0.4).to(at::kFloat)));
}

}  // namespace
}  // namespace modeldiff::testing
