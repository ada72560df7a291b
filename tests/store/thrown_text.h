#pragma once

#include <string>

/// The text of the error of type E that `act` must throw; "nothing was thrown" otherwise.
template <typename E, typename Act>
std::string thrown_text(Act&& act) {
  try {
    act();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}
