#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modeldiff/core/plugin.h"
#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "modeldiff/input_view.h"
#include "modeldiff/mlp_kernels.h"

/// Models are functions of a flat parameter vector: nothing is hidden in modules, so that runs are
/// stacked, merged, ablated, differentiated and stored by arithmetic on vectors.
namespace modeldiff {

class LayerTape;
class Ablation;

/// Where each named tensor sits in a flat vector.
class MODELDIFF_API ParameterLayout {
 public:
  struct Entry {
    std::string name;  // "block1.conv.weight"
    std::vector<std::int64_t> shape;
    std::int64_t offset = 0;
    std::int64_t count = 0;
  };

  /// @return the index of the new entry
  std::int64_t add(std::string name, std::vector<std::int64_t> shape);
  const std::vector<Entry>& entries() const { return entries_; }
  std::int64_t count() const { return count_; }
  /// @throws InternalError on an unknown name
  const Entry& at(const std::string& name) const;
  bool contains(const std::string& name) const;
  /// A view of `flat` [..., count] as [..., shape].
  at::Tensor view(const at::Tensor& flat, const std::string& name) const;
  at::Tensor view(const at::Tensor& flat, const Entry& entry) const;
  /// Position in entries(). @throws InternalError on an unknown name
  std::size_t index(const std::string& name) const;

 private:
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t> index_;
  std::int64_t count_ = 0;
};

/// The state of one trained model.
struct Weights {
  /// [p] float32, trained; or [models, p] for a stack.
  at::Tensor parameters;
  /// [b] float32, not trained: running statistics of batch norm. Undefined when there are none.
  at::Tensor buffers;
};

/// One forward pass and what is asked of it beside the outputs.
struct Pass {
  /// Batch norm uses the statistics of the batch and moves `buffers` of the weights; otherwise the
  /// running ones.
  bool training = false;
  /// Records every layer's input and output.
  LayerTape* tape = nullptr;
  /// Switches components off.
  const Ablation* ablation = nullptr;
  /// Stand in for the views of `weights.parameters`, one for each entry of the layout: the leaves
  /// of a backward pass. Gradients with respect to the flat vector itself are right too, but each
  /// view would add a vector [p] of its own.
  const std::vector<at::Tensor>* leaves = nullptr;
  /// Filled by the model when `want_features`: the input of the last linear layer [n, features].
  bool want_features = false;
  at::Tensor features;
};

/// What the data ask of a model.
struct ModelSpec {
  std::vector<std::int64_t> input_shape;
  std::int64_t outputs = 0;
};

/// A built architecture. Immutable; used from one thread at a time.
class MODELDIFF_API Model {
 public:
  virtual ~Model();
  const ParameterLayout& parameters() const { return parameters_; }
  const ParameterLayout& buffers() const { return buffers_; }
  /// The named parameter of this pass: a leaf of it, or a view of the weights.
  at::Tensor parameter(const Pass& pass, const Weights& weights, const std::string& name) const;

  /// Fresh weights; the same stream gives the same bytes.
  virtual Weights initialise(RandomStream& random) const = 0;
  /// @param weights of one model: parameters [p]
  /// @param inputs  [n, ...] as InputView gives them, float32
  /// @return        [n, outputs] logits or predictions
  virtual at::Tensor forward(const Weights& weights, const at::Tensor& inputs,
                             Pass& pass) const = 0;
  /// The same for a stack of M models on the same inputs. @return [M, n, outputs]
  virtual at::Tensor forward_stacked(const Weights& weights, const at::Tensor& inputs) const;
  /// The widths, when the model is linear layers with ReLU between: then the fused kernels can
  /// train it.
  virtual std::optional<MlpShape> mlp_shape() const { return std::nullopt; }
  /// Names of the tensors that `replace_head` initialises anew, of the last layer.
  virtual std::vector<std::string> head() const = 0;
  /// Floating-point operations of one example's forward pass, for estimates.
  virtual double forward_flops() const = 0;

 protected:
  ParameterLayout parameters_;
  ParameterLayout buffers_;
};

/// Plugin kind `models`.
class MODELDIFF_API Architecture : public Plugin {
 public:
  ~Architecture() override;
  /// @throws ConfigError when the architecture cannot take such inputs, with the key path relative
  /// to the plugin
  virtual std::unique_ptr<Model> build(const ModelSpec& spec) const = 0;
};

/// A model together with what it is shown.
struct Predictor {
  std::shared_ptr<const Model> model;
  InputView view;

  /// Outputs in eval mode, without gradients, in batches. @param inputs raw, as Examples hold them
  /// @return [n, outputs] float32
  MODELDIFF_API at::Tensor outputs(const Weights& weights, const at::Tensor& inputs,
                                   std::int64_t batch = 1000) const;
  /// A stack of M models. @param weights parameters [M, p], buffers [M, b] @return [M, n, outputs]
  MODELDIFF_API at::Tensor outputs_stacked(const Weights& weights, const at::Tensor& inputs,
                                           std::int64_t batch = 1000) const;
};

}  // namespace modeldiff
