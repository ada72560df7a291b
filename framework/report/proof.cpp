#include "report/proof.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "report/charts.h"
#include "report/html.h"
#include "report/result.h"

namespace modeldiff {
namespace {

/// Claims whose pictures are shown.
constexpr std::size_t kShownPairs = 6;

class Proof {
 public:
  Proof(const Json& result, const std::optional<SafetensorsFile>& images)
      : result_(result),
        images_(images),
        names_(result.at("verify").at("between").get<std::vector<std::string>>()) {}

  std::string section() const {
    const Json& verify = result_.at("verify");
    const Json& claims = verify.at("claims");
    double scale = 1e-3;
    for (const Json& claim : claims) {
      for (const std::string& name : names_)
        scale = std::max(scale,
                         std::abs(claim.at("effect").at(name).at("estimate").get<double>()) * 1.15);
    }
    std::string out = fmt::format(
        "<h2>The proof</h2><p>{} transformations were proposed, {} of them tested on runs and "
        "images that served nothing before: {} training runs a side, {} images. Effects are "
        "changes of the "
        "probability of a class on images of other classes, in points, with {:.0f} % intervals "
        "over runs; p-values{} are adjusted for a false discovery rate of {}. {}</p>"
        "<p class=\"keys\"><span><i class=\"a\"></i>{}</span><span><i "
        "class=\"b\"></i>{}</span></p>",
        verify.at("proposed").get<std::int64_t>(), verify.at("tested").get<std::int64_t>(),
        verify.at("runs").at(names_[0]).get<std::int64_t>(),
        verify.at("images").get<std::int64_t>(), 100 * verify.at("confidence").get<double>(),
        verify.at("paired").get<bool>() ? ", of sign flips of paired runs," : "",
        verify.at("false_discovery_rate").get<double>(), html::artifact(verify),
        html::escape(names_[0]), html::escape(names_[1]));
    std::vector<std::vector<std::string>> rows;
    for (const Json& claim : claims) {
      const Json& effect = claim.at("effect");
      const std::string who = claim_in_words(claim.at("claim").get<std::string>(), names_);
      const Json& placebo = claim.at("placebo");
      rows.push_back({fmt::format("{}<br><span class=\"soft\">{}{}</span>",
                                  html::escape(claim.at("label").get<std::string>()),
                                  html::escape(claim.at("family").get<std::string>()),
                                  claim.at("preregistered").get<bool>() ? ", preregistered" : ""),
                      html::escape(claim.at("target_class_name").get<std::string>()),
                      html::escape(who == "none" ? "–" : who),
                      charts::effect_pair(effect.at(names_[0]), effect.at(names_[1]), scale),
                      html::points_interval(effect.at(names_[0])),
                      html::points_interval(effect.at(names_[1]))});
      for (const auto& [name, other] : claim.at("also").items())
        rows.back().push_back(html::points_interval(other));
      rows.back().insert(rows.back().end(),
                         {html::points_interval(claim.at("difference")),
                          html::number(claim.at("adjusted_p_value"), 2),
                          placebo.is_object() ? html::points_interval(placebo) : "–"});
    }
    const std::string a = html::escape(names_[0]), b = html::escape(names_[1]);
    std::vector<html::Column> columns{{"transformation"}, {"class"},         {"claim"},
                                      {"effect"},         {"on " + a, true}, {"on " + b, true}};
    if (!claims.empty()) {
      for (const auto& [name, unused] : claims.front().at("also").items())
        columns.push_back({"on " + html::escape(name), true});
    }
    columns.insert(columns.end(),
                   {{"difference", true}, {"adjusted p", true}, {"more than placebo", true}});
    out += html::table(columns, rows);
    if (verify.contains("control")) {
      out += fmt::format(
          "<p class=\"soft\">The same tests of {} against other runs of itself: {} discoveries, "
          "largest bound {}.</p>",
          a, verify.at("control").at("discoveries").get<std::int64_t>(),
          html::points(verify.at("control").at("largest_bound")));
    }
    return out + wider_intervals(claims) + other_effects(claims) + by_source_class(claims) +
           pairs(claims);
  }

 private:
  /// What the difference may be when all claims are read at once, and on other images.
  std::string wider_intervals(const Json& claims) const {
    std::vector<std::vector<std::string>> rows;
    for (const Json& claim : claims) {
      std::vector<std::string>& row = rows.emplace_back(row_of(claim));
      for (const char* which : {"difference", "difference_simultaneous", "difference_over_images"})
        row.push_back(html::points_interval(claim.at(which)));
    }
    return "<details><summary>Wider intervals of the difference</summary><p>In points. Those of "
           "the table above are each for itself and about the runs, on these images; all at once "
           "hold together with the same confidence (Bonferroni); those for images like these draw "
           "runs and images anew (bootstrap).</p>" +
           html::table({{"transformation"},
                        {"class"},
                        {"each", true},
                        {"all at once", true},
                        {"images like these", true}},
                       rows) +
           "</details>";
  }

