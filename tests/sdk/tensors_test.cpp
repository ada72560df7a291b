#include "modeldiff/tensors.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("modeldiff_tensors_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

TEST_CASE("every number type and shape comes back as it was written") {
  const Folder folder;
  TensorMap written;
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong,
                                    at::kInt, at::kShort, at::kChar, at::kByte, at::kBool}) {
    written[c10::toString(type)] = at::arange(6).to(type).view({2, 3});
  }
  written["empty"] = at::empty({0, 4});
  written["scalar"] = at::scalar_tensor(2.5, at::kFloat);
  write_tensors(folder / "all.safetensors", written);
  const TensorMap read = read_tensors(folder / "all.safetensors");
  REQUIRE(read.size() == written.size());
  for (const auto& [name, tensor] : written) {
    CAPTURE(name);
    CHECK(c10::toString(read.at(name).scalar_type()) ==
          std::string(c10::toString(tensor.scalar_type())));
    CHECK(read.at(name).equal(tensor));
  }
}

TEST_CASE("a transposed or strided tensor is written row by row") {
  const Folder folder;
  const at::Tensor x = at::arange(12).view({3, 4});
  write_tensors(folder / "t.safetensors", {{"transposed", x.t()}, {"column", x.select(1, 2)}});
  const TensorMap read = read_tensors(folder / "t.safetensors");
  CHECK(read.at("transposed").equal(x.t()));
  CHECK(read.at("column").equal(at::tensor({2, 6, 10}, at::kLong)));
}

TEST_CASE("what was read may be changed, and the file stays as it is") {
  const Folder folder;
  write_tensors(folder / "t.safetensors", {{"x", at::zeros({4})}});
  read_tensors(folder / "t.safetensors").at("x").fill_(1);
  CHECK(read_tensors(folder / "t.safetensors").at("x").equal(at::zeros({4})));
}

TEST_CASE("a file that is missing or cut short is a DataError") {
  const Folder folder;
  CHECK_THROWS_AS(read_tensors(folder / "none.safetensors"), DataError);
  write_tensors(folder / "t.safetensors", {{"x", at::zeros({100})}});
  std::filesystem::resize_file(folder / "t.safetensors", 200);
  CHECK_THROWS_AS(read_tensors(folder / "t.safetensors"), DataError);
}

TEST_CASE("shapes are told as in Python") {
  CHECK(shape_text(at::zeros({2, 3})) == "[2, 3] float32");
  CHECK(shape_text(at::zeros({}, at::kBool)) == "[] bool");
  CHECK(shape_text(at::Tensor()) == "undefined");
}

}  // namespace
}  // namespace modeldiff
