#include "cifar/cifar_reader.h"

#include <doctest/doctest.h>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

/// A record whose pixels are 0, 1, 2, ... from `first` on.
std::string record(std::initializer_list<int> labels, int first) {
  std::string bytes;
  for (const int label : labels) bytes += static_cast<char>(label);
  for (int i = 0; i < 3 * 32 * 32; ++i) bytes += static_cast<char>(first + i);
  return bytes;
}

TarBuilder ten() {
  TarBuilder tar;
  tar.folder("cifar-10-batches-bin/");
  for (int batch = 1; batch <= 5; ++batch) {
    tar.file("cifar-10-batches-bin/data_batch_" + std::to_string(batch) + ".bin",
             record({batch}, batch) + record({9}, 50 + batch));
  }
  return tar;
}

}  // namespace

TEST_CASE("CIFAR-10 comes in the order of its batches, whatever the order of the archive") {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "c.tar.gz",
      gzipped(ten()
                  .file("cifar-10-batches-bin/test_batch.bin", record({3}, 7))
                  .file("cifar-10-batches-bin/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n")
                  .file("cifar-10-batches-bin/readme.html", "<html>")
                  .bytes()));
  const Cifar cifar = read_cifar(path);
  CHECK_FALSE(cifar.hundred);
  CHECK(cifar.train.labels == std::vector<std::int64_t>{1, 9, 2, 9, 3, 9, 4, 9, 5, 9});
  CHECK(cifar.train.images.size() == 10 * 3072);
  CHECK(cifar.train.images[2 * 3072 + 1] == 3);
  CHECK(cifar.test.labels == std::vector<std::int64_t>{3});
  CHECK(cifar.class_names[2] == "c");
}

TEST_CASE("CIFAR-100 has coarse and fine labels, and numbers where names are missing") {
  const TemporaryFolder folder;
  folder.write("c/train.bin", record({19, 99}, 1) + record({0, 1}, 2));
  folder.write("c/test.bin", record({4, 5}, 1));
  const Cifar cifar = read_cifar(folder.path() / "c");
  CHECK(cifar.hundred);
  CHECK(cifar.train.coarse == std::vector<std::int64_t>{19, 0});
  CHECK(cifar.train.labels == std::vector<std::int64_t>{99, 1});
  CHECK(cifar.train.images[3072] == 2);
  CHECK(cifar.class_names.size() == 100);
  CHECK(cifar.class_names[99] == "99");
  CHECK(cifar.coarse_names.size() == 20);
}

TEST_CASE("CIFAR files that are not what they say are refused") {
  const TemporaryFolder folder;
  const auto error = [&](const TarBuilder& tar) {
    const auto path = folder.write("c.tar", tar.bytes());
    return error_of<DataError>([&] { read_cifar(path); });
  };
  const std::string prefix = (folder.path() / "c.tar").string() + ": ";
  CHECK(contains(error(ten()),
                 "has no 'test_batch.bin'; the binary version of CIFAR-10 has data_batch_1.bin, "));
  CHECK(contains(error(TarBuilder().file("train.bin", record({1, 2}, 0))), "has no 'test.bin'"));
  CHECK(error(ten().file("test_batch.bin", record({3}, 0).substr(1))) ==
        prefix + "test_batch.bin: expected records of 3073 bytes, found 3072 bytes, 3072 too many");
  CHECK(error(ten().file("test_batch.bin", "")) ==
        prefix + "test_batch.bin: expected records of 3073 bytes, found 0 bytes, 0 too many");
  CHECK(error(ten().file("test_batch.bin", record({3}, 0) + record({10}, 0))) ==
        prefix + "test_batch.bin: record 1 has label 10, expected less than 10");
  CHECK(contains(error(ten()
                           .file("test_batch.bin", record({3}, 0))
                           .file("other/test_batch.bin", record({3}, 0))),
                 "holds more than one 'test_batch.bin'"));
  CHECK(contains(
      error(ten().file("test_batch.bin", record({3}, 0)).file("batches.meta.txt", "a\nb\n")),
      "'batches.meta.txt' has 2 names, expected 10"));
}
