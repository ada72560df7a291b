#include "report/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/charts.h"
#include "report/html.h"
#include "report/page_style.h"
#include "report/proof.h"
#include "report/result.h"

namespace modeldiff {
namespace {

/// Directions of each side whose pictures are shown; the others stand in the table.
constexpr std::size_t kShownDirections = 2;
/// Classes, and groups, that are counted at an end of a direction.
constexpr std::size_t kShownShares = 3;

class Page {
 public:
  Page(const Json& result, const Plan& plan, const Store& store)
      : result_(result), plan_(plan), store_(store) {}

  std::string render() {
    const auto name = result_.at("experiment").get<std::string>();
    std::string body = fmt::format("<p class=\"eyebrow\">{}</p><h1>{}</h1>", html::escape(name),
                                   html::escape(question()));
    body += verdict_box() + chips();
    if (result_.contains("compare")) body += difference() + directions();
    if (result_.contains("verify")) body += proof_section(result_, images_of("verification"));
    body += learning_curves() + evaluations() + missing() + expectations() + provenance();
    return fmt::format(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\">"
        "<title>{}</title><style>{}</style></head><body><main>{}</main>"
        "<script type=\"application/json\" "
        "id=\"summary\">{}</script><script>{}</script></body></html>\n",
        html::escape(name), kPageStyle, body, summary_json(), kPageScript);
  }

 private:
  std::string question() const {
    const auto text = result_.at("question").get<std::string>();
    return text.empty() ? result_.at("experiment").get<std::string>() : text;
  }

  std::string class_name(std::int64_t c) const { return name_of("class_names", c); }
  std::string name_of(const char* list, std::int64_t index) const {
    return name_in_dataset(result_, list, index);
  }

  /// Numbers that another program may want from the page itself; result.json has all.
  std::string summary_json() const {
    std::string text =
        Json{{"experiment", result_.at("experiment")}, {"verdict", verdict(result_)}}.dump();
    for (std::size_t at = 0; (at = text.find("</", at)) != std::string::npos; at += 3)
      text.replace(at, 2, "<\\/");
    return text;
  }

  std::string verdict_box() const {
    std::string out = "<div class=\"verdict\">";
    const std::vector<std::string> lines = verdict(result_);
    // The claim stands first: whoever reads one line reads that.
    const std::size_t claim = result_.contains("verify") && lines.size() > 1 ? 1 : 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::size_t at = i == 0 ? claim : i == claim ? 0 : i;
      out += fmt::format("<p>{}</p>", html::escape(lines[at]));
    }
    return lines.empty() ? "" : out + "</div>";
  }

  std::string chips() const {
    const auto chip = [](const std::string& text, const char* kind = "") {
      return fmt::format("<span class=\"chip {}\">{}</span>", kind, html::escape(text));
    };
    std::string out = "<div class=\"chips\">";
    const Json& dataset = result_.at("dataset");
    if (dataset.is_object()) {
      out += chip(fmt::format(
          "{}: {} training, {} test examples", dataset.at("name").get<std::string>(),
          dataset.at("train").get<std::int64_t>(), dataset.at("test").get<std::int64_t>()));
    }
    out += chip(fmt::format("seed {}", result_.at("description").at("seed").get<std::int64_t>()));
    std::size_t held = 0;
    for (const Json& row : result_.at("expect")) held += row.at("holds").get<bool>();
    if (const std::size_t all = result_.at("expect").size()) {
      out +=
          chip(fmt::format("{} of {} expectations hold", held, all), held == all ? "good" : "bad");
    }
    if (const std::size_t count = result_.at("missing").size())
      out += chip(fmt::format("{} parts missing", count), "bad");
    return out + "</div>";
  }

