#include "config/yaml_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace modeldiff {
namespace {

namespace msg = YAML::ErrorMsg;

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

bool is_blank(std::string_view line) {
  return indentation(line) == line.size() || line[indentation(line)] == '#';
}

std::size_t line_of(const YAML::Mark& mark) {
  return static_cast<std::size_t>(std::max(mark.line, 0));
}

/// The line of a mark, split there.
std::pair<std::string_view, std::string_view> split_line(const TextPlaces& places,
                                                         const YAML::Mark& mark) {
  const std::string_view line = places.line(line_of(mark));
  const std::size_t column =
      std::min(line.size(), static_cast<std::size_t>(std::max(mark.column, 0)));
  return {line.substr(0, column), line.substr(column)};
}

/// The usual reasons for a ':' where no key can be.
std::string unexpected_colon(const TextPlaces& places, const YAML::Mark& mark) {
  if (split_line(places, mark).first.find(": ") != std::string_view::npos) {
    return "a second ':' on one line; a text with ': ' in it needs quotes";
  }
  std::size_t above = line_of(mark);
  while (above > 0 && is_blank(places.line(above - 1))) --above;
  if (above > 0) {
    const std::string_view previous = places.line(above - 1);
    if (previous.find(':') == std::string_view::npos) {
      return fmt::format("line {} above has no ':'", above);
    }
    if (indentation(previous) < indentation(places.line(line_of(mark)))) {
      return fmt::format("this is indented below line {}, which has a value already", above);
    }
  }
  return "':' is not expected here; look for wrong indentation";
}

std::string unexpected_end(const OpenCollection& innermost) {
  if (!innermost.in_brackets) return "nothing is open that could be closed here";
  return fmt::format("the {} that opens at line {}, column {} is not closed; '{}' is expected",
                     innermost.is_map ? "map" : "list", innermost.where.line,
                     innermost.where.column, innermost.is_map ? '}' : ']');
}

std::string unclosed(bool is_map) {
  return fmt::format("this {} is not closed; '{}', a comma or a closing quote is missing",
                     is_map ? "map" : "list", is_map ? '}' : ']');
}

/// The quote that opens a string without end: the first one in the value of the last key.
SourceLocation opening_quote(TextPlaces& places, const SourceLocation& last_key,
                             const SourceLocation& end) {
  if (!last_key.known()) return end;
  for (auto number = static_cast<std::size_t>(last_key.line - 1); number < places.lines();
       ++number) {
    const std::string_view line = places.line(number);
    const bool is_first = static_cast<std::int64_t>(number) + 1 == last_key.line;
    const std::size_t from =
        is_first ? line.find(':', static_cast<std::size_t>(last_key.column - 1)) : 0;
    const std::size_t quote = line.find_first_of("\"'", std::min(from, line.size()));
    if (quote != std::string_view::npos) return places.at(number, quote);
  }
  return end;
}

/// Messages that need nothing but themselves and the text from the mark on.
std::string reworded(const std::string& message, std::string_view rest_of_line) {
  if (message == msg::MAP_KEY) return "'?' is not expected here";
  if (message == msg::BLOCK_ENTRY) {
    return "'- ' is not expected here; the items of a list stand on lines of their own below the "
           "key";
  }
  if (message == msg::END_OF_MAP) {
    return "this does not fit into the map above; look for a missing ':' or wrong indentation";
  }
  if (message == msg::END_OF_SEQ) {
    return "this does not fit into the list above; look for a missing '- ' or wrong indentation";
  }
  if (message == msg::EOF_IN_SCALAR) {
    return "this string has no closing quote; it goes on to the end of the file";
  }
  if (message == msg::DOC_IN_SCALAR) {
    return "a string in quotes does not go on beyond '---' or '...'; its closing quote is missing";
  }
  if (message == msg::UNKNOWN_TOKEN && !rest_of_line.empty()) {
    return fmt::format("a value cannot begin with '{}'; put the text in quotes", rest_of_line[0]);
  }
  if (message == msg::UNKNOWN_ANCHOR) return "no anchor of this name stands above";
  if (message.starts_with(msg::INVALID_ESCAPE)) {
    return fmt::format(
        "unknown escape '\\{}' in a string in double quotes; single quotes keep it as it is",
        message.substr(std::strlen(msg::INVALID_ESCAPE)));
  }
  return fmt::format("not valid YAML: {}", message);
}

}  // namespace

SourceLocation place_of(const YAML::Mark& mark, TextPlaces& places) {
  if (mark.line < 0) return {places.file(), 0, 0};
  return places.at(line_of(mark), static_cast<std::size_t>(std::max(mark.column, 0)));
}

Diagnostic syntax_error(const YAML::Exception& error, TextPlaces& places,
                        const OpenCollection& innermost) {
  const bool unclosed_map = error.msg == msg::END_OF_MAP_FLOW;
  // The parser marks these at the beginning of the file.
  if (unclosed_map || error.msg == msg::END_OF_SEQ_FLOW) {
    return {innermost.where, "", unclosed(unclosed_map)};
  }
  SourceLocation where = place_of(error.mark, places);
  if (error.msg == msg::EOF_IN_SCALAR) where = opening_quote(places, innermost.last_key, where);
  if (error.msg == msg::MAP_VALUE) return {where, "", unexpected_colon(places, error.mark)};
  if (error.msg == msg::FLOW_END) return {where, "", unexpected_end(innermost)};
  return {where, "", reworded(error.msg, split_line(places, error.mark).second)};
}

}  // namespace modeldiff
