// Tables of numbers: regression and classification.

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "common/number_text.h"
#include "csv_params.h"
#include "csv_reader.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

using Columns = std::vector<std::size_t>;

std::size_t find_column(const CsvTable& table, const std::string& name, const char* key) {
  const auto at = std::find(table.columns.begin(), table.columns.end(), name);
  if (at == table.columns.end()) {
    throw ConfigError(key, fmt::format("{} has no column '{}'; it has {}", table.name, name,
                                       fmt::join(table.columns, ", ")));
  }
  return static_cast<std::size_t>(at - table.columns.begin());
}

/// @return [rows, columns] float64
at::Tensor numbers_of(const CsvTable& table, const Columns& columns) {
  at::Tensor out = at::empty(
      {static_cast<std::int64_t>(table.rows.size()), static_cast<std::int64_t>(columns.size())},
      at::kDouble);
  auto* value = out.data_ptr<double>();
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    for (const std::size_t column : columns) *value++ = number_at(table, row, column);
  }
  return out;
}

/// The classes in the order of their numbers, or of their texts when one is no number.
std::vector<std::string> classes_of(const CsvTable& table, std::size_t column) {
  std::vector<std::string> names;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    std::string label(trimmed(table.rows[row][column]));
    if (label.empty()) {
      throw DataError(fmt::format("{}:{}: column '{}' has no value", table.name, table.lines[row],
                                  table.columns[column]));
    }
    names.push_back(std::move(label));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (std::all_of(names.begin(), names.end(),
                  [](const std::string& name) { return parse_number(name).has_value(); })) {
    std::stable_sort(names.begin(), names.end(), [](const auto& a, const auto& b) {
      return *parse_number(a) < *parse_number(b);
    });
  }
  return names;
}

/// Mean and population deviation of each column; a constant column has deviation 1.
struct ColumnStatistics {
  at::Tensor mean, deviation;  // [columns] float64

  explicit ColumnStatistics(const at::Tensor& values)
      : mean(values.mean(0)), deviation((values - mean).square().mean(0).sqrt()) {
    deviation = at::where(deviation > 0, deviation, at::ones_like(deviation));
  }
};

std::vector<float> floats_of(const at::Tensor& values) {
  const at::Tensor rounded = values.to(at::kFloat).contiguous();
  return {rounded.data_ptr<float>(), rounded.data_ptr<float>() + rounded.numel()};
}

class Csv final : public DatasetSource {
 public:
  explicit Csv(CsvParams params) : params_(std::move(params)) {}

  Dataset load(const Resources& resources) const override {
    const CsvTable table = read_csv(resources.resolve(params_.path));
    const Columns targets = target_columns(table), inputs = input_columns(table, targets);
    const RowSplit split = split_of(static_cast<std::int64_t>(table.rows.size()), table.name);
    const at::Tensor train = at::tensor(split.train, at::kLong),
                     test = at::tensor(split.test, at::kLong);

    Dataset data;
    data.facts.name = resources.resolve(params_.path).stem().string();
    data.facts.input_shape = {static_cast<std::int64_t>(inputs.size())};
    data.facts.source = fmt::format("table '{}'", params_.path.text);
    const at::Tensor x = numbers_of(table, inputs);
    data.train.inputs = x.index_select(0, train).to(at::kFloat);
    data.test.inputs = x.index_select(0, test).to(at::kFloat);
    if (params_.standardise) {
      const ColumnStatistics statistics(x.index_select(0, train));
      data.facts.mean = floats_of(statistics.mean);
      data.facts.deviation = floats_of(statistics.deviation);
    }
    if (params_.task == CsvTask::regression) {
      add_numbers(data, table, targets, train, test);
    } else {
      add_classes(data, table, targets[0], train, test);
    }
    return data;
  }

