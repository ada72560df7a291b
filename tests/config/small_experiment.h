#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/catalog.h"
#include "modeldiff/core/schema.h"

/// A catalog and an experiment's sections as small as they can be with every type of field in them.
namespace modeldiff::test {

struct MlpParams {
  std::vector<std::int64_t> hidden{64};
  double dropout = 0;

  static Schema<MlpParams> schema();
};

struct CnnParams {
  std::int64_t channels = 16;

  static Schema<CnnParams> schema();
};

/// Weights to begin with.
struct InitParams {
  Reference from;
  double scale = 1;

  static Schema<InitParams> schema();
};

struct SgdParams {
  PluginChoice model;
  std::int64_t epochs = 20;
  double lr = 0.1;
  double momentum = 0.9;
  bool nesterov = false;
  std::string schedule = "triangle";
  InitParams init;
  std::optional<DataPath> weights;
  std::int64_t threads = 1;

  static Schema<SgdParams> schema();
};

struct AdamParams {
  PluginChoice model;
  std::int64_t epochs = 20;
  double lr = 0.001;
  std::vector<double> betas{0.9, 0.999};

  static Schema<AdamParams> schema();
};

/// A learning algorithm made of others.
struct MergeParams {
  std::vector<Reference> of;
  std::map<std::string, double> weights;

  static Schema<MergeParams> schema();
};

struct DigitsParams {
  std::int64_t examples = 1000;

  static Schema<DigitsParams> schema();
};

struct TrakParams {
  std::int64_t projection = 512;
  double q_power = 0;
  PluginChoice proxy{"mlp", {{"hidden", {32}}}};

  static Schema<TrakParams> schema();
};

struct NoParams {
  static Schema<NoParams> schema();
};

struct AlgorithmKeys {
  std::string input_mask;

  static Schema<AlgorithmKeys> schema();
};

struct CompareParams {
  std::int64_t directions = 5;
  std::int64_t permutations = 199;

  static Schema<CompareParams> schema();
};

struct VerifyParams {
  std::int64_t runs = 20;
  double confidence = 0.95;
  std::string baseline;

  static Schema<VerifyParams> schema();
};

struct ExperimentParams {
  std::string experiment;
  std::int64_t seed = 0;
  PluginChoice dataset;
  std::map<std::string, PluginChoice> algorithms;
  std::optional<PluginChoice> attribute;
  CompareParams compare;
  std::vector<PluginChoice> propose;
  std::optional<VerifyParams> verify;
  std::int64_t workers = 0;
  Json expect = Json::object();

  static Schema<ExperimentParams> schema();
};

const PluginCatalog& small_catalog();
const SchemaInfo& small_schema();

}  // namespace modeldiff::test
