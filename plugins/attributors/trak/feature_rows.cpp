#include "feature_rows.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "modeldiff/core/error.h"

namespace modeldiff::trak {
namespace {

constexpr std::int64_t kMostRowsAtOnce = 4096;

[[noreturn]] void fail(const char* what) {
  throw DataError(
      fmt::format("features that are kept in a file: {}: {}", what, std::strerror(errno)));
}

int nameless_file(const std::filesystem::path& folder) {
  std::string name =
      ((folder.empty() ? std::filesystem::temp_directory_path() : folder) / "features.XXXXXX")
          .string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) fail("it cannot be made");
  ::unlink(name.c_str());
  return file;
}

/// Calls `transfer(data, bytes, offset)`, which does a part, until all is done.
template <typename Transfer>
void transfer_all(char* data, std::int64_t bytes, std::int64_t offset, const char* what,
                  Transfer transfer) {
  while (bytes > 0) {
    const ssize_t done = transfer(data, static_cast<std::size_t>(bytes), offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail(what);
    data += done;
    bytes -= done;
    offset += done;
  }
}

}  // namespace

FeatureRows::FeatureRows(std::int64_t n, std::int64_t k, at::ScalarType type,
                         const FeatureMemory& memory)
    : n_(n), k_(k), rows_at_once_(std::min(n, kMostRowsAtOnce)) {
  const std::int64_t row_bytes = k * static_cast<std::int64_t>(at::elementSize(type));
  if (n * row_bytes > memory.bytes) {
    file_ = nameless_file(memory.scratch);
    rows_at_once_ = std::clamp<std::int64_t>(memory.bytes / row_bytes, 1, rows_at_once_);
  }
  rows_ = at::empty({file_ < 0 ? n : rows_at_once_, k}, type);
}

FeatureRows::FeatureRows(at::Tensor rows)
    : n_(rows.size(0)),
      k_(rows.size(1)),
      rows_at_once_(std::min(n_, kMostRowsAtOnce)),
      rows_(std::move(rows)) {}

FeatureRows::~FeatureRows() {
  if (file_ >= 0) ::close(file_);
}

FeatureRows::FeatureRows(FeatureRows&& other) noexcept
    : n_(other.n_),
      k_(other.k_),
      rows_at_once_(other.rows_at_once_),
      rows_(std::move(other.rows_)),
      file_(std::exchange(other.file_, -1)) {}

void FeatureRows::write(std::int64_t begin, const at::Tensor& rows) {
  if (file_ < 0) {
    rows_.narrow(0, begin, rows.size(0)).copy_(rows);
    return;
  }
  const at::Tensor dense = rows.to(rows_.scalar_type()).contiguous();
  const std::int64_t row_bytes = k_ * static_cast<std::int64_t>(dense.element_size());
  transfer_all(static_cast<char*>(dense.data_ptr()), rows.size(0) * row_bytes, begin * row_bytes,
               "writing it", [&](char* data, std::size_t bytes, std::int64_t offset) {
                 return ::pwrite(file_, data, bytes, offset);
               });
}

void FeatureRows::for_each_block(
    const std::function<void(std::int64_t, const at::Tensor&)>& use) const {
  for (std::int64_t begin = 0; begin < n_; begin += rows_at_once_) {
    const std::int64_t count = std::min(rows_at_once_, n_ - begin);
    if (file_ < 0) {
      use(begin, rows_.narrow(0, begin, count));
      continue;
    }
    const at::Tensor block = rows_.narrow(0, 0, count);
    const std::int64_t row_bytes = k_ * static_cast<std::int64_t>(block.element_size());
    transfer_all(static_cast<char*>(block.data_ptr()), count * row_bytes, begin * row_bytes,
                 "reading it", [&](char* data, std::size_t bytes, std::int64_t offset) {
                   return ::pread(file_, data, bytes, offset);
                 });
    use(begin, block);
  }
}

at::Tensor FeatureRows::all() const {
  if (file_ < 0) return rows_;
  at::Tensor out = at::empty({n_, k_}, rows_.options());
  for_each_block([&](std::int64_t begin, const at::Tensor& rows) {
    out.narrow(0, begin, rows.size(0)).copy_(rows);
  });
  return out;
}

}  // namespace modeldiff::trak