 private:
  Columns target_columns(const CsvTable& table) const {
    Columns columns;
    for (const std::string& name : params_.target) {
      columns.push_back(find_column(table, name, "target"));
      if (std::count(columns.begin(), columns.end(), columns.back()) > 1) {
        throw ConfigError("target", fmt::format("'{}' is listed twice", name));
      }
    }
    if (columns.empty()) columns.push_back(table.columns.size() - 1);
    if (params_.task == CsvTask::classification && columns.size() > 1) {
      throw ConfigError("target", "a classification has one target column");
    }
    return columns;
  }

  Columns input_columns(const CsvTable& table, const Columns& targets) const {
    Columns dropped = targets;
    for (const std::string& name : params_.drop) {
      const std::size_t column = find_column(table, name, "drop");
      if (std::find(targets.begin(), targets.end(), column) != targets.end()) {
        throw ConfigError("drop", fmt::format("'{}' is the target", name));
      }
      dropped.push_back(column);
    }
    Columns inputs;
    for (std::size_t column = 0; column < table.columns.size(); ++column) {
      if (std::find(dropped.begin(), dropped.end(), column) == dropped.end())
        inputs.push_back(column);
    }
    if (inputs.empty()) throw ConfigError("drop", "leaves no input column");
    return inputs;
  }

  RowSplit split_of(std::int64_t rows, const std::string& name) const {
    const auto share =
        static_cast<std::int64_t>(std::floor(params_.train_fraction * static_cast<double>(rows)));
    RowSplit split = split_rows(rows, share, params_.order, params_.split_seed);
    split.train.resize(static_cast<std::size_t>(share - share % params_.train_multiple));
    if (split.train.empty() || split.test.empty()) {
      throw DataError(
          fmt::format("{}: {} rows leave {} for training and {} for tests; both need one at least",
                      name, rows, split.train.size(), split.test.size()));
    }
    return split;
  }

  void add_numbers(Dataset& data, const CsvTable& table, const Columns& targets,
                   const at::Tensor& train, const at::Tensor& test) const {
    at::Tensor y = numbers_of(table, targets);
    data.facts.task = Task::regression;
    data.facts.outputs = static_cast<std::int64_t>(targets.size());
    for (const std::size_t column : targets)
      data.facts.class_names.push_back(table.columns[column]);
    if (params_.standardise) {
      const ColumnStatistics statistics(y.index_select(0, train));
      y = (y - statistics.mean) / statistics.deviation;
      for (std::size_t i = 0; i < targets.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        data.facts.source += fmt::format("; target {} = {} + {} t", data.facts.class_names[i],
                                         statistics.mean[at].item<double>(),
                                         statistics.deviation[at].item<double>());
      }
    }
    data.train.targets = y.index_select(0, train).to(at::kFloat);
    data.test.targets = y.index_select(0, test).to(at::kFloat);
  }

  static void add_classes(Dataset& data, const CsvTable& table, std::size_t target,
                          const at::Tensor& train, const at::Tensor& test) {
    data.facts.class_names = classes_of(table, target);
    data.facts.outputs = static_cast<std::int64_t>(data.facts.class_names.size());
    if (data.facts.outputs < 2) {
      throw DataError(fmt::format("{}: the target '{}' has one class only, '{}'", table.name,
                                  table.columns[target], data.facts.class_names[0]));
    }
    std::map<std::string, std::int64_t, std::less<>> label_of;
    for (const std::string& name : data.facts.class_names) label_of.emplace(name, label_of.size());
    std::vector<std::int64_t> labels;
    for (const auto& row : table.rows)
      labels.push_back(label_of.find(trimmed(row[target]))->second);
    const at::Tensor y = at::tensor(labels, at::kLong);
    data.train.targets = y.index_select(0, train);
    data.test.targets = y.index_select(0, test);
  }

  CsvParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "csv", "1.0",
                 "Tables of numbers with a header line, for regression or classification", Csv,
                 CsvParams, "{}")

}  // namespace modeldiff
