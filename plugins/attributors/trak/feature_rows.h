#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>

namespace modeldiff::trak {

/// The most memory that the features of training examples take, and where they are kept beyond it.
struct FeatureMemory {
  std::int64_t bytes = std::int64_t{1} << 40;
  std::filesystem::path scratch;
};

/// A matrix [n, k] that is written and read in blocks of rows: in memory, or in a file without a name
/// when it is larger than it may be.
class FeatureRows {
 public:
  /// @throws DataError when the file cannot be made
  FeatureRows(std::int64_t n, std::int64_t k, at::ScalarType type, const FeatureMemory& memory);
  /// Rows [n, k] that are there already.
  explicit FeatureRows(at::Tensor rows);
  ~FeatureRows();
  FeatureRows(FeatureRows&& other) noexcept;
  FeatureRows& operator=(FeatureRows&&) = delete;

  std::int64_t size() const { return n_; }
  std::int64_t columns() const { return k_; }
  /// Puts `rows` [m, k] at row `begin`. @throws DataError on a full disk
  void write(std::int64_t begin, const at::Tensor& rows);
  /// Calls use(begin, rows [m, k]) for all rows in their order, some hundreds at once; what it is
  /// given may be overwritten afterwards.
  void for_each_block(
      const std::function<void(std::int64_t begin, const at::Tensor& rows)>& use) const;
  /// All of them in memory.
  at::Tensor all() const;

 private:
  std::int64_t n_, k_, rows_at_once_;
  at::Tensor rows_;  // [n, k], or one block when there is a file
  int file_ = -1;
};

}  // namespace modeldiff::trak
