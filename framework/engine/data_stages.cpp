#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <unordered_set>

#include "engine/artifacts.h"
#include "engine/stages.h"
#include "engine/transformations.h"
#include "modeldiff/attributor.h"
#include "modeldiff/core/random.h"
#include "modeldiff/sparse_table.h"
#include "training/classes.h"
#include "training/wrappers.h"

namespace modeldiff {
namespace {

void add_part(TensorMap& tensors, const std::string& part, const Examples& examples) {
  const std::vector<at::Tensor> inputs = stored_parts(examples.inputs);
  if (inputs.size() == 1) {
    tensors.emplace(part + ".inputs", inputs.front());
  } else {
    tensors.emplace(part + ".inputs.offsets", inputs[0]);
    tensors.emplace(part + ".inputs.columns", inputs[1]);
    tensors.emplace(part + ".inputs.values", inputs[2]);
  }
  tensors.emplace(part + ".targets", examples.targets);
  if (examples.groups.defined()) tensors.emplace(part + ".groups", examples.groups);
  if (examples.planted.defined()) tensors.emplace(part + ".planted", examples.planted);
}

/// The bytes of each row, for comparison.
class RowBytes {
 public:
  explicit RowBytes(const at::Tensor& inputs) : parts_(stored_parts(inputs)) {}

  std::string of(std::int64_t row) const {
    if (parts_.size() == 1) {
      const std::int64_t rows = parts_[0].size(0);
      return slice(parts_[0], row, row + 1, parts_[0].nbytes() / static_cast<std::size_t>(rows));
    }
    const std::int32_t* offsets = parts_[0].const_data_ptr<std::int32_t>() + row;
    return slice(parts_[1], offsets[0], offsets[1], sizeof(std::int32_t)) +
           slice(parts_[2], offsets[0], offsets[1], sizeof(float));
  }

 private:
  static std::string slice(const at::Tensor& part, std::int64_t begin, std::int64_t end,
                           std::size_t size) {
    const auto* data = static_cast<const char*>(part.const_data_ptr());
    return {data + static_cast<std::size_t>(begin) * size,
            data + static_cast<std::size_t>(end) * size};
  }

  std::vector<at::Tensor> parts_;
};

/// Rows of the test set in a random order, each content once, and no image of the training set. (Rows
/// of a table may well be equal and mean two observations.)
class Draw {
 public:
  Draw(const Dataset& data, std::uint64_t seed)
      : test_(data.test), random_(seed), left_(random_.permutation(data.test.size())) {
    std::unordered_set<std::string> in_train, seen;
    const RowBytes train(data.train.inputs), test(test_.inputs);
    for (std::int64_t row = 0; data.facts.images() && row < data.train.size(); ++row)
      in_train.insert(sha256(train.of(row)));
    std::erase_if(left_, [&](std::int64_t row) {
      const std::string content = sha256(test.of(row));
      const bool trained = in_train.contains(content);
      const bool repeated = !trained && !seen.insert(content).second;
      in_training_ += trained;
      duplicates_ += repeated;
      return trained || repeated;
    });
  }

  /// Rows left out since the training set has their content, or an earlier row.
  std::int64_t in_training() const { return in_training_; }
  std::int64_t duplicates() const { return duplicates_; }
  std::int64_t left() const { return static_cast<std::int64_t>(left_.size()); }

  /// The first `count` rows, removed from those that are left.
  std::vector<std::int64_t> take(std::int64_t count) {
    return take_first(count, [](std::int64_t) { return true; });
  }

  /// The first `count` rows that fit, removed from those that are left. The rows that were passed
  /// over stand at the front then, so those that are left get a new order.
  template <typename Fits>
  std::vector<std::int64_t> take_where(std::int64_t count, Fits&& fits) {
    std::vector<std::int64_t> taken = take_first(count, fits);
    std::vector<std::int64_t> order = random_.permutation(left());
    for (std::int64_t& place : order) place = left_[static_cast<std::size_t>(place)];
    left_ = std::move(order);
    return taken;
  }

