#include "app/machine.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace modeldiff {
namespace {

/// What follows the colon of the first line that begins so.
std::string line_of(const char* file, const std::string& start) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(start)) continue;
    const std::size_t value = line.find_first_not_of(" \t", line.find(':') + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

}  // namespace

double free_memory() { return std::atof(line_of("/proc/meminfo", "MemAvailable:").c_str()) * 1024; }

std::string processor_name() { return line_of("/proc/cpuinfo", "model name"); }

std::vector<std::string> processor_features(const std::vector<std::string>& wanted) {
  std::istringstream flags(line_of("/proc/cpuinfo", "flags"));
  const std::set<std::string> there{std::istream_iterator<std::string>(flags), {}};
  std::vector<std::string> out;
  for (const std::string& feature : wanted) {
    if (there.count(feature)) out.push_back(feature);
  }
  return out;
}

}  // namespace modeldiff
