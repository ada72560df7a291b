#include "modeldiff/mlp_kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "mlp_kernel_set.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

using std::int64_t;

/// Rows that are carried through all layers together; a larger batch is cut into parts of at most
/// this size, whose gradients are added, so that activations stay in cache.
constexpr int64_t kPartRows = 128;
constexpr int64_t kCacheLineFloats = 16;
constexpr int64_t kMostLanes = 16;

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// ---- checks of what the caller gave ----

void require_size(const char* name, std::size_t found, int64_t wanted) {
  if (static_cast<int64_t>(found) != wanted)
    throw ShapeError("mlp: " + std::string(name) + " must have " + std::to_string(wanted) +
                     " entries, got " + std::to_string(found));
}

void require(bool holds, const char* name, const char* rule, const std::string& found) {
  if (!holds) throw ConfigError(name, std::string(rule) + ", got " + found);
}

void require(bool holds, const char* name, const char* rule, double found) {
  require(holds, name, rule, std::to_string(found));
}

void check_shape(const MlpShape& shape) {
  require(shape.widths.size() >= 2, "widths", "must name the inputs and the outputs",
          std::to_string(shape.widths.size()) + " entries");
  for (const int64_t width : shape.widths)
    require(width >= 1, "widths", "must be at least 1", std::to_string(width));
}

int64_t rows_of(const MlpShape& shape, std::span<const float> inputs) {
  const auto size = static_cast<int64_t>(inputs.size());
  if (size % shape.inputs() != 0)
    throw ShapeError("mlp: inputs must be whole rows of " + std::to_string(shape.inputs()) +
                     ", got " + std::to_string(size) + " entries");
  return size / shape.inputs();
}

void check_objective(const MlpCrossEntropy& objective, const MlpShape& shape, int64_t rows) {
  require_size("labels", objective.labels.size(), rows);
  for (std::size_t i = 0; i < objective.labels.size(); ++i) {
    const int64_t label = objective.labels[i];
    if (label < 0 || label >= shape.outputs())
      throw DataError("mlp: the label of row " + std::to_string(i) + " must be in [0, " +
                      std::to_string(shape.outputs()) + "), got " + std::to_string(label));
  }
  const double smoothing = objective.label_smoothing;
  require(smoothing >= 0 && smoothing <= 1, "label_smoothing", "must be in [0, 1]", smoothing);
}

void check_objective(const MlpSquaredError& objective, const MlpShape& shape, int64_t rows) {
  require_size("targets", objective.targets.size(), rows * shape.outputs());
}

void check_optimizer(const MlpSgd& sgd) {
  require(sgd.momentum >= 0, "momentum", "must be at least 0", sgd.momentum);
  require(sgd.weight_decay >= 0, "weight_decay", "must be at least 0", sgd.weight_decay);
  require(!sgd.nesterov || sgd.momentum > 0, "momentum", "must be above 0 with nesterov",
          sgd.momentum);
}

void check_optimizer(const MlpAdamW& adam) {
  require(adam.beta1 >= 0 && adam.beta1 < 1, "beta1", "must be in [0, 1)", adam.beta1);
  require(adam.beta2 >= 0 && adam.beta2 < 1, "beta2", "must be in [0, 1)", adam.beta2);
  require(adam.epsilon > 0, "epsilon", "must be above 0", adam.epsilon);
  require(adam.weight_decay >= 0, "weight_decay", "must be at least 0", adam.weight_decay);
}

void check_plan(const MlpTraining& t, int64_t rows) {
  const auto steps = static_cast<int64_t>(t.learning_rates.size());
  require_size("batch_offsets", t.batch_offsets.size(), steps + 1);
  const auto entries = static_cast<int64_t>(t.batch_rows.size());
  if (t.batch_offsets.front() < 0 || t.batch_offsets.back() > entries)
    throw ShapeError("mlp: batch_offsets must lie within the " + std::to_string(entries) +
                     " entries of batch_rows");
  for (int64_t s = 0; s < steps; ++s)
    if (t.batch_offsets[s + 1] <= t.batch_offsets[s])
      throw DataError("mlp: the batch of step " + std::to_string(s) + " is empty");
  for (const int64_t row : t.batch_rows)
    if (row < 0 || row >= rows)
      throw DataError("mlp: batch_rows must be in [0, " + std::to_string(rows) + "), got " +
                      std::to_string(row));
  require(t.max_gradient_norm > 0, "max_gradient_norm", "must be above 0", t.max_gradient_norm);
  require(t.checkpoint_steps.empty() || t.on_checkpoint, "on_checkpoint",
          "must be set with checkpoint_steps", "nothing");
}

