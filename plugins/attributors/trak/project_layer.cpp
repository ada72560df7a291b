#include "project_layer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "kronecker_projection.h"
#include "modeldiff/parallel.h"
#include "sparse_product.h"

namespace modeldiff::trak {
namespace {

constexpr std::int64_t kPanelBytes = std::int64_t{2} << 20;
/// Floats of gradients that are alive at once in layers that are not linear.
constexpr std::int64_t kDenseFloats = std::int64_t{8} << 20;
/// Rows of P whose tile stays in the first-level cache, and examples whose gradients with respect to
/// them stay in the second-level cache.
constexpr std::int64_t kTileRows = 256, kExamplesOfTile = 256;

/// Memory for tiles, aligned to a cache line.
class AlignedFloats {
 public:
  explicit AlignedFloats(std::int64_t count) : data_(new (std::align_val_t{64}) float[count]) {}
  float* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* data) const { ::operator delete[](data, std::align_val_t{64}); }
  };
  std::unique_ptr<float[], Free> data_;
};

/// phi[:, column ..] += sums [n, 16]
void add_sums(const float* sums, std::int64_t column, at::Tensor& phi) {
  const std::int64_t n = phi.size(0), k = phi.size(1);
  float* result = phi.data_ptr<float>();
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c < std::min(kTileColumns, k - column); ++c)
      result[r * k + column + c] += sums[r * kTileColumns + c];
  }
}

/// phi[:, column ..] = sums [n, 16]
void set_columns(const float* sums, std::int64_t column, at::Tensor& phi) {
  const std::int64_t n = phi.size(0), k = phi.size(1);
  float* result = phi.data_ptr<float>();
  for (std::int64_t r = 0; r < n; ++r)
    std::copy_n(sums + r * kTileColumns, std::min(kTileColumns, k - column),
                result + r * k + column);
}

/// sums [n, 16] = phi[:, column ..]; columns past the last stay.
void get_columns(const at::Tensor& phi, std::int64_t column, float* sums) {
  const std::int64_t n = phi.size(0), k = phi.size(1);
  const auto* values = phi.const_data_ptr<float>();
  for (std::int64_t r = 0; r < n; ++r)
    std::copy_n(values + r * k + column, std::min(kTileColumns, k - column),
                sums + r * kTileColumns);
}

/// phi += sum_o delta_o (P_o' a) for a linear layer, P_o the rows of P of unit o and its bias.
/// @param a [n, in], delta [n, out] float32, contiguous; phi [n, k]
void add_linear_layer(const LayerProjection& projection, const at::Tensor& a,
                      const at::Tensor& delta, bool bias, at::Tensor& phi) {
  const std::int64_t n = a.size(0), in = a.size(1), out = delta.size(1), k = phi.size(1);
  const SparseRows inputs(a.const_data_ptr<float>(), n, in, bias);
  const SparseColumns gradients(delta.const_data_ptr<float>(), n, out);
  const std::int64_t units =
      std::clamp<std::int64_t>(kPanelBytes / (Panel::bytes_per_row(projection.kind) * in), 1, out);

  in_parallel((k + kPanelColumns - 1) / kPanelColumns, [&](std::int64_t block) {
    Panel weights, biases;
    const AlignedFloats tile((in + 1) * kTileColumns);
    const AlignedFloats sums(n * kTileColumns);
    for (std::int64_t first = 0; first < out; first += units) {
      const std::int64_t count = std::min(units, out - first);
      weights.draw(projection, first * in, count * in, block);
      if (bias) biases.draw(projection, out * in + first, count, block);
      for (std::int64_t t = 0; t < kPanelColumns / kTileColumns; ++t) {
        const std::int64_t column = block * kPanelColumns + t * kTileColumns;
        if (column >= k) break;
        std::fill_n(sums.get(), n * kTileColumns, 0.0f);
        for (std::int64_t o = 0; o < count; ++o) {
          weights.unpack(o * in, in, t, tile.get(), kTileColumns);
          if (bias) biases.unpack(o, 1, t, tile.get() + in * kTileColumns, kTileColumns);
          add_scaled_products(inputs, gradients.rows(first + o), gradients.values(first + o),
                              tile.get(), sums.get());
        }
        add_sums(sums.get(), column, phi);
      }
    }
  });
}

/// phi += G P, kTileRows parameters after another, so that parameters in several calls give the same
/// bytes as in one if the earlier calls have whole tiles.
/// @param gradients [n, count] float32, contiguous, of the parameters from `first`
void add_dense(const LayerProjection& projection, const at::Tensor& gradients, std::int64_t first,
               at::Tensor& phi) {
  const std::int64_t n = gradients.size(0), count = gradients.size(1), k = phi.size(1);
  const auto* g = gradients.const_data_ptr<float>();
  in_parallel((k + kPanelColumns - 1) / kPanelColumns, [&](std::int64_t block) {
    Panel panel;
    const AlignedFloats tile(kTileRows * kTileColumns);
    const AlignedFloats sums(n * kPanelColumns);  // [tiles, n, 16]
    const std::int64_t tiles =
        (std::min(kPanelColumns, k - block * kPanelColumns) + kTileColumns - 1) / kTileColumns;
    std::fill_n(sums.get(), n * kPanelColumns, 0.0f);
    for (std::int64_t t = 0; t < tiles; ++t)
      get_columns(phi, block * kPanelColumns + t * kTileColumns, sums.get() + t * n * kTileColumns);
    for (std::int64_t begin = 0; begin < count; begin += kTileRows) {
      const std::int64_t rows = std::min(kTileRows, count - begin);
      panel.draw(projection, first + begin, rows, block);
      for (std::int64_t example = 0; example < n; example += kExamplesOfTile) {
        for (std::int64_t t = 0; t < tiles; ++t) {
          panel.unpack(0, rows, t, tile.get(), kTileColumns);
          add_products(g + example * count + begin, std::min(kExamplesOfTile, n - example), count,
                       rows, tile.get(), sums.get() + (t * n + example) * kTileColumns);
        }
      }
    }
    for (std::int64_t t = 0; t < tiles; ++t)
      set_columns(sums.get() + t * n * kTileColumns, block * kPanelColumns + t * kTileColumns, phi);
  });
}

