#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "modeldiff/core/json.h"
#include "workers/protocol.h"

namespace modeldiff {

/// A unit of work as the pool sees it.
struct PoolCell {
  /// Cells that must be done first, by index; all smaller than the cell's own.
  std::vector<std::size_t> needs;
  /// Cells of one group are alike and cost about the same: they are handed out several at a time.
  std::size_t group = 0;
  bool done = false;
  /// So many of its group are best handed out together, however long they take.
  std::size_t together = 1;
};

struct PoolOptions {
  /// Program and arguments of a worker; its standard input and output are the pipes.
  std::vector<std::string> command;
  std::vector<std::string> environment;  // NAME=VALUE, added to ours
  int workers = 1;
  std::chrono::duration<double> cell_limit = std::chrono::hours(1);
  bool stop_on_failure = false;
  /// Asked before a cell is handed out: whether another process has made it meanwhile. May be
  /// empty.
  std::function<bool(std::size_t)> made_elsewhere;
};

struct CellFailure {
  std::size_t cell = 0;
  std::string
      kind;  // "config", "data", "plugin", "numerical", "storage", "crash", "hang", "internal"
  std::string message;
  std::string path;  // key path in the experiment, when the file is to mend
  int attempts = 1;
};

/// What happened, for progress and records.
struct PoolEvent {
  enum class Kind { started, progress, done, found, failed, retried, worker_lost };
  Kind kind = Kind::started;
  std::size_t cell = 0;
  double share = 0;
  double seconds = 0;
  std::string text;
  /// Of a cell that is done: seconds of parts of the work, by name.
  Json parts = Json::object();
};

struct PoolResult {
  std::vector<CellFailure> failures;
  /// Not made because a cell they need failed.
  std::vector<std::size_t> blocked;
  std::int64_t done = 0;
  /// Made by another process meanwhile.
  std::int64_t found = 0;
  std::int64_t nondeterministic = 0;
  bool interrupted = false;
};

/// Runs cells in worker processes. A worker that dies or hangs takes one cell with it: that cell is
/// tried once more, alone, then recorded as failed; everything that does not need it goes on. Which
/// worker makes a cell never changes the cell.
class WorkerPool {
 public:
  WorkerPool(std::vector<PoolCell> cells, PoolOptions options);
  ~WorkerPool();

  /// Until everything is done, failed or blocked, or `stop_requested` says so.
  PoolResult run(const std::function<void(const PoolEvent&)>& on_event,
                 const std::function<bool()>& stop_requested);

 private:
  struct Worker;
  using Clock = std::chrono::steady_clock;

  void start_worker();
  void assign(Worker& worker);
  std::vector<std::size_t> take_batch();
  std::vector<std::size_t> take_batch_to_make();
  void receive(Worker& worker);
  void handle(Worker& worker, const Json& message);
  void settle(std::size_t cell);
  void fail(CellFailure failure);
  void block_dependents(std::size_t cell);
  void lose(Worker& worker, const std::string& kind, const std::string& how);
  void kill_hanging();
  void reap_lost();
  bool work_left() const;

  std::vector<PoolCell> cells_;
  PoolOptions options_;
  std::vector<std::vector<std::size_t>> dependents_;
  std::vector<std::size_t> missing_;  // needs that are not done, of each cell
  std::vector<int> attempts_;
  std::vector<bool> settled_;          // done, failed or blocked
  std::set<std::size_t> ready_;        // in the order of the plan
  std::vector<double> group_seconds_;  // mean time of a cell, of each group; 0 = unknown
  std::vector<std::unique_ptr<Worker>> workers_;
  std::function<void(const PoolEvent&)> on_event_;
  PoolResult result_;
  int failed_starts_ = 0;
};

}  // namespace modeldiff
