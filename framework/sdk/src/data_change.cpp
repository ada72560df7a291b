#include "modeldiff/data_change.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"

namespace modeldiff {
namespace {

std::vector<std::int32_t> named_rows(const std::vector<std::int64_t>& rows, std::int64_t n) {
  std::vector<std::int32_t> out;
  for (const std::int64_t row : rows) {
    if (row >= n) {
      throw ConfigError("rows",
                        fmt::format("names row {}, and the training set has {} rows", row, n));
    }
    out.push_back(static_cast<std::int32_t>(row));
  }
  std::sort(out.begin(), out.end());
  if (const auto twice = std::adjacent_find(out.begin(), out.end()); twice != out.end())
    throw ConfigError("rows", fmt::format("names row {} twice", *twice));
  return out;
}

std::vector<std::int32_t> candidates_of(const RowSelection& selection, const Examples& train) {
  std::vector<std::int32_t> out;
  const bool any = !selection.of_class;
  if (!any && train.targets.scalar_type() != at::kLong)
    throw ConfigError("class", "needs classes, and this is a regression");
  const at::Tensor targets = train.targets.contiguous();
  for (std::int64_t row = 0; row < train.size(); ++row) {
    if (any || targets.const_data_ptr<std::int64_t>()[row] == *selection.of_class)
      out.push_back(static_cast<std::int32_t>(row));
  }
  return out;
}

/// Runs `body` with errors placed under `path`.
template <typename Body>
auto at_key(const char* path, const Body& body) {
  try {
    return body();
  } catch (const ConfigError& e) {
    std::vector<Diagnostic> placed = e.diagnostics();
    for (Diagnostic& d : placed) d.path = fmt::format("{}.{}", path, d.path);
    throw ConfigError(std::move(placed));
  }
}

bool among(const std::vector<std::int32_t>& rows, std::int32_t row) {
  return std::binary_search(rows.begin(), rows.end(), row);
}

/// @param wanted whether they must be rows of the first run
void require_place(const std::vector<std::int32_t>& selected, const std::vector<std::int32_t>& rows,
                   bool wanted) {
  for (const std::int32_t row : selected) {
    if (among(rows, row) == wanted) continue;
    throw ConfigError("rows",
                      wanted ? fmt::format("selects row {}, which the first run did not have", row)
                             : fmt::format("selects row {}, which the first run had already; "
                                           "give the first run `without:` the same rows",
                                           row));
  }
}

at::Tensor relabelled(const at::Tensor& targets, const std::vector<std::int32_t>& rows,
                      std::int64_t classes, std::int64_t seed) {
  at::Tensor out = targets.clone();
  auto values = out.accessor<std::int64_t, 1>();
  for (const std::int32_t row : rows) {
    RandomStream random(static_cast<std::uint64_t>(seed), "relabel",
                        static_cast<std::uint64_t>(row));
    const auto other = static_cast<std::int64_t>(random.below(classes - 1));
    values[row] = other < values[row] ? other : other + 1;
  }
  return out;
}

/// The rows from which the first ones are taken, and the next ones by runs that vary.
std::vector<std::int32_t> ordered(const RowSelection& selection,
                                  const std::vector<std::int32_t>& candidates,
                                  const RowLosses& losses) {
  if (selection.by == RowsBy::loss) {
    if (!losses)
      throw ConfigError("by", "`loss` needs a run that is followed, and there is none here");
    const at::Tensor order = losses(candidates).argsort(/*stable=*/true, 0, /*descending=*/true);
    std::vector<std::int32_t> out;
    for (std::int64_t i = 0; i < order.numel(); ++i)
      out.push_back(candidates[order[i].item<std::int64_t>()]);
    return out;
  }
  std::vector<std::int32_t> out;
  RandomStream random(static_cast<std::uint64_t>(selection.seed), "rows");
  for (const std::int64_t i : random.permutation(static_cast<std::int64_t>(candidates.size())))
    out.push_back(candidates[i]);
  return out;
}

/// Rows that the run does not have come last.
RowLosses of_rows(const RowLosses& losses, const std::vector<std::int32_t>& rows) {
  if (!losses) return {};
  return [&](const std::vector<std::int32_t>& candidates) {
    at::Tensor out = losses(candidates).to(at::kDouble).contiguous();
    double* values = out.mutable_data_ptr<double>();
    for (std::size_t i = 0; i < candidates.size(); ++i)
      if (!among(rows, candidates[i])) values[i] = -std::numeric_limits<double>::infinity();
    return out;
  };
}

}  // namespace

std::vector<std::int32_t> select_rows(const RowSelection& selection, const Examples& train,
                                      std::int64_t run, const RowLosses& losses) {
  const int ways =
      (selection.rate ? 1 : 0) + (selection.count ? 1 : 0) + (selection.rows.empty() ? 0 : 1);
  if (ways != 1) throw ConfigError("rate", "give one of `rate`, `count` and `rows`");
  if (!selection.rows.empty()) return named_rows(selection.rows, train.size());

  const std::vector<std::int32_t> candidates = candidates_of(selection, train);
  const auto available = static_cast<std::int64_t>(candidates.size());
  const std::int64_t count = selection.count
                                 ? *selection.count
                                 : std::llround(*selection.rate * static_cast<double>(available));
  const std::int64_t begin = selection.vary ? run * count : 0;
  if (begin + count > available) {
    throw ConfigError(selection.count ? "count" : "rate",
                      fmt::format("asks run {} for rows {} to {} of the random order, and {} rows "
                                  "can be drawn",
                                  run, begin, begin + count - 1, available));
  }
  const std::vector<std::int32_t> order = ordered(selection, candidates, losses);
  std::vector<std::int32_t> out(order.begin() + begin, order.begin() + begin + count);
  std::sort(out.begin(), out.end());
  return out;
}

DataChange draw_change(const ChangeParams& change, const DataFacts& facts, const Examples& train,
                       const std::vector<std::int32_t>& rows, std::int64_t run,
                       const RowLosses& losses) {
  DataChange out;
  const RowLosses of_run = of_rows(losses, rows);
  const auto draw = [&](const std::optional<RowSelection>& selection, const char* path,
                        bool of_first_run) {
    if (!selection) return std::vector<std::int32_t>{};
    return at_key(path, [&] {
      std::vector<std::int32_t> selected = select_rows(*selection, train, run, of_run);
      require_place(selected, rows, of_first_run);
      return selected;
    });
  };
  out.removed = draw(change.remove, "delete", true);
  out.added = draw(change.add, "add", false);
  out.relabelled = draw(change.relabel, "relabel", true);
  if (out.removed.size() == rows.size() + out.added.size())
    throw ConfigError("delete", "leaves no training example");
  if (out.relabelled.empty()) return out;
  if (facts.task != Task::classification)
    throw ConfigError("relabel", "needs classes, and this is a regression");
  for (const std::int32_t row : out.relabelled) {
    if (among(out.removed, row))
      throw ConfigError("relabel", fmt::format("selects row {}, which is deleted too", row));
  }
  out.targets = relabelled(train.targets, out.relabelled, facts.outputs, change.relabel->seed);
  return out;
}

}  // namespace modeldiff
