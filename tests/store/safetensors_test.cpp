#include "store/safetensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "temporary_folder.h"
#include "thrown_text.h"

using namespace modeldiff;

namespace {

const std::filesystem::path kBaselines =
    std::filesystem::path(MODELDIFF_SOURCE_DIR) / "tests/store/baselines";

template <typename T>
TensorView view_of_vector(DType dtype, std::vector<std::int64_t> shape,
                          const std::vector<T>& values) {
  return view_of(dtype, std::move(shape), values.data(), values.size() * sizeof(T));
}

/// The tensors of baselines/safetensors_baseline.py.
struct BaselineContent {
  std::vector<double> f64{-1.5, -0.5, 0.5, 1.5, 2.5, 3.5};
  std::vector<float> f32{-1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 3.5f};
  std::vector<std::uint16_t> f16{0xBE00, 0xB800, 0x3800, 0x3E00, 0x4100, 0x4300};
  std::vector<std::uint16_t> bf16{0x0000, 0x3F80, 0xBF80, 0x4000, 0x7F80, 0x3DCD};
  std::vector<std::int64_t> i64{-2, -1, 0, 1, 2, 3};
  std::vector<std::int32_t> i32{-2, -1, 0, 1, 2, 3};
  std::vector<std::int16_t> i16{-2, -1, 0, 1, 2, 3};
  std::vector<std::int8_t> i8{-2, -1, 0, 1, 2, 3};
  std::vector<std::uint8_t> u8{0, 1, 2, 3, 4, 5};
  std::vector<std::uint8_t> boolean{0, 1, 0, 1, 0, 1};
  float scalar = 2.5f;
  std::uint8_t seven = 7;

  TensorViews views() const {
    return {{"values.f64", view_of_vector(DType::f64, {2, 3}, f64)},
            {"values.f32", view_of_vector(DType::f32, {2, 3}, f32)},
            {"values.f16", view_of_vector(DType::f16, {2, 3}, f16)},
            {"values.bf16", view_of_vector(DType::bf16, {2, 3}, bf16)},
            {"values.i64", view_of_vector(DType::i64, {2, 3}, i64)},
            {"values.i32", view_of_vector(DType::i32, {2, 3}, i32)},
            {"values.i16", view_of_vector(DType::i16, {2, 3}, i16)},
            {"values.i8", view_of_vector(DType::i8, {2, 3}, i8)},
            {"values.u8", view_of_vector(DType::u8, {2, 3}, u8)},
            {"values.bool", view_of_vector(DType::boolean, {2, 3}, boolean)},
            {"scalar", view_of(DType::f32, {}, &scalar, sizeof scalar)},
            {"none", view_of(DType::i64, {0, 4}, nullptr, 0)},
            {"größe", view_of(DType::u8, {1}, &seven, 1)}};
  }
};

void check_same(const TensorViews& found, const TensorViews& expected) {
  REQUIRE(found.size() == expected.size());
  for (const auto& [name, view] : expected) {
    CAPTURE(name);
    REQUIRE(found.count(name));
    const TensorView& other = found.at(name);
    CHECK(other.dtype == view.dtype);
    CHECK(other.shape == view.shape);
    REQUIRE(other.bytes == view.bytes);
    CHECK(std::equal(view.data, view.data + view.bytes, other.data));
  }
}

std::string with_length(std::uint64_t length, std::string_view header, std::string_view data) {
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i));
  return file.append(header).append(data);
}

std::string file_of(std::string_view header, std::string_view data) {
  return with_length(header.size(), header, data);
}

SafetensorsIndex parse(const std::string& file) {
  // A copy of exactly this size, so that a sanitizer sees any byte read past the end.
  const std::vector<char> exact(file.begin(), file.end());
  return parse_safetensors(std::as_bytes(std::span(exact)), "x.safetensors");
}

/// Like parse, when the views are used.
struct Parsed {
  explicit Parsed(const std::string& file) : bytes(file.begin(), file.end()) {
    index = parse_safetensors(std::as_bytes(std::span(bytes)), "x.safetensors");
  }
  std::vector<char> bytes;
  SafetensorsIndex index;
};

std::string read_all(const std::filesystem::path& path) { return read_text(path); }

}  // namespace

