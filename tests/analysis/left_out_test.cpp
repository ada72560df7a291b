#include "analysis/left_out.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>

#include "modeldiff/core/error.h"

using namespace modeldiff;

namespace {

/// Runs that were made without these rows each.
RunSet runs_without(const std::vector<std::vector<int>>& rows) {
  RunSet out;
  out.tensors = [rows](std::size_t run) {
    TensorMap left;
    if (!rows[run].empty()) left.emplace("change.removed", at::tensor(rows[run], at::kInt));
    return left;
  };
  return out;
}

std::string message_of(const RunSet& runs, std::int64_t count) {
  try {
    left_out_rows(runs, count, "without");
  } catch (const ConfigError& e) {
    return e.diagnostics().front().message;
  }
  return "";
}

}  // namespace

TEST_CASE("the rows that runs were made without are read run by run") {
  const std::vector<at::Tensor> rows = left_out_rows(runs_without({{3, 5}, {1}, {2}}), 2, "");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].equal(at::tensor({3, 5}, at::kLong)));
  CHECK(rows[1].equal(at::tensor({1}, at::kLong)));
}

TEST_CASE("a run with all rows, and a row that two runs leave out, are refused") {
  CHECK(message_of(runs_without({{1}, {}}), 2) ==
        "run 1 was made with all rows; give the algorithm `change: {delete: {count: 1, vary: "
        "true}}`");
  CHECK(message_of(runs_without({{1, 4}, {2}, {4}}), 3) ==
        "runs 0 and 2 were both made without row 4; with `vary: true` each run leaves out rows of "
        "its own");
}

TEST_CASE("runs that leave out other rows cannot be compared") {
  const std::vector<at::Tensor> a{at::tensor({1}), at::tensor({2})};
  CHECK_NOTHROW(require_same_rows(a, {at::tensor({1})}, "truth"));
  CHECK_THROWS_AS(require_same_rows(a, {at::tensor({1}), at::tensor({3})}, "truth"), ConfigError);
}

TEST_CASE("losses of rows are cross-entropy in nats, or half the squared error") {
  const at::Tensor logits = at::tensor({0.0, 0.0, std::log(3.0), 0.0}).view({2, 2});
  const at::Tensor losses = row_losses(logits, at::tensor({1, 0}, at::kLong), Task::classification);
  CHECK(losses[0].item<double>() == doctest::Approx(std::log(2.0)));
  CHECK(losses[1].item<double>() == doctest::Approx(std::log(4.0 / 3.0)));
  const at::Tensor errors = row_losses(at::tensor({1.0, 4.0}).view({2, 1}),
                                       at::tensor({3.0, 4.0}).view({2, 1}), Task::regression);
  CHECK(errors.equal(at::tensor({2.0, 0.0}, at::kDouble)));
}
