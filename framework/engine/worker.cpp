#include "engine/worker.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <optional>

#include "engine/stages.h"
#include "workers/protocol.h"

namespace modeldiff {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The worker's side of the talk: takes orders, answers, and lets a long stage know when to stop.
class Link final : public Progress {
 public:
  Link(int orders, int answers) : orders_(orders), answers_(answers) {}

  /// Waits for the next cells. @return nothing when there will be none
  std::optional<std::vector<std::size_t>> wait_for_cells() {
    while (!stopped_) {
      if (auto line = lines_.next()) {
        const Json message = Json::parse(*line);
        if (message.contains("do")) return message.at("do").get<std::vector<std::size_t>>();
        stopped_ = true;
      } else if (!lines_.read_from(orders_)) {
        stopped_ = true;
      }
    }
    return std::nullopt;
  }

  void answer(const Json& message) {
    if (!write_line(answers_, message)) stopped_ = true;
  }

  void begin(std::size_t cell) {
    cell_ = cell;
    answer({{"start", cell}});
  }

  void update(double share, const std::string& what) override {
    if (seconds_since(last_update_) < 0.2) return;
    last_update_ = Clock::now();
    answer({{"progress", share}, {"cell", cell_}, {"what", what}});
  }

  void check_stop() const override {
    pollfd poll_orders{orders_, POLLIN, 0};
    // While a cell is being made the only order that can come is to stop; a closed pipe means the
    // same.
    if (stopped_ || (::poll(&poll_orders, 1, 0) > 0 && poll_orders.revents))
      throw Interrupted("stopped on request");
  }

 private:
  int orders_, answers_;
  LineBuffer lines_;
  bool stopped_ = false;
  std::size_t cell_ = 0;
  Clock::time_point last_update_ = Clock::now();
};

/// What plugins might leave changed for the next one.
void restore_globals() {
  at::set_num_threads(1);
  at::globalContext().setDeterministicAlgorithms(false, false);
  c10::set_default_dtype(caffe2::TypeMeta::Make<float>());
  c10::GradMode::set_enabled(true);
}

Json description_of(const Workspace& workspace, const Cell& cell) {
  return {{"kind", cell.kind},
          {"label", cell.label},
          {"identity", identity_of(workspace.plan(), cell)}};
}

const char* outcome_name(PublishOutcome outcome) {
  switch (outcome) {
    case PublishOutcome::published:
      return "published";
    case PublishOutcome::already_there:
      return "already_there";
    case PublishOutcome::nondeterminism:
      return "nondeterminism";
  }
  return "";
}

class CellMaker {
 public:
  CellMaker(Workspace& workspace, Link& link) : workspace_(workspace), link_(link) {}

  /// Cells of one group. Those that are quick come many at a time and are published together, which
  /// costs one flush of the file system; training runs are also trained together.
  void make(const std::vector<std::size_t>& indices) {
    std::size_t first = 0;
    while (first < indices.size()) {
      std::size_t end = first + 1;
      while (end < indices.size() && alike(cell(indices[first]), cell(indices[end]))) ++end;
      make_together(std::span(indices).subspan(first, end - first));
      first = end;
    }
  }

 private:
  const Cell& cell(std::size_t index) const { return workspace_.plan().cells[index]; }

  static bool alike(const Cell& a, const Cell& b) {
    if (a.kind != b.kind) return false;
    return a.kind != "run" ||
           (a.config == b.config && a.inputs.at("dataset") == b.inputs.at("dataset") &&
            a.own.value("checkpoints", Json()) == b.own.value("checkpoints", Json()));
  }

