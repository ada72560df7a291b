#include "common/channel_statistics.h"

#include <algorithm>
#include <cmath>

namespace modeldiff {

ChannelStatistics channel_statistics(const std::uint8_t* images, std::int64_t n,
                                     std::int64_t channels, std::int64_t pixels) {
  ChannelStatistics out;
  for (std::int64_t c = 0; c < channels; ++c) {
    std::uint64_t sum = 0, squares = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint8_t* plane = images + (i * channels + c) * pixels;
      for (std::int64_t k = 0; k < pixels; ++k)
        sum += plane[k], squares += std::uint64_t{plane[k]} * plane[k];
    }
    const double count = static_cast<double>(n) * static_cast<double>(pixels),
                 mean = static_cast<double>(sum) / count,
                 variance = static_cast<double>(squares) / count - mean * mean;
    out.mean.push_back(mean / 255);
    out.deviation.push_back(variance > 0 ? std::sqrt(variance) / 255 : 1);
  }
  return out;
}

}  // namespace modeldiff
