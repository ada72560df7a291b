#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "analysis/bases.h"
#include "analysis/directions.h"
#include "analysis/permutation.h"
#include "analysis/residuals.h"
#include "analysis/whitened.h"
#include "engine/artifacts.h"
#include "engine/stages.h"
#include "modeldiff/attributor.h"
#include "planning/sections.h"

namespace modeldiff {
namespace {

/// What a person looks at of a direction.
constexpr std::int64_t kShownQueries = 7;
constexpr std::int64_t kShownExamples = 20;

std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kDouble).contiguous();
  return {dense.const_data_ptr<double>(), dense.const_data_ptr<double>() + dense.numel()};
}

/// Scores of one algorithm, as combined and run by run.
struct Side {
  std::string name;
  at::Tensor scores;                 // [N, n]
  std::vector<TensorMap> runs;       // what combine() takes
  std::optional<NoisyScores> noisy;  // when the runs are subsets
};

Side read_side(const Workspace& workspace, const Cell& cell, const std::string& input,
               std::string name) {
  const Cell& attribution = workspace.input_cell(cell, input);
  const Artifact artifact = workspace.open(attribution);
  const TensorMap tensors = map_tensors(artifact, "scores.safetensors");
  Side side{std::move(name), require_tensor(tensors, "scores", artifact), {}, std::nullopt};
  if (tensors.contains("raw")) {
    side.noisy = NoisyScores{tensors.at("raw"), tensors.at("output_covariance"),
                             artifact.json("attribution.json").at("noise_scale").get<double>()};
    return side;
  }
  for (std::size_t i = 0; i < workspace.input_count(attribution, "run_scores"); ++i) {
    side.runs.push_back(
        map_tensors(workspace.input(attribution, "run_scores", i), "scores.safetensors"));
  }
  return side;
}

/// Is there a difference at all? One p-value for each direction.
struct DifferenceTest {
  std::vector<double> p_values;
  double statistic = 0;
  std::vector<double> null;
  std::string method;
};

DifferenceTest test_difference(const Side& a, const Side& b, const at::Tensor& directions,
                               const Attributor& attributor, const Examples& train,
                               const Examples& queries, std::int64_t permutations,
                               std::uint64_t seed, Progress& progress) {
  if (a.noisy && b.noisy) {
    const WhitenedOptions options{.directions = directions.size(0)};
    const WhitenedResidual whitened = whitened_residual(*a.noisy, *b.noisy, options);
    const std::vector<double> null =
        simulated_null(*a.noisy, *b.noisy, permutations, seed, options);
    DifferenceTest out{{}, 0, null, "whitened residual against simulated noise"};
    const std::vector<double> values = numbers(whitened.singular_values);
    out.statistic = values.front();
    for (std::int64_t j = 0; j < directions.size(0); ++j) {
      const double p = rank_p_value(values[static_cast<std::size_t>(j)], null);
      out.p_values.push_back(out.p_values.empty() ? p : std::max(p, out.p_values.back()));
    }
    return out;
  }
  const PermutationOptions options{.permutations = permutations, .seed = seed};
  PermutationTest test;
  if (attributor.combines_by_mean()) {
    const auto scores = [](const Side& side) {
      std::vector<at::Tensor> out;
      for (const TensorMap& run : side.runs) out.push_back(run.at("scores"));
      return out;
    };
    test = permutation_test(scores(a), scores(b), directions, options);
  } else {
    const auto combine = [&](std::span<const int> chosen) {
      std::vector<TensorMap> runs;
      for (const int run : chosen) {
        const auto index = static_cast<std::size_t>(run);
        runs.push_back(index < a.runs.size() ? a.runs[index] : b.runs[index - a.runs.size()]);
      }
      const RunsInMemory all(std::move(runs));
      return attributor.combine({all, train, queries, 1, progress}).scores;
    };
    test = permutation_test(combine, static_cast<int>(a.runs.size()),
                            static_cast<int>(b.runs.size()), directions, options);
  }
  return {test.p_values, test.statistics.front(), numbers(test.null[0]),
          "permutation of training runs"};
}