  void make_together(std::span<const std::size_t> indices) {
    link_.begin(indices.front());
    const auto start = Clock::now();
    try {
      std::vector<Publication> publications;
      std::vector<const Cell*> cells;
      for (const std::size_t index : indices) {
        cells.push_back(&cell(index));
        publications.push_back(
            workspace_.store().begin(cell(index).key, description_of(workspace_, cell(index))));
      }
      std::vector<Seconds> parts(cells.size());
      if (cells.front()->kind == "run") {
        parts = make_runs(workspace_, cells, publications, link_);
      } else {
        const StageFunction stage = find_stage(cells.front()->kind);
        MODELDIFF_CHECK(stage, cells.front()->kind);
        for (std::size_t i = 0; i < cells.size(); ++i)
          stage(workspace_, *cells[i], publications[i], link_);
      }
      const std::vector<Published> published = workspace_.store().commit_all(publications);
      const double seconds = seconds_since(start) / static_cast<double>(indices.size());
      for (std::size_t i = 0; i < indices.size(); ++i) {
        link_.answer({{"done", indices[i]},
                      {"seconds", seconds},
                      {"parts", parts[i]},
                      {"outcome", outcome_name(published[i].outcome)}});
      }
    } catch (const Interrupted&) {
      for (const std::size_t index : indices) link_.answer({{"stopped", index}});
    } catch (...) {
      // Of several cells only one is to blame: each is tried by itself.
      if (indices.size() > 1) {
        for (const std::size_t index : indices) make_together(std::span(&index, 1));
      } else {
        report_failure(indices.front());
      }
    }
    restore_globals();
  }

  void report_failure(std::size_t index) {
    const Cell& failed = cell(index);
    const auto fail = [&](const char* kind, std::string message, const std::string& path = {}) {
      for (const std::string& problem : workspace_.set_aside_damaged(failed)) {
        if (message.find(problem) == std::string::npos) message += "\n  " + problem;
        message += "\n  It was set aside; run the experiment again and it is made anew.";
      }
      link_.answer({{"failed", index}, {"kind", kind}, {"message", message}, {"path", path}});
    };
    try {
      throw;
    } catch (const ConfigError& e) {
      const Diagnostic& first = e.diagnostics().front();
      std::string path = failed.path;
      if (!first.path.empty()) path += (path.empty() ? "" : ".") + first.path;
      fail("config", first.message, path);
    } catch (const DataError& e) {
      fail("data", e.what(), failed.path);
    } catch (const NumericalError& e) {
      fail("numerical", e.what(), failed.path);
    } catch (const StorageError& e) {
      fail("storage", e.what());
    } catch (const PluginError& e) {
      fail("plugin", e.what(), failed.path);
    } catch (const ShapeError& e) {
      fail("shape", e.what(), failed.path);
    } catch (const InternalError& e) {
      fail("internal", e.what());
    } catch (const c10::Error& e) {
      fail("torch", fmt::format("{}: {}", plugin_of(failed), e.what_without_backtrace()),
           failed.path);
    } catch (const std::bad_alloc&) {
      fail("memory", fmt::format("{}: memory ran out", plugin_of(failed)), failed.path);
    } catch (const std::exception& e) {
      fail("plugin", fmt::format("{}: {}", plugin_of(failed), e.what()), failed.path);
    } catch (...) {
      fail("plugin", fmt::format("{} threw something that is no exception", plugin_of(failed)),
           failed.path);
    }
  }

  std::string plugin_of(const Cell& failed) const {
    const Json& config = workspace_.config(failed);
    if (!config.contains("plugin")) return "stage '" + failed.kind + "'";
    return fmt::format("plugin '{}' {}", config.at("plugin").get<std::string>(),
                       config.value("plugin_version", ""));
  }

  Workspace& workspace_;
  Link& link_;
};

}  // namespace

void serve(const Plan& plan, const Store& store, PluginRegistry& plugins, int orders, int answers) {
  restore_globals();
  Workspace workspace(plan, store, plugins);
  Link link(orders, answers);
  CellMaker maker(workspace, link);
  link.answer({{"ready", true}});
  while (const auto cells = link.wait_for_cells()) maker.make(*cells);
}

}  // namespace modeldiff
