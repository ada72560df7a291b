// Several processes on one store, processes that are killed, and disks that are full or cannot be
// written.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>

#include "modeldiff/core/error.h"
#include "store/layout.h"
#include "store/store.h"
#include "temporary_folder.h"
#include "thrown_text.h"

using namespace modeldiff;

namespace {

namespace fs = std::filesystem;

const std::string kPublishMany = std::string(MODELDIFF_BUILD_DIR) + "/tests/publish_many";

/// Runs publish_many. @return its wait status
int run_publish_many(const fs::path& store, int count, int together, const std::string& fault) {
  const std::string artifacts = std::to_string(count), at_a_time = std::to_string(together);
  const pid_t child = ::fork();
  if (child == 0) {
    if (fault.empty()) {
      ::unsetenv("MODELDIFF_FAULT");
    } else {
      ::setenv("MODELDIFF_FAULT", fault.c_str(), 1);
    }
    ::execl(kPublishMany.c_str(), kPublishMany.c_str(), store.c_str(), artifacts.c_str(),
            at_a_time.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

/// Runs `act` in a child process. @return its exit code, or 128 + the signal
int in_child(const std::function<int()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 99;
    try {
      code = act();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::map<std::string, std::string> objects_of(const fs::path& store) {
  std::map<std::string, std::string> content;
  for (const auto& entry : fs::recursive_directory_iterator(store / "objects")) {
    if (entry.is_regular_file())
      content[entry.path().lexically_relative(store).string()] = read_text(entry.path());
  }
  return content;
}

/// `processes` children publish one key at once; child i writes text_of(i). @return how many met
/// each outcome
std::map<PublishOutcome, int> race(const Store& store, const Key& key, int processes,
                                   const std::function<std::string(int)>& text_of) {
  std::array<int, 2> gate{};
  REQUIRE(::pipe(gate.data()) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < processes; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(gate[1]);
      Publication publication = store.begin(key, {{"kind", "scores"}});
      publication.add_text("text", text_of(i));
      char nothing = 0;
      while (::read(gate[0], &nothing, 1) < 0) {
      }  // opens when the parent closes its end
      ::_exit(static_cast<int>(publication.commit().outcome));
    }
    children.push_back(child);
  }
  ::close(gate[0]);
  ::close(gate[1]);
  std::map<PublishOutcome, int> outcomes;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    ++outcomes[static_cast<PublishOutcome>(WEXITSTATUS(status))];
  }
  return outcomes;
}

/// Runs `act` in a child with a file system of `bytes` mounted on `folder`. @return the child's
/// code, or nothing when this user may not mount
std::optional<int> on_small_disk(const fs::path& folder, const std::string& options,
                                 const std::function<int()>& act) {
  constexpr int kCannotMount = 77;
  const int code = in_child([&] {
    const bool own_mounts =
        ::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (!own_mounts || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, options.c_str()) != 0) {
      return kCannotMount;
    }
    return act();
  });
  return code == kCannotMount ? std::nullopt : std::optional(code);
}

}  // namespace

TEST_CASE(
    "of several processes that publish one key, one does and the others see that it is there") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    const Key key = Key::of({{"round", round}});
    const auto outcomes = race(store, key, 6, [](int) { return "the same"; });
    CHECK(outcomes == std::map<PublishOutcome, int>{{PublishOutcome::published, 1},
                                                    {PublishOutcome::already_there, 5}});
    CHECK(store.open(key).text("text") == "the same");
  }
  CHECK(fs::is_empty(store.root() / "tmp"));
}

TEST_CASE(
    "of several processes that publish different content, one does and each other reports it") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  const Key key = Key::of({{"round", 0}});
  const auto outcomes = race(store, key, 6, [](int i) { return std::to_string(i); });
  CHECK(outcomes == std::map<PublishOutcome, int>{{PublishOutcome::published, 1},
                                                  {PublishOutcome::nondeterminism, 5}});
  CHECK_NOTHROW(store.open(key).verify());
  CHECK(store.attempts().size() == 5);
}

TEST_CASE(
    "a run that is killed anywhere and started again leaves the bytes of an undisturbed run") {
  constexpr int kArtifacts = 5;
  const TemporaryFolder folder;
  for (const int together : {1, 3}) {
    const fs::path undisturbed = folder / ("undisturbed" + std::to_string(together));
    REQUIRE(run_publish_many(undisturbed, kArtifacts, together, "") == 0);
    const auto expected = objects_of(undisturbed);
    REQUIRE(expected.size() == 3 * kArtifacts);
    for (const char* place :
         {"after_tmp", "mid_write", "before_manifest", "before_rename", "after_rename"}) {
      for (const int hit : {1, 2, 4}) {
        const std::string fault = std::string(place) + ":" + std::to_string(hit);
        CAPTURE(fault);
        CAPTURE(together);
        const fs::path root = folder / (fault + "." + std::to_string(together));
        const int status = run_publish_many(root, kArtifacts, together, fault);
        REQUIRE(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == SIGKILL);
        CHECK(objects_of(root).size() < expected.size());
        {
          // What is visible is whole, and what is left in tmp/ is swept at the next start.
          const Store store(root);
          CHECK(store.verify_all().empty());
          CHECK(fs::is_empty(root / "tmp"));
        }
        REQUIRE(run_publish_many(root, kArtifacts, together, "") == 0);
        CHECK(objects_of(root) == expected);
        CHECK(fs::is_empty(root / "tmp"));
      }
    }
  }
}

