#include "features.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>

#include "modeldiff/core/error.h"
#include "modeldiff/layers.h"
#include "modeldiff/parallel.h"
#include "modeldiff/tensors.h"
#include "projection.h"
#include "sparse_product.h"

namespace modeldiff::trak {
namespace {

constexpr std::int64_t kForwardBytes = std::int64_t{256} << 20;
constexpr std::int64_t kMostRows = 4096;
/// Rows of the pass that tells how much memory an example takes.
constexpr std::int64_t kProbeRows = 16;
/// Inputs and outputs of the layers, their gradients, and what autograd keeps.
constexpr std::int64_t kCopies = 3;
constexpr std::int64_t kPanelBytes = std::int64_t{2} << 20;
/// Floats of P, and of gradients, that are alive at once in layers that are not linear.
constexpr std::int64_t kDenseFloats = std::int64_t{8} << 20;

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

/// phi += sum_o delta_o (P_o' a) for a linear layer, P_o the rows of P of unit o and its bias.
/// @param a [n, in], delta [n, out] float32, contiguous; phi [n, k]
void add_linear_layer(const LayerProjection& projection, const at::Tensor& a,
                      const at::Tensor& delta, bool bias, at::Tensor& phi) {
  const std::int64_t n = a.size(0), in = a.size(1), out = delta.size(1), k = phi.size(1);
  const SparseRows inputs(a.const_data_ptr<float>(), n, in, bias);
  const SparseColumns gradients(delta.const_data_ptr<float>(), n, out);
  const std::int64_t units =
      std::clamp<std::int64_t>(kPanelBytes / (Panel::bytes_per_row(projection.kind) * in), 1, out);
  float* result = phi.data_ptr<float>();

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
        const std::int64_t width = std::min(kTileColumns, k - column);
        if (width <= 0) break;
        std::fill_n(sums.get(), n * kTileColumns, 0.0f);
        for (std::int64_t o = 0; o < count; ++o) {
          weights.unpack(o * in, in, t, tile.get(), kTileColumns);
          if (bias) biases.unpack(o, 1, t, tile.get() + in * kTileColumns, kTileColumns);
          add_scaled_products(inputs, gradients.rows(first + o), gradients.values(first + o),
                              tile.get(), sums.get());
        }
        for (std::int64_t r = 0; r < n; ++r) {
          for (std::int64_t c = 0; c < width; ++c)
            result[r * k + column + c] += sums.get()[r * kTileColumns + c];
        }
      }
    }
  });
}

/// Rows [first, first + rows) of P. @return [rows, k] float32
at::Tensor projection_rows(const LayerProjection& projection, std::int64_t first, std::int64_t rows,
                           std::int64_t k) {
  const std::int64_t blocks = (k + kPanelColumns - 1) / kPanelColumns;
  const std::int64_t stride = blocks * kPanelColumns;
  at::Tensor out = at::empty({rows, stride}, at::kFloat);
  float* data = out.data_ptr<float>();
  in_parallel(blocks, [&](std::int64_t block) {
    Panel panel;
    panel.draw(projection, first, rows, block);
    for (std::int64_t t = 0; t < kPanelColumns / kTileColumns; ++t) {
      panel.unpack(0, rows, t, data + block * kPanelColumns + t * kTileColumns, stride);
    }
  });
  return out.narrow(1, 0, k);
}

/// phi += G P for gradients G of consecutive parameters of a layer.
void add_dense(const LayerProjection& projection, const at::Tensor& gradients, std::int64_t first,
               at::Tensor& phi) {
  const std::int64_t most = std::max<std::int64_t>(1, kDenseFloats / phi.size(1));
  for (std::int64_t begin = 0; begin < gradients.size(1); begin += most) {
    const std::int64_t rows = std::min(most, gradients.size(1) - begin);
    phi.addmm_(gradients.narrow(1, begin, rows),
               projection_rows(projection, first + begin, rows, phi.size(1)).to(phi.scalar_type()));
  }
}

/// Gradients of the parameters of a few output channels or units, or of all.
struct GradientBlock {
  at::Tensor gradients;  // [n, count]
  std::int64_t first;    // of the layer's parameters
};

/// Calls `use` with all gradients of a layer, in blocks that fit in memory.
void for_gradient_blocks(const LayerRecord& record, const at::Tensor& delta,
                         const std::function<void(const GradientBlock&)>& use) {
  const bool sliceable = record.kind == LayerRecord::Kind::conv2d && record.groups == 1;
  if (!sliceable) {
    use({per_example_gradients(record, delta), 0});
    return;
  }
  const std::int64_t n = delta.size(0), out = delta.size(1);
  const std::int64_t fan_in = record.input.size(1) * record.kernel[0] * record.kernel[1];
  const std::int64_t channels = std::clamp<std::int64_t>(kDenseFloats / (n * fan_in), 1, out);
  LayerRecord some = record;
  for (std::int64_t first = 0; first < out; first += channels) {
    const std::int64_t count = std::min(channels, out - first);
    some.output = record.output.narrow(1, first, count);
    const at::Tensor gradients = per_example_gradients(some, delta.narrow(1, first, count));
    use({gradients.narrow(1, 0, count * fan_in), first * fan_in});
    if (record.bias) use({gradients.narrow(1, count * fan_in, count), out * fan_in + first});
  }
}