  /// The transformation and the class that a row of a further table is about.
  static std::vector<std::string> row_of(const Json& claim) {
    return {html::escape(claim.at("label").get<std::string>()),
            html::escape(claim.at("target_class_name").get<std::string>())};
  }

  /// An effect that is told beside the one that is tested.
  struct FurtherEffect {
    using Text = std::string (*)(const Json&);
    const char *title, *key;
    Text text;
    const char* difference;
    Text difference_text;
  };

  std::string table_of(const Json& claims, std::span<const FurtherEffect> effects) const {
    std::vector<html::Column> columns{{"transformation"}, {"towards"}};
    for (const FurtherEffect& effect : effects) {
      for (const std::string& name : names_)
        columns.push_back({fmt::format("{} on {}", effect.title, html::escape(name)), true});
      columns.push_back({"difference", true});
    }
    std::vector<std::vector<std::string>> rows;
    for (const Json& claim : claims) {
      std::vector<std::string>& row = rows.emplace_back(row_of(claim));
      for (const FurtherEffect& effect : effects) {
        for (const std::string& name : names_)
          row.push_back(effect.text(claim.at(effect.key).at(name)));
        row.push_back(effect.difference_text(claim.at(effect.difference)));
      }
    }
    return html::table(columns, rows);
  }

  /// What a probability may hide by being near 0 or 1 already, and what effects on the class do not
  /// show.
  std::string other_effects(const Json& claims) const {
    const FurtherEffect on_class[] = {
        {"logit", "logit_effect", html::signed_interval, "logit_difference", html::signed_interval},
        {"predicted", "prediction_effect", html::points_interval, "prediction_difference",
         html::points_interval}};
    const FurtherEffect on_images[] = {{"margin", "margin_effect", html::signed_interval,
                                        "margin_difference", html::signed_interval},
                                       {"changed", "changed_predictions", html::percent_interval,
                                        "changed_difference", html::points_interval}};
    return "<details><summary>In logits, predictions and margins</summary><p>Effects on the logit "
           "of the class, and on how many images of other classes are predicted as it, in points. "
           "Differences are not tested: their intervals are each for itself.</p>" +
           table_of(claims, on_class) +
           "<p>Effects on the log-odds margin of the images' own classes, and the share of "
           "predictions that change at all, its difference in points.</p>" +
           table_of(claims, on_images) + "</details>";
  }

  /// Whether an effect comes from images of one class.
  std::string by_source_class(const Json& claims) const {
    if (claims.empty()) return "";
    std::vector<html::Column> columns{{"transformation"}, {"towards"}};
    const auto classes =
        static_cast<std::int64_t>(claims.front().at("effect_by_source_class").at(names_[0]).size());
    for (std::int64_t c = 0; c < classes; ++c)
      columns.push_back({html::escape(name_in_dataset(result_, "class_names", c)), true});
    std::vector<std::vector<std::string>> rows;
    for (const Json& claim : claims) {
      std::vector<std::string>& row = rows.emplace_back(row_of(claim));
      for (std::int64_t c = 0; c < classes; ++c) {
        const Json &of_a = claim.at("effect_by_source_class").at(names_[0]).at(c),
                   &of_b = claim.at("effect_by_source_class").at(names_[1]).at(c);
        row.push_back(of_a.is_null() || of_b.is_null()
                          ? "–"
                          : fmt::format("{:+.1f} / {:+.1f}", 100 * of_a.get<double>(),
                                        100 * of_b.get<double>()));
      }
    }
    return fmt::format(
        "<details><summary>By class of the images</summary><p>Effects on the class's probability "
        "in points on images of each class: {} / {}.</p>{}</details>",
        html::escape(names_[0]), html::escape(names_[1]), html::table(columns, rows));
  }

  std::string pairs(const Json& claims) const {
    if (!images_) return "";
    std::string out = "<h3>Before and after</h3><div class=\"pairs\">";
    for (std::size_t i = 0; i < claims.size() && i < kShownPairs; ++i) {
      const std::string before = fmt::format("{}.before", i), after = fmt::format("{}.after", i);
      if (!images_->contains(before)) continue;
      const auto label = claims[i].at("label").get<std::string>();
      const std::vector<html::Tile> plain(4, {"before", "an image before: " + label, false}),
          changed(4, {"after", "an image after: " + label, false});
      out += fmt::format(
          "<div class=\"card\"><h3>{}</h3><p class=\"soft\">towards class {}</p>{}{}</div>",
          html::escape(label), html::escape(claims[i].at("target_class_name").get<std::string>()),
          html::image_grid(images_->tensor(before), plain),
          html::image_grid(images_->tensor(after), changed));
    }
    return out + "</div>";
  }

  const Json& result_;
  const std::optional<SafetensorsFile>& images_;
  std::vector<std::string> names_;
};

}  // namespace

std::string proof_section(const Json& result, const std::optional<SafetensorsFile>& images) {
  return Proof(result, images).section();
}

}  // namespace modeldiff
