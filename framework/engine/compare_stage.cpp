#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/residuals.h"
#include "engine/artifacts.h"
#include "engine/findings.h"
#include "engine/stages.h"
#include "engine/transformations.h"

namespace modeldiff {
namespace {

/// What a person looks at of a direction.
constexpr std::int64_t kShownQueries = 7;
constexpr std::int64_t kShownExamples = 20;

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
  return as_bytes(examples.select(rows).floats());
}

/// Mean of some images, float64; a block at a time, since a class of large images may not fit.
at::Tensor mean_image(const Examples& examples, const at::Tensor& rows) {
  constexpr std::int64_t kBlock = 256;
  at::Tensor sum;
  for (const at::Tensor& block : rows.split(kBlock)) {
    const at::Tensor part = examples.select(block).floats().to(at::kDouble).sum(0);
    sum = sum.defined() ? sum.add_(part) : part;
  }
  return sum / static_cast<double>(rows.size(0));
}

/// The mean of the training images at an end, of the class that most of them have, and what it has
/// that the rest of the class has not, the largest difference as white or black. @return [2, channels,
/// height, width] uint8; undefined where the end is the whole class
at::Tensor mean_pictures(const Examples& train, const at::Tensor& end) {
  const std::int64_t label =
      std::get<0>(train.targets.index_select(0, end).mode()).item<std::int64_t>();
  const at::Tensor of_class = train.targets.eq(label);
  const at::Tensor at_end = at::zeros_like(of_class).index_fill_(0, end, true);
  const at::Tensor top = of_class.logical_and(at_end).nonzero().squeeze(1),
                   rest = of_class.logical_and(at_end.logical_not()).nonzero().squeeze(1);
  if (rest.size(0) == 0) return {};
  const at::Tensor mean = mean_image(train, top), difference = mean - mean_image(train, rest);
  const at::Tensor shown = 0.5 + 0.5 * difference / difference.abs().max().clamp_min(1e-12);
  return as_bytes(at::stack({mean, shown}));
}

/// One way of the comparison: what `of` uses that `against` does not.
class SideWriter {
 public:
  SideWriter(const Dataset& data, const Examples& queries) : data_(data), queries_(queries) {}

  Json write(const std::string& of, const std::string& against, const Finding& finding,
             const at::Tensor& query_rows, TensorMap& tensors, TensorMap& images) const {
    const DirectionSet& found = finding.directions;
    const DifferenceTest& test = finding.test;
    const bool classes = data_.facts.task == Task::classification;
    // Queries without a row of scores project to 0.
    at::Tensor queries = at::zeros({found.queries.size(0), queries_.size()}, at::kDouble);
    queries.index_copy_(1, finding.kept, found.queries);
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
        return top;
      };
      for (const bool positive : {true, false}) {
        end("queries", queries[j], queries_, kShownQueries, positive);
        const at::Tensor top =
            end("examples", found.examples[j], data_.train, kShownExamples, positive);
        if (!classes || !data_.facts.images()) continue;
        if (const at::Tensor means = mean_pictures(data_.train, top); means.defined())
          images.emplace(fmt::format("{}.{}.means.{}", of, j, positive ? "positive" : "negative"),
                         means);
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
                            {"stability", finding.stability[j].item<double>()},
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

}  // namespace

void make_comparison(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress) {
  const Json& config = workspace.config(cell);
  const Dataset& data = workspace.dataset(cell);
  const at::Tensor& query_rows = workspace.split(cell).queries;
  const Examples queries = data.test.select(query_rows);
  const auto names = cell.own.at("between").get<std::vector<std::string>>();
  const auto attributor = workspace.plugin<Attributor>("attributors", config.at("attribute"));
  const auto count = config.at("directions").get<std::int64_t>();
  const Comparison comparison(config, *attributor, data.train, queries,
                              cell.own.at("seed").get<std::uint64_t>(), progress);

  const bool paired = config.at("paired").get<bool>();
  const Side a = comparison.read_side(workspace, cell, "attribution of", names[0]);
  const Side b = comparison.read_side(workspace, cell, "attribution against", names[1]);
  const Finding of_a = comparison.find(a, b, count, paired, a.name);
  progress.update(0.4, "testing directions");
  const Finding of_b = comparison.find(b, a, count, paired, b.name);
  progress.update(0.8, "control");

  TensorMap tensors, images;
  const SideWriter writer(data, queries);
  Json sides = Json::array({writer.write(a.name, b.name, of_a, query_rows, tensors, images),
                            writer.write(b.name, a.name, of_b, query_rows, tensors, images)});
  const UnitRows rows = unit_rows(a.scores, b.scores);
  const at::Tensor cosines = row_cosines(rows);
  const at::Tensor quantiles = cosines.quantile(at::tensor({0.05, 0.5, 0.95}, at::kDouble));
  Json result{
      {"of", a.name},
      {"against", b.name},
      {"p_value", of_a.test.p_values.front()},
      {"p_value_reverse", of_b.test.p_values.front()},
      {"residual", config.at("residual")},
      {"paired", config.at("paired")},
      {"basis", config.at("basis")},
      {"permutations", config.at("permutations")},
      {"runs", workspace.input_count(workspace.input_cell(cell, "attribution of"), "run_scores")},
      {"queries", queries.size()},
      {"dropped_queries", rows.dropped},
      {"cosine",
       {{"median", quantiles[1].item<double>()},
        {"lower", quantiles[0].item<double>()},
        {"upper", quantiles[2].item<double>()}}},
      {"sides", sides}};
  if (workspace.input_count(cell, "attribution control") > 0) {
    const Side control =
        comparison.read_side(workspace, cell, "attribution control", names[0] + "'");
    const DifferenceTest null_test =
        comparison.find(a, control, 1, /*paired=*/false, "control").test;
    result["control"] = {{"p_value", null_test.p_values.front()},
                         {"statistic", null_test.statistic},
                         {"null", null_test.null}};
  }
  add_tensors(out, "comparison.safetensors", tensors);
  if (!images.empty()) add_tensors(out, "images.safetensors", images);
  out.add_json("comparison.json", result);
}

}  // namespace modeldiff
