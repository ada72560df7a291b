// 1,797 handwritten digits of 8x8 pixels, part of the library: examples that need no file.

#include <ATen/ATen.h>

#include <string_view>
#include <vector>

#include "common/row_split.h"
#include "digits_params.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kSide = 8, kPixels = kSide * kSide;
constexpr std::string_view kImages[] = {
#include "digits_data.inc"
};
static_assert(std::size(kImages) == 1797);

/// @return inputs [rows, 1, 8, 8] float32 in [0, 1], targets [rows]
Examples examples_of(const std::vector<std::int64_t>& rows) {
  const auto n = static_cast<std::int64_t>(rows.size());
  Examples out;
  out.inputs = at::empty({n, 1, kSide, kSide}, at::kFloat);
  out.targets = at::empty({n}, at::kLong);
  auto* pixels = out.inputs.data_ptr<float>();
  auto* labels = out.targets.data_ptr<std::int64_t>();
  for (const std::int64_t row : rows) {
    const std::string_view image = kImages[row];
    for (std::int64_t i = 0; i < kPixels; ++i)
      *pixels++ = static_cast<float>(image[i] - 'A') / 16.0f;
    *labels++ = image[kPixels] - '0';
  }
  return out;
}

class Digits final : public DatasetSource {
 public:
  explicit Digits(const DigitsParams& params) : params_(params) {}

  Dataset load(const Resources&) const override {
    const RowSplit split =
        split_rows(std::size(kImages), params_.train, RowOrder::stream, params_.shuffle_seed);
    Dataset data;
    data.facts.name = "digits";
    data.facts.input_shape = {1, kSide, kSide};
    data.facts.outputs = 10;
    for (int digit = 0; digit < 10; ++digit)
      data.facts.class_names.push_back(std::to_string(digit));
    data.facts.mean = {0.3f};
    data.facts.deviation = {1.0f};
    data.facts.fill = {0.0f};
    data.facts.source =
        "Optical Recognition of Handwritten Digits, test part (E. Alpaydin, C. Kaynak, UCI Machine "
        "Learning "
        "Repository), CC BY 4.0; pixel values divided by 16";
    data.train = examples_of(split.train);
    data.test = examples_of(split.test);
    return data;
  }

 private:
  DigitsParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "digits", "1.0", "1,797 handwritten digits of 8x8 pixels, built in",
                 Digits, DigitsParams, "{}")

}  // namespace modeldiff
