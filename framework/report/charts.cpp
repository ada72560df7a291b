#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "report/html.h"

namespace modeldiff::charts {
namespace {

/// Values of an axis and the pixels they fall on.
struct Axis {
  double low, high, start, end;
  double operator()(double value) const {
    return start + (value - low) / (high - low) * (end - start);
  }
};

Axis axis_over(double low, double high, double start, double end) {
  if (!(high > low)) high = low + (low == 0 ? 1 : std::abs(low));
  return {low, high, start, end};
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(const Json& value) {
    if (!value.is_number()) return;
    low = std::min(low, value.get<double>());
    high = std::max(high, value.get<double>());
  }
  void add_all(const Json& values) {
    for (const Json& value : values) add(value);
  }
  bool empty() const { return !(low <= high); }
};

/// Round numbers, about `count` of them, inside an axis.
std::vector<double> ticks(const Axis& axis, int count) {
  const double rough = (axis.high - axis.low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {2.0, 5.0, 10.0}) {
    if (step < rough) step = factor * power;
  }
  std::vector<double> out;
  for (double value = std::ceil(axis.low / step) * step; value <= axis.high + step * 1e-9;
       value += step) {
    out.push_back(std::abs(value) < step * 1e-9 ? 0 : value);
  }
  return out;
}

std::string open(int width, int height, const std::string& title) {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" style=\"max-width:{}px\">", width,
      height, html::escape(title), width);
}

std::string x_axis(const Axis& x, double y, int count) {
  std::string out =
      fmt::format("<line class=\"axis\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>",
                  x.start, x.end, y, y);
  for (const double tick : ticks(x, count)) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.3g}</text>",
                       x(tick), y + 14, tick);
  }
  return out;
}

std::string y_axis(const Axis& y, double x, double right, int count) {
  std::string out;
  for (const double tick : ticks(y, count)) {
    out += fmt::format(
        "<line class=\"rule\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text "
        "x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.3g}</text>",
        x, right, y(tick), x - 5, y(tick) + 4, tick);
  }
  return out;
}

std::string bars(const Json& content, const std::string& title) {
  const Json& labels = content.at("labels");
  const Json& values = content.at("values");
  Range range;
  range.add(0.0);
  range.add_all(values);
  if (content.contains("lower")) range.add_all(content.at("lower"));
  if (content.contains("upper")) range.add_all(content.at("upper"));
  const int row = 22, height = static_cast<int>(values.size()) * row + 24;
  const Axis x = axis_over(range.low, range.high, 150, 540);
  std::string out = open(560, height, title) + x_axis(x, height - 18, 5);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double y = static_cast<double>(i) * row + 6;
    out += fmt::format("<text x=\"142\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", y + 11,
                       html::escape(labels.at(i).get<std::string>()));
    if (!values[i].is_number()) continue;
    const double from = std::min(x(0), x(values[i].get<double>())),
                 to = std::max(x(0), x(values[i].get<double>()));
    out += fmt::format(
        "<rect class=\"a\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"14\"><title>{}: "
        "{}</title></rect>",
        from, y, std::max(1.0, to - from), html::escape(labels.at(i).get<std::string>()),
        html::number(values[i], 4));
    if (content.contains("lower") && content.at("lower")[i].is_number()) {
      out += fmt::format(
          "<line class=\"whisker\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>",
          x(content.at("lower")[i].get<double>()), x(content.at("upper")[i].get<double>()), y + 7);
    }
  }
  return out + "</svg>";
}

/// Of lines beyond the first two, which have a colour each.
constexpr const char* kDashes[] = {"none", "7 3", "2 3"};

