#pragma once

#include <memory>
#include <string>

#include "modeldiff/core/error.h"
#include "modeldiff/core/plugin.h"

namespace modeldiff {

/// Makes nested plugins: an algorithm's model.
class MODELDIFF_API PluginFactory {
 public:
  virtual ~PluginFactory();
  /// @throws PluginError when there is no such plugin or its factory throws
  virtual std::unique_ptr<Plugin> create(const std::string& kind,
                                         const PluginChoice& choice) const = 0;

  template <typename T>
  std::unique_ptr<T> create_as(const std::string& kind, const PluginChoice& choice) const {
    std::unique_ptr<Plugin> made = create(kind, choice);
    T* typed = dynamic_cast<T*>(made.get());
    if (!typed) throw PluginError("plugin '" + choice.plugin + "' is not of kind '" + kind + "'");
    made.release();
    return std::unique_ptr<T>(typed);
  }
};

}  // namespace modeldiff
