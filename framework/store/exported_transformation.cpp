#include "store/exported_transformation.h"

#include <fmt/format.h>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

constexpr const char* kMetadata = "modeldiff.transformation";

}  // namespace

void write_exported(const std::filesystem::path& file, const ExportedTransformation& exported) {
  const Json about{{"transformation", exported.transformation},
                   {"plugin_version", exported.plugin_version},
                   {"input_shape", exported.input_shape},
                   {"claim", exported.claim}};
  std::filesystem::remove(file);
  write_safetensors(file, exported.tensors, {{kMetadata, about.dump()}});
}

ExportedTransformation read_exported(const std::filesystem::path& file) {
  const SafetensorsFile content(file);
  const auto refuse = [&](const std::string& what) {
    throw DataError(fmt::format(
        "'{}' holds no transformation: {}; `modeldiff transform RESULT NUMBER --export FILE` makes "
        "such a file",
        file.string(), what));
  };
  const auto about = content.metadata().find(kMetadata);
  if (about == content.metadata().end()) refuse(fmt::format("no metadata '{}'", kMetadata));
  ExportedTransformation out;
  try {
    const Json json = Json::parse(about->second);
    out = {json.at("transformation"), json.at("plugin_version"), json.at("input_shape"),
           json.at("claim"), content.tensors()};
    out.proposer();
    out.label();
  } catch (const Json::exception& e) {
    refuse(e.what());
  }
  if (out.input_shape.size() != 3) refuse("it is not for images");
  return out;
}

}  // namespace modeldiff
