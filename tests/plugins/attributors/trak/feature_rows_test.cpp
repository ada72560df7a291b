#include "plugins/attributors/trak/feature_rows.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "modeldiff/core/error.h"
#include "plugins/attributors/trak/run_scores.h"
#include "tests/plugins/attributors/small_models.h"

using namespace modeldiff;
using namespace modeldiff::testing;
using trak::FeatureRows;

namespace {

/// A folder of this test's own, removed at its end.
struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("modeldiff_features_" + std::to_string(::getpid()));
  Folder() { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

/// `rows` written in blocks of 70.
FeatureRows written(const at::Tensor& rows, const trak::FeatureMemory& memory) {
  FeatureRows out(rows.size(0), rows.size(1), rows.scalar_type(), memory);
  for (std::int64_t begin = 0; begin < rows.size(0); begin += 70) {
    out.write(begin, rows.slice(0, begin, std::min<std::int64_t>(rows.size(0), begin + 70)));
  }
  return out;
}

}  // namespace

TEST_CASE("rows beyond the memory are kept in a file that leaves no name, and come back the same") {
  const Folder folder;
  const at::Tensor rows = normal(1, {1000, 30});
  for (const std::int64_t bytes : {1, 120 * 256, 120 * 999, 120 * 1000}) {
    CAPTURE(bytes);
    const FeatureRows kept = written(rows, {bytes, folder.path});
    CHECK(std::filesystem::is_empty(folder.path));
    CHECK(kept.all().equal(rows));
    std::int64_t next = 0;
    kept.for_each_block([&](std::int64_t begin, const at::Tensor& block) {
      CHECK(begin == next);
      CHECK((block.nbytes() <= static_cast<std::size_t>(bytes) || block.size(0) == 1));
      CHECK(block.equal(rows.narrow(0, begin, block.size(0))));
      next += block.size(0);
    });
    CHECK(next == 1000);
  }
}

TEST_CASE("scores of features in a file are those of features in memory") {
  const at::Tensor rows = normal(2, {900, 40}), queries = normal(3, {7, 40});
  const auto scores = [&](std::int64_t bytes) {
    const trak::Features train{written(rows, {bytes, {}}), at::ones({900})};
    return trak::run_scores(train, queries, {}, {}).scores;
  };
  CHECK(relative_distance(scores(160 * 128), scores(160 * 900)) < 1e-6);
}

TEST_CASE("a folder that is not there is named as what it is for") {
  CHECK_THROWS_WITH_AS(FeatureRows(10, 10, at::kFloat, {1, "/no/such/folder"}),
                       "features that are kept in a file: it cannot be made: No such file or "
                       "directory",
                       DataError);
}