  std::string difference() const {
    const Json& compare = result_.at("compare");
    const bool known_noise =
        compare.at("sides")[0].at("test").get<std::string>().find(" against ") != std::string::npos;
    std::string out = fmt::format(
        "<h2>Is there a difference at all?</h2><p>{} The size of the first direction of the "
        "residual, <span style=\"color:var(--bad)\">red</span>, beside what it becomes {} ({} "
        "times, {} runs a side).{} {}</p><div class=\"cards\">",
        known_noise ? "The scores come from runs on random subsets, so that their noise is known."
                    : "If the algorithms were the same, their training runs could be exchanged.",
        known_noise ? "where there is noise alone" : "when the runs are dealt at random",
        compare.at("permutations").get<std::int64_t>(), compare.at("runs").get<std::int64_t>(),
        known_noise && compare.at("residual") == "normalised"
            ? " Tested are the unregularised scores; the directions below are those of the "
              "regularised ones, which show the examples more clearly."
            : "",
        html::artifact(compare));
    const auto card = [&](const std::string& title, const Json& test, const std::string& note) {
      const std::string p = html::number(test.at("p_value"));
      return fmt::format(
          "<div class=\"card\"><h3>{}</h3><div class=\"big\">p = {}</div><div "
          "class=\"soft\">{}</div>{}</div>",
          html::escape(title), p, html::escape(note),
          charts::null_histogram(test.at("null").get<std::vector<double>>(),
                                 test.at("statistic").get<double>(),
                                 fmt::format("{}: p = {}", title, p)));
    };
    for (const Json& side : compare.at("sides")) {
      out += card(fmt::format("{} without {}", side.at("of").get<std::string>(),
                              side.at("against").get<std::string>()),
                  side, side.at("test").get<std::string>());
    }
    if (compare.contains("control")) {
      out += card(fmt::format("{} against itself", compare.at("of").get<std::string>()),
                  compare.at("control"),
                  "other runs of the same algorithm: what no difference looks like");
    }
    const Json& cosine = compare.at("cosine");
    return out +
           fmt::format(
               "</div><p class=\"soft\">Agreement of the two algorithms, cosine of a query's "
               "scores: median {} (5 % to 95 %: {} to {}); {} queries, {} without scores.</p>",
               html::number(cosine.at("median")), html::number(cosine.at("lower")),
               html::number(cosine.at("upper")), compare.at("queries").get<std::int64_t>(),
               compare.at("dropped_queries").get<std::int64_t>());
  }

  const Cell* find_cell(const std::string& kind) const {
    for (const Cell& cell : plan_.cells) {
      if (cell.kind == kind && store_.contains(cell.key)) return &cell;
    }
    return nullptr;
  }

  std::optional<SafetensorsFile> images_of(const std::string& kind) const {
    const Cell* cell = find_cell(kind);
    if (!cell) return std::nullopt;
    const Artifact artifact = store_.open(cell->key);
    if (!artifact.contains("images.safetensors")) return std::nullopt;
    return artifact.tensors("images.safetensors");
  }

  /// "18 of class 3, 2 of class 5; 20 of group sea": what there is most of at one end, and how
  /// many carry the planted mark.
  std::string shares(const Json& items) const {
    std::vector<std::string> parts;
    const auto count = [&](const char* key, const char* names) {
      std::map<std::int64_t, int> counts;
      for (const Json& item : items) {
        if (item.contains(key)) ++counts[item.at(key).get<std::int64_t>()];
      }
      std::vector<std::pair<int, std::int64_t>> order;
      for (const auto& [value, number] : counts) order.emplace_back(-number, value);
      std::sort(order.begin(), order.end());
      order.resize(std::min(order.size(), kShownShares));
      std::vector<std::string> most;
      for (const auto& [number, value] : order)
        most.push_back(
            fmt::format("{} of {} {}", -number, key, html::escape(name_of(names, value))));
      if (!most.empty()) parts.push_back(fmt::format("{}", fmt::join(most, ", ")));
    };
    count("class", "class_names");
    count("group", "groups");
    if (!items.empty() && items[0].contains("planted")) {
      const auto planted = std::count_if(items.begin(), items.end(), [](const Json& item) {
        return item.at("planted").get<bool>();
      });
      parts.push_back(fmt::format("{} of {} carry the planted mark", planted, items.size()));
    }
    return fmt::format("{}", fmt::join(parts, "; "));
  }