std::string lines(const Json& content, const std::string& title) {
  Range xs, ys;
  xs.add_all(content.at("x"));
  for (const Json& series : content.at("series")) {
    ys.add_all(series.at("y"));
    if (series.contains("lower")) ys.add_all(series.at("lower"));
    if (series.contains("upper")) ys.add_all(series.at("upper"));
  }
  if (xs.empty() || ys.empty()) return "";
  constexpr std::size_t kNamesInARow = 4;
  const auto rows = (content.at("series").size() + kNamesInARow - 1) / kNamesInARow;
  const Axis x = axis_over(xs.low, xs.high, 50, 540),
             y = axis_over(ys.low, ys.high, 200, 14.0 * static_cast<double>(rows));
  std::string out = open(560, 240, title) + y_axis(y, 50, 540, 4) + x_axis(x, 206, 6);
  const Json& positions = content.at("x");
  std::size_t index = 0;
  for (const Json& series : content.at("series")) {
    const char* colour = index % 2 == 0 ? "a" : "b";
    const char* dashes = kDashes[index / 2 % std::size(kDashes)];
    const auto points = [&](const Json& values, bool backwards) {
      std::string path;
      for (std::size_t k = 0; k < values.size(); ++k) {
        const std::size_t i = backwards ? values.size() - 1 - k : k;
        if (values[i].is_number())
          path += fmt::format("{:.1f},{:.1f} ", x(positions.at(i).get<double>()),
                              y(values[i].get<double>()));
      }
      return path;
    };
    if (series.contains("lower")) {
      out += fmt::format("<polygon class=\"band {}\" points=\"{}{}\"/>", colour,
                         points(series.at("lower"), false), points(series.at("upper"), true));
    }
    out += fmt::format("<polyline class=\"line {}\" stroke-dasharray=\"{}\" points=\"{}\"/>",
                       colour, dashes, points(series.at("y"), false));
    const std::size_t left = 56 + index % kNamesInARow * 125, top = 5 + index / kNamesInARow * 14;
    out += fmt::format(
        "<line class=\"line {0}\" stroke-dasharray=\"{1}\" x1=\"{2}\" x2=\"{3}\" y1=\"{4}\" "
        "y2=\"{4}\"/><text x=\"{5}\" y=\"{6}\">{7}</text>",
        colour, dashes, left, left + 16, top, left + 20, top + 4,
        html::escape(series.at("name").get<std::string>()));
    ++index;
  }
  out += fmt::format("<text x=\"295\" y=\"236\" text-anchor=\"middle\">{}</text>",
                     html::escape(content.value("x_label", "")));
  return out + "</svg>";
}

std::string scatter(const Json& content, const std::string& title) {
  Range xs, ys;
  xs.add_all(content.at("x"));
  ys.add_all(content.at("y"));
  if (xs.empty() || ys.empty()) return "";
  const Axis x = axis_over(xs.low, xs.high, 50, 540), y = axis_over(ys.low, ys.high, 260, 24);
  std::string out = open(560, 300, title) + y_axis(y, 50, 540, 5) + x_axis(x, 266, 6);
  out +=
      fmt::format("<text x=\"4\" y=\"11\">{}</text>", html::escape(content.value("y_label", "")));
  const Json labels = content.value("labels", Json::array());
  // The names of many points would cover each other; they are still told under the pointer.
  constexpr std::size_t kMostNames = 20;
  for (std::size_t i = 0; i < content.at("x").size(); ++i) {
    if (!content.at("x")[i].is_number() || !content.at("y")[i].is_number()) continue;
    const double left = x(content.at("x")[i].get<double>());
    const double top = y(content.at("y")[i].get<double>());
    const std::string name =
        i < labels.size() ? html::escape(labels[i].get<std::string>()) : std::string();
    out += fmt::format(
        "<circle class=\"a\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"><title>{}</title></circle>", left,
        top, name);
    if (labels.size() > kMostNames) continue;
    const bool at_right = left > 400;
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>",
                       at_right ? left - 6 : left + 6, top - 4, at_right ? "end" : "start", name);
  }
  out += fmt::format("<text x=\"295\" y=\"296\" text-anchor=\"middle\">{}</text>",
                     html::escape(content.value("x_label", "")));
  return out + "</svg>";
}

