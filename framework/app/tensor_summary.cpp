#include "app/tensor_summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace modeldiff {
namespace {

double from_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1F, fraction = bits & 0x3FF;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 0x1F) {
    return fraction ? std::numeric_limits<double>::quiet_NaN()
                    : sign * std::numeric_limits<double>::infinity();
  }
  return sign * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
}

template <typename T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

double element(const TensorView& tensor, std::size_t index) {
  const std::byte* const at = tensor.data + index * size_of(tensor.dtype);
  switch (tensor.dtype) {
    case DType::f64:
      return load<double>(at);
    case DType::f32:
      return load<float>(at);
    case DType::f16:
      return from_half(load<std::uint16_t>(at));
    case DType::bf16:
      return std::bit_cast<float>(std::uint32_t{load<std::uint16_t>(at)} << 16);
    case DType::i64:
      return static_cast<double>(load<std::int64_t>(at));
    case DType::i32:
      return load<std::int32_t>(at);
    case DType::i16:
      return load<std::int16_t>(at);
    case DType::i8:
      return load<std::int8_t>(at);
    case DType::u8:
    case DType::boolean:
      return load<std::uint8_t>(at);
  }
  return 0;
}

}  // namespace

TensorSummary summary_of(const TensorView& tensor) {
  TensorSummary out;
  out.count = static_cast<std::int64_t>(tensor.bytes / size_of(tensor.dtype));
  double sum = 0, minimum = std::numeric_limits<double>::infinity(), maximum = -minimum;
  for (std::size_t i = 0; i < static_cast<std::size_t>(out.count); ++i) {
    const double value = element(tensor, i);
    if (!std::isfinite(value)) {
      ++out.not_finite;
      continue;
    }
    sum += value;
    minimum = std::min(minimum, value);
    maximum = std::max(maximum, value);
  }
  if (const std::int64_t finite = out.count - out.not_finite; finite > 0) {
    out.minimum = minimum;
    out.maximum = maximum;
    out.mean = sum / static_cast<double>(finite);
  }
  return out;
}

double largest_difference(const TensorView& a, const TensorView& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.bytes / size_of(a.dtype); ++i) {
    const double x = element(a, i), y = element(b, i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (std::isnan(x) || std::isnan(y)) return std::numeric_limits<double>::quiet_NaN();
    largest = std::max(largest, std::abs(x - y));
  }
  return largest;
}

std::string shape_text(const TensorView& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.shape, ", "));
}

}  // namespace modeldiff
