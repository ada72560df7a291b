#include "engine/findings.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/bases.h"
#include "analysis/numbers.h"
#include "analysis/permutation.h"
#include "analysis/residuals.h"
#include "engine/artifacts.h"
#include "engine/stored_runs.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"

namespace modeldiff {
namespace {

/// Some consecutive runs of many.
class RunRange final : public ScoredRuns {
 public:
  RunRange(const ScoredRuns& runs, std::int64_t first, std::int64_t count)
      : runs_(runs), first_(first), count_(count) {}

  std::int64_t size() const override { return count_; }
  TensorMap run(std::int64_t index) const override { return runs_.run(first_ + index); }
  double keep(std::int64_t index) const override { return runs_.keep(first_ + index); }
  at::Tensor masks(std::int64_t first, std::int64_t count) const override {
    return runs_.masks(first_ + first, count);
  }

 private:
  const ScoredRuns& runs_;
  std::int64_t first_, count_;
};

at::Tensor answers(const ScoredRuns& runs, std::int64_t index) {
  const TensorMap tensors = runs.run(index);
  const auto found = tensors.find("measurements");
  if (found == tensors.end())
    throw PluginError("the attributor left no 'measurements' of a run on a subset");
  return found->second.to(at::kDouble);
}

/// [N, N], covariance over pairs of runs of what A and B answer, about the means of runs of the same
/// size.
at::Tensor cross_covariance(const ScoredRuns& a, const ScoredRuns& b) {
  struct Sums {
    at::Tensor a, b;
    double runs = 0;
  };
  std::map<double, Sums> of_share;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    Sums& sums = of_share[a.keep(i)];
    if (sums.runs == 0) sums.a = sums.b = at::zeros({}, at::kDouble);
    sums.a = sums.a + answers(a, i);
    sums.b = sums.b + answers(b, i);
    ++sums.runs;
  }
  at::Tensor out;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const Sums& sums = of_share.at(a.keep(i));
    const at::Tensor product =
        at::outer(answers(a, i) - sums.a / sums.runs, answers(b, i) - sums.b / sums.runs);
    out = out.defined() ? out.add_(product) : product;
  }
  return out / (static_cast<double>(a.size()) - static_cast<double>(of_share.size()));
}

/// As many as asked for, or as there are.
DirectionSet directions_up_to(const UnitRows& rows, std::int64_t count, const Basis& basis) {
  DirectionSet one = find_directions(rows, 1);
  if (count == 1 && !basis) return one;
  return find_directions(rows, std::min(count, one.rank), basis);
}

Basis basis_of(const Json& config, std::int64_t examples) {
  switch (FieldTraits<DirectionBasis>::read(config.at("basis"))) {
    case DirectionBasis::principal:
      return {};
    case DirectionBasis::rotated:
      return [](const at::Tensor&, const at::Tensor& principal) { return varimax(principal); };
    case DirectionBasis::sparse:
      break;
  }
  const double share = config.at("nonzeros").get<double>() * static_cast<double>(examples);
  return [nonzeros = static_cast<std::int64_t>(std::ceil(share))](const at::Tensor& rows,
                                                                  const at::Tensor& principal) {
    return sparse_directions(rows, principal.size(0), nonzeros);
  };
}

/// Each value against the null of the first, and never surer than the one before.
DifferenceTest ranked_in(const SubsetResidual& residual, const at::Tensor& values,
                         std::int64_t draws, std::uint64_t seed, std::string method) {
  DifferenceTest out{{}, 0, residual.null(draws, seed), std::move(method)};
  for (const double value : numbers(values)) {
    const double p = rank_p_value(value, out.null);
    if (out.p_values.empty()) out.statistic = value;
    out.p_values.push_back(out.p_values.empty() ? p : std::max(p, out.p_values.back()));
  }
  return out;
}

}  // namespace

Comparison::Comparison(const Json& config, const Attributor& attributor, const Examples& train,
                       const Examples& queries, std::uint64_t seed, Progress& progress)
    : config_(config),
      attributor_(attributor),
      train_(train),
      queries_(queries),
      seed_(seed),
      progress_(progress) {}

Side Comparison::read_side(Workspace& workspace, const Cell& cell, const std::string& input,
                           std::string name) const {
  const Cell& attribution = workspace.input_cell(cell, input);
  const Artifact artifact = workspace.open(attribution);
  const TensorMap tensors = map_tensors(artifact, "scores.safetensors");
  Side side{std::move(name),
            require_tensor(tensors, "scores", artifact),
            std::make_shared<StoredRuns>(workspace, attribution),
            std::nullopt,
            {}};
  if (tensors.contains("raw")) {
    side.noisy = NoisyScores{tensors.at("raw"), tensors.at("output_covariance"),
                             artifact.json("attribution.json").at("noise_scale").get<double>(),
                             side.runs->size()};
  }
  if (residual_kind() == ResidualKind::cross_fit) side.halves = scores_of_halves(*side.runs);
  return side;
}

