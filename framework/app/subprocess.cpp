#include "app/subprocess.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "modeldiff/core/error.h"

extern char** environ;

namespace modeldiff {

ProgramOutput run_program(const std::vector<std::string>& command, bool capture) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw StorageError(std::string("no pipe could be made: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // What is not a result must not stand among the results.
  posix_spawn_file_actions_adddup2(&actions, capture ? ends[1] : STDERR_FILENO, STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& text : command) arguments.push_back(const_cast<char*>(text.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, arguments.front(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  ProgramOutput out;
  char buffer[4096];
  while (error == 0) {
    const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    if (got == 0 || (got < 0 && errno != EINTR)) break;
    if (got > 0) out.text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  if (error != 0) {
    out.exit_code = 127;
    return out;
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

}  // namespace modeldiff
