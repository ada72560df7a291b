#include "modeldiff/core/error.h"

#include <fmt/format.h>

namespace modeldiff {
namespace {

std::string summary_of(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) {
    if (!text.empty()) text += '\n';
    if (const std::string where = d.where.text(); !where.empty()) text += where + ": ";
    if (!d.path.empty()) text += d.path + ": ";
    text += d.message;
  }
  return text;
}

}  // namespace

std::string SourceLocation::text() const {
  return known() ? fmt::format("{}:{}:{}", file, line, column) : file;
}

ConfigError::ConfigError(std::vector<Diagnostic> diagnostics)
    : Error(summary_of(diagnostics)), diagnostics_(std::move(diagnostics)) {}
ConfigError::ConfigError(std::string path, std::string message)
    : ConfigError(std::vector<Diagnostic>{{{}, std::move(path), std::move(message)}}) {}

Error::~Error() = default;
ConfigError::~ConfigError() = default;
DataError::~DataError() = default;
PluginError::~PluginError() = default;
NumericalError::~NumericalError() = default;
ShapeError::~ShapeError() = default;
StorageError::~StorageError() = default;
Interrupted::~Interrupted() = default;
InternalError::~InternalError() = default;

void fail_check(const char* condition, const char* file, int line, const std::string& values) {
  throw InternalError(fmt::format("a bug in modeldiff: {} does not hold at {}:{} ({})", condition,
                                  file, line, values));
}

}  // namespace modeldiff
