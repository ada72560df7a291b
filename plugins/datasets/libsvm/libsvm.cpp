// Sparse text files in the format of LIBSVM, made dense unless they are to stay as they are.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "common/byte_reader.h"
#include "libsvm_params.h"
#include "libsvm_reader.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"
#include "modeldiff/sparse_table.h"

namespace modeldiff {
namespace {

constexpr std::uint64_t kMostFileBytes = std::uint64_t{8} << 30;

/// How the sparse indices map to columns.
struct ColumnRange {
  std::int64_t base = 0;
  std::int64_t count = 0;
};

/// @return [rows, columns] float32
at::Tensor dense(const SparseTable& table, const ColumnRange& range) {
  at::Tensor out =
      at::zeros({static_cast<std::int64_t>(table.labels.size()), range.count}, at::kFloat);
  auto* values = out.data_ptr<float>();
  for (std::size_t row = 0; row < table.labels.size(); ++row) {
    for (std::size_t i = table.begins[row]; i < table.begins[row + 1]; ++i) {
      values[static_cast<std::int64_t>(row) * range.count + table.entries[i].index - range.base] =
          table.entries[i].value;
    }
  }
  return out;
}

/// @return [rows, columns] float32, a sparse table
at::Tensor sparse(const SparseTable& table, const ColumnRange& range) {
  const auto entries = static_cast<std::int64_t>(table.entries.size());
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (entries > kMost || range.count > kMost) {
    throw DataError(fmt::format(
        "{}: a sparse table may have at most {} values and columns, this one has {} and {}",
        table.name, kMost, entries, range.count));
  }
  at::Tensor columns = at::empty({entries}, at::kInt), values = at::empty({entries}, at::kFloat);
  auto* to_columns = columns.data_ptr<std::int32_t>();
  auto* to_values = values.data_ptr<float>();
  for (const SparseTable::Entry& entry : table.entries) {
    *to_columns++ = static_cast<std::int32_t>(entry.index - range.base);
    *to_values++ = entry.value;
  }
  const std::vector<std::int64_t> offsets(table.begins.begin(), table.begins.end());
  return sparse_table(at::tensor(offsets, at::kInt), columns, values, range.count);
}

class Libsvm final : public DatasetSource {
 public:
  explicit Libsvm(LibsvmParams params) : params_(std::move(params)) {}

  Dataset load(const Resources& resources) const override {
    std::vector<SparseTable> tables{read_table(resources.resolve(params_.path))};
    if (params_.test_path) tables.push_back(read_table(resources.resolve(*params_.test_path)));
    const ColumnRange range = column_range(tables);
    if (!params_.sparse) check_memory(tables, range);

    Dataset data;
    data.facts.name = resources.resolve(params_.path).stem().string();
    data.facts.input_shape = {range.count};
    data.facts.sparse = params_.sparse;
    data.facts.source = fmt::format("sparse table '{}'", params_.path.text);
    if (params_.task == LibsvmTask::classification) {
      add_class_names(data.facts, tables);
    } else {
      data.facts.task = Task::regression;
      data.facts.outputs = 1;
      data.facts.class_names = {"target"};
    }
    const Examples all = examples_of(tables[0], range, data.facts);
    if (params_.test_path) {
      data.train = all;
      data.test = examples_of(tables[1], range, data.facts);
    } else {
      const auto share =
          static_cast<std::int64_t>(params_.train_fraction * static_cast<double>(all.size()));
      if (share == 0)
        throw DataError(
            fmt::format("{}: {} rows are too few to be divided", tables[0].name, all.size()));
      const RowSplit split = split_rows(all.size(), share, params_.order, params_.split_seed);
      data.train = all.select(at::tensor(split.train, at::kLong));
      data.test = all.select(at::tensor(split.test, at::kLong));
    }
    return data;
  }

 private:
  static SparseTable read_table(const std::filesystem::path& path) {
    return parse_libsvm(read_file(path, kMostFileBytes), path.string());
  }

  ColumnRange column_range(const std::vector<SparseTable>& tables) const {
    std::int64_t largest = -1;
    bool has_zero = false;
    for (const SparseTable& table : tables) {
      largest = std::max(largest, table.largest_index);
      has_zero |= table.largest_index >= 0 && table.least_index == 0;
    }
    if (largest < 0) throw DataError(tables[0].name + ": has no INDEX:VALUE in any line");
    if (params_.index_base == IndexBase::one && has_zero) {
      throw ConfigError(
          "index_base",
          tables[0].name + " or its test file has the index 0, so columns do not count from 1");
    }
    ColumnRange range;
    range.base = params_.index_base == IndexBase::zero || has_zero ? 0 : 1;
    range.count = largest - range.base + 1;
    if (params_.columns) {
      if (range.count > *params_.columns) {
        throw ConfigError("columns", fmt::format("is {}, {} has the index {}", *params_.columns,
                                                 tables[0].name, largest));
      }
      range.count = *params_.columns;
    }
    return range;
  }

  void check_memory(const std::vector<SparseTable>& tables, const ColumnRange& range) const {
    double rows = 0;
    for (const SparseTable& table : tables) rows += static_cast<double>(table.labels.size());
    constexpr double kGiB = 1 << 30;
    const double bytes = rows * static_cast<double>(range.count) * sizeof(float);
    if (bytes > params_.memory_limit * kGiB) {
      throw ConfigError(
          "memory_limit",
          fmt::format("{:.0f} rows of {} columns need {:.0f} bytes ({:.2f} GiB) as a dense table, "
                      "the limit is {} GiB; with `sparse: true` zeros take none",
                      rows, range.count, bytes, bytes / kGiB, params_.memory_limit));
    }
  }

  static void add_class_names(DataFacts& facts, const std::vector<SparseTable>& tables) {
    std::set<double> labels;
    for (const SparseTable& table : tables) labels.insert(table.labels.begin(), table.labels.end());
    if (labels.size() < 2)
      throw DataError(fmt::format("{}: all labels are {}", tables[0].name, *labels.begin()));
    for (const double label : labels) facts.class_names.push_back(fmt::format("{}", label));
    facts.outputs = static_cast<std::int64_t>(labels.size());
  }

  Examples examples_of(const SparseTable& table, const ColumnRange& range,
                       const DataFacts& facts) const {
    Examples out;
    out.inputs = params_.sparse ? sparse(table, range) : dense(table, range);
    if (facts.task == Task::regression) {
      out.targets = at::tensor(table.labels, at::kDouble).to(at::kFloat).unsqueeze(1);
      return out;
    }
    std::vector<std::int64_t> classes;
    for (const double label : table.labels) {
      const auto at =
          std::find(facts.class_names.begin(), facts.class_names.end(), fmt::format("{}", label));
      classes.push_back(at - facts.class_names.begin());
    }
    out.targets = at::tensor(classes, at::kLong);
    return out;
  }

  LibsvmParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "libsvm", "1.0", "Sparse text files in the format of LIBSVM", Libsvm,
                 LibsvmParams, "{}")

}  // namespace modeldiff
