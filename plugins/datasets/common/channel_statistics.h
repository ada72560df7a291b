#pragma once

#include <cstdint>
#include <vector>

namespace modeldiff {

/// Of each channel, over 255.
struct ChannelStatistics {
  std::vector<double> mean;
  std::vector<double> deviation;  // population deviation; 1 where it is 0
};

/// Sums are exact integers.
/// @param images [n, channels, pixels], n >= 1
ChannelStatistics channel_statistics(const std::uint8_t* images, std::int64_t n,
                                     std::int64_t channels, std::int64_t pixels);

}  // namespace modeldiff
