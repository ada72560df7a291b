#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// What images get from a donor. Images are [n, C, H, W] float32, a donor is [C, H, W]; results may
/// leave [0, 1].
namespace modeldiff {

/// The donor's phases, the image's own amplitudes.
at::Tensor with_phase(const at::Tensor& images, const at::Tensor& donor);
/// The donor's amplitudes, the image's own phases.
at::Tensor with_amplitude(const at::Tensor& images, const at::Tensor& donor);

/// [height, width] bool: the ellipse in the middle whose axes are `share` of the sides.
at::Tensor ellipse(std::int64_t height, std::int64_t width, double share);

/// Mean [C] and covariance [C, C] of the channels over all pixels, float64.
struct ChannelStatistics {
  at::Tensor mean, covariance;
};
ChannelStatistics channel_statistics(const at::Tensor& images);

/// S^1/2 S_x^-1/2 (x - m_x) + m with symmetric roots, m_x and S_x those of each image by itself. To
/// both covariances 1e-4 I is added (a standard deviation of .01), so that an even image has a root.
at::Tensor with_style(const at::Tensor& images, const ChannelStatistics& style);

/// A square of `side` pixels, its top left pixel at (row, column).
struct Window {
  std::int64_t row, column, side;

  at::Tensor of(const at::Tensor& images) const;
};
/// Where |image - mean| is largest in the sum over the window. @param image, mean [C, H, W]
Window most_unusual_window(const at::Tensor& image, const at::Tensor& mean, std::int64_t side);

}  // namespace modeldiff
