#include <sys/mount.h>
#include <unistd.h>

#include "bench.h"

namespace modeldiff::test {
namespace {

namespace fs = std::filesystem;

/// A file system in memory of a size that can be raised. Needs the right to mount.
class SmallDisk {
 public:
  explicit SmallDisk(fs::path folder) : folder_(std::move(folder)) {
    fs::create_directories(folder_);
    mounted_ = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=1m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  void grow() const {
    REQUIRE(::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, "size=200m") == 0);
  }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

}  // namespace

TEST_CASE(
    "a full disk is said, exit code 4; with more space the same command goes on with what was "
    "finished") {
  const Bench bench(R"(experiment: small
dataset: {plugin: digits, subset: {train: 200}}
queries: 20
algorithms:
  A: {plugin: sgd, model: {plugin: mlp, hidden: [1000]}, epochs: 1}
attribute: {plugin: trak, runs: 8, projection: 8}
)");
  const SmallDisk disk(bench.store());
  if (!disk.mounted()) {
    MESSAGE("skipped: a small file system cannot be mounted by this user");
    return;
  }
  const ProgramRun run = bench.run();
  CHECK(run.exit_code == 4);
  CHECK_SAYS(run, "No space left on device");
  const std::vector<std::string> left = bench.left();
  CHECK(std::find(left.begin(), left.end(), "data set digits") == left.end());
  CHECK_FALSE(left.empty());
  disk.grow();
  CHECK(bench.run().exit_code == 0);
  CHECK(bench.left().empty());
}

}  // namespace modeldiff::test
