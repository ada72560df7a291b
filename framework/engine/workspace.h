#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin_factory.h"
#include "modeldiff/proposer.h"
#include "planning/plan.h"
#include "plugin_host/plugin_registry.h"
#include "store/store.h"

namespace modeldiff {

/// The parts of the test set, pairwise disjoint; [k] int64 rows.
struct Split {
  at::Tensor queries, screen, verify;
};

/// What stages read: the plan, the artifacts before them, the plugins.
class Workspace final : public PluginFactory, public Resources {
 public:
  Workspace(const Plan& plan, const Store& store, PluginRegistry& plugins);
  ~Workspace() override;

  const Plan& plan() const { return plan_; }
  const Store& store() const { return store_; }
  const Json& config(const Cell& cell) const { return plan_.configs[cell.config]; }

  /// The artifact that a cell reads under a name; with several, the `index`-th.
  /// @throws DataError when it is absent or corrupt
  Artifact input(const Cell& cell, const std::string& name, std::size_t index = 0) const;
  const Cell& input_cell(const Cell& cell, const std::string& name, std::size_t index = 0) const;
  std::size_t input_count(const Cell& cell, const std::string& name) const;
  Artifact open(const Cell& cell) const;
  /// Reads every byte of all that a cell was made from, which a failure calls for: what is damaged
  /// is set aside, so that the next run makes it anew. @return what was wrong with each
  std::vector<std::string> set_aside_damaged(const Cell& cell) const;

  /// Mapped, and kept for the next cell.
  const Dataset& dataset(const Cell& reader, const std::string& input = "dataset");
  const Split& split(const Cell& reader);

  /// The model and view of an algorithm's run cell.
  Predictor predictor(const Cell& run);
  Weights weights(const Cell& run) const;
  std::vector<Checkpoint> checkpoints(const Cell& run) const;
  /// What a run's algorithm said of it, and left behind for others.
  Json run_facts(const Cell& run) const;
  TensorMap run_tensors(const Cell& run) const;
  /// [k] int64 rows of a run's subset; undefined: all.
  at::Tensor subset(const Cell& run);
  /// The runs that a run's references name.
  InputRuns input_runs(const Cell& run);

  std::unique_ptr<Plugin> create(const std::string& kind,
                                 const PluginChoice& choice) const override;
  template <typename T>
  std::unique_ptr<T> plugin(const std::string& kind, const Json& params) const {
    return create_as<T>(kind, PluginChoice{params.at("plugin").get<std::string>(), params});
  }
  std::filesystem::path resolve(const DataPath& path) const override;
  /// The parameters that the plugin named in `params` declares.
  const SchemaInfo& schema(const std::string& kind, const Json& params) const;
  /// What the manifest of a plugin says beside its parameters.
  const Json& traits(const std::string& kind, const std::string& name) const;

 private:
  const PluginManifest& manifest(const std::string& kind, const std::string& name) const;

  const Plan& plan_;
  const Store& store_;
  PluginRegistry& plugins_;
  std::map<Key, std::unique_ptr<Dataset>> datasets_;
  /// Digest of the content of each, which other builds of the program share.
  std::map<Key, Key> contents_;
  std::map<Key, Split> splits_;
  std::map<std::string, Predictor> predictors_;
};

/// The kept rows of a training set: a pure function of (data, role, design, keep, index), the same
/// for all algorithms.
/// @param data  digest of the data set's content
/// @param spec  {keep, design, index, role}
at::Tensor draw_subset(const Key& data, const Json& spec, std::int64_t examples);

}  // namespace modeldiff
