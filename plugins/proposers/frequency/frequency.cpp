#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "common/sizes.h"
#include "frequency_params.h"
#include "modeldiff/plugin.h"
#include "modeldiff/proposer.h"

namespace modeldiff {
namespace {

/// Gaussian weights over `radius` pixels to both sides; their sum is 1.
at::Tensor gaussian(double sigma, std::int64_t radius) {
  const at::Tensor x = at::arange(-radius, radius + 1, at::kFloat);
  const at::Tensor weights = (-x.square() / (2 * sigma * sigma)).exp();
  return weights / weights.sum();
}

at::Tensor blur(const at::Tensor& images, double sigma) {
  const std::int64_t channels = images.size(1);
  const std::int64_t radius =
      std::min<std::int64_t>(static_cast<std::int64_t>(std::ceil(3 * sigma)),
                             std::min(images.size(2), images.size(3)) - 1);
  const at::Tensor weights = gaussian(sigma, radius);
  const at::Tensor padded = at::replication_pad2d(images, {radius, radius, radius, radius});
  const at::Tensor down = weights.view({1, 1, -1, 1}).repeat({channels, 1, 1, 1}),
                   across = weights.view({1, 1, 1, -1}).repeat({channels, 1, 1, 1});
  const auto filter = [&](const at::Tensor& x, const at::Tensor& kernel) {
    return at::conv2d(x, kernel, /*bias=*/{}, at::IntArrayRef{1, 1}, at::IntArrayRef{0, 0},
                      at::IntArrayRef{1, 1}, channels);
  };
  return filter(filter(padded, down), across);
}

/// Keeps frequencies with low <= radius < high, and always the mean.
at::Tensor band(const at::Tensor& images, double low, double high) {
  const std::int64_t height = images.size(2), width = images.size(3);
  const at::Tensor rows = at::fft_fftfreq(height, 1.0 / static_cast<double>(height)),
                   columns = at::fft_rfftfreq(width, 1.0 / static_cast<double>(width));
  const at::Tensor radius = (rows.square().unsqueeze(1) + columns.square().unsqueeze(0)).sqrt();
  at::Tensor keep = radius.ge(low).logical_and(radius.lt(high)).to(at::kFloat);
  keep[0][0] = 1;
  return at::fft_irfft2(at::fft_rfft2(images) * keep, at::OptionalIntArrayRef({height, width}));
}

/// Families 11 and 12 of the table in docs/modeldiff.md: which spatial frequencies a model uses.
class Frequency final : public Proposer {
 public:
  explicit Frequency(FrequencyParams params) : params_(std::move(params)) {}

  std::vector<Transformation> propose(const ProposeRequest& request) const override {
    const double scale = scale_of(request.facts);
    std::vector<Transformation> out;
    for (const double sigma : params_.blurs)
      out.push_back({"",
                     "blur",
                     fmt::format("Gaussian blur of {:g} pixels", sigma),
                     {{"sigma", sigma}},
                     {},
                     -1});
    const auto filter = [&](const char* name, double low, double high, const std::string& text) {
      out.push_back({"",
                     "frequency_filter",
                     fmt::format("{}: {}", name, text),
                     {{"low", low}, {"high", high}},
                     {},
                     -1});
    };
    for (std::size_t i = 0; i < params_.cuts.size(); ++i) {
      const double cut = params_.cuts[i] * scale;
      filter("low pass", 0, cut, fmt::format("below {:g} cycles an image", cut));
      filter("high pass", cut, kAll, fmt::format("from {:g} cycles an image", cut));
      if (i > 0)
        filter("band pass", params_.cuts[i - 1] * scale, cut,
               fmt::format("{:g} to {:g} cycles an image", params_.cuts[i - 1] * scale, cut));
    }
    return out;
  }

  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const override {
    const Json& parameters = transformation.parameters;
    const at::Tensor out =
        transformation.family == "blur"
            ? blur(images, parameters.at("sigma").get<double>())
            : band(images, parameters.at("low").get<double>(), parameters.at("high").get<double>());
    return out.clamp(0, 1).contiguous();
  }

 private:
  /// Above every frequency of an image.
  static constexpr double kAll = 1e9;
  FrequencyParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("proposers", "frequency", "1.0", "Blur and low-, band- and high-pass filters",
                 Frequency, FrequencyParams, R"({"data": "images"})");

}  // namespace modeldiff
