#include "report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/png_sprite.h"

namespace modeldiff::html {

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string number(const Json& value, int digits) {
  if (value.is_number_integer()) return fmt::format("{}", value.get<std::int64_t>());
  if (!value.is_number())
    return value.is_string()    ? escape(value.get<std::string>())
           : value.is_boolean() ? (value.get<bool>() ? "yes" : "no")
                                : "–";
  return fmt::format("{:.{}g}", value.get<double>(), digits);
}

std::string points(const Json& value) {
  return value.is_number() ? fmt::format("{:+.1f}", 100 * value.get<double>()) : "–";
}

namespace {

std::string with_bounds(const std::string& estimate, const Json& interval, double scale,
                        int decimals) {
  return fmt::format("{} <span class=\"ci\">[{:.{}f}, {:.{}f}]</span>", estimate,
                     scale * interval.at("lower").get<double>(), decimals,
                     scale * interval.at("upper").get<double>(), decimals);
}

}  // namespace

std::string points_interval(const Json& interval) {
  if (!interval.is_object()) return "–";
  return with_bounds(points(interval.at("estimate")), interval, 100, 1);
}

std::string percent_interval(const Json& interval) {
  return with_bounds(fmt::format("{:.0f} %", 100 * interval.at("estimate").get<double>()), interval,
                     100, 0);
}

std::string signed_interval(const Json& interval) {
  return with_bounds(fmt::format("{:+.2f}", interval.at("estimate").get<double>()), interval, 1, 2);
}

std::string table(const std::vector<Column>& columns,
                  const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  for (const Column& column : columns) {
    out += fmt::format("<th scope=\"col\"{}><button type=\"button\">{}</button></th>",
                       column.numeric ? " class=\"n\"" : "", column.title);
  }
  out += "</tr></thead><tbody>";
  for (const auto& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += fmt::format("<td{}>{}</td>",
                         i < columns.size() && columns[i].numeric ? " class=\"n\"" : "", row[i]);
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string artifact(const Json& part) {
  if (!part.is_object() || !part.contains("artifact")) return "";
  const auto key = part.at("artifact").get<std::string>();
  return fmt::format("<span class=\"artifact\" title=\"artifact {}\">{}</span>", key,
                     key.substr(0, 12));
}

std::string image_grid(const TensorView& images, const std::vector<Tile>& tiles) {
  const std::int64_t count =
      std::min<std::int64_t>(images.shape.at(0), static_cast<std::int64_t>(tiles.size()));
  if (count == 0) return "";
  const std::int64_t height = images.shape.at(2), width = images.shape.at(3);
  const std::int64_t size = 56, tile_width = size * width / std::max<std::int64_t>(height, 1);
  std::string out = fmt::format(
      "<div class=\"grid\" style=\"--w:{}px;--h:{}px;--n:{};--s:url(data:image/png;base64,{})\">",
      tile_width, size, count, base64_of_png_sprite(images, count));
  for (std::int64_t i = 0; i < count; ++i) {
    const Tile& tile = tiles[static_cast<std::size_t>(i)];
    out += fmt::format(
        "<figure{}><i role=\"img\" aria-label=\"{}\" "
        "style=\"--i:{}\"></i><figcaption>{}</figcaption></figure>",
        tile.marked ? " class=\"marked\"" : "", escape(tile.description), i, tile.caption);
  }
  return out + "</div>";
}

}  // namespace modeldiff::html
