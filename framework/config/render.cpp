#include "config/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "config/key_path.h"
#include "config/yaml.h"

namespace modeldiff {
namespace {

// A longer line is cut around the column.
constexpr std::int64_t kLongestLine = 110;

constexpr const char* kBold = "\x1b[1m";
constexpr const char* kRed = "\x1b[1;31m";
constexpr const char* kGreen = "\x1b[1;32m";
constexpr const char* kPlain = "\x1b[0m";

/// Lines of files, each file read once and no further than an experiment file may go.
class FileLines {
 public:
  std::optional<std::string> line(const std::string& file, std::int64_t number) {
    auto known = files_.find(file);
    if (known == files_.end()) known = files_.emplace(file, read(file)).first;
    const std::vector<std::string>& lines = known->second;
    if (number < 1 || number > static_cast<std::int64_t>(lines.size())) return std::nullopt;
    return lines[static_cast<std::size_t>(number - 1)];
  }

 private:
  static std::vector<std::string> read(const std::string& file) {
    std::vector<std::string> lines;
    std::ifstream in(file, std::ios::binary);
    std::size_t bytes = 0;
    for (std::string text; bytes < kYamlMaxBytes && std::getline(in, text);) {
      bytes += text.size() + 1;
      if (text.ends_with('\r')) text.pop_back();
      lines.push_back(std::move(text));
    }
    if (!lines.empty() && lines[0].starts_with("\xef\xbb\xbf")) lines[0].erase(0, 3);
    return lines;
  }

  std::map<std::string, std::vector<std::string>> files_;
};

/// The characters of a text; a byte that is no UTF-8 is one of its own.
std::vector<std::string> characters_of(const std::string& text) {
  std::vector<std::string> characters;
  for (const char byte : text) {
    const auto bits = static_cast<unsigned char>(byte);
    if ((bits & 0xc0) == 0x80 && !characters.empty()) {
      characters.back() += byte;
    } else if (bits < 0x20 && byte != '\t') {
      characters.push_back("?");  // nothing that would steer a terminal
    } else {
      characters.emplace_back(1, byte);
    }
  }
  return characters;
}

/// "   31 |     segments: 0" and the caret below.
std::string snippet(const std::string& line, const SourceLocation& where, bool colour) {
  const std::vector<std::string> characters = characters_of(line);
  const auto count = static_cast<std::int64_t>(characters.size());
  const std::int64_t column = std::clamp<std::int64_t>(where.column, 1, count + 1);
  const std::int64_t first =
      count > kLongestLine ? std::max<std::int64_t>(0, column - kLongestLine / 2) : 0;
  const std::int64_t last = std::min(count, first + kLongestLine);
  std::string shown = first > 0 ? "..." : "", caret = first > 0 ? "   " : "";
  for (std::int64_t i = first; i < last; ++i) {
    const std::string& character = characters[static_cast<std::size_t>(i)];
    shown += character;
    if (i + 1 < column) caret += character == "\t" ? "\t" : " ";
  }
  if (last < count) shown += "...";
  return fmt::format("{:>5} | {}\n      | {}{}^{}\n", where.line, shown, caret,
                     colour ? kGreen : "", colour ? kPlain : "");
}

bool names_word(std::string_view text, std::string_view word) {
  const auto is_letter = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string_view::npos; ++at) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_letter(text[at - 1])) && (end == text.size() || !is_letter(text[end])))
      return true;
  }
  return false;
}

/// The key path before the message, where the message does not name the key itself.
std::string message_with_path(const Diagnostic& diagnostic) {
  const std::string key = diagnostic.path.substr(diagnostic.path.find_last_of('.') + 1);
  if (key.empty() || names_word(diagnostic.message, key)) return diagnostic.message;
  return fmt::format("{}: {}", diagnostic.path, diagnostic.message);
}

}  // namespace

std::string render_diagnostics(const std::vector<Diagnostic>& diagnostics,
                               const RenderStyle& style) {
  FileLines files;
  const auto source_line = [&](const SourceLocation& where) {
    return style.source_line ? style.source_line(where.file, where.line)
                             : files.line(where.file, where.line);
  };
  const char* bold = style.colour ? kBold : "";
  const char* red = style.colour ? kRed : "";
  const char* plain = style.colour ? kPlain : "";
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (const std::string where = diagnostic.where.text(); !where.empty()) {
      out += fmt::format("{}{}:{} ", bold, where, plain);
    }
    out += fmt::format(
        "{}error:{} {}\n", red, plain,
        diagnostic.where.file.empty() ? message_with_path(diagnostic) : diagnostic.message);
    if (!diagnostic.where.known()) continue;
    if (const auto line = source_line(diagnostic.where)) {
      out += snippet(*line, diagnostic.where, style.colour);
    }
  }
  return out + fmt::format("{} error{}; nothing was run\n", diagnostics.size(),
                           diagnostics.size() == 1 ? "" : "s");
}

Json diagnostics_to_json(const std::vector<Diagnostic>& diagnostics) {
  Json out = Json::array();
  for (const Diagnostic& d : diagnostics) {
    Json row{{"file", nullptr},
             {"line", nullptr},
             {"column", nullptr},
             {"path", d.path},
             {"message", d.message}};
    if (!d.where.file.empty()) row["file"] = d.where.file;
    if (d.where.known()) row["line"] = d.where.line, row["column"] = d.where.column;
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<Diagnostic> without_repeats(std::vector<Diagnostic> diagnostics) {
  std::set<std::pair<std::string, std::string>> said;
  std::erase_if(diagnostics, [&](const Diagnostic& diagnostic) {
    const std::string prefix = diagnostic.path + ": ";
    const bool prefixed = diagnostic.message.starts_with(prefix);
    return !said.emplace(diagnostic.where.text(),
                         diagnostic.message.substr(prefixed ? prefix.size() : 0))
                .second;
  });
  return diagnostics;
}

std::vector<Diagnostic> with_locations(std::vector<Diagnostic> diagnostics, const Value& root) {
  for (Diagnostic& diagnostic : diagnostics) {
    if (!diagnostic.where.file.empty()) continue;
    diagnostic.where = locate_key_path(root, diagnostic.path);
    diagnostic.message = message_with_path(diagnostic);
  }
  return diagnostics;
}

}  // namespace modeldiff
