#include "augment.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

/// One image in memory, [channels, height, width].
struct Image {
  float* data;
  std::int64_t channels, height, width;

  std::int64_t pixels() const { return height * width; }
  float* channel(std::int64_t c) const { return data + c * pixels(); }
};

/// What the operations on one image need beside it.
struct Canvas {
  const std::vector<float>& fill;
  /// A copy of the image before the operation, for those that move pixels.
  std::vector<float> before;
};

std::int64_t draw_integer(RandomStream& random, std::int64_t least, std::int64_t most) {
  return least +
         static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least) + 1));
}

double draw_real(RandomStream& random, double least, double most) {
  return least + (most - least) * random.uniform_double();
}

void remember(const Image& image, Canvas& canvas) {
  canvas.before.assign(image.data, image.data + image.channels * image.pixels());
}

void flip(const Image& image) {
  for (std::int64_t row = 0; row < image.channels * image.height; ++row) {
    std::reverse(image.data + row * image.width, image.data + (row + 1) * image.width);
  }
}

/// The pixel at (y, x) becomes the one that was at (y + down, x + right).
void move_window(const Image& image, std::int64_t down, std::int64_t right, Canvas& canvas) {
  remember(image, canvas);
  for (std::int64_t c = 0; c < image.channels; ++c) {
    const float* from = canvas.before.data() + c * image.pixels();
    float* to = image.channel(c);
    for (std::int64_t y = 0; y < image.height; ++y) {
      for (std::int64_t x = 0; x < image.width; ++x) {
        const std::int64_t sy = y + down, sx = x + right;
        const bool inside = sy >= 0 && sy < image.height && sx >= 0 && sx < image.width;
        *to++ = inside ? from[sy * image.width + sx] : canvas.fill[c];
      }
    }
  }
}

/// Where a pixel comes from: row = y_at + y_y y + y_x x, column = x_at + x_y y + x_x x, in pixels.
struct AffineMap {
  double y_at, y_y, y_x, x_at, x_y, x_x;
};

/// Bilinear; what lies outside the image, whose pixels reach half a step beyond their centres, is
/// fill.
void resample(const Image& image, const AffineMap& map, Canvas& canvas) {
  remember(image, canvas);
  const auto last_row = static_cast<double>(image.height - 1),
             last_column = static_cast<double>(image.width - 1);
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const double dy = static_cast<double>(y), dx = static_cast<double>(x);
      const double sy = map.y_at + map.y_y * dy + map.y_x * dx;
      const double sx = map.x_at + map.x_y * dy + map.x_x * dx;
      const bool inside =
          sy >= -0.5 && sy <= last_row + 0.5 && sx >= -0.5 && sx <= last_column + 0.5;
      const double row = std::clamp(sy, 0.0, last_row), column = std::clamp(sx, 0.0, last_column);
      const auto top = static_cast<std::int64_t>(row), left = static_cast<std::int64_t>(column);
      const std::int64_t bottom = std::min(top + 1, image.height - 1),
                         right = std::min(left + 1, image.width - 1);
      const auto v = static_cast<float>(row - static_cast<double>(top));
      const auto u = static_cast<float>(column - static_cast<double>(left));
      for (std::int64_t c = 0; c < image.channels; ++c) {
        const float* from = canvas.before.data() + c * image.pixels();
        const auto along = [&](std::int64_t r) {
          return (1 - u) * from[r * image.width + left] + u * from[r * image.width + right];
        };
        const float mixed = (1 - v) * along(top) + v * along(bottom);
        image.channel(c)[y * image.width + x] =
            inside ? std::clamp(mixed, 0.f, 1.f) : canvas.fill[c];
      }
    }
  }
}

void crop(const AugmentationParams& params, const Image& image, RandomStream& random,
          Canvas& canvas) {
  const std::int64_t pad = params.pad.value_or(0);
  const double least = params.scale.value_or(1);
  if (least == 1) {
    const std::int64_t down = draw_integer(random, -pad, pad),
                       right = draw_integer(random, -pad, pad);
    move_window(image, down, right, canvas);
    return;
  }
  const double side = std::sqrt(draw_real(random, least, 1));
  const auto height = static_cast<double>(image.height), width = static_cast<double>(image.width);
  const auto border = static_cast<double>(pad);
  const double top = draw_real(random, -border, height * (1 - side) + border);
  const double left = draw_real(random, -border, width * (1 - side) + border);
  // The centre of pixel y is at y + 1/2.
  resample(image, {top + side / 2 - 0.5, side, 0, left + side / 2 - 0.5, 0, side}, canvas);
}

