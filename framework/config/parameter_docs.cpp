#include "config/parameter_docs.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "modeldiff/core/plugin.h"

namespace modeldiff {
namespace {

using Type = FieldInfo::Type;

constexpr std::size_t kNarrowestText = 30;

/// A field and the whole key under which it stands.
struct Row {
  std::string key;
  const FieldInfo* field;
};

void add_rows(const SchemaInfo& schema, const std::string& prefix, std::vector<Row>& rows) {
  for (const FieldInfo& field : schema.fields) {
    std::string key = prefix + field.name;
    rows.push_back({key, &field});
    const FieldInfo* at = &field;
    for (; at->element; at = at->element.get()) key += at->type == Type::list ? "[]" : ".NAME";
    if (at->fields) add_rows(*at->fields, key + ".", rows);
  }
}

std::vector<Row> rows_of(const SchemaInfo& schema) {
  std::vector<Row> rows;
  add_rows(schema, "", rows);
  return rows;
}

/// "default" column: what is put in where the key is left out.
std::string default_phrase(const FieldInfo& field) {
  if (field.required) return "required";
  if (field.default_value.is_null()) return field.nullable ? "none" : "";
  if (field.type == Type::object) return "";  // its keys have rows of their own
  const bool is_word = field.default_value.is_string() && field.default_value != "";
  return is_word ? field.default_value.get<std::string>() : field.default_value.dump();
}

std::string meaning(const FieldInfo& field) {
  if (field.semantic) return field.doc;
  return field.doc + (field.doc.empty() ? "" : " ") + "Changes no result.";
}

std::string escaped(std::string text) {
  for (std::size_t at = 0; (at = text.find_first_of("|\n", at)) != std::string::npos; at += 2) {
    text.replace(at, 1, text[at] == '|' ? "\\|" : "  ");
  }
  return text;
}

std::string code(const std::string& text) { return text.empty() ? "" : fmt::format("`{}`", text); }

std::string plural(const FieldInfo& field) {
  switch (field.type) {
    case Type::boolean:
      return "booleans";
    case Type::integer:
      return "integers";
    case Type::number:
      return "numbers";
    case Type::text:
      return "strings";
    case Type::list:
      return fmt::format("lists of {}", plural(*field.element));
    case Type::table:
      return fmt::format("maps of names to {}", plural(*field.element));
    case Type::object:
      return "maps";
    case Type::plugin:
      return fmt::format("plugins of kind {}", field.plugin_kind);
    case Type::reference:
      return fmt::format("names of entries of {}", field.section);
    case Type::path:
      return "paths";
    case Type::choice:
      return fmt::format("{}", fmt::join(field.choices, ", "));
    case Type::any:
      return "anything";
  }
  return "";
}

/// Pieces put together to lines, with `glue` between two on one line. A longer piece stands on a
/// line of its own.
std::vector<std::string> filled(const std::vector<std::string>& pieces, const std::string& glue,
                                std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  for (const std::string& piece : pieces) {
    const bool fits = line.size() + glue.size() + piece.size() <= width;
    if (!line.empty() && !fits) lines.push_back(std::exchange(line, ""));
    line += (line.empty() ? "" : glue) + piece;
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

void add_section(const FieldInfo& field, std::string& out) {
  SchemaInfo alone;
  alone.fields = {field};
  out += fmt::format("\n### `{}`\n\n{}", field.name, markdown_table(alone));
}

}  // namespace

std::string type_phrase(const FieldInfo& field) {
  switch (field.type) {
    case Type::text:
      return "string";
    case Type::choice:
      return fmt::format("one of {}", fmt::join(field.choices, ", "));
    case Type::list:
      return fmt::format("{}list of {}",
                         field.lone_item ? type_phrase(*field.element) + ", or " : "",
                         plural(*field.element));
    case Type::table:
      return fmt::format("map of names to {}", plural(*field.element));
    case Type::object: {
      if (field.shorthand.empty()) return "map";
      const FieldInfo* only = field.fields->find(field.shorthand);
      return only ? fmt::format("{} ({}), or map", type_phrase(*only), field.shorthand) : "map";
    }
    case Type::plugin:
      return fmt::format("plugin of kind {}", field.plugin_kind);
    case Type::reference:
      return fmt::format("name of an entry of {}", field.section);
    default:
      return std::string(type_name(field.type));
  }
}

std::string range_phrase(const FieldInfo& field) {
  std::vector<std::string> parts;
  if (field.minimum) {
    parts.push_back(
        fmt::format("{} {}", field.exclusive_minimum ? "more than" : "at least", *field.minimum));
  }
  if (field.maximum) {
    parts.push_back(
        fmt::format("{} {}", field.exclusive_maximum ? "less than" : "at most", *field.maximum));
  }
  std::string text = fmt::format("{}", fmt::join(parts, " and "));
  const std::string items = field.type == Type::table ? "names" : "items";
  if (field.min_items && field.max_items && *field.min_items == *field.max_items) {
    text += fmt::format("{} {}", *field.min_items, items);
  } else if (field.min_items && field.max_items) {
    text += fmt::format("{} to {} {}", *field.min_items, *field.max_items, items);
  } else if (field.min_items) {
    text += fmt::format("at least {} {}", *field.min_items, items);
  } else if (field.max_items) {
    text += fmt::format("at most {} {}", *field.max_items, items);
  }
  if (field.element) {
    if (const std::string each = range_phrase(*field.element); !each.empty()) {
      text += fmt::format("{}each {}", text.empty() ? "" : ", ", each);
    }
  }
  if (!field.unit.empty()) {
    text += fmt::format("{}{}", text.empty() ? "" : " ",
                        text.empty() ? field.unit : fmt::format("({})", field.unit));
  }
  return text;
}

std::string markdown_table(const SchemaInfo& schema) {
  if (schema.fields.empty()) return "It has no parameters.\n";
  std::string out = "| key | type | default | range | meaning |\n|---|---|---|---|---|\n";
  for (const Row& row : rows_of(schema)) {
    const std::string value = default_phrase(*row.field);
    const bool is_word = value == "required" || value == "none";
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", row.key, escaped(type_phrase(*row.field)),
                       is_word ? value : code(escaped(value)), escaped(range_phrase(*row.field)),
                       escaped(meaning(*row.field)));
  }
  return out;
}

std::string markdown_reference(
    const SchemaInfo& experiment, const PluginCatalog& catalog,
    const std::function<std::string(const std::string&, const std::string&)>& summary_of) {
  const auto is_section = [](const FieldInfo& field) {
    return field.fields || field.element || field.type == Type::plugin;
  };
  SchemaInfo single_keys;
  std::copy_if(experiment.fields.begin(), experiment.fields.end(),
               std::back_inserter(single_keys.fields), std::not_fn(is_section));
  std::string out = "## Sections of an experiment file\n";
  if (!single_keys.fields.empty()) {
    out += fmt::format("\n### Single keys\n\n{}", markdown_table(single_keys));
  }
  for (const FieldInfo& field : experiment.fields) {
    if (is_section(field)) add_section(field, out);
  }
  out += "\n## Plugins\n";
  for (const std::string kind : kPluginKinds) {
    const std::vector<std::string> names = catalog.names(kind);
    if (!names.empty()) out += fmt::format("\n### {}\n", kind);
    for (const std::string& name : names) {
      const std::string summary = summary_of ? summary_of(kind, name) : "";
      out += fmt::format("\n#### `{}`\n\n{}{}", name, summary.empty() ? "" : summary + "\n\n",
                         markdown_table(*catalog.find_schema(kind, name)));
    }
  }
  return out;
}

std::string text_table(const SchemaInfo& schema, std::size_t width) {
  const std::vector<Row> rows = rows_of(schema);
  if (rows.empty()) return "no parameters\n";
  std::size_t key_width = 0;
  for (const Row& row : rows) key_width = std::max(key_width, row.key.size());
  const std::size_t indent = key_width + 4;
  const std::size_t text_width = std::max(width, indent + kNarrowestText) - indent;
  std::string out;
  for (const Row& row : rows) {
    const std::string value = default_phrase(*row.field);
    std::vector<std::string> facts{type_phrase(*row.field)};
    if (const std::string range = range_phrase(*row.field); !range.empty()) facts.push_back(range);
    if (!value.empty()) {
      facts.push_back(row.field->required ? value : fmt::format("default {}", value));
    }
    std::vector<std::string> lines;
    for (const std::string& line : filled(facts, "; ", text_width)) {
      for (std::string& part : filled(words_of(line), " ", text_width)) {
        lines.push_back(std::move(part));
      }
    }
    for (std::string& line : filled(words_of(meaning(*row.field)), " ", text_width)) {
      lines.push_back(std::move(line));
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      out += fmt::format("  {:<{}}  {}\n", i == 0 ? row.key : "", key_width, lines[i]);
    }
  }
  return out;
}

}  // namespace modeldiff