TEST_CASE("a file of Python's safetensors reads as what Python wrote, in every dtype") {
  const BaselineContent content;
  const SafetensorsFile file(kBaselines / "from_python.safetensors");
  check_same(file.tensors(), content.views());
  CHECK(file.metadata() == TensorMetadata{{"made_by", "python"}, {"quote", "a \"b\"\n"}});
}

TEST_CASE("our file is the one that Python's reader was seen to read") {
  const TemporaryFolder folder;
  const BaselineContent content;
  const FileDigest digest = write_safetensors(folder / "out.safetensors", content.views(),
                                              {{"made_by", "modeldiff"}, {"quote", "a \"b\"\n"}});
  const std::string written = read_all(folder / "out.safetensors");
  CHECK(written == read_all(kBaselines / "from_modeldiff.safetensors"));
  CHECK(digest.bytes == written.size());
  CHECK(digest.sha256 == sha256(written));
}

TEST_CASE("what is written reads back the same, and each tensor is aligned to its element") {
  for (std::uint64_t seed : {1, 2, 3, 4, 5}) {
    CAPTURE(seed);
    RandomStream random(seed);
    std::vector<std::vector<std::byte>> storage;
    TensorViews tensors;
    for (int i = 0; i < 12; ++i) {
      const auto dtype = static_cast<DType>(random.below(10));
      std::vector<std::int64_t> shape;
      for (std::uint64_t d = random.below(4); d > 0; --d)
        shape.push_back(static_cast<std::int64_t>(random.below(5)));
      const auto count =
          std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
      auto& bytes = storage.emplace_back(static_cast<std::size_t>(count) * size_of(dtype));
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      tensors["t" + std::to_string(random.below(1000)) + "." + std::to_string(i)] =
          view_of(dtype, shape, bytes.data(), bytes.size());
    }
    const TemporaryFolder folder;
    write_safetensors(folder / "x", tensors, {{"seed", std::to_string(seed)}});
    const SafetensorsFile file(folder / "x");
    check_same(file.tensors(), tensors);
    CHECK(file.metadata().at("seed") == std::to_string(seed));
    for (const auto& [name, view] : file.tensors()) {
      CAPTURE(name);
      CHECK(reinterpret_cast<std::uintptr_t>(view.data) % size_of(view.dtype) == 0);
    }
  }
}

TEST_CASE("the bytes of a file do not depend on the order in which tensors are named") {
  const TemporaryFolder folder;
  const std::vector<TensorSpec> specs{
      {"b", DType::u8, {3}}, {"a", DType::f64, {1}}, {"c", DType::f64, {2}}};
  const std::vector<TensorSpec> reversed(specs.rbegin(), specs.rend());
  const std::array<char, 27> zeros{};
  std::vector<std::string> hashes;
  for (const auto& order : {specs, reversed}) {
    SafetensorsWriter writer(folder / std::to_string(hashes.size()), order);
    CHECK(writer.order()[0].name == "a");
    CHECK(writer.order()[1].name == "c");
    CHECK(writer.order()[2].name == "b");
    writer.write(zeros.data(), zeros.size());
    hashes.push_back(writer.finish().sha256);
  }
  CHECK(hashes[0] == hashes[1]);
}

