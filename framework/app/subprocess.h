#pragma once

#include <string>
#include <vector>

namespace modeldiff {

struct ProgramOutput {
  /// As a shell gives it: 127 when the program cannot be started, 128 + number after a signal.
  int exit_code = 0;
  std::string text;
};

/// Runs a program and waits for it; its standard error is ours.
/// @param command program, searched in PATH when it has no '/', and arguments
/// @param capture whether standard output is returned rather than shown
ProgramOutput run_program(const std::vector<std::string>& command, bool capture);

}  // namespace modeldiff
