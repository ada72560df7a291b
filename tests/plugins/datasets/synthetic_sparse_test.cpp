#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

const Json kSmall{
    {"train", 3000}, {"test", 10}, {"columns", 500}, {"numbers", 20}, {"relevant", 50}};

Dataset load(const Json& change = Json::object()) {
  Json params = kSmall;
  params.update(change);
  return load_dataset("synthetic_sparse", "", params);
}

at::Tensor train_rows(const Dataset& data) { return data.train.floats(0, data.train.size()); }

}  // namespace

TEST_CASE("rows have as many numbers as asked, all positive, and length 1") {
  const Dataset data = load();
  CHECK(data.facts.sparse);
  CHECK(data.train.inputs.sizes().vec() == std::vector<std::int64_t>{3000, 500});
  const at::Tensor x = train_rows(data);
  CHECK((x > 0).sum(1).eq(20).all().item<bool>());
  CHECK((x >= 0).all().item<bool>());
  CHECK((x.norm(2, 1) - 1).abs().max().item<double>() < 1e-5);
}

TEST_CASE("by default the shape is that of RCV1") {
  const Dataset data = load_dataset("synthetic_sparse", "");
  CHECK(data.train.inputs.sizes().vec() == std::vector<std::int64_t>{20242, 47236});
  CHECK(data.train.inputs._nnz() == 20242 * 74);
  const double share = data.train.targets.to(at::kDouble).mean().item<double>();
  CHECK(share > 0.2);
  CHECK(share < 0.8);
}

TEST_CASE("the first columns are frequent as Zipf says") {
  // With one number a row nothing is left out for having been drawn before.
  const Dataset data = load({{"numbers", 1}});
  double sum = 0;
  for (int k = 1; k <= 500; ++k) sum += std::pow(k, -1.1);
  const at::Tensor share = train_rows(data).gt(0).to(at::kDouble).mean(0);
  // Three standard deviations of a share p of 3,000 draws are 3 sqrt(p (1 - p) / 3000).
  for (int k = 0; k < 3; ++k) {
    const double p = std::pow(k + 1, -1.1) / sum;
    CHECK(std::abs(share[k].item<double>() - p) < 3 * std::sqrt(p * (1 - p) / 3000));
  }
}

TEST_CASE("labels are wrong as often as asked, and rows do not depend on it") {
  const Dataset clean = load({{"flips", 0}}), noisy = load();
  CHECK(at::equal(train_rows(clean), train_rows(noisy)));
  const double flipped =
      clean.train.targets.ne(noisy.train.targets).to(at::kDouble).mean().item<double>();
  CHECK(std::abs(flipped - 0.05) < 0.012);  // three standard deviations of 3,000 draws
}

TEST_CASE("a dense table holds the same rows; the seed draws others") {
  const Dataset sparse = load(), dense = load({{"sparse", false}}), other = load({{"seed", 1}});
  CHECK_FALSE(dense.facts.sparse);
  CHECK(at::equal(train_rows(sparse), dense.train.inputs));
  CHECK_FALSE(at::equal(train_rows(sparse), train_rows(other)));
  CHECK(at::equal(train_rows(load({{"train", 100}})), dense.train.inputs.slice(0, 0, 100)));
}

TEST_CASE("more numbers than half of the columns are refused by key") {
  CHECK(error_of<Error>([] { load({{"numbers", 251}}); }) ==
        "numbers: must be at most half of columns, 250, got 251");
}
