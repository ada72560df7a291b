#include "changes.h"

#include <ATen/ATen.h>

namespace modeldiff {
namespace {

constexpr double kLeastVariance = 1e-4;

at::Tensor image_of(const at::Tensor& spectrum, const at::Tensor& like) {
  return at::fft_irfft2(spectrum, at::OptionalIntArrayRef({like.size(-2), like.size(-1)}));
}

/// [n, C] and [n, C, C] of pixels [n, C, P] float64.
std::pair<at::Tensor, at::Tensor> moments(const at::Tensor& pixels) {
  const at::Tensor mean = pixels.mean(2);
  const at::Tensor off = pixels - mean.unsqueeze(2);
  return {mean, at::bmm(off, off.transpose(1, 2)) / static_cast<double>(pixels.size(2))};
}

/// (S + least variance)^exponent of symmetric S [n, C, C].
at::Tensor power(const at::Tensor& covariance, double exponent) {
  const auto [values, vectors] = at::linalg_eigh(covariance);
  const at::Tensor scaled = (values.clamp_min(0) + kLeastVariance).pow(exponent);
  return at::bmm(vectors * scaled.unsqueeze(1), vectors.transpose(1, 2));
}

}  // namespace

at::Tensor with_phase(const at::Tensor& images, const at::Tensor& donor) {
  return image_of(at::fft_rfft2(images).abs() * at::fft_rfft2(donor).sgn(), images);
}

at::Tensor with_amplitude(const at::Tensor& images, const at::Tensor& donor) {
  return image_of(at::fft_rfft2(donor).abs() * at::fft_rfft2(images).sgn(), images);
}

at::Tensor ellipse(std::int64_t height, std::int64_t width, double share) {
  // In half axes from the centre.
  const auto off_centre = [&](std::int64_t length) {
    const double half = static_cast<double>(length) / 2;
    return (at::arange(length, at::kDouble) + 0.5 - half) / (share * half);
  };
  return (off_centre(height).square().unsqueeze(1) + off_centre(width).square().unsqueeze(0)).le(1);
}

ChannelStatistics channel_statistics(const at::Tensor& images) {
  const at::Tensor pixels = images.to(at::kDouble).transpose(0, 1).flatten(1).unsqueeze(0);
  const auto [mean, covariance] = moments(pixels);
  return {mean[0], covariance[0]};
}

at::Tensor with_style(const at::Tensor& images, const ChannelStatistics& style) {
  const at::Tensor pixels = images.to(at::kDouble).flatten(2);
  const auto [mean, covariance] = moments(pixels);
  const at::Tensor map =
      at::matmul(power(style.covariance.unsqueeze(0), 0.5), power(covariance, -0.5));
  const at::Tensor out =
      at::bmm(map, pixels - mean.unsqueeze(2)) + style.mean.unsqueeze(0).unsqueeze(2);
  return out.to(at::kFloat).view_as(images);
}

at::Tensor Window::of(const at::Tensor& images) const {
  return images.narrow(-2, row, side).narrow(-1, column, side);
}

Window most_unusual_window(const at::Tensor& image, const at::Tensor& mean, std::int64_t side) {
  const at::Tensor unusual = (image - mean).abs().sum(0, /*keepdim=*/true);
  const at::Tensor sums = at::avg_pool2d(unusual, side, 1)[0];
  const auto best = sums.argmax().item<std::int64_t>();
  return {best / sums.size(1), best % sums.size(1), side};
}

}  // namespace modeldiff
