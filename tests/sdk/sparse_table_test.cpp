#include "modeldiff/sparse_table.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "modeldiff/core/error.h"
#include "modeldiff/dataset.h"

namespace modeldiff {
namespace {

at::Tensor ints(const std::vector<std::int64_t>& values) { return at::tensor(values, at::kInt); }

/// 5 0 6
/// 0 0 0
/// 0 7 0
at::Tensor small() {
  return sparse_table(ints({0, 2, 2, 3}), ints({0, 2, 1}), at::tensor({5.f, 6.f, 7.f}), 3);
}

at::Tensor dense(const at::Tensor& table) { return dense_rows(table, 0, table.size(0)); }

TEST_CASE("rows of a sparse table are those of the dense one, by index, joined and in a range") {
  const at::Tensor table = small(),
                   all = at::tensor({5.f, 0.f, 6.f, 0.f, 0.f, 0.f, 0.f, 7.f, 0.f}).view({3, 3});
  CHECK(dense(table).equal(all));
  CHECK(dense_rows(table, 1, 3).equal(all.slice(0, 1)));
  CHECK(dense_rows(all, 1, 3).equal(all.slice(0, 1)));
  for (const std::vector<std::int64_t>& rows :
       {std::vector<std::int64_t>{}, {2, 0, 2, 1}, {1}, {0, 1, 2}}) {
    const at::Tensor index = at::tensor(rows, at::kLong);
    CHECK(dense(rows_of(table, index)).equal(all.index_select(0, index)));
    CHECK(dense(rows_of(table, index.to(at::kInt))).equal(all.index_select(0, index)));
  }
  const at::Tensor twice = join_rows(table, rows_of(table, ints({2, 0})));
  CHECK(dense(twice).equal(at::cat({all, all.index_select(0, ints({2, 0}))})));
  CHECK_THROWS_WITH_AS(rows_of(table, ints({3})), "row 3 is asked for of a table of 3 rows",
                       ShapeError);
}

TEST_CASE("examples hold a sparse table as they hold a dense one") {
  Examples examples;
  examples.inputs = small();
  examples.targets = at::arange(3);
  const Examples chosen = examples.select(at::tensor({2, 0}, at::kLong));
  CHECK(chosen.size() == 2);
  CHECK((chosen.inputs.layout() == at::kSparseCsr));
  CHECK(chosen.floats(0, 1).equal(at::tensor({0.f, 7.f, 0.f}).view({1, 3})));
}

TEST_CASE("a dense tensor is held by itself, a sparse table by three tensors") {
  CHECK(stored_parts(at::ones({2, 2})).size() == 1);
  const std::vector<at::Tensor> parts = stored_parts(small());
  REQUIRE(parts.size() == 3);
  CHECK(sparse_table(parts[0], parts[1], parts[2], 3).to_dense().equal(dense(small())));
  // What is mapped from a file is not copied.
  CHECK(sparse_table(parts[0], parts[1], parts[2], 3).values().const_data_ptr() ==
        parts[2].const_data_ptr());
}

TEST_CASE("parts that are no sparse table are refused with the reason") {
  const at::Tensor values = at::ones({2});
  const auto error = [&](const at::Tensor& offsets, const at::Tensor& columns) -> std::string {
    try {
      sparse_table(offsets, columns, values, 3);
    } catch (const DataError& e) {
      return std::string(e.what()).substr(43);
    }
    return "";
  };
  CHECK(error(ints({0, 1, 2}), ints({1, 1})).empty());
  CHECK(error(ints({0, 1, 2}), ints({0, 3})) ==
        "row 1 has column 3 after -1; columns must ascend and be below 3");
  CHECK(error(ints({0, 2}), ints({1, 1})) ==
        "row 0 has column 1 after 1; columns must ascend and be below 3");
  CHECK(error(ints({0, 1}), ints({0, 1})) == "offsets run from 0 to 1, and there are 2 values");
  CHECK(error(ints({0, 3, 2}), ints({0, 1})) == "row 0 goes from value 0 to 3");
  CHECK(error(at::arange(3), ints({0, 1})) ==
        "expected offsets [rows + 1] int32, columns [k] int32 and values [k] float32, found [3] "
        "int64, [2] int32 and [2] float32");
}

}  // namespace
}  // namespace modeldiff
