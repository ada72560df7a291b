#include "engine/transform_images.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "config/nearest.h"
#include "engine/transformations.h"
#include "modeldiff/tensors.h"
#include "store/exported_transformation.h"

namespace modeldiff {
namespace {

/// Images that are float32 at one time.
constexpr std::int64_t kImagesAtOnce = 256;

/// With its defaults: what a transformation does does not hang on its plugin's parameters.
std::unique_ptr<Plugin> proposer_of(const std::string& name, PluginRegistry& plugins) {
  const SchemaInfo* schema = plugins.find_schema("proposers", name);
  if (!schema) {
    throw PluginError(fmt::format("there is no proposer '{}'{}", name,
                                  name_advice(name, plugins.names("proposers"), "there are")));
  }
  Json params{{"plugin", name}};
  for (const FieldInfo& field : schema->fields) params[field.name] = field.default_value;
  return plugins.create("proposers", name, params);
}

}  // namespace

void transform_images(const std::filesystem::path& exported, const std::filesystem::path& images,
                      const std::filesystem::path& out, PluginRegistry& plugins) {
  const Transformation transformation =
      transformation_from_json(read_exported(exported).transformation, read_tensors(exported));
  const std::unique_ptr<Plugin> plugin = proposer_of(transformation.proposer, plugins);
  const auto& proposer = dynamic_cast<const Proposer&>(*plugin);
  at::Tensor pixels = read_tensors(images).at("images");
  for (at::Tensor& some : pixels.split(kImagesAtOnce)) {
    const at::Tensor plain = some.to(at::kFloat).div(255);
    some.copy_(as_bytes(apply_checked(proposer, transformation, plain)));
  }
  write_tensors(out, {{"images", pixels}});
}

}  // namespace modeldiff
