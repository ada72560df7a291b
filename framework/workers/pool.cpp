#include "workers/pool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "modeldiff/core/error.h"

extern char** environ;

namespace modeldiff {
namespace {

/// Work handed out at once: enough to hide the talk, little enough to share the end fairly.
constexpr double kBatchSeconds = 0.25;
constexpr std::size_t kLargestBatch = 64;
constexpr std::size_t kFirstBatch = 4;

std::string signal_text(int status) {
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    return fmt::format("was ended by signal {} ({})", number, strsignal(number));
  }
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw StorageError(
          fmt::format("no pipe to a worker could be made: {}", std::strerror(errno)));
    }
    read_end = ends[0];
    write_end = ends[1];
  }
};

}  // namespace

struct WorkerPool::Worker {
  pid_t pid = -1;
  int to = -1, from = -1;
  bool ready = false;
  bool gone = false;
  LineBuffer lines;
  std::deque<std::size_t> batch;  // handed out and not answered, the current one first
  Clock::time_point started = Clock::now();

  ~Worker() {
    if (to >= 0) ::close(to);
    if (from >= 0) ::close(from);
  }
};

WorkerPool::WorkerPool(std::vector<PoolCell> cells, PoolOptions options)
    : cells_(std::move(cells)),
      options_(std::move(options)),
      dependents_(cells_.size()),
      missing_(cells_.size(), 0),
      attempts_(cells_.size(), 0),
      settled_(cells_.size(), false) {
  std::size_t groups = 0;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    groups = std::max(groups, cells_[i].group + 1);
    settled_[i] = cells_[i].done;
    for (const std::size_t need : cells_[i].needs) {
      MODELDIFF_CHECK(need < i, fmt::format("cell {} needs cell {}", i, need));
      if (!cells_[need].done) {
        dependents_[need].push_back(i);
        ++missing_[i];
      }
    }
    if (!settled_[i] && missing_[i] == 0) ready_.insert(i);
  }
  group_seconds_.assign(groups, 0);
}

WorkerPool::~WorkerPool() {
  for (const auto& worker : workers_) {
    if (worker->gone) continue;
    ::kill(worker->pid, SIGKILL);
    ::waitpid(worker->pid, nullptr, 0);
  }
}

void WorkerPool::start_worker() {
  Pipe to, from;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to.read_end, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from.write_end, STDOUT_FILENO);

  std::vector<char*> arguments, environment;
  for (std::string& text : options_.command) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
  for (std::string& text : options_.environment) environment.push_back(text.data());
  environment.push_back(nullptr);

  auto worker = std::make_unique<Worker>();
  const int error = ::posix_spawn(&worker->pid, options_.command.front().c_str(), &actions, nullptr,
                                  arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  ::close(to.read_end);
  ::close(from.write_end);
  worker->to = to.write_end;
  worker->from = from.read_end;
  if (error != 0) {
    worker->gone = true;
    throw StorageError(fmt::format("the worker '{}' cannot be started: {}",
                                   options_.command.front(), std::strerror(error)));
  }
  ::fcntl(worker->from, F_SETFL, O_NONBLOCK);
  workers_.push_back(std::move(worker));
}

std::vector<std::size_t> WorkerPool::take_batch() {
  if (ready_.empty()) return {};
  const std::size_t group = cells_[*ready_.begin()].group;
  std::size_t alike = 0;
  for (const std::size_t cell : ready_) alike += cells_[cell].group == group;
  const double seconds = group_seconds_[group];
  const std::size_t wanted = seconds > 0 ? static_cast<std::size_t>(std::clamp(
                                               kBatchSeconds / seconds, 1.0, double{kLargestBatch}))
                                         : kFirstBatch;
  // Never more than a fair share, so that no worker waits for another's batch.
  const std::size_t share = (alike + static_cast<std::size_t>(options_.workers) - 1) /
                            static_cast<std::size_t>(options_.workers);
  const std::size_t together = cells_[*ready_.begin()].together;
  const std::size_t size = std::max<std::size_t>(1, std::min(std::max(wanted, together), share));

  std::vector<std::size_t> batch;
  for (auto at = ready_.begin(); at != ready_.end() && batch.size() < size;) {
    if (cells_[*at].group != group) {
      ++at;
      continue;
    }
    // What took a worker down before is tried alone.
    if (attempts_[*at] > 0 && !batch.empty()) break;
    const bool alone = attempts_[*at] > 0;
    batch.push_back(*at);
    at = ready_.erase(at);
    if (alone) break;
  }
  return batch;
}

