#include "plugin_host/trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

using Clock = std::chrono::steady_clock;

std::string name_of(const PluginUse& use) { return use.params.at("plugin").get<std::string>(); }

/// What making one plugin gave, as the child tells it.
Json attempt(PluginRegistry& plugins, const PluginUse& use) {
  try {
    plugins.create(use.kind, name_of(use), use.params);
    return Json::object();
  } catch (const ConfigError& e) {
    Json errors = Json::array();
    for (const Diagnostic& d : e.diagnostics())
      errors.push_back({{"path", d.path}, {"message", d.message}});
    return {{"errors", errors}};
  } catch (const std::exception& e) {
    return {{"failure", e.what()}};
  }
}

/// The child's side: one line for each plugin. Nothing runs at its exit, since libraries are never
/// unloaded.
[[noreturn]] void make_all(PluginRegistry& plugins, const std::vector<PluginUse>& uses,
                           std::size_t first, int out) {
  ::dup2(STDERR_FILENO, STDOUT_FILENO);  // what a plugin prints is no result of the program
  for (std::size_t i = first; i < uses.size(); ++i) {
    const std::string line =
        attempt(plugins, uses[i]).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    for (std::size_t sent = 0; sent < line.size();) {
      const ssize_t count = ::write(out, line.data() + sent, line.size() - sent);
      if (count <= 0) ::_exit(1);
      sent += static_cast<std::size_t>(count);
    }
  }
  ::_exit(0);
}

class Child {
 public:
  Child(PluginRegistry& plugins, const std::vector<PluginUse>& uses, std::size_t first) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw StorageError(fmt::format("no pipe could be made: {}", std::strerror(errno)));
    }
    from_ = ends[0];
    pid_ = ::fork();
    if (pid_ == 0) make_all(plugins, uses, first, ends[1]);
    ::close(ends[1]);
    if (pid_ < 0) {
      ::close(from_);
      throw StorageError(fmt::format("no process could be started: {}", std::strerror(errno)));
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::close(from_);
    end();
  }

  /// @return an empty text when the child ended or took too long
  std::string next_line(std::chrono::milliseconds limit) {
    const auto until = Clock::now() + limit;
    std::size_t end;
    while ((end = pending_.find('\n')) == std::string::npos) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
      pollfd poll_from{from_, POLLIN, 0};
      const int ready = left > 0 ? ::poll(&poll_from, 1, static_cast<int>(left)) : 0;
      if (ready < 0 && errno == EINTR) continue;
      char chunk[4096];
      const ssize_t count = ready > 0 ? ::read(from_, chunk, sizeof chunk) : 0;
      hangs_ = ready <= 0;
      if (count <= 0) return "";
      pending_.append(chunk, static_cast<std::size_t>(count));
    }
    std::string line = pending_.substr(0, end);
    pending_.erase(0, end + 1);
    return line;
  }

  /// How it ended before it gave an answer.
  std::string end_text(std::chrono::milliseconds limit) {
    if (hangs_)
      return fmt::format("did not end within {:.0f} s",
                         std::chrono::duration<double>(limit).count());
    const int status = end();
    if (WIFSIGNALED(status)) {
      return fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    }
    return fmt::format("ended its process with exit code {}", WEXITSTATUS(status));
  }

 private:
  int end() {
    int status = 0;
    if (pid_ < 0) return status;
    if (hangs_) ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

  pid_t pid_ = -1;
  int from_ = -1;
  bool hangs_ = false;
  std::string pending_;
};

void take_answer(const Json& answer, const PluginUse& use, TrialResult& out) {
  for (const Json& error : answer.value("errors", Json::array())) {
    const auto inner = error.at("path").get<std::string>();
    out.errors.push_back({{},
                          use.path + (inner.empty() ? "" : "." + inner),
                          error.at("message").get<std::string>()});
  }
  if (answer.contains("failure")) out.failures.push_back(answer.at("failure").get<std::string>());
}

}  // namespace

TrialResult try_plugins(PluginRegistry& plugins, const std::vector<PluginUse>& uses,
                        std::chrono::milliseconds limit) {
  TrialResult out;
  for (std::size_t next = 0; next < uses.size();) {
    Child child(plugins, uses, next);
    for (std::string line; next < uses.size() && !(line = child.next_line(limit)).empty(); ++next) {
      take_answer(Json::parse(line), uses[next], out);
    }
    if (next == uses.size()) break;
    const PluginUse& use = uses[next++];
    const PluginManifest* manifest = plugins.find(use.kind, name_of(use));
    out.failures.push_back(fmt::format(
        "plugin '{}' of kind '{}', version {} ('{}') {} while it was made from '{}'", name_of(use),
        use.kind, manifest->version, manifest->file.string(), child.end_text(limit), use.path));
  }
  return out;
}

}  // namespace modeldiff
