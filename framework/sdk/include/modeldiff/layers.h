#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "modeldiff/model.h"

/// The layers that architectures are written with. Each takes its tensors from the weights by name,
/// tells the tape and obeys the ablation of the pass, so that an architecture written once can be
/// attributed and edited.
namespace modeldiff {

/// One use of a layer in a forward pass.
struct LayerRecord {
  enum class Kind { linear, conv2d, batch_norm, layer_norm, embedding };
  std::string name;
  Kind kind = Kind::linear;
  /// linear [n, in] or [n, t, in]; conv2d [n, channels, height, width]; batch_norm and layer_norm:
  /// the normalised input; embedding: tokens [n, t] int64. No gradient.
  at::Tensor input;
  /// Before the nonlinearity; part of the graph.
  at::Tensor output;
  bool bias = false;
  /// conv2d: {rows, columns} each
  std::vector<std::int64_t> kernel, stride, padding;
  std::int64_t groups = 1;
  /// embedding: words of the table
  std::int64_t words = 0;
};

/// Inputs and output gradients of every layer of one pass: all that per-example gradients need. A
/// pass with a tape is in eval mode, with gradients enabled and weights that need none.
class MODELDIFF_API LayerTape {
 public:
  /// From the first record on, outputs need gradients, so that a backward pass reaches all of them.
  void record(LayerRecord record);
  const std::vector<LayerRecord>& records() const { return records_; }
  /// Gradients of `scalar` with respect to the output of every record, in their order. One backward
  /// pass, without gradients of the weights.
  std::vector<at::Tensor> output_gradients(const at::Tensor& scalar) const;
  void clear() { records_.clear(); }

 private:
  std::vector<LayerRecord> records_;
};

/// Per-example gradients of one layer's parameters, flattened in the order of the layout (weight,
/// then bias).
/// @param output_gradient as LayerTape::output_gradients gives it, of a sum over examples
/// @return [n, parameters of the layer] float32
MODELDIFF_API at::Tensor per_example_gradients(const LayerRecord& record,
                                               const at::Tensor& output_gradient);

/// Which components are kept, by the name of a layer: a multiplier s for each output channel or
/// unit, 1 keeps, 0 ablates. It acts on the layer's output before bias and batch norm, so that an
/// ablated filter of a batch-normed convolution answers a constant, not 0: the same as zeroing its
/// weights. Under the name of a batch norm it acts after its affine map, before the ReLU. Shah et
/// al. 2024 (COAR, arXiv:2404.11534).
class MODELDIFF_API Ablation {
 public:
  /// [out] float32; or [n, out], one row for each example of the batch.
  std::map<std::string, at::Tensor> keep;
  /// What takes an ablated unit's place: output u becomes s u + (1 - s) c. Broadcasts to the
  /// layer's output; a layer that is not named has c = 0.
  std::map<std::string, at::Tensor> replacement;
};

/// x [n, in] or [n, t, in] -> [..., out]; tensors `name`.weight [out, in] and, if the layout has
/// it, `name`.bias [out].
MODELDIFF_API at::Tensor linear(Pass& pass, const Model& model, const Weights& weights,
                                const std::string& name, const at::Tensor& x);
/// Tensors `name`.weight [out, in / groups, k, k] and, if there, `name`.bias [out].
MODELDIFF_API at::Tensor conv2d(Pass& pass, const Model& model, const Weights& weights,
                                const std::string& name, const at::Tensor& x,
                                std::int64_t stride = 1, std::int64_t padding = 0,
                                std::int64_t groups = 1);
/// Batch norm, then ReLU if asked: fused, as it is memory-bound. Parameters `name`.weight,
/// `name`.bias [channels]; buffers `name`.mean, `name`.variance; momentum 0.1, eps 1e-5. In
/// training it moves the buffers in place. Float32 channels-last tensors on the CPU take fused
/// kernels, whose result has the same bits for any number of threads; others at::batch_norm.
/// @param x given up by the caller (moved in), its memory is used again
MODELDIFF_API at::Tensor batch_norm(Pass& pass, const Model& model, const Weights& weights,
                                    const std::string& name, at::Tensor x, bool relu);
/// Layer norm over the last dimension of x [n, ..., width], eps 1e-5; parameters `name`.weight,
/// `name`.bias [width].
MODELDIFF_API at::Tensor layer_norm(Pass& pass, const Model& model, const Weights& weights,
                                    const std::string& name, const at::Tensor& x);
/// Rows of the table `name`.weight [words, width]. @param tokens [n, t] int64 @return [n, t, width]
MODELDIFF_API at::Tensor embedding(Pass& pass, const Model& model, const Weights& weights,
                                   const std::string& name, const at::Tensor& tokens);
/// max(x, 0). `x` is the output of a layer that nobody else reads: it is overwritten unless a tape
/// holds it.
MODELDIFF_API at::Tensor relu(const Pass& pass, at::Tensor x);
/// Adds the entries of batch_norm() to the layouts of a model under construction.
MODELDIFF_API void add_batch_norm(ParameterLayout& parameters, ParameterLayout& buffers,
                                  const std::string& name, std::int64_t channels);

}  // namespace modeldiff
