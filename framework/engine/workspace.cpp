#include "engine/workspace.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/artifacts.h"
#include "modeldiff/core/random.h"
#include "modeldiff/sparse_table.h"

namespace modeldiff {
namespace {

Examples examples_of(const TensorMap& tensors, const std::string& part, const DataFacts& facts) {
  const auto get = [&](const char* name) {
    const auto at = tensors.find(part + "." + name);
    return at == tensors.end() ? at::Tensor() : at->second;
  };
  const at::Tensor inputs = facts.sparse
                                ? sparse_table(get("inputs.offsets"), get("inputs.columns"),
                                               get("inputs.values"), facts.input_shape.front())
                                : get("inputs");
  return {inputs, get("targets"), get("groups"), get("planted")};
}

}  // namespace

Workspace::Workspace(const Plan& plan, const Store& store, PluginRegistry& plugins)
    : plan_(plan), store_(store), plugins_(plugins) {}

Workspace::~Workspace() = default;

const Cell& Workspace::input_cell(const Cell& cell, const std::string& name,
                                  std::size_t index) const {
  return plan_.cells[cell.inputs.at(name).at(index)];
}

std::size_t Workspace::input_count(const Cell& cell, const std::string& name) const {
  const auto at = cell.inputs.find(name);
  return at == cell.inputs.end() ? 0 : at->second.size();
}

Artifact Workspace::open(const Cell& cell) const { return store_.open(cell.key); }

std::vector<std::string> Workspace::set_aside_damaged(const Cell& cell) const {
  std::vector<std::string> problems;
  std::set<std::size_t> seen;
  std::vector<const Cell*> to_look_at{&cell};
  while (!to_look_at.empty()) {
    const Cell* reader = to_look_at.back();
    to_look_at.pop_back();
    for (const auto& [name, indices] : reader->inputs) {
      for (const std::size_t index : indices) {
        if (!seen.insert(index).second) continue;
        const Cell& input = plan_.cells[index];
        to_look_at.push_back(&input);
        if (!store_.contains(input.key)) continue;
        try {
          store_.open(input.key).verify();
        } catch (const DataError& e) {
          if (store_.quarantine(input.key, e.what())) problems.emplace_back(e.what());
        }
      }
    }
  }
  return problems;
}

Artifact Workspace::input(const Cell& cell, const std::string& name, std::size_t index) const {
  return open(input_cell(cell, name, index));
}

const Dataset& Workspace::dataset(const Cell& reader, const std::string& input_name) {
  const Cell& cell = input_cell(reader, input_name);
  std::unique_ptr<Dataset>& kept = datasets_[cell.key];
  if (!kept) {
    const Artifact artifact = open(cell);
    const TensorMap tensors = map_tensors(artifact, "data.safetensors");
    const DataFacts facts = data_facts_from_json(artifact.json("facts.json"));
    const auto file = std::find_if(artifact.files().begin(), artifact.files().end(),
                                   [](const auto& of) { return of.name == "data.safetensors"; });
    contents_.emplace(cell.key, Key::parse(file->sha256));
    kept = std::make_unique<Dataset>(
        Dataset{facts, examples_of(tensors, "train", facts), examples_of(tensors, "test", facts)});
  }
  return *kept;
}

const Split& Workspace::split(const Cell& reader) {
  const Cell& cell = input_cell(reader, "split");
  const auto [at, is_new] = splits_.try_emplace(cell.key);
  if (is_new) {
    const Artifact artifact = open(cell);
    const TensorMap tensors = map_tensors(artifact, "split.safetensors");
    at->second = {require_tensor(tensors, "queries", artifact),
                  require_tensor(tensors, "screen", artifact),
                  require_tensor(tensors, "verify", artifact)};
  }
  return at->second;
}

InputRuns Workspace::input_runs(const Cell& run) {
  InputRuns out;
  for (const auto& [name, indices] : run.inputs) {
    if (!name.starts_with("run ")) continue;
    for (const std::size_t index : indices) {
      const Cell& cell = plan_.cells[index];
      out[name.substr(4)].push_back(
          {predictor(cell), weights(cell), checkpoints(cell), run_facts(cell), run_tensors(cell)});
    }
  }
  return out;
}

Predictor Workspace::predictor(const Cell& run) {
  // A model does not depend on the run's seed, only on its algorithm and the runs that this one
  // starts from.
  const std::string id = fmt::format("{}/{}", run.config, run.inputs.at("dataset").front());
  if (const auto at = predictors_.find(id); at != predictors_.end()) return at->second;
  const auto algorithm = plugin<LearningAlgorithm>("algorithms", config(run));
  return predictors_.emplace(id, algorithm->predictor(dataset(run).facts, input_runs(run), *this))
      .first->second;
}

Weights Workspace::weights(const Cell& run) const {
  const Artifact artifact = open(run);
  const TensorMap tensors = map_tensors(artifact, "weights.safetensors");
  const auto buffers = tensors.find("buffers");
  return {require_tensor(tensors, "parameters", artifact),
          buffers == tensors.end() ? at::Tensor() : buffers->second};
}

Json Workspace::run_facts(const Cell& run) const { return open(run).json("run.json").at("facts"); }

TensorMap Workspace::run_tensors(const Cell& run) const {
  const Artifact artifact = open(run);
  const bool any = artifact.contains("tensors.safetensors");
  return any ? map_tensors(artifact, "tensors.safetensors") : TensorMap{};
}

std::vector<Checkpoint> Workspace::checkpoints(const Cell& run) const {
  if (!run.own.contains("checkpoints")) return {};
  const Artifact artifact = open(run);
  const TensorMap tensors = map_tensors(artifact, "checkpoints.safetensors");
  std::vector<Checkpoint> out;
  for (const Json& item : artifact.json("run.json").at("checkpoints")) {
    const std::string prefix = fmt::format("{}.", out.size());
    Checkpoint checkpoint;
    checkpoint.step = item.at("step").get<std::int64_t>();
    checkpoint.learning_rate_sum = item.at("learning_rate_sum").get<double>();
    for (const auto& [name, tensor] : tensors) {
      if (!name.starts_with(prefix)) continue;
      const std::string what = name.substr(prefix.size());
      if (what == "parameters") {
        checkpoint.weights.parameters = tensor;
      } else if (what == "buffers") {
        checkpoint.weights.buffers = tensor;
      } else {
        checkpoint.optimizer.emplace(what, tensor);
      }
    }
    out.push_back(std::move(checkpoint));
  }
  return out;
}

at::Tensor Workspace::subset(const Cell& run) {
  if (!run.own.contains("subset")) return {};
  const std::int64_t examples = dataset(run).train.size();
  return draw_subset(contents_.at(input_cell(run, "dataset").key), run.own.at("subset"), examples);
}

std::unique_ptr<Plugin> Workspace::create(const std::string& kind,
                                          const PluginChoice& choice) const {
  return plugins_.create(kind, choice.plugin, choice.params);
}

std::filesystem::path Workspace::resolve(const DataPath& path) const {
  const auto at = plan_.data_paths.find(path.text);
  if (at == plan_.data_paths.end())
    throw DataError(fmt::format("'{}' was not resolved when the plan was made", path.text));
  return at->second;
}

const PluginManifest& Workspace::manifest(const std::string& kind, const std::string& name) const {
  const PluginManifest* found = plugins_.find(kind, name);
  if (!found) throw PluginError(fmt::format("there is no plugin '{}' of kind '{}'", name, kind));
  return *found;
}

const SchemaInfo& Workspace::schema(const std::string& kind, const Json& params) const {
  return manifest(kind, params.at("plugin").get<std::string>()).schema;
}

const Json& Workspace::traits(const std::string& kind, const std::string& name) const {
  return manifest(kind, name).traits;
}

at::Tensor draw_subset(const Key& data, const Json& spec, std::int64_t examples) {
  const auto keep = spec.at("keep").get<double>();
  const std::string role = fmt::format("subset/{}/{}/{}", spec.at("role").get<std::string>(),
                                       spec.at("design").get<std::string>(), keep);
  RandomStream random(std::stoull(data.text().substr(0, 16), nullptr, 16), role,
                      spec.at("index").get<std::uint64_t>());
  std::vector<std::int64_t> rows;
  if (spec.at("design") == "fixed") {
    // .29 x 100 is 28.999... in floating point.
    constexpr double kRounding = 1e-9;
    rows = random.choose(
        examples, static_cast<std::int64_t>(keep * static_cast<double>(examples) + kRounding));
  } else {
    for (std::int64_t i = 0; i < examples; ++i) {
      if (random.uniform_double() < keep) rows.push_back(i);
    }
  }
  if (rows.empty())
    throw DataError(fmt::format("a subset of {} of {} examples is empty", keep, examples));
  return at::tensor(rows, at::kLong);
}

}  // namespace modeldiff
