#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "sgd_params.h"

/// Random changes of a batch of training examples. The draws are a pure function of (run seed,
/// place in the list, step), so that neither another augmentation of the list nor an interrupted
/// run moves them.
namespace modeldiff {

/// What a step is trained on.
struct Batch {
  /// Images [n, C, H, W] float32 in [0, 1], or tables [n, d] float32; contiguous.
  at::Tensor inputs;
  /// Labels [n] int64; class shares [n, classes] float32 after a mixup; [n, outputs] float32 in a
  /// regression.
  at::Tensor targets;
};

class Augmenter {
 public:
  /// @param list suits the data: see misfits()
  Augmenter(std::vector<AugmentationParams> list, const DataFacts& facts);

  bool empty() const { return list_.empty(); }
  /// Applies the list in its order. Shapes of the inputs are kept, images stay in [0, 1].
  /// @param batch may be overwritten
  void apply(std::uint64_t run_seed, std::int64_t step, Batch& batch) const;

 private:
  void apply_to_images(const AugmentationParams& params, RandomStream& random,
                       at::Tensor& images) const;
  void mix(const AugmentationParams& params, RandomStream& random, Batch& batch) const;

  std::vector<AugmentationParams> list_;
  std::vector<float> fill_;  // of each channel
  std::int64_t classes_;     // 0: regression
};

/// A draw from Beta(alpha, alpha); 1 for alpha = 0.
double symmetric_beta(RandomStream& random, double alpha);

}  // namespace modeldiff
