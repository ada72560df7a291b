#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "plugins/algorithms/dampening/dampen.h"

namespace modeldiff::dampening {
namespace {

TEST_CASE("what matters more to the forgotten rows shrinks by the ratio, the rest stays") {
  at::Tensor w = at::tensor({2.0, 2.0, 2.0, 2.0});
  const at::Tensor all = at::tensor({1.0, 1.0, 1.0, 0.0});
  const at::Tensor forgotten = at::tensor({20.0, 4.0, 10.0, 1.0});
  CHECK(dampen(w, all, forgotten, /*selection=*/5, /*strength=*/1) == 3);
  CHECK(at::allclose(w, at::tensor({0.1, 2.0, 0.2, 0.0})));
}

TEST_CASE("no weight grows, however strong") {
  at::Tensor w = at::tensor({2.0, -3.0});
  CHECK(dampen(w, at::tensor({1.0, 1.0}), at::tensor({2.0, 8.0}), 1, /*strength=*/4) == 2);
  CHECK(at::allclose(w, at::tensor({2.0, -1.5})));
}

TEST_CASE("importance is the mean of the squared mean gradients of batches") {
  // z = w x, half squared error: the gradient of a row is (w x - y) x.
  const at::Tensor inputs = at::tensor({1.f, 2.f, 3.f}).unsqueeze(1);
  const at::Tensor targets = at::tensor({0.f, 0.f, 1.f}).unsqueeze(1);
  const auto objective =
      make_linear_objective(inputs, targets, 1, /*bias=*/false, {}, Precision::float64);
  const at::Tensor w = at::ones({1}, at::kDouble);
  const std::vector<std::int32_t> rows{0, 1, 2};
  // Gradients 1, 4, 6: batches of two have means 2.5 and 6.
  CHECK(importance(*objective, w, rows, 2).item<double>() == doctest::Approx((2.5 * 2.5 + 36) / 2));
  CHECK(importance(*objective, w, rows, 1).item<double>() == doctest::Approx((1.0 + 16 + 36) / 3));
}

}  // namespace
}  // namespace modeldiff::dampening