void check(const MlpTraining& training, const MlpState& state, std::span<double> losses) {
  check_shape(training.shape);
  const int64_t rows = rows_of(training.shape, training.inputs);
  std::visit([&](const auto& objective) { check_objective(objective, training.shape, rows); },
             training.objective);
  std::visit([](const auto& optimizer) { check_optimizer(optimizer); }, training.optimizer);
  check_plan(training, rows);
  const auto steps = static_cast<int64_t>(training.learning_rates.size());
  require_size("losses", losses.size(), steps);
  const int64_t count = training.shape.parameter_count();
  require_size("parameters", state.parameters.size(), count);
  if (!state.first_moment.empty()) require_size("first_moment", state.first_moment.size(), count);
  if (!state.second_moment.empty())
    require_size("second_moment", state.second_moment.size(), count);
  require(state.steps >= 0 && state.steps <= steps, "steps", "must lie within the plan",
          std::to_string(state.steps));
}

const MlpKernelSet& kernels_of(MlpInstructionSet set) {
  const auto sets = mlp_instruction_sets();
  require(std::find(sets.begin(), sets.end(), set) != sets.end(), "set",
          "must be one that this processor can run", std::string(to_string(set)));
#if defined(__x86_64__)
  if (set == MlpInstructionSet::avx512) return kAvx512MlpKernels;
  if (set == MlpInstructionSet::avx2) return kAvx2MlpKernels;
#endif
  return kPortableMlpKernels;
}

/// While it lives, numbers below 1.2e-38 count as zero on this thread: the momentum of a unit that
/// no example reaches any more shrinks to such numbers and stays there, and many processors take a
/// hundred cycles for each.
class FlushSubnormals {
 public:
#if defined(__x86_64__)
  FlushSubnormals() { __builtin_ia32_ldmxcsr(saved_ | 0x8040); }
  ~FlushSubnormals() { __builtin_ia32_ldmxcsr(saved_); }

 private:
  unsigned saved_ = __builtin_ia32_stmxcsr();
#else
  FlushSubnormals() {}
#endif
};

// ---- storage ----

/// Floats that begin on a cache line, zero at first.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(int64_t count)
      : lines_(static_cast<std::size_t>(round_up(count, kCacheLineFloats) / kCacheLineFloats)) {}
  float* data() { return lines_.empty() ? nullptr : lines_.front().floats; }
  const float* data() const { return lines_.empty() ? nullptr : lines_.front().floats; }

 private:
  struct alignas(64) Line {
    float floats[kCacheLineFloats] = {};
  };
  std::vector<Line> lines_;
};

/// Where the parameters of one layer are.
///
/// The weights are a panel matrix (mlp_kernel_set.h). The forward product reads W' [in, out], the
/// product for the gradient of the inputs reads W [out, in]. One of the two is the weights proper,
/// which the optimiser updates; layers with `transposed` keep W and a copy W' that is renewed after
/// each update.
struct Layer {
  int64_t in;
  int64_t out;
  int64_t in_columns;   ///< `in` rounded up to lanes
  int64_t out_columns;  ///< `out` rounded up to lanes
  bool transposed;
  int64_t flat;     ///< of its weights in the caller's vector
  int64_t weights;  ///< in the packed parameters
  int64_t bias;     ///< in the packed parameters
  int64_t copy;     ///< of W' in the copies

  int64_t packed_rows() const { return transposed ? out : in; }
  int64_t packed_columns() const { return transposed ? in_columns : out_columns; }

  /// Position of W[o, i] in the packed parameters.
  int64_t position(int64_t o, int64_t i, int64_t lanes) const {
    const int64_t row = transposed ? o : i;
    const int64_t column = transposed ? i : o;
    const int64_t panel = column / (2 * lanes) * (2 * lanes);
    const int64_t width = std::min(2 * lanes, packed_columns() - panel);
    return weights + panel * packed_rows() + row * width + (column - panel);
  }
};

