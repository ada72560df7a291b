#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

at::Tensor labels(const std::vector<std::int64_t>& values) { return at::tensor(values); }

}  // namespace

TEST_CASE("UCI tables are split and standardised as published code does") {
  for (const auto& [name, known] : baselines().at("uci").items()) {
    CAPTURE(name);
    const auto folder = find_data("uci/" + name + ".csv");
    if (!folder) continue;
    const Dataset data = load_dataset("csv", *folder,
                                      {{"path", "uci/" + name + ".csv"},
                                       {"target", {known.at("target")}},
                                       {"drop", known.at("drop")},
                                       {"order", "numpy"},
                                       {"train_multiple", known.at("multiple")}});
    CHECK(data.facts.task == Task::regression);
    CHECK(data.train.size() == known.at("train").get<std::int64_t>());
    CHECK(data.test.size() == known.at("test").get<std::int64_t>());
    const auto mean = known.at("mean").get<std::vector<double>>(),
               deviation = known.at("deviation").get<std::vector<double>>();
    REQUIRE(data.facts.mean.size() == mean.size());
    for (std::size_t c = 0; c < mean.size(); ++c) {
      CHECK(data.facts.mean[c] == doctest::Approx(mean[c]).epsilon(1e-6));
      CHECK(data.facts.deviation[c] == doctest::Approx(deviation[c]).epsilon(1e-6));
    }
    CHECK(data.train.targets.to(at::kDouble).mean().item<double>() ==
          doctest::Approx(0).epsilon(1e-6));
    CHECK(data.train.targets.to(at::kDouble).square().mean().item<double>() ==
          doctest::Approx(1).epsilon(1e-6));
    CHECK(data.test.targets[0][0].item<double>() ==
          doctest::Approx(known.at("first_test_row_standardised_target").get<double>())
              .epsilon(1e-6));
  }
}

TEST_CASE("a csv file is divided in its order, several targets in theirs") {
  const TemporaryFolder folder;
  folder.write("t.csv", "id,a,y,z\n9,1,10,5\n9,3,20,5\n9,5,30,5\n9,7,70,6\n");
  const Dataset data = load_dataset("csv", folder.path(),
                                    {{"path", "t.csv"},
                                     {"target", {"z", "y"}},
                                     {"drop", {"id"}},
                                     {"order", "file"},
                                     {"train_fraction", 0.75}});
  CHECK(data.facts.name == "t");
  CHECK(data.facts.class_names == std::vector<std::string>{"z", "y"});
  CHECK(data.facts.outputs == 2);
  CHECK(at::equal(data.train.inputs, at::tensor(std::vector<float>{1, 3, 5}).unsqueeze(1)));
  CHECK(data.facts.mean == std::vector<float>{3});
  CHECK(data.facts.deviation[0] == doctest::Approx(std::sqrt(8.0 / 3)));
  // z is constant in the training part: its deviation counts as 1. y: mean 20, deviation
  // sqrt(200/3).
  CHECK(data.test.targets[0][0].item<float>() == doctest::Approx(1));
  CHECK(data.test.targets[0][1].item<float>() == doctest::Approx(50 / std::sqrt(200.0 / 3)));
  CHECK(contains(data.facts.source, "target z = 5 + 1 t; target y = 20 + 8.16496580927726 t"));
  const Dataset raw = load_dataset("csv", folder.path(),
                                   {{"path", "t.csv"}, {"order", "file"}, {"standardise", false}});
  CHECK(raw.facts.mean.empty());
  CHECK(at::equal(raw.train.targets, at::tensor(std::vector<float>{5, 5, 5}).unsqueeze(1)));
}

TEST_CASE("class labels are sorted as numbers, or as text") {
  const TemporaryFolder folder;
  folder.write("n.csv", "a,y\n1,10\n1,9\n1,10\n1,-1\n");
  folder.write("t.csv", "a,y\n1,dog\n1,cat\n1, cat\n1,10\n");
  const auto load = [&](const char* path) {
    return load_dataset(
        "csv", folder.path(),
        {{"path", path}, {"task", "classification"}, {"order", "file"}, {"train_fraction", 0.8}});
  };
  CHECK(load("n.csv").facts.class_names == std::vector<std::string>{"-1", "9", "10"});
  CHECK(at::equal(load("n.csv").train.targets, labels({2, 1, 2})));
  CHECK(load("t.csv").facts.class_names == std::vector<std::string>{"10", "cat", "dog"});
  CHECK(at::equal(load("t.csv").train.targets, labels({2, 1, 1})));
}

