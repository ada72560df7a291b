#pragma once

#include <ATen/ATen.h>
#include <dlfcn.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "modeldiff/core/plugin.h"
#include "modeldiff/core/random.h"
#include "modeldiff/proposer.h"

namespace modeldiff::testing {

inline at::Tensor drawn_images(std::int64_t n, std::vector<std::int64_t> shape,
                               std::uint64_t seed) {
  shape.insert(shape.begin(), n);
  at::Tensor out = at::empty(shape, at::kFloat);
  RandomStream(seed).fill_uniform(out.mutable_data_ptr<float>(), out.numel(), 0, 1);
  return out;
}

class SilentProgress final : public Progress {
 public:
  void update(double, const std::string&) override {}
  void check_stop() const override {}
};

/// A proposer plugin of the build, and training examples and one direction for it to propose from.
class ProposerBench {
 public:
  /// @param params keys that differ from the defaults
  ProposerBench(const std::string& name, std::vector<std::int64_t> input_shape,
                const Json& params = Json::object()) {
    const std::string file =
        std::string(MODELDIFF_BUILD_DIR) + "/plugins/proposers/" + name + ".so";
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(dlerror());
    const auto entry = reinterpret_cast<const PluginInfo* (*)()>(dlsym(library, kPluginSymbol));
    if (!entry) throw std::runtime_error(file + " exports no " + kPluginSymbol);
    plugin_ = entry()->create(params);
    facts_.input_shape = input_shape;
    facts_.outputs = 2;
    facts_.fill.assign(static_cast<std::size_t>(input_shape[0]), 0.25f);
    facts_.mean.assign(static_cast<std::size_t>(input_shape[0]), 0.25f);
    train_.inputs = drawn_images(kExamples, input_shape, 1);
    train_.targets = at::arange(kExamples).remainder(2);
    // Falls from the first example to the last.
    const at::Tensor weights = at::linspace(1, -1, kExamples);
    directions_.push_back({"A", "B", 0, weights / weights.norm(), at::zeros({3}), 0.01});
  }

  /// For plugins with the trait "runs": "screen".
  void give(InputRuns runs, Examples screen) {
    runs_ = std::move(runs);
    screen_ = std::move(screen);
  }

  std::vector<Transformation> propose(std::uint64_t seed = 3) const {
    SilentProgress progress;
    return proposer().propose({.facts = facts_,
                               .train = train_,
                               .directions = directions_,
                               .seed = seed,
                               .runs = runs_,
                               .screen = screen_,
                               .progress = progress});
  }
  Transformation find(const std::string& label) const {
    for (Transformation& one : propose()) {
      if (one.label == label) return std::move(one);
    }
    throw std::runtime_error("nothing is called '" + label + "'");
  }
  at::Tensor apply(const Transformation& transformation, const at::Tensor& images) const {
    return proposer().apply(transformation, images);
  }
  at::Tensor apply(const std::string& label, const at::Tensor& images) const {
    return apply(find(label), images);
  }

  const Proposer& proposer() const { return dynamic_cast<const Proposer&>(*plugin_); }
  const Examples& train() const { return train_; }
  Examples& train() { return train_; }

  static constexpr std::int64_t kExamples = 24;

 private:
  std::unique_ptr<Plugin> plugin_;
  DataFacts facts_;
  Examples train_;
  std::vector<Direction> directions_;
  InputRuns runs_;
  Examples screen_;
};

}  // namespace modeldiff::testing