/// The parameters of one model as the kernels like them: panel matrices with widths rounded up to
/// whole vectors. What is added by rounding is zero and stays zero under every update.
class Layout {
 public:
  Layout(const MlpShape& shape, int64_t lanes, int64_t batch) : lanes_(lanes) {
    int64_t flat = 0;
    for (int64_t l = 0; l < shape.layers(); ++l) {
      Layer layer{};
      layer.in = shape.widths[l];
      layer.out = shape.widths[l + 1];
      layer.in_columns = round_up(layer.in, lanes);
      layer.out_columns = round_up(layer.out, lanes);
      layer.transposed = l > 0 || wastes_columns(layer, batch);
      layer.flat = flat;
      layer.weights = packed_;
      layer.bias =
          packed_ + round_up(layer.packed_rows() * layer.packed_columns(), kCacheLineFloats);
      layer.copy = copies_;
      flat += (layer.in + 1) * layer.out;
      packed_ = layer.bias + round_up(layer.out_columns, kCacheLineFloats);
      if (layer.transposed) copies_ += round_up(layer.in * layer.out_columns, kCacheLineFloats);
      layers_.push_back(layer);
    }
  }

  const std::vector<Layer>& layers() const { return layers_; }
  int64_t lanes() const { return lanes_; }
  int64_t packed_size() const { return packed_; }
  int64_t copies_size() const { return copies_; }

  void pack(const float* flat, float* packed) const {
    for_each([&](int64_t from, int64_t to) { packed[to] = flat[from]; });
  }
  void unpack(const float* packed, float* flat) const {
    for_each([&](int64_t to, int64_t from) { flat[to] = packed[from]; });
  }

 private:
  /// Whether computing the gradient on rounded-up outputs costs the first layer, whose input
  /// gradient nobody needs, more than the copy: about batch / (2 lanes) cycles a weight that is
  /// only rounding, against .4 a weight.
  bool wastes_columns(const Layer& layer, int64_t batch) const {
    const int64_t rounding = layer.out_columns - layer.out;
    return 5 * rounding * batch > 4 * lanes_ * layer.out_columns;
  }

  /// Calls f(position in the flat vector, position in the packed parameters) for each parameter.
  template <typename F>
  void for_each(const F& f) const {
    for (const Layer& layer : layers_) {
      int64_t flat = layer.flat;
      for (int64_t o = 0; o < layer.out; ++o)
        for (int64_t i = 0; i < layer.in; ++i) f(flat++, layer.position(o, i, lanes_));
      for (int64_t o = 0; o < layer.out; ++o) f(flat++, layer.bias + o);
    }
  }

  std::vector<Layer> layers_;
  int64_t lanes_;
  int64_t packed_ = 0;
  int64_t copies_ = 0;
};

/// Row length of activations: whole vectors, and no multiple of 256 bytes, as rows that far apart
/// share few places of the L1 cache.
int64_t activation_stride(int64_t width, int64_t lanes) {
  const int64_t columns = round_up(width, lanes);
  return columns % 64 == 0 ? columns + lanes : columns;
}

// ---- one model ----

/// The packed weights of one model and the forward pass.
class Network {
 public:
  Network(const MlpShape& shape, const MlpKernelSet& kernels, int64_t batch,
          std::span<const float> parameters)
      : kernels_(kernels),
        layout_(shape, kernels.lanes, batch),
        weights_(layout_.packed_size()),
        copies_(layout_.copies_size()) {
    rows_ = round_up(std::min(batch, kPartRows), kMostLanes);
    layout_.pack(parameters.data(), weights_.data());
    for (const Layer& layer : layout_.layers()) {
      strides_.push_back(activation_stride(layer.in, kernels.lanes));
      activations_.emplace_back(rows_ * strides_.back());
      renew_copy(layer);
    }
    strides_.push_back(activation_stride(shape.outputs(), kernels.lanes));
    activations_.emplace_back(rows_ * strides_.back());
  }

  const MlpKernelSet& kernels() const { return kernels_; }
  const Layout& layout() const { return layout_; }
  int64_t rows() const { return rows_; }
  float* weights() { return weights_.data(); }
  const float* weights() const { return weights_.data(); }

  /// Input of layer l, l = layers: the outputs. [rows, stride(l)]
  float* activations(int64_t l) { return activations_[static_cast<std::size_t>(l)].data(); }
  int64_t stride(int64_t l) const { return strides_[static_cast<std::size_t>(l)]; }

  void renew_copy(const Layer& layer) {
    if (layer.transposed)
      kernels_.transpose(weights_.data() + layer.weights, layer.out, layer.in,
                         copies_.data() + layer.copy);
  }

