#include "features.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/layers.h"
#include "project_layer.h"

namespace modeldiff::trak {
namespace {

constexpr std::int64_t kForwardBytes = std::int64_t{256} << 20;
constexpr std::int64_t kMostRows = 4096;
/// Rows of the pass that tells how much memory an example takes.
constexpr std::int64_t kProbeRows = 16;
/// Inputs and outputs of the layers, their gradients, and what autograd keeps.
constexpr std::int64_t kCopies = 3;

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
  if (request.kind != ProjectionKind::identity) {
    add_projected_layer(LayerProjection(request.kind, request.seed, record.name), record, delta,
                        phi);
    return;
  }
  const ParameterRange range = range_of(*request.predictor.model, record);
  for_gradient_blocks(record, delta, [&](const GradientBlock& block) {
    phi.narrow(1, range.offset + block.first, block.gradients.size(1)) += block.gradients;
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

Features features(const FeatureRequest& request, const Examples& examples,
                  const FeatureMemory& memory) {
  const std::int64_t n = examples.size();
  const bool projected = request.kind != ProjectionKind::identity;
  const at::ScalarType type = projected ? at::kFloat : request.weights.parameters.scalar_type();
  Features out{FeatureRows(n, request.columns, type, memory), at::empty({n}, type)};
  const std::int64_t at_once = n > 0 ? rows_at_once(request, examples) : 1;
  for (std::int64_t begin = 0; begin < n; begin += at_once) {
    request.progress.check_stop();
    const std::int64_t end = std::min(n, begin + at_once);
    TapedPass pass = tape_pass(request, examples, begin, end);
    if (begin == 0) check_complete(*request.predictor.model, pass.records);
    const at::NoGradGuard no_gradients;
    at::Tensor phi = at::zeros({end - begin, request.columns}, type);
    for (std::size_t layer = 0; layer < pass.records.size(); ++layer) {
      add_layer(request, pass.records[layer], pass.output_gradients[layer], phi);
      pass.records[layer] = {};
      pass.output_gradients[layer].reset();
    }
    if (projected) phi.div_(std::sqrt(static_cast<double>(request.columns)));
    out.rows.write(begin, phi);
    out.one_minus_p.slice(0, begin, end).copy_(pass.one_minus_p);
  }
  return out;
}

}  // namespace modeldiff::trak