Finding Comparison::find(const Side& of, const Side& against, std::int64_t count, bool paired,
                         const std::string& role) const {
  return residual_kind() == ResidualKind::normalised
             ? find_in_unit_rows(of, against, count, paired, role)
             : find_in_subset_residual(of, against, count, paired, role);
}

Finding Comparison::find_in_unit_rows(const Side& of, const Side& against, std::int64_t count,
                                      bool paired, const std::string& role) const {
  const UnitRows rows = unit_rows(of.scores, against.scores);
  const Basis basis = basis_of(config_, train_.size());
  Finding out;
  out.directions = directions_up_to(rows, count, basis);
  out.stability = direction_stability(rows, out.directions, number("bootstrap"),
                                      derive_seed(seed_, "stability/" + role), basis);
  out.kept = rows.kept;
  const std::uint64_t seed = derive_seed(seed_, role);
  if (of.noisy) {
    const auto whitened = whitened_residual(subset_sides(of, against, paired));
    out.test =
        ranked_in(*whitened, whitened->directions(out.directions.examples.size(0)).singular_values,
                  number("permutations"), seed, "whitened residual against simulated noise");
  } else {
    out.test = permute_runs(of, against, out.directions.principal, paired, seed);
  }
  return out;
}

Finding Comparison::find_in_subset_residual(const Side& of, const Side& against, std::int64_t count,
                                            bool paired, const std::string& role) const {
  const ResidualKind kind = residual_kind();
  std::unique_ptr<SubsetResidual> residual;
  if (kind == ResidualKind::cross_fit) {
    residual = cross_fit_residual(of.halves, against.halves);
  } else {
    const SubsetSides sides = subset_sides(of, against, paired);
    residual = kind == ResidualKind::plain ? plain_residual(sides) : whitened_residual(sides);
  }
  const auto directions_of = [&](const at::Tensor& queries) {
    return residual->directions_of(queries, count);
  };
  Finding out;
  out.directions = residual->directions(count);
  out.stability = direction_stability(out.directions.examples, queries_.size(), directions_of,
                                      number("bootstrap"), derive_seed(seed_, "stability/" + role));
  out.kept = at::arange(queries_.size());
  out.test = ranked_in(*residual, out.directions.singular_values, number("permutations"),
                       derive_seed(seed_, role),
                       kind == ResidualKind::cross_fit
                           ? "cross-fit residual against random signs of training examples"
                           : fmt::format("{} residual against simulated noise",
                                         config_.at("residual").get<std::string>()));
  return out;
}

DifferenceTest Comparison::permute_runs(const Side& of, const Side& against,
                                        const at::Tensor& directions, bool paired,
                                        std::uint64_t seed) const {
  const PermutationOptions options{
      .permutations = number("permutations"), .seed = seed, .paired = paired};
  std::vector<TensorMap> runs;
  for (const Side* side : {&of, &against}) {
    for (std::int64_t i = 0; i < side->runs->size(); ++i) runs.push_back(side->runs->run(i));
  }
  const auto of_count = static_cast<std::size_t>(of.runs->size());
  PermutationTest test;
  if (attributor_.combines_by_mean()) {
    std::vector<at::Tensor> scores;
    for (const TensorMap& run : runs) scores.push_back(run.at("scores"));
    const std::span<const at::Tensor> all(scores);
    test = permutation_test(all.first(of_count), all.subspan(of_count), directions, options);
  } else {
    const auto combine = [&](std::span<const int> chosen) {
      std::vector<TensorMap> some;
      for (const int run : chosen) some.push_back(runs[static_cast<std::size_t>(run)]);
      return attributor_.combine({RunsInMemory(std::move(some)), train_, queries_, 1, progress_})
          .scores;
    };
    test = permutation_test(combine, static_cast<int>(of_count),
                            static_cast<int>(runs.size() - of_count), directions, options);
  }
  return {test.p_values, test.statistics.front(), numbers(test.null[0]),
          paired ? "exchange of the runs of each pair" : "permutation of training runs"};
}

SubsetSides Comparison::subset_sides(const Side& of, const Side& against, bool paired) const {
  SubsetSides out{*of.noisy, *against.noisy, {}};
  if (paired) out.cross_covariance = cross_covariance(*of.runs, *against.runs);
  return out;
}

ScoresOfHalves Comparison::scores_of_halves(const ScoredRuns& runs) const {
  const std::int64_t first = runs.size() / 2;
  const auto raw = [&](const RunRange& half) {
    return attributor_.combine({half, train_, queries_, 1, progress_}).raw.to(at::kDouble);
  };
  return {raw({runs, 0, first}), raw({runs, first, runs.size() - first})};
}

ResidualKind Comparison::residual_kind() const {
  return FieldTraits<ResidualKind>::read(config_.at("residual"));
}

}  // namespace modeldiff