TEST_CASE("a run killed twice in the same folder recovers too") {
  const TemporaryFolder folder;
  REQUIRE(run_publish_many(folder / "undisturbed", 4, 2, "") == 0);
  CHECK(WIFSIGNALED(run_publish_many(folder / "killed", 4, 2, "mid_write:3")));
  CHECK(WIFSIGNALED(run_publish_many(folder / "killed", 4, 2, "before_rename:2")));
  REQUIRE(run_publish_many(folder / "killed", 4, 2, "") == 0);
  CHECK(objects_of(folder / "killed") == objects_of(folder / "undisturbed"));
}

TEST_CASE(
    "folders in tmp/ belong to living, dead or foreign processes, and are swept accordingly") {
  const TemporaryFolder folder;
  const fs::path tmp = folder / "tmp";
  fs::create_directories(tmp);
  const std::string mine = layout::temporary_name();
  const std::string host = layout::host_name();
  const std::string dead = host + ".999999999.5-0";  // above the largest number of a process
  const std::string successor =
      host + "." + std::to_string(::getpid()) + ".1-0";  // our number, begun at another time
  const std::string foreign = "other.host-4026531836.1.1-0";
  CHECK(layout::owner_of(mine) == layout::Owner::alive);
  CHECK(layout::owner_of(dead) == layout::Owner::dead);
  CHECK(layout::owner_of(successor) == layout::Owner::dead);
  CHECK(layout::owner_of(foreign) == layout::Owner::foreign);
  for (const char* odd : {"", ".", "..", "x", "a.b", "a.b.c"})
    CHECK(layout::owner_of(odd) == layout::Owner::foreign);
  for (const std::string& name : {mine, dead, successor, foreign})
    fs::create_directories(tmp / name);

  const Store store(folder.path());
  CHECK(fs::exists(tmp / mine));
  CHECK_FALSE(fs::exists(tmp / dead));
  CHECK_FALSE(fs::exists(tmp / successor));
  CHECK(fs::exists(tmp / foreign));
  CHECK(store.gc().temporary_folders == 0);
  fs::last_write_time(tmp / foreign, fs::file_time_type::clock::now() - std::chrono::hours(24 * 8));
  CHECK(store.gc({.dry_run = true}).temporary_folders == 1);
  CHECK(fs::exists(tmp / foreign));
  CHECK(store.gc().temporary_folders == 1);
  CHECK_FALSE(fs::exists(tmp / foreign));
  CHECK(fs::exists(tmp / mine));
}

TEST_CASE("a child of a fork has temporary names of its own") {
  const std::string name = layout::process_name();
  CHECK(in_child([&] { return layout::process_name() == name ? 1 : 0; }) == 0);
  CHECK(layout::process_name() == name);
}

TEST_CASE(
    "a full disk is a StorageError with the numbers, leaves no partial file, and the store stays "
    "usable") {
  const TemporaryFolder folder;
  const auto code = on_small_disk(folder.path(), "size=1m", [&] {
    const Store store(folder / "store");
    const Key key = Key::of({{"cell", 1}});
    const std::vector<float> large(1 << 20);
    const std::size_t bytes = large.size() * sizeof(float);
    const std::string text = thrown_text<StorageError>([&] {
      Publication publication = store.begin(key, {{"kind", "scores"}});
      publication.add_tensors("w.safetensors",
                              {{"w", view_of(DType::f32, {1 << 20}, large.data(), bytes)}});
    });
    if (text.find("No space left on device") == std::string::npos) return 1;
    if (text.find("/w.safetensors': ") == std::string::npos) return 2;
    // The tensor, the header of 72 bytes and its length.
    if (text.find("; 4194384 bytes are needed, ") == std::string::npos) return 3;
    if (!text.ends_with("free some space there, or put the store on another disk")) return 4;
    if (!fs::is_empty(store.root() / "tmp") || store.contains(key)) return 5;
    Publication small = store.begin(key, {{"kind", "scores"}});
    small.add_text("text", "fits");
    return small.commit().outcome == PublishOutcome::published ? 0 : 6;
  });
  if (code) {
    CHECK(*code == 0);
  } else {
    MESSAGE("skipped: this user may not mount a small file system");
  }
}

TEST_CASE("a store that cannot be written can be read, and writing to it is a StorageError") {
  const TemporaryFolder folder;
  const auto code = on_small_disk(folder.path(), "size=1m", [&] {
    const Key key = Key::of({{"cell", 1}});
    Publication first = Store(folder / "store").begin(key, {{"kind", "scores"}});
    first.add_text("text", "kept");
    first.commit();
    if (::mount(nullptr, folder.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0)
      return 1;
    const Store store(folder / "store");
    if (store.open(key).text("text") != "kept") return 2;
    const std::string text = thrown_text<StorageError>(
        [&] { store.begin(Key::of({{"cell", 2}}), {{"kind", "scores"}}); });
    return text.ends_with(
               "Read-only file system; put the store on a file system that can be written")
               ? 0
               : 3;
  });
  if (code) {
    CHECK(*code == 0);
  } else {
    MESSAGE("skipped: this user may not mount a small file system");
  }
}