  bool planted(std::int64_t row) const {
    return test_.planted.defined() && test_.planted[row].item<bool>();
  }
  std::int64_t label(std::int64_t row) const { return test_.targets[row].item<std::int64_t>(); }

 private:
  template <typename Fits>
  std::vector<std::int64_t> take_first(std::int64_t count, Fits&& fits) {
    std::vector<std::int64_t> taken;
    std::erase_if(left_, [&](std::int64_t row) {
      if (static_cast<std::int64_t>(taken.size()) >= count || !fits(row)) return false;
      taken.push_back(row);
      return true;
    });
    return taken;
  }

  const Examples& test_;
  RandomStream random_;
  std::vector<std::int64_t> left_;
  std::int64_t in_training_ = 0, duplicates_ = 0;
};

std::vector<std::int64_t> draw_queries(Draw& draw, const DataFacts& facts, const Json& config) {
  const auto count = config.at("count").get<std::int64_t>();
  const std::int64_t planted =
      config.at("planted").is_null() ? -1 : config.at("planted").get<std::int64_t>();
  if (planted > count)
    throw ConfigError("planted", fmt::format("must be at most count ({}), got {}", count, planted));
  std::vector<std::int64_t> rows;
  const auto append = [&](std::vector<std::int64_t> more) {
    rows.insert(rows.end(), more.begin(), more.end());
  };
  const bool chosen = planted >= 0;
  if (chosen) append(draw.take_where(planted, [&](std::int64_t row) { return draw.planted(row); }));
  const std::int64_t marked = static_cast<std::int64_t>(rows.size());
  if (marked < planted) {
    throw ConfigError("planted", fmt::format("asks for {} queries with the mark, the test set has "
                                             "only {}; raise dataset.plant.query_fraction",
                                             planted, marked));
  }
  const auto plain = [&](std::int64_t row) { return !chosen || !draw.planted(row); };
  if (config.at("balanced").get<bool>()) {
    if (facts.task != Task::classification)
      throw ConfigError("balanced", "needs classes, and the data set has none");
    for (std::int64_t c = 0; c < facts.outputs; ++c) {
      const std::int64_t share =
          (count - marked) / facts.outputs + (c < (count - marked) % facts.outputs ? 1 : 0);
      append(draw.take_where(share,
                             [&](std::int64_t row) { return draw.label(row) == c && plain(row); }));
    }
  } else {
    append(chosen ? draw.take_where(count - marked, plain) : draw.take(count));
  }
  if (static_cast<std::int64_t>(rows.size()) < count) {
    throw ConfigError(
        "count",
        fmt::format("asks for {} queries{}, the test set has only {} that fit{}", count,
                    chosen ? fmt::format(", {} of them planted", planted) : "", rows.size(),
                    draw.in_training() > 0
                        ? fmt::format("; {} of its images are left out, as the training set has "
                                      "them too",
                                      draw.in_training())
                        : ""));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

double memory_limit() {
  const char* text = std::getenv("MODELDIFF_MEMORY_LIMIT");
  return text ? std::atof(text) : 0;
}

void require_memory(double needed, const std::string& path, const std::string& what) {
  const double limit = memory_limit();
  constexpr double kGiB = 1024.0 * 1024 * 1024;
  if (limit <= 0 || needed <= limit) return;
  throw ConfigError(
      path, fmt::format("{} needs about {:.1f} GiB of memory, and a worker may have {:.1f} GiB; "
                        "use fewer workers, a smaller size, or raise limits.memory_gib",
                        what, needed / kGiB, limit / kGiB));
}

/// Runs a check of a part of the file, so that its errors name their place.
template <typename Check>
void at_path(const std::string& path, Check&& check) {
  try {
    check();
  } catch (const ConfigError& e) {
    std::vector<Diagnostic> placed = e.diagnostics();
    for (Diagnostic& d : placed) d.path = d.path.empty() ? path : path + "." + d.path;
    throw ConfigError(std::move(placed));
  }
}

/// Refuses data without what a plugin's trait `data` asks for, and sparse tables where the trait
/// `inputs` does not name them.
/// @throws ConfigError
void require_data(const Json& traits, const char* noun, const std::string& name,
                  const DataFacts& facts) {
  if (facts.sparse && traits.value("inputs", "") != "sparse") {
    throw ConfigError(
        "", fmt::format("{} '{}' cannot read the sparse table '{}'; load it dense (`sparse: "
                        "false`), or choose another {}",
                        noun, name, facts.name, noun));
  }
  const std::string needed = traits.value("data", "");
  if (needed == "images" && !facts.images()) {
    throw ConfigError(
        "", fmt::format("{} '{}' changes images, and data set '{}' is a table of {} columns", noun,
                        name, facts.name, facts.input_shape.front()));
  }
  if (needed == "ground_truth" && facts.planted.is_null()) {
    throw ConfigError(
        "",
        fmt::format("{} '{}' needs a planted mark, and data set '{}' has none; add dataset.plant",
                    noun, name, facts.name));
  }
}

}  // namespace

void make_dataset(Workspace& workspace, const Cell& cell, Publication& out, Progress&) {
  const Json& config = workspace.config(cell);
  const auto source = workspace.plugin<DatasetSource>("datasets", config);
  Dataset data = apply_wrappers(source->load(workspace), DatasetParams::schema().read(config),
                                cell.own.at("seed").get<std::uint64_t>());
  if (data.train.size() == 0 || data.test.size() == 0) {
    throw DataError(
        fmt::format("data set '{}' has {} training and {} test examples; both are needed",
                    data.facts.name, data.train.size(), data.test.size()));
  }
  TensorMap tensors;
  add_part(tensors, "train", data.train);
  add_part(tensors, "test", data.test);
  add_tensors(out, "data.safetensors", tensors);
  Json facts = to_json(data.facts);
  facts["train"] = data.train.size();
  facts["test"] = data.test.size();
  out.add_json("facts.json", facts);
}

void make_preflight(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress) {
  const Json& config = workspace.config(cell);
  const Dataset& data = workspace.dataset(cell);
  Json facts{{"algorithms", Json::object()}};
  std::int64_t parameters = 0;
  const Json& algorithms = config.at("algorithms");
  const auto data_of = [&](const Json& params) -> const Dataset& {
    const std::string other = params.value("dataset", "");
    return other.empty() ? data : workspace.dataset(cell, "dataset " + other);
  };
  // The predictors of the runs that an algorithm starts from, before these runs are made.
  std::function<InputRuns(const Json&)> named_by = [&](const Json& params) {
    InputRuns runs;
    for (const RunReference& reference :
         run_references(params, workspace.schema("algorithms", params))) {
      const Json& other = algorithms.at(reference.algorithm);
      InputRun run;
      run.predictor = workspace.plugin<LearningAlgorithm>("algorithms", other)
                          ->predictor(data_of(other).facts, named_by(other), workspace);
      runs[reference.algorithm].assign(static_cast<std::size_t>(reference.count), run);
    }
    return runs;
  };
  for (const auto& [name, params] : algorithms.items()) {
    progress.check_stop();
    at_path("algorithms." + name, [&] {
      const Dataset& own = data_of(params);
      const auto plugin = params.at("plugin").get<std::string>();
      require_data(workspace.traits("algorithms", plugin), "algorithm", plugin, own.facts);
      const auto algorithm = workspace.plugin<LearningAlgorithm>("algorithms", params);
      const InputRuns inputs = named_by(params);
      const Predictor predictor = algorithm->predictor(own.facts, inputs, workspace);
      parameters = std::max(parameters, predictor.model->parameters().count());
      const double bytes = algorithm->memory_bytes(own.facts, inputs, own.train.size(), workspace);
      require_memory(bytes, "", "a training run");
      facts["algorithms"][name] = {{"parameters", predictor.model->parameters().count()},
                                   {"forward_flops", predictor.model->forward_flops()},
                                   {"memory_bytes", bytes}};
    });
  }
  if (!config.at("attribute").empty()) {
    at_path("attribute", [&] {
      const auto name = config.at("attribute").at("plugin").get<std::string>();
      require_data(workspace.traits("attributors", name), "attributor", name, data.facts);
      const auto attributor = workspace.plugin<Attributor>("attributors", config.at("attribute"));
      const double bytes = attributor->memory_bytes(
          parameters, data.train.size(), cell.own.at("queries").get<std::int64_t>(),
          config.at("attribute").at("runs").get<std::int64_t>());
      require_memory(bytes, "", "the attribution");
      facts["attribute"] = {{"memory_bytes", bytes}};
    });
  }
  for (std::size_t i = 0; i < config.at("propose").size(); ++i) {
    const Json& params = config.at("propose")[i];
    at_path(fmt::format("propose[{}]", i), [&] {
      const auto name = params.at("plugin").get<std::string>();
      require_data(workspace.traits("proposers", name), "proposer", name, data.facts);
      if (data.facts.task != Task::classification) {
        throw ConfigError(
            "", fmt::format(
                    "effects are changes of class probabilities, and data set '{}' has no classes",
                    data.facts.name));
      }
      if (!params.at("target").is_null()) class_index(data.facts, params.at("target"), "target");
      const Dataset& donors = data_of(params);
      if (donors.facts.input_shape != data.facts.input_shape) {
        throw ConfigError("dataset",
                          fmt::format("its images are [{}], those of the experiment [{}]",
                                      fmt::join(donors.facts.input_shape, ", "),
                                      fmt::join(data.facts.input_shape, ", ")));
      }
      const auto proposer = workspace.plugin<Proposer>("proposers", params);
      // Made again in a cell of its own; here, so that what this data set lacks is said before
      // anything is trained.
      const bool elsewhere = !params.value("dataset", "").empty(),
                 learns = workspace.traits("proposers", name).value("runs", "") == "screen";
      if (elsewhere && !learns) proposer->propose(request_elsewhere(donors, 0, progress));
    });
  }
  for (std::size_t i = 0; i < config.at("evaluate").size(); ++i) {
    const Json& params = config.at("evaluate")[i];
    at_path(fmt::format("evaluate[{}]", i), [&] {
      const auto name = params.at("plugin").get<std::string>();
      require_data(workspace.traits("evaluations", name), "evaluation", name, data.facts);
      workspace.plugin<Plugin>("evaluations", params);
    });
  }
  out.add_json("preflight.json", facts);
}

void make_split(Workspace& workspace, const Cell& cell, Publication& out, Progress&) {
  const Json& config = workspace.config(cell);
  const Dataset& data = workspace.dataset(cell);
  Draw draw(data, cell.own.at("seed").get<std::uint64_t>());
  std::vector<std::int64_t> queries;
  at_path("queries", [&] { queries = draw_queries(draw, data.facts, config.at("queries")); });
  const auto take = [&](const Json& wanted, const char* section) {
    const std::int64_t count = wanted.is_null() ? draw.left() : wanted.get<std::int64_t>();
    if (count > draw.left() || (wanted.is_null() && count == 0)) {
      throw ConfigError(
          section,
          fmt::format(
              "{} asks for {} test examples, and only {} are left after the parts before it",
              section, wanted.is_null() ? "the remaining" : std::to_string(count), draw.left()));
    }
    std::vector<std::int64_t> rows = draw.take(count);
    std::sort(rows.begin(), rows.end());
    return rows;
  };
  const std::vector<std::int64_t> screen = take(config.at("screen"), "screen.images");
  const std::vector<std::int64_t> verify = take(config.at("verify"), "verify.images");
  add_tensors(out, "split.safetensors",
              {{"queries", at::tensor(queries, at::kLong)},
               {"screen", at::tensor(screen, at::kLong)},
               {"verify", at::tensor(verify, at::kLong)}});
  out.add_json(
      "split.json",
      {{"queries", queries.size()},
       {"screen", screen.size()},
       {"verify", verify.size()},
       {"left_out", {{"in_training", draw.in_training()}, {"duplicates", draw.duplicates()}}}});
}

}  // namespace modeldiff