  /// From inputs [rows, stride] through all layers.
  void forward(const float* inputs, int64_t stride, int64_t rows) {
    const auto& layers = layout_.layers();
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Layer& layer = layers[l];
      const bool last = l + 1 == layers.size();
      kernels_.product(
          {.a = l == 0 ? inputs : activations_[l].data(),
           .a_stride = l == 0 ? stride : strides_[l],
           .b = layer.transposed ? copies_.data() + layer.copy : weights_.data() + layer.weights,
           .bias = weights_.data() + layer.bias,
           .c = activations_[l + 1].data(),
           .c_stride = strides_[l + 1],
           .mask = nullptr,
           .rows = rows,
           .depth = layer.in,
           .columns = layer.out_columns,
           .finish = last ? ProductFinish::none : ProductFinish::relu});
    }
  }

 private:
  const MlpKernelSet& kernels_;
  Layout layout_;
  int64_t rows_;
  AlignedFloats weights_;
  AlignedFloats copies_;
  std::vector<int64_t> strides_;
  std::vector<AlignedFloats> activations_;
};

int64_t largest_batch(std::span<const int64_t> offsets) {
  int64_t largest = 1;
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s)
    largest = std::max(largest, offsets[s + 1] - offsets[s]);
  return largest;
}

class Trainer {
 public:
  Trainer(const MlpTraining& training, const MlpState& state, const MlpKernelSet& kernels)
      : training_(training),
        network_(training.shape, kernels, largest_batch(training.batch_offsets), state.parameters),
        sgd_(std::get_if<MlpSgd>(&training.optimizer)),
        clips_(std::isfinite(training.max_gradient_norm)),
        gradients_(network_.layout().packed_size()),
        first_(packed(state.first_moment)),
        second_(packed(sgd_ ? std::vector<float>{} : state.second_moment)),
        labels_(static_cast<std::size_t>(network_.rows())) {
    int64_t widest = 0;
    for (int64_t l = 1; l < training.shape.layers(); ++l)
      widest = std::max(widest, network_.stride(l));
    for (AlignedFloats& delta : deltas_) delta = AlignedFloats(network_.rows() * widest);
    scratch_ = AlignedFloats(kSoftmaxGroups * kernels.lanes *
                             round_up(training.shape.outputs(), kernels.lanes));
  }

