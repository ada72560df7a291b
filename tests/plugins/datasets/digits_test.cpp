#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

at::Tensor class_counts(const Dataset& data) {
  return at::bincount(at::cat({data.train.targets, data.test.targets}), {}, data.facts.outputs);
}

}  // namespace

TEST_CASE("the built-in digits are those of the published file") {
  const Dataset data = load_dataset("digits", "");
  const Json& known = baselines().at("digits");
  CHECK(data.train.inputs.sizes().vec() == std::vector<std::int64_t>{1200, 1, 8, 8});
  CHECK(data.test.inputs.sizes().vec() == std::vector<std::int64_t>{597, 1, 8, 8});
  const at::Tensor all = at::cat({data.train.inputs, data.test.inputs});
  CHECK(at::equal(class_counts(data),
                  at::tensor(known.at("classes").get<std::vector<std::int64_t>>())));
  CHECK((all.to(at::kDouble).sum() * 16).item<double>() == known.at("sum").get<double>());
  CHECK(all.max().item<float>() == 1.0f);
  CHECK(data.facts.mean == std::vector<float>{0.3f});
  CHECK(data.facts.deviation == std::vector<float>{1.0f});
  CHECK(data.facts.fill == std::vector<float>{0.0f});
  CHECK(contains(data.facts.source, "CC BY 4.0"));
}

TEST_CASE("every built-in digit is in the csv file, pixel by pixel") {
  const auto folder = find_data("digits/digits.csv");
  if (!folder) return;
  const Dataset csv = load_dataset("csv", *folder,
                                   {{"path", "digits/digits.csv"},
                                    {"task", "classification"},
                                    {"order", "file"},
                                    {"standardise", false}});
  const Dataset data = load_dataset("digits", "");
  // A row's pixels and label as one list; both sides sorted.
  const auto rows_of = [](const Dataset& d, double scale) {
    const at::Tensor x = at::cat({d.train.inputs, d.test.inputs}).flatten(1) * scale;
    const at::Tensor table =
        at::cat({x, at::cat({d.train.targets, d.test.targets}).unsqueeze(1)}, 1)
            .to(at::kInt)
            .contiguous();
    std::vector<std::vector<int>> rows;
    for (std::int64_t i = 0; i < table.size(0); ++i) {
      const int* row = table.data_ptr<int>() + i * table.size(1);
      rows.emplace_back(row, row + table.size(1));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  };
  CHECK(rows_of(data, 16) == rows_of(csv, 1));
}

TEST_CASE("the shuffle seed draws which digits are for training, the size how many") {
  const Dataset a = load_dataset("digits", ""), b = load_dataset("digits", ""),
                c = load_dataset("digits", "", {{"shuffle_seed", 1}});
  CHECK(at::equal(a.train.inputs, b.train.inputs));
  CHECK_FALSE(at::equal(a.train.inputs, c.train.inputs));
  CHECK(at::equal(class_counts(a), class_counts(c)));
  const Dataset small = load_dataset("digits", "", {{"train", 100}});
  CHECK(small.train.size() == 100);
  CHECK(small.test.size() == 1697);
  CHECK(at::equal(small.train.inputs, a.train.inputs.slice(0, 0, 100)));
}
