#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/file_io.h"

/// Files of named tensors, as Python's `safetensors` reads and writes them: the header's length (8
/// bytes, little endian), the header (JSON: name -> dtype, shape, data_offsets; and `__metadata__`,
/// name -> text), then the tensors' bytes, row-major, without holes.
namespace modeldiff {

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

/// The name in the file: "F32", "BOOL".
std::string_view name_of(DType dtype);
/// Bytes of one element.
std::size_t size_of(DType dtype);

/// A dense, row-major tensor that someone else holds.
struct TensorView {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;  // [] is a scalar
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  /// What keeps `data` alive: the mapped file. Empty when the maker of the view sees to that.
  std::shared_ptr<const void> owner;
};

/// @throws InternalError when a size is negative or `bytes` is not what dtype and shape make
TensorView view_of(DType dtype, std::vector<std::int64_t> shape, const void* data,
                   std::size_t bytes);

struct TensorSpec {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
};

using TensorViews = std::map<std::string, TensorView>;
using TensorMetadata = std::map<std::string, std::string>;

/// Writes tensors whose names, dtypes and shapes are known before their values: the header goes
/// first. The bytes of the file depend on its content alone, not on the order in which tensors are
/// named.
class SafetensorsWriter {
 public:
  /// @throws InternalError on a name that is empty, reserved or given twice, and on a negative size
  SafetensorsWriter(std::filesystem::path path, std::vector<TensorSpec> tensors,
                    const TensorMetadata& metadata = {});

  /// The order in which bytes must come: widest elements first, so that each tensor is aligned,
  /// then by name.
  const std::vector<TensorSpec>& order() const { return tensors_; }
  /// The next bytes, in pieces of any size; a piece may pass from one tensor to the next.
  void write(const void* data, std::size_t bytes);
  /// @throws InternalError when bytes are missing
  FileDigest finish();

 private:
  std::vector<TensorSpec> tensors_;
  std::uint64_t data_bytes_ = 0;
  std::uint64_t written_ = 0;
  std::unique_ptr<OutputFile> file_;
};

FileDigest write_safetensors(const std::filesystem::path& path, const TensorViews& tensors,
                             const TensorMetadata& metadata = {});

/// What the header of a file says, checked against the file: every view lies within `file`, none
/// overlap.
struct SafetensorsIndex {
  TensorViews tensors;
  TensorMetadata metadata;
};

/// @param file the whole file; the views point into it
/// @param path for error texts
/// @throws DataError with the path, what was expected and what was found; nothing is allocated on
/// the header's word
SafetensorsIndex parse_safetensors(std::span<const std::byte> file, const std::string& path);

/// A file, mapped. Views stay valid as long as they, or this, are held.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(std::filesystem::path path);

  bool contains(const std::string& name) const { return index_.tensors.count(name) > 0; }
  /// @throws DataError that lists the names there are
  const TensorView& tensor(const std::string& name) const;
  const TensorViews& tensors() const { return index_.tensors; }
  const TensorMetadata& metadata() const { return index_.metadata; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  SafetensorsIndex index_;
};

}  // namespace modeldiff
