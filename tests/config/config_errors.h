#pragma once

#include <string>

#include "modeldiff/core/error.h"

/// "file:line:column message", one line for each diagnostic of the ConfigError that `act` must
/// throw; "no error" otherwise.
template <typename Act>
std::string config_errors(Act&& act) {
  try {
    act();
  } catch (const modeldiff::ConfigError& e) {
    std::string text;
    for (const modeldiff::Diagnostic& d : e.diagnostics()) {
      if (!text.empty()) text += '\n';
      if (!d.where.text().empty()) text += d.where.text() + " ";
      text += d.message;
    }
    return text;
  }
  return "no error";
}