/// One forward and backward pass, layer by layer.
struct TapedPass {
  std::vector<LayerRecord> records;
  std::vector<at::Tensor> output_gradients;
  at::Tensor one_minus_p;  // [n]
};

TapedPass tape_pass(const FeatureRequest& request, const Examples& examples, std::int64_t begin,
                    std::int64_t end) {
  LayerTape tape;
  Pass pass;
  pass.tape = &tape;
  const at::Tensor targets = examples.targets.slice(0, begin, end);
  TapedPass out;
  {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor inputs = request.predictor.view.apply(examples.inputs.slice(0, begin, end));
    const at::Tensor outputs = request.predictor.model->forward(request.weights, inputs, pass);
    out.output_gradients =
        tape.output_gradients(measure(request.measurement, outputs, targets).sum());
    // 1 - p through the margin: 1 - softmax would be 0 for every confident example.
    out.one_minus_p = request.task == Task::classification
                          ? at::sigmoid(-log_odds_margin(outputs.detach(), targets))
                          : at::ones({end - begin}, outputs.options().requires_grad(false));
  }
  out.records = tape.records();
  return out;
}

/// Where a layer's parameters begin in the flat vector, and how many there are.
struct ParameterRange {
  std::int64_t offset = 0;
  std::int64_t count = 0;
};

ParameterRange range_of(const Model& model, const LayerRecord& record) {
  const ParameterLayout& layout = model.parameters();
  ParameterRange out;
  const ParameterLayout::Entry& weight = layout.at(record.name + ".weight");
  out.offset = weight.offset;
  out.count = weight.count;
  if (record.bias) {
    const ParameterLayout::Entry& bias = layout.at(record.name + ".bias");
    if (bias.offset != weight.offset + weight.count) {
      throw PluginError("layer " + record.name +
                        ": its bias does not follow its weight in the layout");
    }
    out.count += bias.count;
  }
  return out;
}

void check_complete(const Model& model, const std::vector<LayerRecord>& records) {
  std::map<std::string, std::int64_t> counts;
  for (const LayerRecord& record : records) counts[record.name] = range_of(model, record).count;
  std::int64_t taped = 0;
  for (const auto& [name, count] : counts) taped += count;
  if (taped != model.parameters().count()) {
    throw PluginError(fmt::format(
        "layers of the model that are written with the tape have {} parameters, the model has {}",
        taped, model.parameters().count()));
  }
}

/// Adds one layer's part to phi [n, k].
void add_layer(const FeatureRequest& request, const LayerRecord& record, const at::Tensor& delta,
               at::Tensor& phi) {
  if (request.kind == ProjectionKind::identity) {
    const ParameterRange range = range_of(*request.predictor.model, record);
    for_gradient_blocks(record, delta, [&](const GradientBlock& block) {
      phi.narrow(1, range.offset + block.first, block.gradients.size(1)) += block.gradients;
    });
    return;
  }
  const LayerProjection projection(request.kind, request.run_seed, record.name);
  if (record.kind == LayerRecord::Kind::linear && record.input.dim() == 2 &&
      phi.scalar_type() == at::kFloat) {
    add_linear_layer(projection, record.input.contiguous(), delta.contiguous(), record.bias, phi);
    return;
  }
  for_gradient_blocks(record, delta, [&](const GradientBlock& block) {
    add_dense(projection, block.gradients, block.first, phi);
  });
}

std::int64_t rows_at_once(const FeatureRequest& request, const Examples& examples) {
  if (request.batch > 0) return request.batch;
  const std::int64_t probe = std::min(kProbeRows, examples.size());
  std::int64_t bytes = 0;
  for (const LayerRecord& record : tape_pass(request, examples, 0, probe).records) {
    bytes += static_cast<std::int64_t>(record.input.nbytes() + record.output.nbytes());
  }
  return std::clamp<std::int64_t>(
      kForwardBytes * probe / (kCopies * std::max<std::int64_t>(bytes, 1)), 1, kMostRows);
}

}  // namespace

Features features(const FeatureRequest& request, const Examples& examples) {
  const std::int64_t n = examples.size();
  const at::ScalarType type = request.weights.parameters.scalar_type();
  Features out;
  out.rows = at::zeros({n, request.columns}, type);
  out.one_minus_p = at::empty({n}, type);
  const std::int64_t at_once = n > 0 ? rows_at_once(request, examples) : 1;
  for (std::int64_t begin = 0; begin < n; begin += at_once) {
    request.progress.check_stop();
    const std::int64_t end = std::min(n, begin + at_once);
    TapedPass pass = tape_pass(request, examples, begin, end);
    if (begin == 0) check_complete(*request.predictor.model, pass.records);
    const at::NoGradGuard no_gradients;
    at::Tensor phi = out.rows.slice(0, begin, end);
    for (std::size_t layer = 0; layer < pass.records.size(); ++layer) {
      add_layer(request, pass.records[layer], pass.output_gradients[layer], phi);
      pass.records[layer] = {};
      pass.output_gradients[layer].reset();
    }
    out.one_minus_p.slice(0, begin, end).copy_(pass.one_minus_p);
  }
  const at::NoGradGuard no_gradients;
  if (request.kind != ProjectionKind::identity)
    out.rows.div_(std::sqrt(static_cast<double>(request.columns)));
  return out;
}

}  // namespace modeldiff::trak
