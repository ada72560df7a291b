#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

std::string record(int coarse, int fine, char pixel) {
  return std::string{static_cast<char>(coarse), static_cast<char>(fine)} + std::string(3072, pixel);
}

}  // namespace

TEST_CASE("coarse labels of CIFAR-100 keep the fine class as group") {
  const TemporaryFolder folder;
  folder.write("c/train.bin", record(3, 40, 'a') + record(5, 41, 'b'));
  folder.write("c/test.bin", record(5, 99, 'c'));
  const Dataset coarse =
      load_dataset("cifar", folder.path(), {{"path", "c"}, {"labels", "coarse"}});
  CHECK(coarse.facts.name == "cifar100");
  CHECK(coarse.facts.outputs == 20);
  CHECK(coarse.facts.groups.size() == 100);
  CHECK(at::equal(coarse.train.targets, at::tensor(std::vector<std::int64_t>{3, 5})));
  CHECK(at::equal(coarse.train.groups, at::tensor(std::vector<std::int64_t>{40, 41})));
  CHECK(coarse.train.inputs.sizes().vec() == std::vector<std::int64_t>{2, 3, 32, 32});
  CHECK((coarse.train.inputs[1] == 98).all().item<bool>());
  const Dataset fine = load_dataset("cifar", folder.path(), {{"path", "c"}});
  CHECK(fine.facts.outputs == 100);
  CHECK(at::equal(fine.test.targets, at::tensor(std::vector<std::int64_t>{99})));
  CHECK_FALSE(fine.test.groups.defined());
}

TEST_CASE("CIFAR-10 has no coarse labels") {
  const TemporaryFolder folder;
  for (const char* name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4",
                           "data_batch_5", "test_batch"}) {
    folder.write(std::string("c/") + name + ".bin", std::string(3073, '\4'));
  }
  CHECK(load_dataset("cifar", folder.path(), {{"path", "c"}}).train.size() == 5);
  CHECK(contains(error_of<ConfigError>([&] {
                   load_dataset("cifar", folder.path(), {{"path", "c"}, {"labels", "coarse"}});
                 }),
                 "labels: '"));
}
