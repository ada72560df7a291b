#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace modeldiff {

/// One part of CIFAR-10 or CIFAR-100.
struct CifarPart {
  std::vector<std::uint8_t> images;  // [n, 3, 32, 32]
  std::vector<std::int64_t> labels;  // [n], fine
  std::vector<std::int64_t> coarse;  // [n], CIFAR-100 only
};

struct Cifar {
  bool hundred = false;
  CifarPart train, test;
  std::vector<std::string> class_names;   // of the fine labels
  std::vector<std::string> coarse_names;  // CIFAR-100 only
};

/// Reads the official binary files from a folder, .tar or .tar.gz; they may lie in a folder within.
/// A record is one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 3x32x32
/// pixels. Which of the two it is follows from the files' names. Classes are numbered where the
/// archive has no file of names.
/// @throws DataError naming file and record
Cifar read_cifar(const std::filesystem::path& path);

}  // namespace modeldiff