  /// One step; false, with nothing updated, if its mean loss `loss` is not finite.
  bool step(int64_t s, double& loss) {
    const FlushSubnormals flush;
    const int64_t begin = training_.batch_offsets[s];
    const int64_t batch = training_.batch_offsets[s + 1] - begin;
    const int64_t parts = (batch + kPartRows - 1) / kPartRows;
    // With one part and no norm to wait for, weights are updated while their gradient is in
    // registers.
    const bool at_once = parts == 1 && sgd_ != nullptr && !clips_;
    const SgdStep sgd = sgd_step(s);

    loss = 0;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t from = batch * part / parts;
      const int64_t rows = batch * (part + 1) / parts - from;
      const int64_t* ids = training_.batch_rows.data() + begin + from;
      network_.kernels().gather(training_.inputs.data(), training_.shape.inputs(), ids, rows,
                                network_.activations(0), network_.stride(0));
      network_.forward(network_.activations(0), network_.stride(0), rows);
      loss += std::visit(
          [&](const auto& objective) { return loss_and_delta(objective, ids, rows, batch); },
          training_.objective);
      if (part + 1 == parts && !std::isfinite(loss)) return false;
      backward(rows,
               at_once     ? GradientFinish::sgd
               : part == 0 ? GradientFinish::store
                           : GradientFinish::add,
               sgd);
    }
    if (!at_once) update(s, sgd);
    return true;
  }

  void write(int64_t steps, MlpState& state) const {
    state.steps = steps;
    unpack(network_.weights(), state.parameters);
    state.first_moment.clear();
    state.second_moment.clear();
    if (sgd_ == nullptr || sgd_->momentum != 0) unpack(first_.data(), state.first_moment);
    if (sgd_ == nullptr) unpack(second_.data(), state.second_moment);
  }

 private:
  AlignedFloats packed(const std::vector<float>& flat) const {
    AlignedFloats out(network_.layout().packed_size());
    if (!flat.empty()) network_.layout().pack(flat.data(), out.data());
    return out;
  }

  void unpack(const float* packed, std::vector<float>& flat) const {
    flat.resize(static_cast<std::size_t>(training_.shape.parameter_count()));
    network_.layout().unpack(packed, flat.data());
  }

  SgdStep sgd_step(int64_t s) const {
    const MlpSgd rule = sgd_ ? *sgd_ : MlpSgd{};
    return {static_cast<float>(training_.learning_rates[s]), static_cast<float>(rule.momentum),
            static_cast<float>(rule.weight_decay), rule.nesterov};
  }

  /// Mean loss of these rows as a part of `batch`; the outputs become its gradient.
  double loss_and_delta(const MlpCrossEntropy& objective, const int64_t* ids, int64_t rows,
                        int64_t batch) {
    for (int64_t i = 0; i < rows; ++i)
      labels_[i] = static_cast<std::int32_t>(objective.labels[ids[i]]);
    const int64_t layers = training_.shape.layers();
    const double sum = network_.kernels().softmax_loss(
        {.z = network_.activations(layers),
         .stride = network_.stride(layers),
         .rows = rows,
         .classes = training_.shape.outputs(),
         .labels = labels_.data(),
         .smoothing = static_cast<float>(objective.label_smoothing),
         .scale = static_cast<float>(1.0 / static_cast<double>(batch)),
         .scratch = scratch_.data()});
    return sum / static_cast<double>(batch);
  }

  double loss_and_delta(const MlpSquaredError& objective, const int64_t* ids, int64_t rows,
                        int64_t batch) {
    const int64_t outputs = training_.shape.outputs();
    const int64_t layers = training_.shape.layers();
    const double count = static_cast<double>(batch * outputs);
    const auto scale = static_cast<float>(2 / count);
    double sum = 0;
    for (int64_t i = 0; i < rows; ++i) {
      float* z = network_.activations(layers) + i * network_.stride(layers);
      const float* target = objective.targets.data() + ids[i] * outputs;
      for (int64_t o = 0; o < outputs; ++o) {
        const float error = z[o] - target[o];
        sum += static_cast<double>(error) * static_cast<double>(error);
        z[o] = scale * error;
      }
    }
    return sum / count;
  }

  void backward(int64_t rows, GradientFinish finish, const SgdStep& sgd) {
    const MlpKernelSet& kernels = network_.kernels();
    const auto& layers = network_.layout().layers();
    const bool at_once = finish == GradientFinish::sgd;
    const float* delta = network_.activations(training_.shape.layers());
    for (int64_t l = training_.shape.layers() - 1; l >= 0; --l) {
      const Layer& layer = layers[static_cast<std::size_t>(l)];
      const float* inputs = network_.activations(l);
      const int64_t stride = network_.stride(l);
      const int64_t delta_stride = network_.stride(l + 1);
      // The gradient of the layer's inputs, before its weights change.
      float* next = deltas_[static_cast<std::size_t>(l % 2)].data();
      if (l > 0) {
        kernels.product({.a = delta,
                         .a_stride = delta_stride,
                         .b = network_.weights() + layer.weights,
                         .bias = nullptr,
                         .c = next,
                         .c_stride = stride,
                         .mask = inputs,
                         .rows = rows,
                         .depth = layer.out,
                         .columns = layer.in_columns,
                         .finish = ProductFinish::mask});
      }
      float* target = at_once ? network_.weights() : gradients_.data();
      kernels.gradient({.a = layer.transposed ? delta : inputs,
                        .a_stride = layer.transposed ? delta_stride : stride,
                        .d = layer.transposed ? inputs : delta,
                        .d_stride = layer.transposed ? stride : delta_stride,
                        .target = target + layer.weights,
                        .momentum = first_.data() + layer.weights,
                        .rows = layer.packed_rows(),
                        .depth = rows,
                        .columns = layer.packed_columns(),
                        .finish = finish,
                        .sgd = sgd});
      float* bias = gradients_.data() + layer.bias;
      kernels.column_sums(delta, delta_stride, rows, layer.out_columns,
                          finish == GradientFinish::add, bias);
      if (at_once) {
        kernels.sgd(sgd, layer.out_columns, bias, 1, network_.weights() + layer.bias,
                    first_.data() + layer.bias);
        network_.renew_copy(layer);
      }
      delta = next;
    }
  }

  void update(int64_t s, const SgdStep& sgd) {
    const MlpKernelSet& kernels = network_.kernels();
    const int64_t count = network_.layout().packed_size();
    float scale = 1;
    if (clips_) {
      const double norm = std::sqrt(kernels.sum_of_squares(gradients_.data(), count));
      scale = static_cast<float>(std::min(1.0, training_.max_gradient_norm / (norm + 1e-6)));
    }
    if (sgd_ != nullptr) {
      kernels.sgd(sgd, count, gradients_.data(), scale, network_.weights(), first_.data());
    } else {
      kernels.adamw(adamw_step(s), count, gradients_.data(), scale, network_.weights(),
                    first_.data(), second_.data());
    }
    for (const Layer& layer : network_.layout().layers()) network_.renew_copy(layer);
  }

  AdamWStep adamw_step(int64_t s) const {
    const auto& adam = std::get<MlpAdamW>(training_.optimizer);
    const double rate = training_.learning_rates[s];
    const auto t = static_cast<double>(s + 1);
    return {.keep = static_cast<float>(1 - rate * adam.weight_decay),
            .rate = static_cast<float>(rate / (1 - std::pow(adam.beta1, t))),
            .beta2 = static_cast<float>(adam.beta2),
            .first_share = static_cast<float>(1 - adam.beta1),
            .second_share = static_cast<float>(1 - adam.beta2),
            .second_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(adam.beta2, t))),
            .epsilon = static_cast<float>(adam.epsilon)};
  }

  const MlpTraining& training_;
  Network network_;
  const MlpSgd* sgd_;  ///< null for AdamW
  bool clips_;
  AlignedFloats gradients_;
  AlignedFloats first_;
  AlignedFloats second_;
  std::vector<std::int32_t> labels_;
  std::array<AlignedFloats, 2> deltas_;  ///< of the layer in hand and the one before, in turn
  AlignedFloats scratch_;
};

}  // namespace

