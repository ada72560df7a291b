#include "app/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace modeldiff {
namespace {

constexpr std::chrono::milliseconds kLiveInterval(100);
constexpr std::chrono::seconds kPlainInterval(30);

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

RunProgress::RunProgress(const Console& console, const Plan& plan, const std::vector<bool>& done, Durations& durations,
                         int workers)
    : console_(console), plan_(plan), durations_(durations), workers_(workers), done_(done),
      start_(std::chrono::steady_clock::now()), last_draw_(start_) {
  total_ = static_cast<std::size_t>(std::count(done.begin(), done.end(), false));
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
      current_ = event.text.empty() ? cell.label : fmt::format("{}: {}", cell.label, event.text);
      break;
    case PoolEvent::Kind::done:
      running_.erase(event.cell);
      done_[event.cell] = true;
      ++made_;
      durations_.add(plan_, cell, event.seconds);
      break;
    case PoolEvent::Kind::failed:
      running_.erase(event.cell);
      done_[event.cell] = true;
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
  draw(false);
}

void RunProgress::draw(bool final_line) {
  const auto now = std::chrono::steady_clock::now();
  const bool due = console_.live() ? now - last_draw_ >= kLiveInterval : now - last_draw_ >= kPlainInterval;
  if (console_.quiet() || (!due && !final_line)) return;
  last_draw_ = now;
  double known = 0, unknown = 0;
  for (std::size_t i = 0; i < done_.size(); ++i) {
    if (done_[i]) continue;
    const auto running = running_.find(i);
    const double left = running == running_.end() ? 1 : 1 - running->second;
    if (const auto seconds = durations_.of(plan_, plan_.cells[i])) {
      known += *seconds * left;
    } else {
      unknown += 1;
    }
  }
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  std::string line = fmt::format("{}/{} cells, {}", made_, total_, duration_text(elapsed));
  if (made_ > 0 || unknown == 0) {
    line += fmt::format(", {}{} left", unknown > 0 ? "at least " : "about ", duration_text(known / workers_));
  }
  if (!current_.empty()) line += "  " + current_;
  if (!console_.live()) {
    console_.note(line);
    return;
  }
  if (line.size() >= terminal_width()) line.resize(terminal_width() - 1);
  console_.error(fmt::format("\r\x1b[K{}", line));
  drawn_ = true;
}

void RunProgress::clear_line() {
  if (drawn_) console_.error("\r\x1b[K");
  drawn_ = false;
}

}  // namespace modeldiff
