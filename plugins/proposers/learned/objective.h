#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "modeldiff/algorithm.h"
#include "modeldiff/core/random.h"

/// What a learned transformation F maximises: for a class c, the mean over images x of other classes
/// and over runs of p_c(F(x)) under the runs `of` less p_c(F(x)) under the runs `against` and less
/// calm |p_c(F(x)) - p_c(x)| under `against`. With calm = 0 it differs from the difference of
/// treatment effects by what does not depend on F.
namespace modeldiff {

struct Ascent {
  std::int64_t steps = 0;
  std::int64_t batch = 0;
  double rate = 0;
  double calm = 0;
};

class Objective {
 public:
  /// @param of, against at least one run each
  /// @param images      [n, C, H, W] float32 in [0, 1]; labels [n] int64
  Objective(std::vector<InputRun> of, std::vector<InputRun> against, at::Tensor images,
            at::Tensor labels)
      : of_(std::move(of)),
        against_(std::move(against)),
        images_(std::move(images)),
        labels_(std::move(labels)) {}

  /// Without calm the objective is linear near F(x) = x: setting pixels to v in [0, 1] adds the sum over them of
  /// `slope` v - `offset`.
  struct Linear {
    at::Tensor slope, offset;  // [classes, C, H, W]
  };
  /// Over at most `images` images and all runs. Zero for a class that all images have.
  Linear linear(std::int64_t classes, std::int64_t images) const;

  using Change = std::function<at::Tensor(const at::Tensor& raw, const at::Tensor& images)>;
  /// Adam from raw = 0; step t takes images drawn from `random` and the runs t modulo their number.
  /// @param c      some image is of another class
  /// @param change differentiable in `raw` [numbers]
  /// @return       [numbers] float32
  at::Tensor maximise(std::int64_t c, std::int64_t numbers, const Change& change,
                      const Ascent& ascent, RandomStream& random, Pulse& pulse) const;

 private:
  std::vector<InputRun> of_, against_;
  at::Tensor images_, labels_;
};

}  // namespace modeldiff
