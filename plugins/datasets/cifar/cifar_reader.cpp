#include "cifar_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "common/archive_reader.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

constexpr std::int64_t kPixels = 3 * 32 * 32;
constexpr const char* kFiles10[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                    "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
constexpr const char* kFiles100[] = {"train.bin", "test.bin"};
constexpr const char* kNames10 = "batches.meta.txt";
constexpr const char* kFineNames = "fine_label_names.txt";
constexpr const char* kCoarseNames = "coarse_label_names.txt";

std::string base_name(const std::string& name) { return name.substr(name.rfind('/') + 1); }

bool is_official(const std::string& name) {
  const std::string base = base_name(name);
  const auto among = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), base) != std::end(names);
  };
  return among(kFiles10) || among(kFiles100) || base == kNames10 || base == kFineNames ||
         base == kCoarseNames;
}

std::uint8_t checked_label(char byte, int classes, const std::string& where, std::size_t record) {
  const auto label = static_cast<std::uint8_t>(byte);
  if (label >= classes) {
    throw DataError(fmt::format("{}: record {} has label {}, expected less than {}", where, record,
                                label, classes));
  }
  return label;
}

void append_records(CifarPart& part, const std::string& bytes, const std::string& where,
                    bool hundred) {
  const std::size_t label_bytes = hundred ? 2 : 1, record_bytes = label_bytes + kPixels;
  if (bytes.empty() || bytes.size() % record_bytes != 0) {
    throw DataError(fmt::format("{}: expected records of {} bytes, found {} bytes, {} too many",
                                where, record_bytes, bytes.size(), bytes.size() % record_bytes));
  }
  for (std::size_t record = 0; record < bytes.size() / record_bytes; ++record) {
    const char* at = bytes.data() + record * record_bytes;
    if (hundred) part.coarse.push_back(checked_label(*at++, 20, where, record));
    part.labels.push_back(checked_label(*at++, hundred ? 100 : 10, where, record));
    part.images.insert(part.images.end(), at, at + kPixels);
  }
}

/// The lines of a file of names, or "0", "1", ... without one.
std::vector<std::string> read_names(const std::map<std::string, std::string>& files,
                                    const char* file, std::size_t count, const std::string& where) {
  std::vector<std::string> names;
  if (const auto found = files.find(file); found != files.end()) {
    std::istringstream lines(found->second);
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) names.push_back(line);
    }
    if (names.size() != count) {
      throw DataError(
          fmt::format("{}: '{}' has {} names, expected {}", where, file, names.size(), count));
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  }
  return names;
}

}  // namespace

Cifar read_cifar(const std::filesystem::path& path) {
  std::map<std::string, std::string> files;  // by base name
  read_files(path, {}, is_official, [&](const std::string& name, std::string content) {
    if (!files.emplace(base_name(name), std::move(content)).second) {
      throw DataError(fmt::format("{}: holds more than one '{}'", path.string(), base_name(name)));
    }
  });

  Cifar out;
  out.hundred = files.contains(kFiles100[0]);
  const std::vector<std::string> expected =
      out.hundred ? std::vector<std::string>(std::begin(kFiles100), std::end(kFiles100))
                  : std::vector<std::string>(std::begin(kFiles10), std::end(kFiles10));
  for (const std::string& name : expected) {
    if (!files.contains(name)) {
      throw DataError(fmt::format(
          "{}: has no '{}'; the binary version of CIFAR-10 has {}, that of CIFAR-100 {}",
          path.string(), name, fmt::join(kFiles10, ", "), fmt::join(kFiles100, ", ")));
    }
    CifarPart& part = name.starts_with("test") ? out.test : out.train;
    append_records(part, files[name], path.string() + ": " + name, out.hundred);
    files.erase(name);
  }
  out.class_names =
      read_names(files, out.hundred ? kFineNames : kNames10, out.hundred ? 100 : 10, path.string());
  if (out.hundred) out.coarse_names = read_names(files, kCoarseNames, 20, path.string());
  return out;
}

}  // namespace modeldiff
