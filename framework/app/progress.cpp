#include "app/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/table.h"

namespace modeldiff {
namespace {

constexpr std::chrono::milliseconds kLiveInterval(100), kPlainInterval(30'000);

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

RunProgress::RunProgress(const Console& console, const Plan& plan, const std::vector<bool>& done,
                         Durations& durations, int workers)
    : console_(console),
      plan_(plan),
      durations_(durations),
      workers_(workers),
      left_(durations.group_count(), 0),
      start_(std::chrono::steady_clock::now()),
      last_draw_(start_) {
  for (std::size_t cell = 0; cell < done.size(); ++cell) {
    if (done[cell]) continue;
    ++total_;
    ++left_[durations.group_index(cell)];
  }
}

RunProgress::~RunProgress() {
  if (console_.live()) clear_line();
}

void RunProgress::on_event(const PoolEvent& event) {
  const Cell& cell = plan_.cells[event.cell];
  switch (event.kind) {
    case PoolEvent::Kind::started:
      running_[event.cell] = 0;
      current_ = cell.label;
      break;
    case PoolEvent::Kind::progress:
      running_[event.cell] = event.share;
      // What a stage says often begins with the cell's own name.
      current_ = event.text.empty() ? cell.label
                 : event.text.starts_with(cell.label)
                     ? event.text
                     : fmt::format("{}: {}", cell.label, event.text);
      break;
    case PoolEvent::Kind::done:
      settle(event.cell);
      ++made_;
      durations_.add(event.cell, event.seconds);
      break;
    case PoolEvent::Kind::found:
      settle(event.cell);
      ++made_;
      break;
    case PoolEvent::Kind::failed:
      settle(event.cell);
      clear_line();
      console_.note(fmt::format("{} {}\n  {}", console_.red("failed:"), cell.label, event.text));
      break;
    case PoolEvent::Kind::retried:
      running_.erase(event.cell);
      clear_line();
      console_.note(fmt::format("{}: {}; it is tried once more", cell.label, event.text));
      break;
    case PoolEvent::Kind::worker_lost:
      break;
  }
  draw();
}

void RunProgress::settle(std::size_t cell) {
  running_.erase(cell);
  --left_[durations_.group_index(cell)];
}

std::string RunProgress::estimate() const {
  double seconds = 0;
  bool unknown = false;
  for (std::size_t group = 0; group < left_.size(); ++group) {
    if (left_[group] == 0) continue;
    const std::optional<double> each = durations_.of_group(group);
    unknown = unknown || !each;
    seconds += each.value_or(0) * static_cast<double>(left_[group]);
  }
  for (const auto& [cell, share] : running_) seconds -= durations_.of(cell).value_or(0) * share;
  if (unknown && seconds < 1) return "";  // nothing is known of what takes long
  return fmt::format(", {} {} left", unknown ? "at least" : "about",
                     duration_text(seconds / workers_));
}

void RunProgress::draw() {
  const auto now = std::chrono::steady_clock::now();
  const bool due = now - last_draw_ >= (console_.live() ? kLiveInterval : kPlainInterval);
  if (console_.quiet() || !due) return;
  last_draw_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  std::string line =
      fmt::format("{}/{} cells, {}{}", made_, total_, duration_text(elapsed), estimate());
  if (!current_.empty()) line += "  " + current_;
  if (!console_.live()) {
    console_.note(line);
    return;
  }
  console_.error(fmt::format("\r\x1b[K{}", shortened(std::move(line), terminal_width() - 1)));
  drawn_ = true;
}

void RunProgress::clear_line() {
  if (drawn_) console_.error("\r\x1b[K");
  drawn_ = false;
}

}  // namespace modeldiff
