#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "modeldiff/core/json.h"
#include "modeldiff/core/plugin.h"
#include "modeldiff/tensors.h"

namespace modeldiff {

enum class Task { classification, regression };

/// Rows in a fixed order.
struct Examples {
  /// Images [n, channels, height, width], uint8 in 0..255 or float32 in [0, 1]; tables [n, columns]
  /// float32, dense or sparse (see sparse_table.h and DataFacts::sparse).
  at::Tensor inputs;
  /// Classification [n] int64 in [0, classes); regression [n, outputs] float32.
  at::Tensor targets;
  /// [n] int64, the group of each row (see DataFacts::groups), or undefined.
  at::Tensor groups;
  /// [n] bool, true where a mark was planted: ground truth for evaluations, never shown to a
  /// learning algorithm. Undefined when nothing was planted.
  at::Tensor planted;

  std::int64_t size() const { return inputs.defined() ? inputs.size(0) : 0; }
  /// The rows of `indices` [k] int64, in that order.
  MODELDIFF_API Examples select(const at::Tensor& indices) const;
  /// Images as float32 in [0, 1], whatever they are stored as; tables unchanged. [n, ...] or the
  /// rows [begin, end), dense also of a sparse table.
  MODELDIFF_API at::Tensor floats() const;
  MODELDIFF_API at::Tensor floats(std::int64_t begin, std::int64_t end) const;
};

/// What is known of a data set beside its rows.
struct DataFacts {
  std::string name;
  Task task = Task::classification;
  /// Shape of one input: {channels, height, width} or {columns}.
  std::vector<std::int64_t> input_shape;
  /// The inputs are a sparse table, and may not fit into memory as a dense one. Only what has the
  /// trait "inputs": "sparse" is given them; mean and deviation are empty.
  bool sparse = false;
  /// Classes, or target columns of a regression.
  std::int64_t outputs = 0;
  std::vector<std::string> class_names;
  std::vector<std::string> groups;
  /// For each channel (images) or column (tables); a model sees (x - mean) / deviation. Empty: x as
  /// it is.
  std::vector<float> mean, deviation;
  /// What hides a pixel: one value a channel, in [0, 1].
  std::vector<float> fill;
  /// What was planted, {class, mark, colour, contrast} with the parameters of a Region as `mark`:
  /// ground truth for evaluations. Null when nothing was.
  Json planted;
  /// Where the data comes from and its licence, for the report.
  std::string source;

  bool images() const { return input_shape.size() == 3; }
};

MODELDIFF_API Json to_json(const DataFacts& facts);
MODELDIFF_API DataFacts data_facts_from_json(const Json& json);

struct Dataset {
  DataFacts facts;
  Examples train;
  Examples test;
};

/// Finds the files that an experiment names.
class MODELDIFF_API Resources {
 public:
  virtual ~Resources();
  /// @throws DataError listing every place that was searched
  virtual std::filesystem::path resolve(const DataPath& path) const = 0;
};

/// Plugin kind `datasets`: reads or generates examples and labels in a fixed order. The same
/// parameters and the same files give the same bytes.
class MODELDIFF_API DatasetSource : public Plugin {
 public:
  ~DatasetSource() override;
  /// @throws DataError naming file, what was expected and what was found
  virtual Dataset load(const Resources& resources) const = 0;
};

}  // namespace modeldiff