TEST_CASE("pieces of any size give the same file") {
  const TemporaryFolder folder;
  std::vector<float> values(300'000);
  std::iota(values.begin(), values.end(), 0.0f);
  const std::size_t total = values.size() * sizeof(float);
  const std::vector<TensorSpec> specs{
      {"values", DType::f32, {static_cast<std::int64_t>(values.size())}}};
  const auto* const bytes = reinterpret_cast<const std::byte*>(values.data());
  const FileDigest whole = write_safetensors(
      folder / "whole",
      {{"values", view_of_vector(DType::f32, {static_cast<std::int64_t>(values.size())}, values)}});
  for (const std::size_t piece :
       {std::size_t{7}, std::size_t{4096}, std::size_t{262'144}, std::size_t{262'145}}) {
    CAPTURE(piece);
    SafetensorsWriter writer(folder / std::to_string(piece), specs);
    for (std::size_t at = 0; at < total; at += piece)
      writer.write(bytes + at, std::min(piece, total - at));
    CHECK(writer.finish().sha256 == whole.sha256);
    CHECK(sha256_of_file(folder / std::to_string(piece)) == whole.sha256);
  }
}

TEST_CASE("a writer that is given too little or too much says so") {
  const TemporaryFolder folder;
  SafetensorsWriter writer(folder / "x", {{"a", DType::f32, {2}}});
  const float value = 1;
  writer.write(&value, sizeof value);
  CHECK(thrown_text<InternalError>([&] { writer.finish(); }).find("4 of 8 bytes were written") !=
        std::string::npos);
  const std::array<float, 2> two{};
  CHECK_THROWS_AS(writer.write(two.data(), sizeof two), InternalError);
  using Specs = std::vector<TensorSpec>;
  CHECK_THROWS_AS(
      SafetensorsWriter(folder / "y", Specs{{"a", DType::f32, {1}}, {"a", DType::u8, {1}}}),
      InternalError);
  CHECK_THROWS_AS(SafetensorsWriter(folder / "y", Specs{{"__metadata__", DType::f32, {1}}}),
                  InternalError);
  CHECK_THROWS_AS(SafetensorsWriter(folder / "y", Specs{{"a", DType::f32, {-1}}}), InternalError);
  CHECK_THROWS_AS(
      SafetensorsWriter(folder / "y", Specs{{"a", DType::f32, {std::int64_t{1} << 62, 4}}}),
      InternalError);
  CHECK_THROWS_AS(view_of(DType::f32, {2}, two.data(), 4), InternalError);
}

TEST_CASE("views outlive the file object they came from") {
  const TemporaryFolder folder;
  const std::vector<std::int32_t> values{1, 2, 3};
  write_safetensors(folder / "x", {{"v", view_of_vector(DType::i32, {3}, values)}});
  TensorView view;
  {
    const SafetensorsFile file(folder / "x");
    view = file.tensor("v");
  }
  std::filesystem::remove(folder / "x");
  CHECK(std::memcmp(view.data, values.data(), view.bytes) == 0);
}

TEST_CASE("an unknown tensor is answered with the names there are") {
  const TemporaryFolder folder;
  const std::uint8_t byte = 0;
  write_safetensors(folder / "x", {{"bias", view_of(DType::u8, {}, &byte, 1)},
                                   {"w", view_of(DType::u8, {}, &byte, 1)}});
  const SafetensorsFile file(folder / "x");
  CHECK(file.contains("w"));
  CHECK_FALSE(file.contains("weight"));
  CHECK(thrown_text<DataError>([&] { file.tensor("weight"); }) ==
        "'" + (folder / "x").string() + "' has no tensor 'weight'; it has bias, w");
}

TEST_CASE("a file that cannot be read, or is a folder, is named") {
  const TemporaryFolder folder;
  CHECK(thrown_text<DataError>([&] { SafetensorsFile file(folder / "absent"); }) ==
        "cannot read '" + (folder / "absent").string() + "': No such file or directory");
  CHECK(thrown_text<DataError>([&] { SafetensorsFile file(folder.path()); }) ==
        "cannot read '" + folder.path().string() + "': expected a file, found a folder");
}

TEST_CASE("what other writers may do is read: blanks after the header, any order, no alignment") {
  const Parsed parsed(
      file_of("{\"b\":{\"data_offsets\":[1,5],\"shape\":[1],\"dtype\":\"F32\"},"
              "\"a\":{\"dtype\":\"U8\",\"shape\":[1,1],\"data_offsets\":[0,1]}}\n  ",
              std::string("\x09\x00\x00\x80\x3f", 5)));
  const TensorViews& tensors = parsed.index.tensors;
  CHECK(tensors.at("a").data[0] == std::byte{9});
  float one = 0;
  std::memcpy(&one, tensors.at("b").data, sizeof one);
  CHECK(one == 1.0f);
  CHECK(parse(file_of("{}", "")).tensors.empty());
  CHECK(parse(file_of("{\"__metadata__\":{}}", "")).metadata.empty());
}

TEST_CASE("each way in which a file may be corrupt is refused in words") {
  const std::string kGood =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})";
  const std::string kData = "123456789";
  REQUIRE(parse(file_of(kGood, kData)).tensors.size() == 2);
  const auto header = [&](const std::string& old_part, const std::string& new_part) {
    std::string text = kGood;
    const std::size_t at = text.find(old_part);
    REQUIRE(at != std::string::npos);
    return file_of(text.replace(at, old_part.size(), new_part), kData);
  };
  const auto one = [&](const std::string& text) { return file_of("{\"a\":" + text + "}", kData); };
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += "[";

  struct Case {
    std::string file;
    std::string expected;
  };
  const std::vector<Case> cases{
      {"", "expected at least 8 bytes, found 0"},
      {"1234567", "expected at least 8 bytes, found 7"},
      {with_length(kGood.size() + 100, kGood, ""),
       "the header says that it is 206 bytes long, found 106 after its length"},
      {with_length(~0ull, kGood, kData),
       "the header must be at most 100000000 bytes, found a length of 18446744073709551615"},
      {with_length(1ull << 40, kGood, kData),
       "the header must be at most 100000000 bytes, found a length of 1099511627776"},
      {with_length(0, kGood, kData), "the header must be JSON, found a mistake at byte"},
      {with_length(kGood.size() - 1, kGood, kData),
       "the header must be JSON, found a mistake at byte"},
      {with_length(kGood.size() + 1, kGood, kData),
       "the header must be JSON, found a mistake at byte"},
      {file_of("[]", kData), "the header must be a JSON object, found a list"},
      {file_of("7", kData), "the header must be a JSON object, found the number 7"},
      {file_of("{\"\xff\":1}", kData), "the header must be JSON, found a mistake at byte"},
      {file_of(deep, kData), "the entry 'a' must be an object, found a list"},
      {file_of("{\"a\":{\"dtype\":{\"x\":1}}}", kData),
       "dtype of 'a' must be a text, found an object"},
      {one("3"), "the entry 'a' must be an object, found the number 3"},
      {one("null"), "the entry 'a' must be an object, found null"},
      {one(R"({"shape":[9],"data_offsets":[0,9]})"), "tensor 'a' must have a dtype, found none"},
      {one(R"({"dtype":"U8","data_offsets":[0,9]})"), "tensor 'a' must have a shape, found none"},
      {one(R"({"dtype":"U8","shape":[9]})"), "data_offsets of 'a' must be 2 numbers, found 0"},
      {one(R"({"dtype":"U8","shape":[9],"data_offsets":[0]})"),
       "data_offsets of 'a' must be 2 numbers, found 1"},
      {one(R"({"dtype":"U8","shape":[9],"data_offsets":[0,9,9]})"),
       "data_offsets of 'a' must be 2 numbers, found more"},
      {one(R"({"dtype":"U8","shape":[9],"data_offsets":[-1,8]})"),
       "data_offsets of 'a' must be 2 numbers, found the number -1"},
      {one(R"({"dtype":"U8","shape":[9],"data_offsets":[0,9],"dtype":"I8"})"),
       "the key 'dtype' of 'a' must stand once, found it twice"},
      {one(R"({"dtype":"U8","shape":[9],"shape":[],"data_offsets":[0,9]})"),
       "the key 'shape' of 'a' must stand once, found it twice"},
      {one(R"({"dtype":"U8","shape":[9],"data_offsets":[0,9],"strides":[1]})"),
       "the keys of 'a' must be dtype, shape and data_offsets, found 'strides'"},
      {header("F32", "F33"),
       "dtype of 'a' must be one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL, found 'F33'"},
      {header("\"F32\"", "32"), "dtype of 'a' must be a text, found the number 32"},
      {header("F32", "F64"), "tensor 'a' of F64 [2] must have 16 bytes, found 8"},
      {header("[2]", "[3]"), "tensor 'a' of F32 [3] must have 12 bytes, found 8"},
      {header("[2]", "[-2]"), "shape of 'a' must be a list of sizes, found the number -2"},
      {header("[2]", "[2.0]"), "shape of 'a' must be a list of sizes, found the number 2.0"},
      {header("[2]", "[\"2\"]"), "shape of 'a' must be a list of sizes, found the text '2'"},
      {header("[2]", "[[2]]"), "shape of 'a' must be a list of sizes, found a list"},
      {header("[2]", "2"), "shape of 'a' must be a list of sizes, found the number 2"},
      {header("[2]", "[4611686018427387904,2]"),
       "tensor 'a' of F32 [4611686018427387904, 2] must have more than 2^64 bytes, found 8"},
      {header("[2]", "[9223372036854775808]"),
       "shape of 'a' must be a list of sizes, found a size past 2^63"},
      {header("[2]", "[99999999999999999999999]"),
       "shape of 'a' must be a list of sizes, found the number 99999999999999999999999"},
      {header(
           "[2]", "[2" +
                      [] {
                        std::string ones;
                        for (int i = 0; i < 64; ++i) ones += ",1";
                        return ones;
                      }() +
                      "]"),
       "tensor 'a' must have at most 64 dimensions"},
      {header("[0,8]", "[8,0]"),
       "the bytes of 'a' must lie within the 9 bytes of data, found 8 to 0"},
      {header("[0,8]", "[0,800]"),
       "the bytes of 'a' must lie within the 9 bytes of data, found 0 to 800"},
      {header("[0,8]", "[18446744073709551608,18446744073709551615]"),
       "the bytes of 'a' must lie within the 9 bytes of data"},
      {header("[0,8]", "[1,9]"),
       "the bytes of 'a' must start at 0, where those before end; found 1"},
      {header("[8,9]", "[7,8]"),
       "the bytes of 'b' must start at 8, where those before end; found 7"},
      {header("\"b\"", "\"a\""), "the name 'a' must stand once, found it twice"},
      {file_of(kGood, kData + "0"), "the tensors must fill the 10 bytes of data, found 9"},
      {file_of(kGood, "12345678"),
       "the bytes of 'b' must lie within the 8 bytes of data, found 8 to 9"},
      {file_of(kGood, ""), "must lie within the 0 bytes of data"},
      {file_of("{\"__metadata__\":{\"x\":1}}", ""),
       "metadata 'x' must be a text, found the number 1"},
      {file_of("{\"__metadata__\":{\"x\":{}}}", ""),
       "metadata 'x' must be a text, found an object"},
      {file_of("{\"__metadata__\":{\"x\":\"\",\"x\":\"\"}}", ""),
       "the metadata 'x' must stand once, found it twice"},
      {file_of("{\"__metadata__\":{},\"__metadata__\":{}}", ""),
       "the name '__metadata__' must stand once, found it twice"},
      {file_of("{\"__metadata__\":[]}", ""),
       "the entry '__metadata__' must be an object, found a list"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.expected);
    const std::string text = thrown_text<DataError>([&] { parse(c.file); });
    CAPTURE(text);
    CHECK(text.starts_with("'x.safetensors' is not a whole safetensors file: "));
    CHECK(text.find(c.expected) != std::string::npos);
  }
}

