#include "check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <string>

namespace modeldiff {
namespace {

class Findings {
 public:
  void add(std::string path, std::string message) {
    list_.push_back({{}, std::move(path), std::move(message)});
  }
  std::vector<Diagnostic> take() { return std::move(list_); }

 private:
  std::vector<Diagnostic> list_;
};

template <typename E>
const char* name_of(E value) {
  const auto entry = std::find_if(std::begin(Choices<E>::names), std::end(Choices<E>::names),
                                  [&](const auto& e) { return e.first == value; });
  return entry->second;
}

void check_length(const SgdParams& params, Findings& found) {
  if (params.epochs && params.steps) found.add("steps", "goes without `epochs`; both are given");
  if (!params.epochs && !params.steps)
    found.add("epochs", "is missing: how long to train, or `steps` in its place");
}

void check_optimizer(const SgdParams& params, Findings& found) {
  if (!params.nesterov) return;
  if (params.optimizer != OptimizerKind::sgd) {
    found.add("nesterov", "belongs to the optimizer `sgd`, not to `adamw`");
  } else if (params.momentum == 0) {
    found.add("nesterov", "needs a `momentum` above 0");
  }
}

/// The keys of AugmentationParams that say how strong a kind is.
struct AugmentationKeys {
  AugmentationKind kind;
  std::vector<std::string> takes;
};

const AugmentationKeys& keys_of(AugmentationKind kind) {
  static const AugmentationKeys all[] = {
      {AugmentationKind::flip, {}},           {AugmentationKind::crop, {"pad", "scale"}},
      {AugmentationKind::shift, {"pixels"}},  {AugmentationKind::rotate, {"degrees"}},
      {AugmentationKind::colour, {"jitter"}}, {AugmentationKind::cutout, {"size"}},
      {AugmentationKind::erase, {"region"}},  {AugmentationKind::mixup, {"alpha"}}};
  return *std::find_if(std::begin(all), std::end(all),
                       [&](const auto& keys) { return keys.kind == kind; });
}

void check_augmentation(const AugmentationParams& params, const std::string& path,
                        Findings& found) {
  const std::pair<const char*, bool> given[] = {
      {"pad", params.pad.has_value()},       {"scale", params.scale.has_value()},
      {"pixels", params.pixels.has_value()}, {"degrees", params.degrees.has_value()},
      {"jitter", params.jitter.has_value()}, {"size", params.size.has_value()},
      {"region", params.region.has_value()}, {"alpha", params.alpha.has_value()}};
  const std::vector<std::string>& takes = keys_of(params.kind).takes;
  bool complete = takes.empty();
  for (const auto& [key, is_given] : given) {
    if (!is_given) continue;
    if (std::find(takes.begin(), takes.end(), key) != takes.end()) {
      complete = true;
      continue;
    }
    const std::string others =
        takes.empty() ? "" : fmt::format(", which takes {}", fmt::join(takes, " and "));
    found.add(fmt::format("{}.{}", path, key),
              fmt::format("is no key of `{}`{}", name_of(params.kind), others));
  }
  if (!complete) {
    found.add(path, fmt::format("`{}` needs {}: how strong it is", name_of(params.kind),
                                fmt::join(takes, " or ")));
  }
}

void check_init(const InitParams& init, Findings& found) {
  if (init.run && !init.from) found.add("init.run", "needs `from`, the algorithm whose run it is");
  if (init.from && init.file) found.add("init.file", "goes without `from`; both are given");
  if (!init.from && !init.file && init.replace_head) {
    found.add("init.replace_head", "needs `from` or `file`: fresh weights have a fresh head");
  }
}

/// "tables of 8 columns".
std::string described(const DataFacts& facts) {
  return facts.images()
             ? fmt::format("images of {}x{} pixels", facts.input_shape[1], facts.input_shape[2])
             : fmt::format("tables of {} columns",
                           facts.input_shape.empty() ? 0 : facts.input_shape[0]);
}

void check_region(const Region& region, const std::string& path, const DataFacts& facts,
                  Findings& found) {
  if (!facts.images()) {
    found.add(path, fmt::format("hides pixels, and the inputs of '{}' are {}", facts.name,
                                described(facts)));
    return;
  }
  try {
    region.mask(facts.input_shape[1], facts.input_shape[2]);
  } catch (const ShapeError& e) {
    found.add(path, e.what());
  }
}

}  // namespace

std::vector<Diagnostic> contradictions(const SgdParams& params) {
  Findings found;
  check_length(params, found);
  check_optimizer(params, found);
  for (Diagnostic& d : contradictions(params.schedule))
    found.add("schedule." + d.path, std::move(d.message));
  for (std::size_t i = 0; i < params.augment.size(); ++i) {
    check_augmentation(params.augment[i], fmt::format("augment[{}]", i), found);
  }
  check_init(params.init, found);
  return found.take();
}

std::vector<Diagnostic> misfits(const SgdParams& params, const DataFacts& facts) {
  Findings found;
  if (params.input_mask) check_region(*params.input_mask, "input_mask", facts, found);
  if (params.label_smoothing > 0 && facts.task == Task::regression) {
    found.add("label_smoothing",
              fmt::format("spreads labels over classes, and '{}' is a regression", facts.name));
  }
  for (std::size_t i = 0; i < params.augment.size(); ++i) {
    const AugmentationParams& augmentation = params.augment[i];
    const std::string path = fmt::format("augment[{}]", i);
    if (augmentation.kind == AugmentationKind::mixup) continue;
    if (augmentation.region) {
      check_region(*augmentation.region, path + ".region", facts, found);
    } else if (!facts.images()) {
      found.add(path, fmt::format("`{}` changes images, and the inputs of '{}' are {}",
                                  name_of(augmentation.kind), facts.name, described(facts)));
    }
  }
  return found.take();
}

}  // namespace modeldiff