/// The rows at both ends of a direction, with what is known of them.
Json describe_end(const at::Tensor& weights, const at::Tensor& rows, const Examples& examples,
                  bool classes) {
  Json out = Json::array();
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const auto row = rows[i].item<std::int64_t>();
    Json item{{"row", row}, {"weight", weights[row].item<double>()}};
    if (classes) item["class"] = examples.targets[row].item<std::int64_t>();
    if (examples.groups.defined()) item["group"] = examples.groups[row].item<std::int64_t>();
    if (examples.planted.defined()) item["planted"] = examples.planted[row].item<bool>();
    out.push_back(std::move(item));
  }
  return out;
}

/// Images as bytes, for the report.
at::Tensor pictures(const Examples& examples, const at::Tensor& rows) {
  return examples.select(rows).floats().mul(255).round().clamp(0, 255).to(at::kByte);
}

/// One way of the comparison: what `of` uses that `against` does not.
class SideWriter {
 public:
  SideWriter(const Dataset& data, const Examples& queries) : data_(data), queries_(queries) {}

  /// @param stability [J], of direction_stability()
  Json write(const std::string& of, const std::string& against, const UnitRows& rows,
             const DirectionSet& found, const DifferenceTest& test, const at::Tensor& stability,
             const at::Tensor& query_rows, TensorMap& tensors, TensorMap& images) const {
    const bool classes = data_.facts.task == Task::classification;
    // Queries without a row of scores project to 0.
    at::Tensor queries = at::zeros({found.queries.size(0), queries_.size()}, at::kDouble);
    queries.index_copy_(1, rows.kept, found.queries);
    Json directions = Json::array();
    for (std::int64_t j = 0; j < found.examples.size(0); ++j) {
      Json ends = Json::object();
      const auto end = [&](const char* what, const at::Tensor& weights, const Examples& examples,
                           std::int64_t count, bool positive) {
        const at::Tensor top =
            std::get<1>(weights.topk(std::min(count, weights.size(0)), 0, positive));
        ends[what][positive ? "positive" : "negative"] =
            describe_end(weights, top, examples, classes);
        if (data_.facts.images()) {
          images.emplace(
              fmt::format("{}.{}.{}.{}", of, j, what, positive ? "positive" : "negative"),
              pictures(examples, top));
        }
      };
      for (const bool positive : {true, false}) {
        end("queries", queries[j], queries_, kShownQueries, positive);
        end("examples", found.examples[j], data_.train, kShownExamples, positive);
      }
      for (Json* side : {&ends["queries"]["positive"], &ends["queries"]["negative"]}) {
        for (Json& item : *side)
          item["test_row"] = query_rows[item.at("row").get<std::int64_t>()].item<std::int64_t>();
      }
      const auto index = static_cast<std::size_t>(j);
      directions.push_back({{"rank", j},
                            {"p_value", test.p_values[index]},
                            {"singular_value", found.singular_values[j].item<double>()},
                            {"share", found.shares[j].item<double>()},
                            {"stability", stability[j].item<double>()},
                            {"explained",
                             {{of, found.explained_a[j].item<double>()},
                              {against, found.explained_b[j].item<double>()}}},
                            {"ends", ends}});
    }
    tensors.emplace(of + ".examples", found.examples.to(at::kFloat));
    tensors.emplace(of + ".queries", queries.to(at::kFloat));
    return {{"of", of},
            {"against", against},
            {"p_value", test.p_values.front()},
            {"statistic", test.statistic},
            {"test", test.method},
            {"null", test.null},
            {"directions", directions}};
  }

 private:
  const Dataset& data_;
  const Examples& queries_;
};

UnitRows swapped(const UnitRows& rows) { return {rows.b, rows.a, rows.kept, rows.dropped}; }

