#include "store/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/core/json.h"

namespace modeldiff {
namespace {

struct DTypeEntry {
  std::string_view name;
  std::size_t bytes;
};

// In the order of DType.
constexpr std::array<DTypeEntry, 10> kDTypes{{{"F64", 8},
                                              {"F32", 4},
                                              {"F16", 2},
                                              {"BF16", 2},
                                              {"I64", 8},
                                              {"I32", 4},
                                              {"I16", 2},
                                              {"I8", 1},
                                              {"U8", 1},
                                              {"BOOL", 1}}};

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignment = 8;
// The reference implementation refuses longer headers.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kMaxDimensions = 64;
constexpr const char* kMetadataName = "__metadata__";

std::optional<DType> dtype_named(std::string_view name) {
  for (std::size_t i = 0; i < kDTypes.size(); ++i) {
    if (kDTypes[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

/// Bytes of a tensor; nothing when the product does not fit.
std::optional<std::uint64_t> byte_count(DType dtype, const std::vector<std::int64_t>& shape) {
  std::uint64_t count = size_of(dtype);
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count))
      return std::nullopt;
  }
  return count;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// One tensor as the header tells it, not yet believed.
struct HeaderEntry {
  std::optional<std::string> dtype;
  std::optional<std::vector<std::int64_t>> shape;
  std::vector<std::uint64_t> offsets;
  bool has_offsets = false;
};

/// Reads the header in one pass: no tree is built, depth is bounded by the states, and the first
/// thing that is not as it must be ends the parse with a sentence in `problem`.
class HeaderParser final : public nlohmann::json_sax<Json> {
 public:
  std::map<std::string, HeaderEntry> entries;
  TensorMetadata metadata;
  std::string problem;

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::start:
        state_ = State::top;
        return true;
      case State::top_value:
        state_ = name_ == kMetadataName ? State::metadata : State::entry;
        return true;
      default:
        return refuse("an object");
    }
  }

  bool end_object() override {
    switch (state_) {
      case State::entry:
        state_ = State::top;
        return check_entry();
      case State::metadata:
        state_ = State::top;
        return true;
      default:
        state_ = State::done;
        return true;
    }
  }

  bool key(std::string& text) override {
    switch (state_) {
      case State::top:
        return open_top(text);
      case State::entry:
        return open_entry_key(text);
      default:
        return open_metadata_key(text);
    }
  }

  bool start_array(std::size_t) override {
    switch (state_) {
      case State::shape_value:
        entry().shape.emplace();
        state_ = State::shape;
        return true;
      case State::offsets_value:
        entry().has_offsets = true;
        state_ = State::offsets;
        return true;
      default:
        return refuse("a list");
    }
  }

  bool end_array() override {
    state_ = State::entry;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    switch (state_) {
      case State::shape:
        if (value >> 63) return refuse("a size past 2^63");
        if (entry().shape->size() == kMaxDimensions) {
          return stop(
              fmt::format("tensor '{}' must have at most {} dimensions", name_, kMaxDimensions));
        }
        entry().shape->push_back(static_cast<std::int64_t>(value));
        return true;
      case State::offsets:
        if (entry().offsets.size() == 2) return refuse("more");
        entry().offsets.push_back(value);
        return true;
      default:
        return refuse(fmt::format("the number {}", value));
    }
  }

  bool string(std::string& text) override {
    switch (state_) {
      case State::dtype_value:
        entry().dtype = text;
        state_ = State::entry;
        return true;
      case State::metadata_value:
        metadata[metadata_key_] = text;
        state_ = State::metadata;
        return true;
      default:
        return refuse(fmt::format("the text '{}'", text.substr(0, 40)));
    }
  }

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return refuse(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return refuse(fmt::format("the number {}", value));
  }
  bool number_float(number_float_t, const std::string& text) override {
    return refuse("the number " + text);
  }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    return stop(fmt::format("the header must be JSON, found a mistake at byte {} of it", position));
  }

 private:
  enum class State {
    start,
    top,
    top_value,
    entry,
    dtype_value,
    shape_value,
    shape,
    offsets_value,
    offsets,
    metadata,
    metadata_value,
    done
  };

  HeaderEntry& entry() { return entries[name_]; }

  bool stop(std::string text) {
    if (problem.empty()) problem = std::move(text);
    return false;
  }

  bool refuse(const std::string& found) {
    switch (state_) {
      case State::start:
        return stop("the header must be a JSON object, found " + found);
      case State::top_value:
        return stop(fmt::format("the entry '{}' must be an object, found {}", name_, found));
      case State::dtype_value:
        return stop(fmt::format("dtype of '{}' must be a text, found {}", name_, found));
      case State::shape_value:
      case State::shape:
        return stop(fmt::format("shape of '{}' must be a list of sizes, found {}", name_, found));
      case State::offsets_value:
      case State::offsets:
        return stop(fmt::format("data_offsets of '{}' must be 2 numbers, found {}", name_, found));
      case State::metadata_value:
        return stop(fmt::format("metadata '{}' must be a text, found {}", metadata_key_, found));
      default:
        return stop("the header must be a JSON object, found more after its end");
    }
  }

