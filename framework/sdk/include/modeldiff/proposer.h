#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/core/plugin.h"
#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"

namespace modeldiff {

/// A change of images: a value that can be written to a file and applied again by the proposer that
/// made it.
struct Transformation {
  std::string proposer;  // the plugin that applies it
  std::string family;    // of the table in docs/modeldiff.md, "solid_patch"
  std::string label;     // for a person: "white 4x4 patch at row 1, column 1"
  Json parameters = Json::object();
  TensorMap tensors;
  /// The direction it was derived from, by index into ProposeRequest::directions; -1: none, it is
  /// of a fixed grid.
  std::int64_t direction = -1;
};

MODELDIFF_API Json to_json(const Transformation& transformation);  // without the tensors
MODELDIFF_API Transformation transformation_from_json(const Json& json, TensorMap tensors);

/// A distinguishing direction, as the compare stage found it.
struct Direction {
  std::string of, against;  // names of the algorithms
  std::int64_t rank = 0;    // 0 = first
  at::Tensor examples;      // [n] float32, unit length: its weight on each training example
  at::Tensor queries;       // [N] float32: projection of each query's residual
  double p_value = 1;
};

struct ProposeRequest {
  const DataFacts& facts;
  const Examples& train;
  std::vector<Direction> directions;
  std::uint64_t seed = 0;
  /// With the trait "runs": "screen", the runs and test examples that proposals are ranked on, by the
  /// name of the algorithm; never those that verify them. Else empty.
  InputRuns runs;
  Examples screen;
  Progress& progress;
};

/// Plugin kind `proposers`: direction -> transformations to test. Traits: "data": "images" for those
/// that need images; "runs": "screen" for those that learn from the models.
class MODELDIFF_API Proposer : public Plugin {
 public:
  ~Proposer() override;
  virtual std::vector<Transformation> propose(const ProposeRequest& request) const = 0;
  /// @param images [n, C, H, W] float32 in [0, 1]
  /// @return       the same shape and range; zero strength gives the images back
  virtual at::Tensor apply(const Transformation& transformation,
                           const at::Tensor& images) const = 0;
  /// A change of the same size that lacks what the transformation says: its pixels permuted,
  /// another place, random phase. nullopt: none makes sense.
  virtual std::optional<Transformation> placebo(const Transformation& transformation,
                                                RandomStream& random) const;
};

}  // namespace modeldiff
