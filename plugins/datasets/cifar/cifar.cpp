// CIFAR-10 and CIFAR-100 from the official binary files.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cifar_params.h"
#include "cifar_reader.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"

namespace modeldiff {
namespace {

at::Tensor label_tensor(const std::vector<std::int64_t>& labels) {
  return at::tensor(labels, at::kLong);
}

Examples examples_of(const CifarPart& part, bool coarse) {
  Examples out;
  out.inputs = at::empty({static_cast<std::int64_t>(part.labels.size()), 3, 32, 32}, at::kByte);
  std::copy(part.images.begin(), part.images.end(), out.inputs.data_ptr<std::uint8_t>());
  out.targets = label_tensor(coarse ? part.coarse : part.labels);
  if (coarse) out.groups = label_tensor(part.labels);
  return out;
}

class CifarSource final : public DatasetSource {
 public:
  explicit CifarSource(CifarParams params) : params_(std::move(params)) {}

  Dataset load(const Resources& resources) const override {
    const std::filesystem::path path = resources.resolve(params_.path);
    const Cifar cifar = read_cifar(path);
    const bool coarse = params_.labels == CifarLabels::coarse;
    if (coarse && !cifar.hundred) {
      throw ConfigError("labels",
                        fmt::format("'{}' is CIFAR-10, which has no coarse labels", path.string()));
    }
    Dataset data;
    data.train = examples_of(cifar.train, coarse);
    data.test = examples_of(cifar.test, coarse);
    data.facts.name = cifar.hundred ? "cifar100" : "cifar10";
    data.facts.input_shape = {3, 32, 32};
    data.facts.class_names = coarse ? cifar.coarse_names : cifar.class_names;
    data.facts.outputs = static_cast<std::int64_t>(data.facts.class_names.size());
    if (coarse) data.facts.groups = cifar.class_names;
    data.facts.mean.assign(params_.mean.begin(), params_.mean.end());
    data.facts.deviation.assign(params_.deviation.begin(), params_.deviation.end());
    data.facts.fill = data.facts.mean;
    data.facts.source = fmt::format("CIFAR-{}, binary version, '{}' (Krizhevsky 2009)",
                                    cifar.hundred ? 100 : 10, params_.path.text);
    return data;
  }

 private:
  CifarParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "cifar", "1.0",
                 "CIFAR-10 and CIFAR-100 from the official binary files", CifarSource, CifarParams,
                 "{}")

}  // namespace modeldiff