  bool open_top(const std::string& text) {
    name_ = text;
    state_ = State::top_value;
    const bool is_new = text == kMetadataName ? !std::exchange(has_metadata_, true)
                                              : entries.try_emplace(text).second;
    return is_new || stop(fmt::format("the name '{}' must stand once, found it twice", text));
  }

  bool open_entry_key(const std::string& text) {
    const HeaderEntry& at = entry();
    const bool again = (text == "dtype" && at.dtype) || (text == "shape" && at.shape) ||
                       (text == "data_offsets" && at.has_offsets);
    if (again)
      return stop(fmt::format("the key '{}' of '{}' must stand once, found it twice", text, name_));
    if (text == "dtype") {
      state_ = State::dtype_value;
    } else if (text == "shape") {
      state_ = State::shape_value;
    } else if (text == "data_offsets") {
      state_ = State::offsets_value;
    } else {
      return stop(fmt::format("the keys of '{}' must be dtype, shape and data_offsets, found '{}'",
                              name_, text));
    }
    return true;
  }

  bool open_metadata_key(const std::string& text) {
    metadata_key_ = text;
    state_ = State::metadata_value;
    if (metadata.count(text))
      return stop(fmt::format("the metadata '{}' must stand once, found it twice", text));
    return true;
  }

  bool check_entry() {
    const HeaderEntry& at = entry();
    if (!at.dtype) return stop(fmt::format("tensor '{}' must have a dtype, found none", name_));
    if (!at.shape) return stop(fmt::format("tensor '{}' must have a shape, found none", name_));
    if (at.offsets.size() != 2) {
      return stop(fmt::format("data_offsets of '{}' must be 2 numbers, found {}", name_,
                              at.offsets.size()));
    }
    return true;
  }

  State state_ = State::start;
  std::string name_;
  std::string metadata_key_;
  bool has_metadata_ = false;
};

[[noreturn]] void refuse_file(const std::string& path, const std::string& problem) {
  throw DataError(fmt::format("'{}' is not a whole safetensors file: {}", path, problem));
}

/// The header's text, within the file.
std::string_view header_text(std::span<const std::byte> file, const std::string& path) {
  if (file.size() < kLengthBytes) {
    refuse_file(path,
                fmt::format("expected at least {} bytes, found {}", kLengthBytes, file.size()));
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length |= std::to_integer<std::uint64_t>(file[i]) << (8 * i);
  if (length > kMaxHeaderBytes) {
    refuse_file(path, fmt::format("the header must be at most {} bytes, found a length of {}",
                                  kMaxHeaderBytes, length));
  }
  if (length > file.size() - kLengthBytes) {
    refuse_file(path,
                fmt::format("the header says that it is {} bytes long, found {} after its length",
                            length, file.size() - kLengthBytes));
  }
  return {reinterpret_cast<const char*>(file.data()) + kLengthBytes,
          static_cast<std::size_t>(length)};
}

/// @param data the bytes after the header
TensorView checked_view(const std::string& name, HeaderEntry& entry,
                        std::span<const std::byte> data, const std::string& path) {
  const std::optional<DType> dtype = dtype_named(*entry.dtype);
  if (!dtype) {
    std::vector<std::string_view> names;
    for (const DTypeEntry& known : kDTypes) names.push_back(known.name);
    refuse_file(path, fmt::format("dtype of '{}' must be one of {}, found '{}'", name,
                                  fmt::join(names, ", "), entry.dtype->substr(0, 40)));
  }
  const std::uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data.size()) {
    refuse_file(
        path, fmt::format("the bytes of '{}' must lie within the {} bytes of data, found {} to {}",
                          name, data.size(), begin, end));
  }
  const std::optional<std::uint64_t> expected = byte_count(*dtype, *entry.shape);
  if (!expected || *expected != end - begin) {
    refuse_file(path,
                fmt::format("tensor '{}' of {} {} must have {} bytes, found {}", name, *entry.dtype,
                            shape_text(*entry.shape),
                            expected ? std::to_string(*expected) : "more than 2^64", end - begin));
  }
  return {*dtype, std::move(*entry.shape), data.data() + begin,
          static_cast<std::size_t>(end - begin), nullptr};
}

/// The tensors must follow one another from the first byte of data to the last.
void check_layout(const TensorViews& tensors, std::span<const std::byte> data,
                  const std::string& path) {
  std::vector<std::pair<const std::string*, const TensorView*>> by_place;
  for (const auto& [name, view] : tensors) by_place.emplace_back(&name, &view);
  std::sort(by_place.begin(), by_place.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->data, a.second->bytes) < std::pair(b.second->data, b.second->bytes);
  });
  std::size_t reached = 0;
  for (const auto& [name, view] : by_place) {
    const std::size_t begin = static_cast<std::size_t>(view->data - data.data());
    if (begin != reached) {
      refuse_file(
          path, fmt::format("the bytes of '{}' must start at {}, where those before end; found {}",
                            *name, reached, begin));
    }
    reached += view->bytes;
  }
  if (reached != data.size()) {
    refuse_file(path, fmt::format("the tensors must fill the {} bytes of data, found {}",
                                  data.size(), reached));
  }
}

}  // namespace