/// As many as asked for, or as there are.
DirectionSet directions_up_to(const UnitRows& rows, std::int64_t count, const Basis& basis = {}) {
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

}  // namespace

void make_comparison(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress) {
  const Json& config = workspace.config(cell);
  const Dataset& data = workspace.dataset(cell);
  const at::Tensor& query_rows = workspace.split(cell).queries;
  const Examples queries = data.test.select(query_rows);
  const auto names = cell.own.at("between").get<std::vector<std::string>>();
  const auto attributor = workspace.plugin<Attributor>("attributors", config.at("attribute"));
  const auto count = config.at("directions").get<std::int64_t>();
  const auto permutations = config.at("permutations").get<std::int64_t>();
  const auto seed = cell.own.at("seed").get<std::uint64_t>();
  const auto test = [&](const Side& a, const Side& b, const at::Tensor& directions,
                        std::string_view role) {
    return test_difference(a, b, directions, *attributor, data.train, queries, permutations,
                           derive_seed(seed, role), progress);
  };

  const Side a = read_side(workspace, cell, "attribution of", names[0]);
  const Side b = read_side(workspace, cell, "attribution against", names[1]);
  const UnitRows rows = unit_rows(a.scores, b.scores);
  const Basis basis = basis_of(config, data.train.size());
  const DirectionSet of_a = directions_up_to(rows, count, basis);
  const DirectionSet of_b = directions_up_to(swapped(rows), count, basis);
  const auto stability = [&](const UnitRows& of, const DirectionSet& found, const Side& side) {
    return direction_stability(of, found, config.at("bootstrap").get<std::int64_t>(),
                               derive_seed(seed, "stability/" + side.name), basis);
  };
  const at::Tensor stability_a = stability(rows, of_a, a);
  const at::Tensor stability_b = stability(swapped(rows), of_b, b);
  progress.update(0.2, "testing directions");
  const DifferenceTest test_a = test(a, b, of_a.principal, a.name);
  progress.update(0.5, "testing directions");
  const DifferenceTest test_b = test(b, a, of_b.principal, b.name);
  progress.update(0.8, "control");

  TensorMap tensors, images;
  const SideWriter writer(data, queries);
  Json sides = Json::array(
      {writer.write(a.name, b.name, rows, of_a, test_a, stability_a, query_rows, tensors, images),
       writer.write(b.name, a.name, swapped(rows), of_b, test_b, stability_b, query_rows, tensors,
                    images)});
  const at::Tensor cosines = row_cosines(rows);
  const at::Tensor quantiles = cosines.quantile(at::tensor({0.05, 0.5, 0.95}, at::kDouble));
  Json result{
      {"of", a.name},
      {"against", b.name},
      {"p_value", test_a.p_values.front()},
      {"p_value_reverse", test_b.p_values.front()},
      {"basis", config.at("basis")},
      {"permutations", permutations},
      {"runs", workspace.input_count(workspace.input_cell(cell, "attribution of"), "run_scores")},
      {"queries", queries.size()},
      {"dropped_queries", rows.dropped},
      {"cosine",
       {{"median", quantiles[1].item<double>()},
        {"lower", quantiles[0].item<double>()},
        {"upper", quantiles[2].item<double>()}}},
      {"sides", sides}};
  if (workspace.input_count(cell, "attribution control") > 0) {
    const Side control = read_side(workspace, cell, "attribution control", names[0] + "'");
    const UnitRows same = unit_rows(a.scores, control.scores);
    const DirectionSet found = directions_up_to(same, 1);
    const DifferenceTest null_test = test(a, control, found.principal, "control");
    result["control"] = {{"p_value", null_test.p_values.front()},
                         {"statistic", null_test.statistic},
                         {"null", null_test.null}};
  }
  add_tensors(out, "comparison.safetensors", tensors);
  if (!images.empty()) add_tensors(out, "images.safetensors", images);
  out.add_json("comparison.json", result);
}

}  // namespace modeldiff
