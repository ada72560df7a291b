#include <ATen/ATen.h>
#include <fmt/format.h>

#include <set>
#include <vector>

#include "common/sizes.h"
#include "corruptions_params.h"
#include "images/image_decode.h"
#include "images/image_encode.h"
#include "modeldiff/core/hash.h"
#include "modeldiff/core/random.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// Changes each image by itself. @param change [C, H, W] -> the same
template <typename Change>
at::Tensor one_by_one(const at::Tensor& images, Change change) {
  at::Tensor out = at::empty_like(images);
  for (std::int64_t i = 0; i < images.size(0); ++i) out[i].copy_(change(images[i].contiguous()));
  return out;
}

/// Noise of an image's own: the same wherever and beside whatever the image stands.
RandomStream noise_of(const at::Tensor& image, std::uint64_t seed) {
  const std::string content =
      Hasher().update(image.const_data_ptr(), static_cast<std::size_t>(image.nbytes())).hex();
  return RandomStream(seed, content);
}

at::Tensor with_noise(const at::Tensor& image, double deviation, std::uint64_t seed) {
  at::Tensor noise = at::empty_like(image);
  noise_of(image, seed)
      .fill_normal(noise.mutable_data_ptr<float>(), noise.numel(), static_cast<float>(deviation));
  return (image + noise).clamp(0, 1);
}

/// A pixel is hit in all channels at once, half of those hit are black.
at::Tensor with_salt_and_pepper(const at::Tensor& image, double share, std::uint64_t seed) {
  at::Tensor draws = at::empty({image.size(1), image.size(2)}, at::kFloat);
  noise_of(image, seed).fill_uniform(draws.mutable_data_ptr<float>(), draws.numel(), 0, 1);
  return image.masked_fill(draws.lt(share), 1).masked_fill(draws.lt(share / 2), 0);
}

/// What an image is after it was written as JPEG and read again.
at::Tensor through_jpeg(const at::Tensor& image, int quality) {
  at::Tensor planes = image.mul(255).round().to(at::kByte);
  const PixelRows rows = rows_of(planes.const_data_ptr<std::uint8_t>(), planes.size(0),
                                 planes.size(1), planes.size(2));
  write_planes(decode_image(encode_jpeg(rows, quality), "JPEG"), planes.size(0),
               planes.mutable_data_ptr<std::uint8_t>());
  return planes.to(at::kFloat).div(255);
}

at::Tensor pixelated(const at::Tensor& images, std::int64_t block) {
  const at::Tensor means =
      at::avg_pool2d(images, block, block, 0, /*ceil_mode=*/true, /*count_include_pad=*/false);
  return means.repeat_interleave(block, 2)
      .repeat_interleave(block, 3)
      .slice(2, 0, images.size(2))
      .slice(3, 0, images.size(3))
      .contiguous();
}

/// Families 14 and 15 of the table in docs/modeldiff.md: noise, and what is lost when an image is
/// stored with less.
class Corruptions final : public Proposer {
 public:
  explicit Corruptions(CorruptionsParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    std::vector<Transformation> out;
    const auto add = [&](const char* family, const std::string& label, const Json& parameters) {
      out.push_back({"", family, label, parameters, {}, -1});
    };
    for (const double deviation : params_.noises) {
      add("noise", fmt::format("Gaussian noise of {:g}", deviation),
          {{"deviation", deviation}, {"seed", request.seed}});
    }
    for (const double share : params_.salts) {
      add("salt_and_pepper", fmt::format("salt and pepper on {:g} of the pixels", share),
          {{"share", share}, {"seed", request.seed}});
    }
    const std::int64_t channels = request.facts.input_shape[0];
    if (channels == 1 || channels == 3) {
      for (const std::int64_t quality : params_.qualities)
        add("jpeg", fmt::format("JPEG of quality {}", quality), {{"quality", quality}});
    }
    std::set<std::int64_t> blocks;
    for (const std::int64_t block : params_.blocks) blocks.insert(pixels_of(block, request.facts));
    blocks.erase(1);
    for (const std::int64_t block : blocks)
      add("pixelated", fmt::format("blocks of {}x{} pixels", block, block), {{"block", block}});
    for (const std::int64_t levels : params_.levels)
      add("posterised", fmt::format("{} levels a channel", levels), {{"levels", levels}});
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    const Json& parameters = transformation.parameters;
    const std::string& family = transformation.family;
    if (family == "noise") {
      return one_by_one(images, [&](const at::Tensor& image) {
        return with_noise(image, parameters.at("deviation").get<double>(),
                          parameters.at("seed").get<std::uint64_t>());
      });
    }
    if (family == "salt_and_pepper") {
      return one_by_one(images, [&](const at::Tensor& image) {
        return with_salt_and_pepper(image, parameters.at("share").get<double>(),
                                    parameters.at("seed").get<std::uint64_t>());
      });
    }
    if (family == "jpeg") {
      return one_by_one(images, [&](const at::Tensor& image) {
        return through_jpeg(image, parameters.at("quality").get<int>());
      });
    }
    if (family == "pixelated") return pixelated(images, parameters.at("block").get<std::int64_t>());
    const double steps = static_cast<double>(parameters.at("levels").get<std::int64_t>() - 1);
    return images.mul(steps).round().div(steps);
  }

 private:
  CorruptionsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "corruptions", "1.0",
                 "Noise, salt and pepper, JPEG, pixel blocks and few levels", Corruptions,
                 CorruptionsParams, R"({"data": "images"})");

}  // namespace modeldiff
