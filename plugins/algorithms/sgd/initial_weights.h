#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "modeldiff/algorithm.h"
#include "modeldiff/tensors.h"
#include "sgd_params.h"

namespace modeldiff {

/// Where the runs of one request start: read once, used for each run.
class InitialWeights {
 public:
  /// @throws DataError when `init.file` cannot be read
  InitialWeights(const InitParams& init, const Model& model, const Resources& resources);

  /// Fresh weights drawn from (seed, "init"); with `init`, its tensors take their place, save those
  /// of the head when it is replaced.
  /// @param inputs the runs that references name
  /// @throws ConfigError naming the tensor, both shapes and the source when the tensors do not fit
  Weights of_run(std::uint64_t seed, const InputRuns& inputs) const;

 private:
  const InitParams& init_;
  const Model& model_;
  std::filesystem::path path_;
  std::optional<TensorMap> file_;
};

}  // namespace modeldiff