int64_t MlpShape::parameter_count() const {
  int64_t count = 0;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) count += (widths[l] + 1) * widths[l + 1];
  return count;
}

std::string_view to_string(MlpInstructionSet set) {
  switch (set) {
    case MlpInstructionSet::portable:
      return "portable";
    case MlpInstructionSet::avx2:
      return "avx2";
    case MlpInstructionSet::avx512:
      return "avx512";
  }
  return "unknown";
}

std::span<const MlpInstructionSet> mlp_instruction_sets() {
  static const std::vector<MlpInstructionSet> sets = [] {
    std::vector<MlpInstructionSet> found{MlpInstructionSet::portable};
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2) found.push_back(MlpInstructionSet::avx2);
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
      found.push_back(MlpInstructionSet::avx512);
#endif
    return found;
  }();
  return sets;
}

std::optional<int64_t> train_mlp(const MlpTraining& training, MlpState& state,
                                 std::span<double> losses, MlpInstructionSet set) {
  check(training, state, losses);
  Trainer trainer(training, state, kernels_of(set));
  const auto steps = static_cast<int64_t>(training.learning_rates.size());
  auto checkpoint = std::upper_bound(training.checkpoint_steps.begin(),
                                     training.checkpoint_steps.end(), state.steps);
  for (int64_t s = state.steps; s < steps; ++s) {
    if (!trainer.step(s, losses[static_cast<std::size_t>(s)])) {
      trainer.write(s, state);
      return s;
    }
    if (checkpoint != training.checkpoint_steps.end() && *checkpoint == s + 1) {
      ++checkpoint;
      trainer.write(s + 1, state);
      training.on_checkpoint({s + 1, state.parameters, state.first_moment, state.second_moment});
    }
  }
  trainer.write(steps, state);
  return std::nullopt;
}

void mlp_forward(const MlpShape& shape, std::span<const float> parameters,
                 std::span<const float> inputs, std::span<float> outputs, MlpInstructionSet set) {
  check_shape(shape);
  const int64_t rows = rows_of(shape, inputs);
  require_size("parameters", parameters.size(), shape.parameter_count());
  require_size("outputs", outputs.size(), rows * shape.outputs());
  Network network(shape, kernels_of(set), kPartRows, parameters);
  for (int64_t from = 0; from < rows; from += kPartRows) {
    const int64_t here = std::min(kPartRows, rows - from);
    network.forward(inputs.data() + from * shape.inputs(), shape.inputs(), here);
    const float* z = network.activations(shape.layers());
    for (int64_t i = 0; i < here; ++i)
      std::copy_n(z + i * network.stride(shape.layers()), shape.outputs(),
                  outputs.data() + (from + i) * shape.outputs());
  }
}

}  // namespace modeldiff