  /// @param id, means names of the pictures, of which there may be none
  std::string end_of_direction(const SafetensorsFile* images, const std::string& id,
                               const std::string& means, const Json& items,
                               const std::string& title) const {
    std::vector<html::Tile> tiles;
    for (const Json& item : items) {
      const std::string label =
          item.contains("class") ? class_name(item.at("class").get<std::int64_t>()) : "";
      tiles.push_back(
          {html::escape(label),
           fmt::format("{} row {}, class {}, weight {:.3g}", title,
                       item.at("row").get<std::int64_t>(), label, item.at("weight").get<double>()),
           item.value("planted", false)});
    }
    std::string out = fmt::format("<h3>{}</h3><p class=\"soft\">{}</p>", title, shares(items));
    if (images && images->contains(id)) out += html::image_grid(images->tensor(id), tiles);
    if (images && images->contains(means))
      out += html::image_grid(
          images->tensor(means),
          {{"mean", "mean of these, of the class that most of them have", false},
           {"less rest", "that mean less the mean of the rest of the class, grey where equal",
            false}});
    return out;
  }

  std::string directions() const {
    const Json& compare = result_.at("compare");
    const std::optional<SafetensorsFile> images = images_of("comparison");
    std::string out =
        "<h2>What distinguishes them</h2><p>Directions over training examples: what one algorithm "
        "uses together and the other does not. The explained variances are descriptive; "
        "only the p-values tell a difference from noise. Stability: how well a direction comes "
        "back, "
        "as |cosine| with the nearest one, when the queries are drawn anew.";
    if (const auto residual = compare.at("residual").get<std::string>(); residual != "normalised")
      out += " They are of the " + residual + " residual of subset runs.";
    if (const auto basis = compare.at("basis").get<std::string>(); basis != "principal")
      out += " These are " + basis +
             " directions; the p-values are of the principal ones and tell how many there are.";
    out += "</p>";
    for (const Json& side : compare.at("sides")) {
      const auto of = side.at("of").get<std::string>(),
                 against = side.at("against").get<std::string>();
      std::vector<std::vector<std::string>> rows;
      for (const Json& direction : side.at("directions")) {
        const Json& explained = direction.at("explained");
        const auto percent = [](const Json& value) {
          return fmt::format("{:.2f} %", 100 * value.get<double>());
        };
        rows.push_back({fmt::format("{}", direction.at("rank").get<int>() + 1),
                        html::number(direction.at("p_value")), percent(direction.at("share")),
                        fmt::format("{:.2f}", direction.at("stability").get<double>()),
                        percent(explained.at(of)), percent(explained.at(against)),
                        html::escape(shares(direction.at("ends").at("examples").at("positive")))});
      }
      out += fmt::format("<h3>{} without {}</h3>", html::escape(of), html::escape(against));
      out += html::table({{"direction", true},
                          {"p", true},
                          {"share of the residual", true},
                          {"stability", true},
                          {"variance under " + html::escape(of), true},
                          {"variance under " + html::escape(against), true},
                          {"its strongest training examples"}},
                         rows);
      for (std::size_t j = 0; j < side.at("directions").size() && j < kShownDirections; ++j) {
        const Json& ends = side.at("directions")[j].at("ends");
        out += fmt::format("<details{}><summary>Direction {} of {} without {}</summary>",
                           j == 0 && &side == &compare.at("sides")[0] ? " open" : "", j + 1,
                           html::escape(of), html::escape(against));
        const SafetensorsFile* file = images ? &*images : nullptr;
        for (const char* what : {"examples", "queries"}) {
          for (const char* sign : {"positive", "negative"}) {
            const bool examples = std::string(what) == "examples";
            out += end_of_direction(
                file, fmt::format("{}.{}.{}.{}", of, j, what, sign),
                examples ? fmt::format("{}.{}.means.{}", of, j, sign) : "", ends.at(what).at(sign),
                fmt::format("{}, {} end", examples ? "Training examples" : "Queries", sign));
          }
        }
        out += "</details>";
      }
    }
    return out;
  }