std::string heatmap(const Json& content) {
  Range range;
  for (const Json& row : content.at("values")) range.add_all(row);
  std::vector<html::Column> columns{{""}};
  for (const Json& name : content.at("columns"))
    columns.push_back({html::escape(name.get<std::string>()), true});
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < content.at("rows").size(); ++i) {
    std::vector<std::string> row{html::escape(content.at("rows")[i].get<std::string>())};
    for (const Json& value : content.at("values")[i]) {
      const double share = value.is_number() && range.high > range.low
                               ? (value.get<double>() - range.low) / (range.high - range.low)
                               : 0;
      row.push_back(fmt::format("<span class=\"heat\" style=\"--v:{:.2f}\">{}</span>", share,
                                html::number(value)));
    }
    rows.push_back(std::move(row));
  }
  return html::table(columns, rows);
}

}  // namespace

std::string null_histogram(const std::vector<double>& null, double observed,
                           const std::string& title) {
  if (null.empty()) return "";
  constexpr int kBins = 24;
  const auto [least, most] = std::minmax_element(null.begin(), null.end());
  const double low = std::min(*least, observed), high = std::max(*most, observed);
  const double margin = 0.04 * std::max(high - low, 1e-12);
  const Axis x = axis_over(low - margin, high + margin, 10, 350);
  std::vector<int> counts(kBins, 0);
  for (const double value : null) {
    ++counts[static_cast<std::size_t>(
        std::clamp(static_cast<int>((value - x.low) / (x.high - x.low) * kBins), 0, kBins - 1))];
  }
  const double tallest = *std::max_element(counts.begin(), counts.end()),
               step = (x.end - x.start) / kBins;
  std::string out = open(360, 110, title);
  for (int bin = 0; bin < kBins; ++bin) {
    const double height = 70 * counts[static_cast<std::size_t>(bin)] / tallest;
    if (height > 0)
      out += fmt::format(
          "<rect class=\"null\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
          x.start + bin * step + 0.5, 84 - height, step - 1, height);
  }
  out += fmt::format("<line class=\"observed\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"8\" y2=\"84\"/>",
                     x(observed));
  return out + x_axis(x, 84, 5) + "</svg>";
}

std::string effect_pair(const Json& first, const Json& second, double scale) {
  const Axis x = axis_over(-scale, scale, 4, 176);
  std::string out =
      open(180, 30, "effects with intervals") +
      fmt::format("<line class=\"axis\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"1\" y2=\"29\"/>", x(0));
  int row = 0;
  for (const Json* effect : {&first, &second}) {
    const double value = effect->at("estimate").get<double>(), y = 5 + 13 * row;
    const double from = std::min(x(0), x(value)), to = std::max(x(0), x(value));
    out +=
        fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"8\"/>",
                    row == 0 ? "a" : "b", from, y, std::max(1.0, to - from));
    out += fmt::format(
        "<line class=\"whisker\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>",
        x(std::max(-scale, effect->at("lower").get<double>())),
        x(std::min(scale, effect->at("upper").get<double>())), y + 4);
    ++row;
  }
  return out + "</svg>";
}

std::string exhibit(const std::string& kind, const std::string& title, const Json& content) {
  if (kind == "bars") return bars(content, title);
  if (kind == "lines") return lines(content, title);
  if (kind == "scatter") return scatter(content, title);
  if (kind == "heatmap") return heatmap(content);
  std::vector<html::Column> columns;
  std::vector<std::vector<std::string>> rows;
  for (const Json& name : content.at("columns"))
    columns.push_back({html::escape(name.get<std::string>()), !columns.empty()});
  for (const Json& row : content.at("rows")) {
    std::vector<std::string> cells;
    for (const Json& value : row) cells.push_back(html::number(value, 4));
    rows.push_back(std::move(cells));
  }
  return html::table(columns, rows);
}

}  // namespace modeldiff::charts