/// What another process made meanwhile is settled instead of handed out, and may make other cells
/// ready.
std::vector<std::size_t> WorkerPool::take_batch_to_make() {
  while (true) {
    std::vector<std::size_t> batch = take_batch();
    if (batch.empty() || !options_.made_elsewhere) return batch;
    const auto found = std::stable_partition(batch.begin(), batch.end(), [&](std::size_t cell) {
      return !options_.made_elsewhere(cell);
    });
    for (auto at = found; at != batch.end(); ++at) {
      ++result_.found;
      settle(*at);
      on_event_({PoolEvent::Kind::found, *at, 1, 0, {}});
    }
    batch.erase(found, batch.end());
    if (!batch.empty()) return batch;
  }
}

void WorkerPool::assign(Worker& worker) {
  const std::vector<std::size_t> batch = take_batch_to_make();
  if (batch.empty()) return;
  worker.batch.assign(batch.begin(), batch.end());
  worker.started = Clock::now();
  write_line(worker.to,
             {{"do", batch}});  // a worker that has gone is noticed when its output closes
}

void WorkerPool::settle(std::size_t cell) {
  settled_[cell] = true;
  for (const std::size_t next : dependents_[cell]) {
    if (--missing_[next] == 0 && !settled_[next]) ready_.insert(next);
  }
}

void WorkerPool::block_dependents(std::size_t cell) {
  for (const std::size_t next : dependents_[cell]) {
    if (settled_[next]) continue;
    settled_[next] = true;
    ready_.erase(next);
    result_.blocked.push_back(next);
    block_dependents(next);
  }
}

void WorkerPool::fail(CellFailure failure) {
  settled_[failure.cell] = true;
  on_event_({PoolEvent::Kind::failed, failure.cell, 0, 0, failure.message});
  block_dependents(failure.cell);
  result_.failures.push_back(std::move(failure));
}

void WorkerPool::handle(Worker& worker, const Json& message) {
  if (message.contains("ready")) {
    worker.ready = true;
    failed_starts_ = 0;
    return;
  }
  if (message.contains("start")) {
    worker.started = Clock::now();
    on_event_({PoolEvent::Kind::started, message.at("start").get<std::size_t>(), 0, 0, {}});
    return;
  }
  if (message.contains("progress")) {
    on_event_({PoolEvent::Kind::progress, message.at("cell").get<std::size_t>(),
               message.at("progress").get<double>(), 0, message.value("what", "")});
    return;
  }
  const bool done = message.contains("done");
  const std::size_t cell =
      message.at(done                         ? "done"
                 : message.contains("failed") ? "failed"
                                              : "stopped")
          .get<std::size_t>();
  std::erase(worker.batch, cell);
  worker.started = Clock::now();
  if (done) {
    const double seconds = message.value("seconds", 0.0);
    double& mean = group_seconds_[cells_[cell].group];
    mean = mean > 0 ? 0.7 * mean + 0.3 * seconds : std::max(seconds, 1e-6);
    result_.nondeterministic += message.value("outcome", "") == "nondeterminism";
    ++result_.done;
    settle(cell);
    on_event_({PoolEvent::Kind::done, cell, 1, seconds, message.value("outcome", ""),
               message.value("parts", Json::object())});
  } else if (message.contains("failed")) {
    fail({cell, message.value("kind", "internal"), message.value("message", ""),
          message.value("path", ""), attempts_[cell] + 1});
  } else {
    ready_.insert(cell);
  }
}