void rotate(double degrees, const Image& image, Canvas& canvas) {
  const double angle = degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double cy = static_cast<double>(image.height - 1) / 2,
               cx = static_cast<double>(image.width - 1) / 2;
  resample(
      image,
      {cy - cosine * cy + sine * cx, cosine, -sine, cx - sine * cy - cosine * cx, sine, cosine},
      canvas);
}

/// Luminance (ITU-R BT.601) of pixel i, or the mean of the channels when there are not three.
float grey(const Image& image, std::int64_t i) {
  if (image.channels == 3) {
    return 0.299f * image.channel(0)[i] + 0.587f * image.channel(1)[i] +
           0.114f * image.channel(2)[i];
  }
  float sum = 0;
  for (std::int64_t c = 0; c < image.channels; ++c) sum += image.channel(c)[i];
  return sum / static_cast<float>(image.channels);
}

/// x <- factor x + (1 - factor) anchor(pixel), in [0, 1]; factor 1 leaves x exactly.
template <typename Anchor>
void pull(const Image& image, float factor, Anchor anchor) {
  for (std::int64_t i = 0; i < image.pixels(); ++i) {
    const float target = (1 - factor) * anchor(i);
    for (std::int64_t c = 0; c < image.channels; ++c) {
      float& x = image.channel(c)[i];
      x = std::clamp(factor * x + target, 0.f, 1.f);
    }
  }
}

/// Brightness towards black, contrast towards the mean grey, saturation (three channels) towards
/// each pixel's grey.
void jitter_colour(double jitter, const Image& image, RandomStream& random) {
  const auto factor = [&] { return static_cast<float>(draw_real(random, 1 - jitter, 1 + jitter)); };
  const float brightness = factor(), contrast = factor(), saturation = factor();
  pull(image, brightness, [](std::int64_t) { return 0.f; });
  double mean = 0;
  for (std::int64_t i = 0; i < image.pixels(); ++i) mean += static_cast<double>(grey(image, i));
  mean /= static_cast<double>(image.pixels());
  pull(image, contrast, [&](std::int64_t) { return static_cast<float>(mean); });
  if (image.channels == 3) pull(image, saturation, [&](std::int64_t i) { return grey(image, i); });
}

/// A square around a uniformly drawn pixel, as much of it as lies inside (DeVries and Taylor 2017,
/// arXiv:1708.04552).
void cut_out(std::int64_t size, const Image& image, RandomStream& random, Canvas& canvas) {
  const std::int64_t top = draw_integer(random, 0, image.height - 1) - size / 2;
  const std::int64_t left = draw_integer(random, 0, image.width - 1) - size / 2;
  for (std::int64_t c = 0; c < image.channels; ++c) {
    for (std::int64_t y = std::max<std::int64_t>(top, 0); y < std::min(top + size, image.height);
         ++y) {
      for (std::int64_t x = std::max<std::int64_t>(left, 0); x < std::min(left + size, image.width);
           ++x) {
        image.channel(c)[y * image.width + x] = canvas.fill[c];
      }
    }
  }
}

void erase(const bool* region, const Image& image, Canvas& canvas) {
  for (std::int64_t c = 0; c < image.channels; ++c) {
    for (std::int64_t i = 0; i < image.pixels(); ++i) {
      if (region[i]) image.channel(c)[i] = canvas.fill[c];
    }
  }
}

/// Whether this example is changed. Always one draw, so that the chance does not move the draws
/// that follow.
bool chosen(const AugmentationParams& params, RandomStream& random) {
  const bool half = params.kind == AugmentationKind::flip || params.kind == AugmentationKind::erase;
  return random.uniform_double() < params.probability.value_or(half ? 0.5 : 1);
}