/// A layer's gradients as matrices whose rows and columns a projection may treat apart: weight and
/// bias of a unit or channel in a row; weight and bias of a normalisation in two; a word in a row.
/// @param gradients [n, parameters] @return [n, rows, columns]
at::Tensor as_matrices(const LayerRecord& record, const at::Tensor& gradients) {
  const std::int64_t n = gradients.size(0);
  switch (record.kind) {
    case LayerRecord::Kind::batch_norm:
    case LayerRecord::Kind::layer_norm:
      return gradients.view({n, 2, -1});
    case LayerRecord::Kind::embedding:
      return gradients.view({n, record.words, -1});
    case LayerRecord::Kind::linear:
    case LayerRecord::Kind::conv2d:
      break;
  }
  const std::int64_t units =
      record.kind == LayerRecord::Kind::conv2d ? record.output.size(1) : record.output.size(-1);
  if (!record.bias) return gradients.view({n, units, -1});
  const std::int64_t weights = gradients.size(1) - units;
  return at::cat({gradients.narrow(1, 0, weights).reshape({n, units, -1}),
                  gradients.narrow(1, weights, units).unsqueeze(2)},
                 2);
}

LayerRecord some_examples(const LayerRecord& record, std::int64_t begin, std::int64_t count) {
  LayerRecord out = record;
  out.input = record.input.narrow(0, begin, count);
  out.output = record.output.narrow(0, begin, count);
  return out;
}

std::unique_ptr<KroneckerProjection> kronecker_projection(const LayerProjection& projection,
                                                          std::int64_t rows, std::int64_t columns,
                                                          std::int64_t k) {
  if (projection.kind == ProjectionKind::structured)
    return std::make_unique<StructuredProjection>(projection, rows, columns, k);
  return std::make_unique<FactoredProjection>(projection, rows, columns, k);
}

void add_kronecker(const LayerProjection& projection, const LayerRecord& record,
                   const at::Tensor& delta, at::Tensor& phi) {
  const std::int64_t n = phi.size(0), k = phi.size(1);
  if (record.kind == LayerRecord::Kind::linear && record.input.dim() == 2) {
    const at::Tensor a = record.bias ? at::cat({record.input, at::ones({n, 1})}, 1) : record.input;
    kronecker_projection(projection, delta.size(1), a.size(1), k)
        ->add_outer_products(delta.contiguous(), a.contiguous(), phi);
    return;
  }
  const std::int64_t parameters =
      per_example_gradients(some_examples(record, 0, 1), delta.narrow(0, 0, 1)).size(1);
  const std::int64_t at_once = std::clamp<std::int64_t>(kDenseFloats / parameters, 1, n);
  std::unique_ptr<KroneckerProjection> drawn;
  for (std::int64_t begin = 0; begin < n; begin += at_once) {
    const std::int64_t count = std::min(at_once, n - begin);
    const at::Tensor gradients = as_matrices(
        record,
        per_example_gradients(some_examples(record, begin, count), delta.narrow(0, begin, count)));
    if (!drawn) drawn = kronecker_projection(projection, gradients.size(1), gradients.size(2), k);
    at::Tensor part = phi.narrow(0, begin, count);
    drawn->add_matrices(gradients.contiguous(), part);
  }
}

}  // namespace

void for_gradient_blocks(const LayerRecord& record, const at::Tensor& delta,
                         const std::function<void(const GradientBlock&)>& use) {
  const bool sliceable = record.kind == LayerRecord::Kind::conv2d && record.groups == 1;
  if (!sliceable) {
    use({per_example_gradients(record, delta), 0});
    return;
  }
  const std::int64_t n = delta.size(0), out = delta.size(1);
  const std::int64_t fan_in = record.input.size(1) * record.kernel[0] * record.kernel[1];
  // Whole tiles of add_dense().
  const std::int64_t step = kTileRows / std::gcd(kTileRows, fan_in);
  const std::int64_t channels =
      std::min(std::max(kDenseFloats / (n * fan_in) / step, std::int64_t{1}) * step, out);
  std::vector<at::Tensor> biases;
  LayerRecord some = record;
  for (std::int64_t first = 0; first < out; first += channels) {
    const std::int64_t count = std::min(channels, out - first);
    some.output = record.output.narrow(1, first, count);
    const at::Tensor gradients = per_example_gradients(some, delta.narrow(1, first, count));
    use({gradients.narrow(1, 0, count * fan_in), first * fan_in});
    if (record.bias) biases.push_back(gradients.narrow(1, count * fan_in, count));
  }
  if (record.bias) use({at::cat(biases, 1), out * fan_in});
}

void add_projected_layer(const LayerProjection& projection, const LayerRecord& record,
                         const at::Tensor& delta, at::Tensor& phi) {
  if (projection.kind == ProjectionKind::structured ||
      projection.kind == ProjectionKind::factored) {
    add_kronecker(projection, record, delta, phi);
  } else if (record.kind == LayerRecord::Kind::linear && record.input.dim() == 2) {
    add_linear_layer(projection, record.input.contiguous(), delta.contiguous(), record.bias, phi);
  } else {
    for_gradient_blocks(record, delta, [&](const GradientBlock& block) {
      add_dense(projection, block.gradients.contiguous(), block.first, phi);
    });
  }
}

}  // namespace modeldiff::trak
