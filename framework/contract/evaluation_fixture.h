#pragma once

#include <map>
#include <string>

#include "contract/fixtures.h"
#include "modeldiff/evaluation.h"

namespace modeldiff::contract {

/// What an experiment with algorithms A and B gives an evaluation: the parts that its trait `needs`
/// names, the others empty as the engine leaves them. Numbers are random, their shapes and keys
/// those of the stages.
class EvaluationFixture {
 public:
  explicit EvaluationFixture(const Case& some);

  EvaluationResult evaluate(const Evaluation& evaluation) const;
  void keep(Kept& kept) const;

 private:
  bool needs(const std::string& what) const;
  void add_algorithm(const Case& some, const std::string& name, std::uint64_t seed);
  void add_comparison();
  void add_verification();

  DataFacts facts_;
  Examples train_, test_, queries_;
  std::map<std::string, std::vector<Weights>> weights_;
  std::map<std::string, RunSet> runs_;
  std::map<std::string, at::Tensor> scores_;
  std::map<std::string, SubsetRuns> subset_runs_;
  Json compare_, verify_;
  TensorMap compare_tensors_, verify_tensors_;
};

}  // namespace modeldiff::contract
