#pragma once

#include <cstdint>

// What linear_objective.cpp asks of the vector kernels, which are compiled once for each
// instruction set (sparse_kernels.inc). Plain pointers only: an inline library function in those
// files could be kept by the linker in a form that this processor cannot run.
//
// A block is `kBlock` columns of a dense matrix, row by row; what is beyond its width is zero.

namespace modeldiff {

/// Columns of a block.
constexpr std::int64_t kSparseBlock = 16;

/// Rows of which the numbers that are not zero are stored, with their columns. A number is a byte
/// that stands for an entry of `table`, or a float32.
struct SparseRows {
  const std::int64_t* offsets;  ///< [rows + 1] into columns and numbers
  const void* columns;          ///< uint16, or uint32 with `wide`
  const void* numbers;          ///< uint8 with `bytes`, else float
  bool wide;
  bool bytes;
};

/// Some rows by column: entries [starts[i], starts[i + 1]) are those of columns[i].
template <typename S>
struct TileColumns {
  const std::int32_t* columns;
  const std::int32_t* starts;
  std::int64_t count;
  const std::uint16_t* rows;  ///< of each entry, counted in the tile
  const S* values;
};

/// Kernels in arithmetic of type S.
template <typename S>
struct SparseKernels {
  /// z [count, block] += X[rows] B, with B [columns, block]. @param table [256] what bytes stand for
  void (*multiply)(const SparseRows& x, const S* table, const std::int32_t* rows,
                   std::int64_t count, const S* b, S* z);
  /// g [columns, block] += X[rows]' d, with d [count, block].
  void (*multiply_transposed)(const SparseRows& x, const S* table, const std::int32_t* rows,
                              std::int64_t count, const S* d, S* g);
  /// z <- softmax(z) - one-hot(label), for rows [count, block] of which the first `classes` count.
  /// @return the sum of the cross-entropies, in nats
  double (*softmax_residuals)(S* z, const std::int32_t* labels, std::int64_t count,
                              std::int64_t classes);
  /// dz <- softmax(z + dz) - softmax(z), without the cancellation: with q = softmax(z),
  /// e = exp(dz) - 1 and c = sum q e it is q (e - c) / (1 + c).
  void (*softmax_differences)(const S* z, S* dz, std::int64_t count, std::int64_t classes);

  // Many dense matrices at once, one in each lane of a vector: entry (i, o) of all of them stands
  // side by side, [i, outputs, lanes]. What comes of a lane does not depend on the others.

  std::int64_t lanes;
  /// z [count, outputs, lanes] += X[rows] B, with B [columns, outputs, lanes].
  void (*multiply_lanes)(const SparseRows& x, const S* table, const std::int32_t* rows,
                         std::int64_t count, const S* b, std::int64_t outputs, S* z);
  /// g [columns, outputs, lanes] += X' d for the rows of a tile, with d [rows, outputs, lanes].
  void (*multiply_transposed_lanes)(const TileColumns<S>& x, const S* d, std::int64_t outputs,
                                    S* g);
  /// dz [count, outputs, lanes] <- softmax(z + dz) - softmax(z), from q = softmax(z) [count, block].
  void (*softmax_differences_lanes)(const S* q, S* dz, std::int64_t count, std::int64_t outputs);
  /// z <- softmax(z), for rows [count, block] of which the first `classes` count.
  void (*softmax)(S* z, std::int64_t count, std::int64_t classes);
};

/// Bytes that are not both zero of two neighbouring sources, by the target that their products are
/// added to. Those of targets[t] are entries [starts[t], starts[t + 1]), and sum to at most
/// kMostByteSum.
struct BytePairs {
  const std::int32_t* targets;
  const std::int32_t* starts;
  std::int64_t count;
  const std::uint16_t* pairs;  ///< of each entry: bytes of sources 2 pair and 2 pair + 1
  const std::uint32_t* words;  ///< first byte + 65536 second byte
};

/// Matrices are rounded to integers of at most this size, so that sums of their products with bytes
/// fit 32 bits. With what is left over from another they still fit 16.
constexpr std::int32_t kMostRounded = 32766;
constexpr std::int32_t kMostByteSum = 65535;

/// Products of bytes, which stand for byte / 255, with rounded matrices, one in each lane of a
/// vector. What comes of a lane does not depend on the others.
struct PairKernels {
  /// scale [outputs, lanes] <- largest |b| / kMostRounded; words [ceil(rows / 2), outputs, lanes] <-
  /// b [rows, outputs, lanes] / scale as integers, two rows in a word, in an order of its own. What
  /// rounding leaves of a row is added to the next, so that the error of any sum of consecutive rows
  /// is at most one scale: products with inputs that vary little from one column to the next, as
  /// pixels do, are more exact by a digit. Where b is not finite neither is scale.
  void (*round)(const float* b, std::int64_t rows, std::int64_t outputs, std::int32_t* words,
                float* scale);
  /// z [targets, outputs, lanes] += X b, with what round() made of b [rows, outputs, lanes].
  void (*multiply)(const BytePairs& x, const std::int32_t* words, const float* scale,
                   std::int64_t rows, std::int64_t outputs, float* z);
};

struct SparseKernelSet {
  SparseKernels<float> single;
  SparseKernels<double> twofold;
  PairKernels pairs;
};

extern const SparseKernelSet kPortableSparseKernels;
extern const SparseKernelSet kAvx2SparseKernels;
extern const SparseKernelSet kAvx512SparseKernels;

}  // namespace modeldiff
