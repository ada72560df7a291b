#pragma once

#include <cstdint>

// What mlp_kernels.cpp asks of the vector kernels, which are compiled once for each instruction set
// (mlp_kernels_simd.inc). Plain pointers only: an inline library function in those files could be
// kept by the linker in a form that this processor cannot run.
//
// Matrices are row by row with a row length that is a multiple of `lanes`; what is beyond their
// width is zero. A panel matrix [rows, columns] is cut into panels of 2 * lanes columns (the last
// may have `lanes`), each stored row by row: a panel is read from one end to the other by a tile.

namespace modeldiff {

enum class ProductFinish { none, relu, mask };

/// C [rows, columns] = A [rows, depth] B [depth, columns] (+ bias), with B a panel matrix; then
/// nothing, max(C, 0), or C where `mask` > 0 and else 0.
struct Product {
  const float* a;
  std::int64_t a_stride;
  const float* b;
  const float* bias;  ///< [columns] or null
  float* c;
  std::int64_t c_stride;
  const float* mask;  ///< stride c_stride; for ProductFinish::mask
  std::int64_t rows;
  std::int64_t depth;
  std::int64_t columns;  ///< a multiple of lanes
  ProductFinish finish;
};

/// One step of SGD: see MlpSgd.
struct SgdStep {
  float learning_rate;
  float momentum;
  float weight_decay;
  bool nesterov;
};

/// One step of AdamW: see MlpAdamW.
struct AdamWStep {
  float keep;  ///< 1 - learning rate * weight decay
  float rate;  ///< learning rate / (1 - beta1^t)
  float beta2;
  float first_share;   ///< 1 - beta1
  float second_share;  ///< 1 - beta2
  float second_scale;  ///< 1 / sqrt(1 - beta2^t)
  float epsilon;
};

enum class GradientFinish { store, add, sgd };

/// G [rows, columns] = A' D, with A [depth, rows], D [depth, columns] and G a panel matrix. G is
/// written to `target`, added to it, or used at once to update the weights `target` and their
/// `momentum`.
struct Gradient {
  const float* a;
  std::int64_t a_stride;
  const float* d;
  std::int64_t d_stride;
  float* target;
  float* momentum;
  std::int64_t rows;
  std::int64_t depth;
  std::int64_t columns;  ///< a multiple of lanes
  GradientFinish finish;
  SgdStep sgd;
};

/// Softmax cross-entropy of z [rows, classes] against (1 - smoothing) onehot + smoothing / classes;
/// z becomes `scale` times its gradient. The rows are readable up to the next multiple of `lanes`.
struct SoftmaxLoss {
  float* z;
  std::int64_t stride;
  std::int64_t rows;
  std::int64_t classes;
  const std::int32_t* labels;  ///< [rows], readable up to the next multiple of `lanes`
  float smoothing;
  float scale;
  float* scratch;  ///< [kSoftmaxGroups, classes rounded up to lanes, lanes]
};

/// Groups of `lanes` rows that softmax_loss takes together.
constexpr std::int64_t kSoftmaxGroups = 4;

struct MlpKernelSet {
  std::int64_t lanes;
  void (*product)(const Product&);
  void (*gradient)(const Gradient&);
  /// `to` [columns, rows] = `from` [rows, columns]' for panel matrices; columns of `to` beyond rows
  /// become zero.
  void (*transpose)(const float* from, std::int64_t rows, std::int64_t columns, float* to);
  /// Sum over the rows of the losses, in nats.
  double (*softmax_loss)(const SoftmaxLoss&);
  /// to [rows, stride] = the rows `ids` [rows] of `from` [n, width]; what is beyond width is left
  /// alone.
  void (*gather)(const float* from, std::int64_t width, const std::int64_t* ids, std::int64_t rows,
                 float* to, std::int64_t stride);
  /// sums [columns] (+)= column sums of d [rows, columns]; columns is a multiple of lanes.
  void (*column_sums)(const float* d, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                      bool add, float* sums);
  /// Sum of squares of v [count]; count is a multiple of lanes.
  double (*sum_of_squares)(const float* v, std::int64_t count);
  void (*sgd)(const SgdStep&, std::int64_t count, const float* gradient, float gradient_scale,
              float* weights, float* momentum);
  void (*adamw)(const AdamWStep&, std::int64_t count, const float* gradient, float gradient_scale,
                float* weights, float* first, float* second);
};

extern const MlpKernelSet kPortableMlpKernels;
extern const MlpKernelSet kAvx2MlpKernels;    // x86-64 only
extern const MlpKernelSet kAvx512MlpKernels;  // x86-64 only

}  // namespace modeldiff
