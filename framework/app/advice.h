#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace modeldiff {

/// What is wrong with a command line that could not be parsed, with what was most likely meant.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error, int count,
                        char** arguments);

}  // namespace modeldiff