  /// Training loss by epoch: median over an algorithm's runs, with the band of all of them.
  std::string learning_curves() const {
    std::map<std::string, std::vector<std::vector<double>>> curves;
    for (const Cell& cell : plan_.cells) {
      if (cell.kind != "run" || !store_.contains(cell.key)) continue;
      auto& of = curves[cell.path.substr(cell.path.find('.') + 1)];
      if (of.size() < 40)
        of.push_back(
            store_.open(cell.key).json("run.json").at("epoch_loss").get<std::vector<double>>());
    }
    Json series = Json::array(), x = Json::array();
    for (const auto& [name, runs] : curves) {
      Json y = Json::array(), lower = Json::array(), upper = Json::array();
      for (std::size_t epoch = 0; epoch < runs.front().size(); ++epoch) {
        std::vector<double> values;
        for (const auto& run : runs) {
          if (epoch < run.size()) values.push_back(run[epoch]);
        }
        std::sort(values.begin(), values.end());
        y.push_back(values[values.size() / 2]);
        lower.push_back(values.front());
        upper.push_back(values.back());
        if (x.size() <= epoch) x.push_back(epoch + 1);
      }
      if (!y.empty())
        series.push_back({{"name", name}, {"y", y}, {"lower", lower}, {"upper", upper}});
    }
    if (series.empty()) return "";
    return "<h2>Training</h2><p>Mean training loss by epoch: the median run, and the band of all "
           "of them.</p>" +
           charts::exhibit("lines", "training loss by epoch",
                           {{"x", x}, {"series", series}, {"x_label", "epoch"}});
  }

  std::string evaluations() const {
    if (!result_.contains("exhibits")) return "";
    std::string out;
    for (const auto& [name, entry] : result_.at("exhibits").items()) {
      out += fmt::format("<h2>Evaluation: {}</h2><p>{} {}</p>", html::escape(name),
                         html::escape(entry.at("summary").get<std::string>()),
                         html::artifact(result_.at("evaluate").at(name)));
      for (const Json& exhibit : entry.at("exhibits")) {
        const auto title = exhibit.at("title").get<std::string>();
        out += fmt::format(
            "<h3>{}</h3>{}", html::escape(title),
            charts::exhibit(exhibit.at("kind").get<std::string>(), title, exhibit.at("content")));
      }
    }
    return out;
  }

  std::string missing() const {
    if (result_.at("missing").empty()) return "";
    std::vector<std::vector<std::string>> rows;
    for (const Json& cell : result_.at("missing")) {
      rows.push_back({html::escape(cell.at("cell").get<std::string>()),
                      html::escape(cell.at("kind").get<std::string>()),
                      html::escape(cell.at("message").get<std::string>())});
    }
    return "<h2>What is missing</h2>" + html::table({{"part"}, {"why"}, {"what happened"}}, rows);
  }

  std::string expectations() const {
    if (result_.at("expect").empty()) return "";
    std::vector<std::vector<std::string>> rows;
    for (const Json& row : result_.at("expect")) {
      const bool holds = row.at("holds").get<bool>();
      rows.push_back({html::escape(row.at("path").get<std::string>()),
                      html::escape(row.at("condition").get<std::string>()),
                      html::number(row.at("found"), 4),
                      fmt::format("<span class=\"chip {}\">{}</span> {}", holds ? "good" : "bad",
                                  holds ? "holds" : "missed",
                                  html::escape(row.at("note").get<std::string>()))});
    }
    return "<h2>Expectations</h2>" +
           html::table({{"result"}, {"expected"}, {"found", true}, {""}}, rows);
  }

  std::string provenance() const {
    const Json& facts = result_.at("provenance");
    std::vector<std::vector<std::string>> rows;
    for (const auto& [key, value] : facts.items()) {
      rows.push_back({html::escape(key),
                      html::escape(value.is_string() ? value.get<std::string>() : value.dump())});
    }
    if (result_.at("dataset").is_object())
      rows.push_back(
          {"source of the data", html::escape(result_.at("dataset").value("source", ""))});
    std::string out = "<h2>Where it comes from</h2>" + html::table({{"fact"}, {"value"}}, rows);
    out +=
        fmt::format("<details><summary>The complete description</summary><pre>{}</pre></details>",
                    html::escape(result_.at("description").dump(2)));
    return out +
           "<p class=\"soft\">Every number is in result.json beside this page, with the key of the "
           "artifact that holds it; <code>modeldiff show KEY</code> opens one.</p>";
  }

  const Json& result_;
  const Plan& plan_;
  const Store& store_;
};

}  // namespace

std::string render_report(const Json& result, const Plan& plan, const Store& store) {
  return Page(result, plan, store).render();
}

}  // namespace modeldiff
