#include "config/render.h"

#include <doctest/doctest.h>

#include "config/yaml.h"

namespace modeldiff {
namespace {

Diagnostic error_at(std::string file, std::int64_t line, std::int64_t column, std::string path,
                    std::string message) {
  Diagnostic error;
  error.where.file = std::move(file);
  error.where.line = line;
  error.where.column = column;
  error.path = std::move(path);
  error.message = std::move(message);
  return error;
}

Diagnostic error_of(std::string path, std::string message) {
  return error_at("", 0, 0, std::move(path), std::move(message));
}

/// The excerpt of one error at a column of the first line, with its closing line.
std::string excerpt(const std::string& line, std::int64_t column) {
  RenderStyle style;
  style.source_line = [&](const std::string&, std::int64_t) { return line; };
  const std::string text = render_diagnostics({error_at("f", 1, column, "", "m")}, style);
  return text.substr(text.find('\n') + 1);
}

const std::string kClosing = "1 error; nothing was run\n";

}  // namespace

TEST_CASE("an error shows its place, its line with a caret, and how many there were") {
  RenderStyle style;
  style.source_line = [](const std::string&, std::int64_t) { return "    segments: 0"; };
  const Diagnostic error = error_at("exp.yaml", 31, 15, "attributors[1].segments",
                                    "attributors[1].segments must be at least 1, got 0");
  CHECK(render_diagnostics({error}, style) ==
        "exp.yaml:31:15: error: attributors[1].segments must be at least 1, got 0\n"
        "   31 |     segments: 0\n"
        "      |               ^\n"
        "1 error; nothing was run\n");
}

TEST_CASE("an error without a place names its key path once, one without a line its file") {
  CHECK(render_diagnostics({error_of("algorithms.A.lr", "must not be that large"),
                            error_of("algorithms.A.lr", "lr is too large"),
                            error_at("exp.yaml", 0, 0, "", "the file is empty")}) ==
        "error: algorithms.A.lr: must not be that large\n"
        "error: lr is too large\n"
        "exp.yaml: error: the file is empty\n"
        "3 errors; nothing was run\n");
}

TEST_CASE("a file that is gone or a line beyond its end costs the excerpt only") {
  CHECK(render_diagnostics({error_at("no/such/file.yaml", 3, 1, "", "m")}) ==
        "no/such/file.yaml:3:1: error: m\n" + kClosing);
}

TEST_CASE(
    "the caret counts characters, follows tabs, and stands behind the end for what is missing "
    "there") {
  CHECK(excerpt("\u00e9\t\u00e9x", 4) == "    1 | \u00e9\t\u00e9x\n      |  \t ^\n" + kClosing);
  CHECK(excerpt("ab", 99) == "    1 | ab\n      |   ^\n" + kClosing);
}

TEST_CASE("what would steer a terminal is not printed") {
  CHECK(excerpt("a\x1b[31mb", 1) == "    1 | a?[31mb\n      | ^\n" + kClosing);
}

TEST_CASE("a long line is cut around the column") {
  const std::string text = excerpt(std::string(499, 'a') + "X" + std::string(499, 'b'), 500);
  CHECK(text == "    1 | ..." + std::string(54, 'a') + "X" + std::string(55, 'b') +
                    "...\n      |    " + std::string(54, ' ') + "^\n" + kClosing);
}

TEST_CASE("colour adds escapes and changes no words") {
  RenderStyle style;
  style.source_line = [](const std::string&, std::int64_t) { return "lr: 0"; };
  const Diagnostic error = error_at("f", 1, 5, "lr", "lr must be more than 0, got 0");
  const std::string plain = render_diagnostics({error}, style);
  style.colour = true;
  std::string coloured = render_diagnostics({error}, style);
  CHECK(coloured.find("\x1b[1;31merror:\x1b[0m") != std::string::npos);
  for (std::size_t at; (at = coloured.find('\x1b')) != std::string::npos;) {
    coloured.erase(at, coloured.find('m', at) - at + 1);
  }
  CHECK(coloured == plain);
}

TEST_CASE("programs get the same facts as objects") {
  CHECK(diagnostics_to_json({error_at("f", 3, 5, "a.b", "m"), error_at("--set a=1", 0, 0, "a", "n"),
                             error_of("", "o")})
            .dump() == R"([{"column":5,"file":"f","line":3,"message":"m","path":"a.b"},)"
                       R"({"column":null,"file":"--set a=1","line":null,"message":"n","path":"a"},)"
                       R"({"column":null,"file":null,"line":null,"message":"o","path":""}])");
}

TEST_CASE("a worker's error is placed by its key path, and one that has a place keeps it") {
  const Value root = parse_yaml("algorithms:\n  A: {nesterov: true}\n", "f");
  const std::vector<Diagnostic> found =
      with_locations({error_of("algorithms.A.nesterov", "needs momentum above 0"),
                      error_at("g", 1, 1, "algorithms.A", "m")},
                     root);
  CHECK(found[0].where.text() == "f:2:17");
  CHECK(found[0].message == "algorithms.A.nesterov: needs momentum above 0");
  CHECK(found[1].where.text() == "g:1:1");
  CHECK(found[1].message == "m");
}

}  // namespace modeldiff
