#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "engine/doctor.h"
#include "engine/transform_images.h"
#include "engine/worker.h"
#include "modeldiff/plugin.h"
#include "store/file_io.h"
#include "workers/memory.h"

namespace modeldiff {
namespace {

int transform(int count, char** arguments) {
  try {
    PluginRegistry plugins({arguments + 5, arguments + count}, MODELDIFF_ABI_TAG);
    transform_images(arguments[2], arguments[3], arguments[4], plugins);
    // Plugins are never unloaded, so nothing of theirs may run at exit.
    std::fflush(nullptr);
    ::_exit(0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "modeldiff-worker: %s\n", e.what());
    return 1;
  }
}

}  // namespace
}  // namespace modeldiff

/// modeldiff-worker STORE PLAN [PLUGIN_FOLDER...]: the part of the program that loads torch and
/// plugins. It is started by `modeldiff run`; see workers/protocol.h for what is said on its
/// standard input and output. modeldiff-worker --doctor: prints torch_facts().
/// modeldiff-worker --transform EXPORTED IMAGES OUT [PLUGIN_FOLDER...]: transform_images().
int main(int count, char** arguments) {
  using namespace modeldiff;
  if (count == 2 && std::string(arguments[1]) == "--doctor") {
    std::puts(torch_facts().dump().c_str());
    return 0;
  }
  if (count >= 5 && std::string(arguments[1]) == "--transform") return transform(count, arguments);
  if (count < 3) {
    std::fputs(
        "modeldiff-worker is started by `modeldiff run`: modeldiff-worker STORE PLAN "
        "[PLUGIN_FOLDER...]\n",
        stderr);
    return 2;
  }
  keep_freed_memory();
  // The terminal's Ctrl-C goes to the program, which tells its workers; one whose program died has
  // no reason to live.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // What a plugin prints must not be taken for an answer.
  const int answers = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  try {
    const Store store(arguments[1]);
    const Plan plan = plan_from_json(Json::parse(read_text(arguments[2])));
    PluginRegistry plugins({arguments + 3, arguments + count}, MODELDIFF_ABI_TAG);
    serve(plan, store, plugins, STDIN_FILENO, answers);
    // Plugins are never unloaded, so nothing of theirs may run at exit.
    std::fflush(nullptr);
    ::_exit(0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "modeldiff-worker: %s\n", e.what());
    return 1;
  }
}
