// Any bytes are an archive whose names stay inside and whose files keep the limits, or a DataError.

#include <cstdlib>

#include "common/archive_reader.h"
#include "modeldiff/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  modeldiff::ArchiveLimits limits;
  limits.file_bytes = 1 << 20;
  limits.total_bytes = 4 << 20;
  limits.files = 1000;
  std::uint64_t total = 0;
  try {
    modeldiff::read_archive(
        {reinterpret_cast<const char*>(data), size}, "fuzz", limits,
        [](const std::string& name) { return name.size() % 8 != 0; },
        [&](const std::string& name, const std::string& content) {
          total += content.size();
          const bool leaves = name.empty() || name.front() == '/' ||
                              ("/" + name + "/").find("/../") != std::string::npos;
          if (leaves || content.size() > limits.file_bytes || total > limits.total_bytes)
            std::abort();
        });
  } catch (const modeldiff::DataError&) {
  }
  return 0;
}