std::string_view name_of(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].name; }

std::size_t size_of(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].bytes; }

TensorView view_of(DType dtype, std::vector<std::int64_t> shape, const void* data,
                   std::size_t bytes) {
  const std::optional<std::uint64_t> expected = byte_count(dtype, shape);
  MODELDIFF_CHECK(expected && *expected == bytes,
                  fmt::format("{} {} given as {} bytes", name_of(dtype), shape_text(shape), bytes));
  return {dtype, std::move(shape), static_cast<const std::byte*>(data), bytes, nullptr};
}

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path, std::vector<TensorSpec> tensors,
                                     const TensorMetadata& metadata)
    : tensors_(std::move(tensors)) {
  std::sort(tensors_.begin(), tensors_.end(), [](const TensorSpec& a, const TensorSpec& b) {
    if (size_of(a.dtype) != size_of(b.dtype)) return size_of(a.dtype) > size_of(b.dtype);
    return a.name < b.name;
  });
  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataName] = metadata;
  for (const TensorSpec& tensor : tensors_) {
    MODELDIFF_CHECK(!tensor.name.empty() && tensor.name != kMetadataName,
                    "tensor name '" + tensor.name + "'");
    MODELDIFF_CHECK(!header.contains(tensor.name), "tensor '" + tensor.name + "' given twice");
    const std::optional<std::uint64_t> bytes = byte_count(tensor.dtype, tensor.shape);
    MODELDIFF_CHECK(bytes, "tensor '" + tensor.name + "' of shape " + shape_text(tensor.shape));
    header[tensor.name] = {{"dtype", name_of(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {data_bytes_, data_bytes_ + *bytes}}};
    data_bytes_ += *bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  MODELDIFF_CHECK(text.size() <= kMaxHeaderBytes, fmt::format("a header of {} bytes", text.size()));

  std::array<char, kLengthBytes> length{};
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length[i] = static_cast<char>(text.size() >> (8 * i));
  file_ = std::make_unique<OutputFile>(std::move(path), kLengthBytes + text.size() + data_bytes_);
  file_->write(length.data(), length.size());
  file_->write(text);
}

void SafetensorsWriter::write(const void* data, std::size_t bytes) {
  MODELDIFF_CHECK(bytes <= data_bytes_ - written_,
                  fmt::format("{} bytes for {} that are left", bytes, data_bytes_ - written_));
  file_->write(data, bytes);
  written_ += bytes;
}

FileDigest SafetensorsWriter::finish() {
  MODELDIFF_CHECK(written_ == data_bytes_,
                  fmt::format("{} of {} bytes were written", written_, data_bytes_));
  return file_->close();
}

FileDigest write_safetensors(const std::filesystem::path& path, const TensorViews& tensors,
                             const TensorMetadata& metadata) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, view] : tensors) specs.push_back({name, view.dtype, view.shape});
  SafetensorsWriter writer(path, std::move(specs), metadata);
  for (const TensorSpec& spec : writer.order()) {
    const TensorView& view = tensors.at(spec.name);
    writer.write(view.data, view.bytes);
  }
  return writer.finish();
}

SafetensorsIndex parse_safetensors(std::span<const std::byte> file, const std::string& path) {
  const std::string_view header = header_text(file, path);
  HeaderParser parser;
  if (!Json::sax_parse(header.begin(), header.end(), &parser)) refuse_file(path, parser.problem);
  const std::span<const std::byte> data = file.subspan(kLengthBytes + header.size());
  SafetensorsIndex index;
  index.metadata = std::move(parser.metadata);
  for (auto& [name, entry] : parser.entries)
    index.tensors.emplace(name, checked_view(name, entry, data, path));
  check_layout(index.tensors, data, path);
  return index;
}

SafetensorsFile::SafetensorsFile(std::filesystem::path path) : path_(std::move(path)) {
  const auto mapping = std::make_shared<const MappedFile>(path_);
  index_ = parse_safetensors({mapping->data(), mapping->size()}, path_.string());
  for (auto& [name, view] : index_.tensors) view.owner = mapping;
}

const TensorView& SafetensorsFile::tensor(const std::string& name) const {
  const auto found = index_.tensors.find(name);
  if (found != index_.tensors.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& [known, view] : index_.tensors) names.push_back(known);
  throw DataError(fmt::format("'{}' has no tensor '{}'; it has {}", path_.string(), name,
                              names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
}

}  // namespace modeldiff