TEST_CASE("a file cut short anywhere is refused") {
  const std::string whole = read_all(kBaselines / "from_python.safetensors");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(parse(whole.substr(0, size)), DataError);
  }
}

TEST_CASE("whatever bytes a file has, views lie within it or it is refused") {
  const std::string whole = read_all(kBaselines / "from_python.safetensors");
  RandomStream random(7);
  int accepted = 0;
  for (int trial = 0; trial < 20'000; ++trial) {
    std::string mutated = whole;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      const std::size_t at = random.below(random.below(2) ? mutated.size() : 200);
      switch (random.below(3)) {
        case 0:
          mutated[at] = static_cast<char>(random());
          break;
        case 1:
          mutated[at] = "0123456789{}[],:\""[random.below(17)];
          break;
        default:
          mutated.erase(at, 1 + random.below(3));
          break;
      }
    }
    try {
      const Parsed parsed(mutated);
      for (const auto& [name, view] : parsed.index.tensors) {
        const auto* const begin = reinterpret_cast<const std::byte*>(parsed.bytes.data());
        REQUIRE(view.data >= begin);
        REQUIRE(view.data + view.bytes <= begin + parsed.bytes.size());
      }
      ++accepted;
    } catch (const DataError&) {
    }
  }
  CHECK(accepted > 100);  // changed values are no mistake of the format
}