/// log of a draw from Gamma(shape, 1): Marsaglia and Tsang 2000 for shape + 1, times u^(1 / shape).
/// In logarithms, as draws of a small shape are below the smallest number.
double log_gamma_draw(RandomStream& random, double shape) {
  const double d = shape + 1 - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    const double u = 1 - random.uniform_double();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return std::log(d * v) + std::log(1 - random.uniform_double()) / shape;
    }
  }
}

}  // namespace

double symmetric_beta(RandomStream& random, double alpha) {
  if (alpha == 0) return 1;
  const double a = log_gamma_draw(random, alpha), b = log_gamma_draw(random, alpha);
  return 1 / (1 + std::exp(b - a));
}

Augmenter::Augmenter(std::vector<AugmentationParams> list, const DataFacts& facts)
    : list_(std::move(list)),
      fill_(facts.fill),
      classes_(facts.task == Task::classification ? facts.outputs : 0) {
  if (facts.images()) fill_.resize(static_cast<std::size_t>(facts.input_shape[0]));
}

void Augmenter::apply(std::uint64_t run_seed, std::int64_t step, Batch& batch) const {
  for (std::size_t k = 0; k < list_.size(); ++k) {
    RandomStream random(derive_seed(run_seed, "augment", k), static_cast<std::uint64_t>(step));
    if (list_[k].kind == AugmentationKind::mixup)
      mix(list_[k], random, batch);
    else
      apply_to_images(list_[k], random, batch.inputs);
  }
}

void Augmenter::apply_to_images(const AugmentationParams& params, RandomStream& random,
                                at::Tensor& images) const {
  MODELDIFF_CHECK(images.dim() == 4 && images.is_contiguous(), "a batch of images");
  const std::int64_t channels = images.size(1), height = images.size(2), width = images.size(3);
  const at::Tensor region =
      params.region ? params.region->mask(height, width).contiguous() : at::Tensor();
  Canvas canvas{fill_, {}};
  float* data = images.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    if (!chosen(params, random)) continue;
    const Image image{data + i * channels * height * width, channels, height, width};
    switch (params.kind) {
      case AugmentationKind::flip:
        flip(image);
        break;
      case AugmentationKind::crop:
        crop(params, image, random, canvas);
        break;
      case AugmentationKind::shift: {
        const std::int64_t down = draw_integer(random, -*params.pixels, *params.pixels);
        const std::int64_t right = draw_integer(random, -*params.pixels, *params.pixels);
        move_window(image, -down, -right, canvas);
        break;
      }
      case AugmentationKind::rotate:
        rotate(draw_real(random, -*params.degrees, *params.degrees), image, canvas);
        break;
      case AugmentationKind::colour:
        jitter_colour(*params.jitter, image, random);
        break;
      case AugmentationKind::cutout:
        cut_out(*params.size, image, random, canvas);
        break;
      case AugmentationKind::erase:
        erase(region.const_data_ptr<bool>(), image, canvas);
        break;
      case AugmentationKind::mixup:
        break;
    }
  }
}

/// Zhang et al. 2018 (mixup, arXiv:1710.09412), with a share of its own for each example: inputs
/// and targets become share x + (1 - share) x', x' another example of the batch.
void Augmenter::mix(const AugmentationParams& params, RandomStream& random, Batch& batch) const {
  const std::int64_t n = batch.inputs.size(0);
  const at::Tensor partner = at::tensor(random.permutation(n), at::kLong);
  at::Tensor share = at::empty({n}, at::kFloat);
  float* shares = share.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    shares[i] =
        chosen(params, random) ? static_cast<float>(symmetric_beta(random, *params.alpha)) : 1.f;
  }
  if (batch.targets.scalar_type() == at::kLong) {
    batch.targets = at::one_hot(batch.targets, classes_).to(at::kFloat);
  }
  const auto mixed = [&](const at::Tensor& x) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
    shape[0] = n;
    const at::Tensor own = share.view(shape);
    return x * own + x.index_select(0, partner) * (1 - own);
  };
  batch.inputs = mixed(batch.inputs);
  batch.targets = mixed(batch.targets);
}

}  // namespace modeldiff