TEST_CASE("columns that are not there, and tables that are too small, are refused by key") {
  const TemporaryFolder folder;
  folder.write("t.csv", "a,b,y\n1,red,3\n2,blue,4\n");
  folder.write("one.csv", "a,y\n1,2\n");
  folder.write("same.csv", "a,y\n1,2\n2,2\n");
  const auto error = [&](Json params) {
    return error_of<Error>([&] { load_dataset("csv", folder.path(), params); });
  };
  CHECK(contains(error({{"path", "t.csv"}, {"target", {"c"}}}),
                 "t.csv has no column 'c'; it has a, b, y"));
  CHECK(error({{"path", "t.csv"}, {"target", {"c"}}}).starts_with("target: "));
  CHECK(error({{"path", "t.csv"}, {"target", {"y", "y"}}}) == "target: 'y' is listed twice");
  CHECK(error({{"path", "t.csv"}, {"drop", {"x"}}}).starts_with("drop: "));
  CHECK(error({{"path", "t.csv"}, {"drop", {"y"}}}) == "drop: 'y' is the target");
  CHECK(error({{"path", "t.csv"}, {"drop", {"a", "b"}}}) == "drop: leaves no input column");
  CHECK(error({{"path", "t.csv"}, {"target", {"a", "y"}}, {"task", "classification"}}) ==
        "target: a classification has one target column");
  CHECK(contains(error({{"path", "t.csv"}}), "t.csv:2: column 'b' holds 'red'"));
  CHECK(contains(error({{"path", "one.csv"}}), "1 rows leave 0 for training and 1 for tests"));
  CHECK(contains(error({{"path", "same.csv"}, {"task", "classification"}}),
                 "the target 'y' has one class only, '2'"));
}

TEST_CASE("a sparse table becomes dense from its own first column, labels become classes") {
  const TemporaryFolder folder;
  folder.write("one.txt", "-1 1:5 3:6\n1 2:7\n1\n-1 1:8\n");
  folder.write("zero.txt", "3 0:5 2:6\n1.5 1:7\n");
  const Dataset one = load_dataset(
      "libsvm", folder.path(), {{"path", "one.txt"}, {"order", "file"}, {"train_fraction", 0.75}});
  CHECK(at::equal(one.train.inputs,
                  at::tensor(std::vector<float>{5, 0, 6, 0, 7, 0, 0, 0, 0}).view({3, 3})));
  CHECK(at::equal(one.train.targets, labels({0, 1, 1})));
  CHECK(one.facts.class_names == std::vector<std::string>{"-1", "1"});
  CHECK(at::equal(one.test.inputs, at::tensor(std::vector<float>{8, 0, 0}).view({1, 3})));
  const Dataset zero = load_dataset(
      "libsvm", folder.path(), {{"path", "zero.txt"}, {"test_path", "zero.txt"}, {"columns", 4}});
  CHECK(at::equal(zero.test.inputs,
                  at::tensor(std::vector<float>{5, 0, 6, 0, 0, 7, 0, 0}).view({2, 4})));
  CHECK(zero.facts.class_names == std::vector<std::string>{"1.5", "3"});
  const Dataset base =
      load_dataset("libsvm", folder.path(),
                   {{"path", "one.txt"}, {"index_base", "zero"}, {"task", "regression"}});
  CHECK(base.facts.input_shape == std::vector<std::int64_t>{4});
  CHECK(base.train.targets.sizes().vec() == std::vector<std::int64_t>{3, 1});
}

TEST_CASE("a sparse table that does not fit its parameters, or memory, is refused by key") {
  const TemporaryFolder folder;
  folder.write("t.txt", "-1 0:5 3:6\n1 2:7\n");
  folder.write("wide.txt", "-1 1:5 4000000000:6\n1 2:7\n");
  const auto error = [&](Json params) {
    return error_of<Error>([&] { load_dataset("libsvm", folder.path(), params); });
  };
  CHECK(error({{"path", "t.txt"}, {"index_base", "one"}}).starts_with("index_base: "));
  CHECK(contains(error({{"path", "t.txt"}, {"columns", 3}}), "columns: is 3, "));
  CHECK(error({{"path", "wide.txt"}}) ==
        "memory_limit: 2 rows of 4000000000 columns need 32000000000 bytes (29.80 GiB) as a dense "
        "table, the limit is 4 GiB; with `sparse: true` zeros take none");
}

TEST_CASE("a sparse table has the rows and labels of the dense one, however large the zeros") {
  const TemporaryFolder folder;
  folder.write("t.txt", "-1 1:5 3:6\n1 2:7\n1\n-1 1:8\n1 1:1 2:2 3:3 4:4\n");
  folder.write("wide.txt", "-1 1:5 2000000000:6\n1 2:7\n-1 3:1\n");
  for (const char* order : {"file", "stream"}) {
    Json params{{"path", "t.txt"}, {"order", order}, {"train_fraction", 0.6}};
    const Dataset dense = load_dataset("libsvm", folder.path(), params);
    params["sparse"] = true;
    const Dataset sparse = load_dataset("libsvm", folder.path(), params);
    CHECK(sparse.facts.sparse);
    CHECK_FALSE(dense.facts.sparse);
    CHECK((sparse.train.inputs.layout() == at::kSparseCsr));
    CHECK(at::equal(sparse.train.floats(0, 3), dense.train.inputs));
    CHECK(at::equal(sparse.test.floats(0, 2), dense.test.inputs));
    CHECK(at::equal(sparse.train.targets, dense.train.targets));
    CHECK(sparse.facts.class_names == dense.facts.class_names);
  }
  const Dataset wide = load_dataset("libsvm", folder.path(),
                                    {{"path", "wide.txt"}, {"order", "file"}, {"sparse", true}});
  CHECK(wide.train.inputs.sizes().vec() == std::vector<std::int64_t>{2, 2000000000});
  CHECK(at::equal(wide.train.inputs.col_indices(), at::tensor({0, 1999999999, 1}, at::kInt)));
}
