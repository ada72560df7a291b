#pragma once

#include <chrono>
#include <map>
#include <string>

#include "app/console.h"
#include "app/durations.h"
#include "workers/pool.h"

namespace modeldiff {

/// Tells a person how far a run is: one line drawn over itself on a terminal, a line each 30 s
/// elsewhere.
class RunProgress {
 public:
  /// @param done which cells need not be made
  RunProgress(const Console& console, const Plan& plan, const std::vector<bool>& done,
              Durations& durations, int workers);
  ~RunProgress();

  void on_event(const PoolEvent& event);

 private:
  void settle(std::size_t cell);
  void draw();
  std::string estimate() const;
  void clear_line();

  const Console& console_;
  const Plan& plan_;
  Durations& durations_;
  int workers_;
  std::size_t total_ = 0, made_ = 0;
  std::vector<std::size_t> left_;          // cells to be made, of each group of `durations`
  std::map<std::size_t, double> running_;  // cell -> share done
  std::string current_;
  std::chrono::steady_clock::time_point start_, last_draw_;
  bool drawn_ = false;
};

}  // namespace modeldiff
