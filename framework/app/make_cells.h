#pragma once

#include "app/verbs.h"
#include "workers/pool.h"

namespace modeldiff {

struct MakeOptions {
  /// 0: one a core.
  int workers = 0;
  bool stop_on_failure = false;

  void add_to(CLI::App& verb);
};

struct MadeCells {
  /// Cells that had to be made.
  std::int64_t left = 0;
  PoolResult pool;
};

/// Cells that need not be made: those in the store, and those that neither the result nor anything
/// missing reads.
std::vector<bool> settled_cells(const Plan& plan, const Store& store);

/// Makes what is missing in worker processes, with progress on the console; the first Ctrl-C asks
/// for a clean stop, the second ends the process. Other processes may be at work on the same store
/// and plan.
/// @param in_use the same plan, written for the workers
MadeCells make_missing_cells(const Globals& globals, const PluginRegistry& plugins,
                             const Store& store, const Plan& plan, const PlanInUse& in_use,
                             const MakeOptions& options);

}  // namespace modeldiff
