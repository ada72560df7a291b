#pragma once

#include <ATen/ATen.h>

#include "modeldiff/core/random.h"

namespace modeldiff {

/// Another pattern with the same spectrum, and so the same mean and energy: the phases are those of
/// noise. @param pattern [C, H, W] float32
inline at::Tensor with_random_phase(const at::Tensor& pattern, RandomStream& random) {
  at::Tensor noise = at::empty_like(pattern);
  random.fill_normal(noise.mutable_data_ptr<float>(), noise.numel(), 1);
  at::Tensor phase = at::fft_rfft2(noise).sgn();
  phase.select(1, 0).select(1, 0).fill_(1);
  const at::Tensor spectrum = at::fft_rfft2(pattern);
  // The mean keeps its sign, which an amplitude has not.
  at::Tensor amplitude = spectrum.abs();
  amplitude.select(1, 0).select(1, 0).copy_(at::real(spectrum).select(1, 0).select(1, 0));
  return at::fft_irfft2(amplitude * phase,
                        at::OptionalIntArrayRef({pattern.size(1), pattern.size(2)}));
}

}  // namespace modeldiff