void WorkerPool::receive(Worker& worker) {
  const bool open = worker.lines.read_from(worker.from);
  while (auto line = worker.lines.next()) {
    const Json message = Json::parse(*line, nullptr, false);
    // A plugin that prints to standard output must not end the run.
    if (message.is_object() && !message.empty()) handle(worker, message);
  }
  if (!open) lose(worker, "crash", {});
}

void WorkerPool::lose(Worker& worker, const std::string& kind, const std::string& how) {
  int status = 0;
  ::waitpid(worker.pid, &status, 0);
  worker.gone = true;
  const std::string text = how.empty() ? "the worker " + signal_text(status) : how;
  if (!worker.ready) {
    ++failed_starts_;
    for (const std::size_t cell : worker.batch) ready_.insert(cell);
    return;
  }
  if (worker.batch.empty()) return;
  const std::size_t current = worker.batch.front();
  worker.batch.pop_front();
  for (const std::size_t cell : worker.batch) ready_.insert(cell);
  worker.batch.clear();
  if (++attempts_[current] < 2) {
    ready_.insert(current);
    on_event_({PoolEvent::Kind::retried, current, 0, 0, text});
  } else {
    fail({current, kind, text, {}, attempts_[current]});
  }
}

void WorkerPool::kill_hanging() {
  for (const auto& worker : workers_) {
    if (worker->gone || worker->batch.empty() || !worker->ready) continue;
    if (Clock::now() - worker->started < options_.cell_limit) continue;
    ::kill(worker->pid, SIGKILL);
    lose(*worker, "hang",
         fmt::format("it was stopped after {:.1f} minutes, its limit (limits.cell_minutes)",
                     std::chrono::duration<double>(options_.cell_limit).count() / 60));
  }
}

void WorkerPool::reap_lost() {
  std::erase_if(workers_, [](const auto& worker) { return worker->gone; });
}

bool WorkerPool::work_left() const {
  if (!ready_.empty()) return true;
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return !worker->batch.empty(); });
}

PoolResult WorkerPool::run(const std::function<void(const PoolEvent&)>& on_event,
                           const std::function<bool()>& stop_requested) {
  // A worker that dies while we write to it must not take us along.
  ::signal(SIGPIPE, SIG_IGN);
  on_event_ = on_event;
  while (work_left()) {
    if (stop_requested() || (options_.stop_on_failure && !result_.failures.empty())) {
      result_.interrupted = stop_requested();
      break;
    }
    if (failed_starts_ >= 3) {
      throw PluginError(
          fmt::format("workers end before they are ready; start one by hand to see why: {}",
                      fmt::join(options_.command, " ")));
    }
    reap_lost();
    const std::size_t wanted =
        std::min(static_cast<std::size_t>(options_.workers), workers_.size() + ready_.size());
    while (workers_.size() < wanted) start_worker();
    for (const auto& worker : workers_) {
      if (worker->ready && worker->batch.empty()) assign(*worker);
    }
    std::vector<pollfd> polls;
    for (const auto& worker : workers_) polls.push_back({worker->from, POLLIN, 0});
    ::poll(polls.data(), polls.size(), 200);
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents) receive(*workers_[i]);
    }
    kill_hanging();
  }
  for (const auto& worker : workers_) {
    if (!worker->gone) write_line(worker->to, {{"stop", true}});
  }
  // Closing its input ends an idle worker; a busy one gives up its cell at the next step, or is
  // killed.
  const auto patience = Clock::now() + std::chrono::seconds(10);
  for (const auto& worker : workers_) {
    if (worker->gone) continue;
    ::close(worker->to);
    worker->to = -1;
    while (::waitpid(worker->pid, nullptr, WNOHANG) == 0) {
      if (Clock::now() > patience) ::kill(worker->pid, SIGKILL);
      ::usleep(2000);
      char drain[4096];
      while (::read(worker->from, drain, sizeof drain) > 0) {
      }
    }
    worker->gone = true;
  }
  return std::move(result_);
}

}  // namespace modeldiff
