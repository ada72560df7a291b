#include "config/render.h"

#include <doctest/doctest.h>

#include "config/yaml.h"

namespace modeldiff {
namespace {

/// Source lines from memory.
RenderStyle with_line(std::string text) {
  RenderStyle style;
  style.source_line = [text = std::move(text)](const std::string&, std::int64_t) { return text; };
  return style;
}

}  // namespace

TEST_CASE("an error shows its place, its line with a caret, and how many there were") {
  CHECK(render_diagnostics({{{"exp.yaml", 31, 15}, "attributors[1].segments", "attributors[1].segments must be at least 1, got 0"}},
                           with_line("    segments: 0")) ==
        "exp.yaml:31:15: error: attributors[1].segments must be at least 1, got 0\n"
        "   31 |     segments: 0\n"
        "      |               ^\n"
        "1 error; nothing was run\n");
}

TEST_CASE("an error without a place names its key path once, one without a line its file") {
  CHECK(render_diagnostics({{{}, "algorithms.A.lr", "must not be that large"},
                            {{}, "algorithms.A.lr", "lr is too large"},
                            {{"exp.yaml", 0, 0}, "", "the file is empty"}}) ==
        "error: algorithms.A.lr: must not be that large\n"
        "error: lr is too large\n"
        "exp.yaml: error: the file is empty\n"
        "3 errors; nothing was run\n");
}

TEST_CASE("a file that is gone or a line beyond its end costs the excerpt only") {
  CHECK(render_diagnostics({{{"no/such/file.yaml", 3, 1}, "", "m"}}) == "no/such/file.yaml:3:1: error: m\n1 error; nothing was run\n");
}

TEST_CASE("the caret counts characters, follows tabs, and stands behind the end for what is missing there") {
  CHECK(render_diagnostics({{{"f", 1, 4}, "", "m"}}, with_line("\u00e9\t\u00e9x")) ==
        "f:1:4: error: m\n    1 | \u00e9\t\u00e9x\n      |  \t ^\n1 error; nothing was run\n");
  CHECK(render_diagnostics({{{"f", 1, 99}, "", "m"}}, with_line("ab")) == "f:1:99: error: m\n    1 | ab\n      |   ^\n1 error; nothing was run\n");
}

TEST_CASE("what would steer a terminal is not printed") {
  CHECK(render_diagnostics({{{"f", 1, 1}, "", "m"}}, with_line("a\x1b[31mb")).find('\x1b') == std::string::npos);
}

TEST_CASE("a long line is cut around the column") {
  const std::string text = render_diagnostics({{{"f", 1, 500}, "", "m"}}, with_line(std::string(499, 'a') + "X" + std::string(499, 'b')));
  const std::string line = text.substr(text.find('|') + 2, text.find('\n', text.find('|')) - text.find('|') - 2);
  CHECK(line == "..." + std::string(54, 'a') + "X" + std::string(55, 'b') + "...");
  const std::size_t caret = text.find('^') - text.rfind('\n', text.find('^')) - 1;
  CHECK(line[caret - 8] == 'X');  // behind "      | "
}

TEST_CASE("colour adds escapes and changes no words") {
  RenderStyle style = with_line("lr: 0");
  const std::vector<Diagnostic> errors{{{"f", 1, 5}, "lr", "lr must be more than 0, got 0"}};
  const std::string plain = render_diagnostics(errors, style);
  style.colour = true;
  std::string coloured = render_diagnostics(errors, style);
  CHECK(coloured.find("\x1b[1;31merror:\x1b[0m") != std::string::npos);
  for (std::size_t at; (at = coloured.find('\x1b')) != std::string::npos;) coloured.erase(at, coloured.find('m', at) - at + 1);
  CHECK(coloured == plain);
}

TEST_CASE("programs get the same facts as objects") {
  CHECK(diagnostics_to_json({{{"f", 3, 5}, "a.b", "m"}, {{"--set a=1", 0, 0}, "a", "n"}, {{}, "", "o"}}).dump() ==
        R"([{"column":5,"file":"f","line":3,"message":"m","path":"a.b"},)"
        R"({"column":null,"file":"--set a=1","line":null,"message":"n","path":"a"},)"
        R"({"column":null,"file":null,"line":null,"message":"o","path":""}])");
}

TEST_CASE("a worker's error is placed by its key path, and one that has a place keeps it") {
  const Value root = parse_yaml("algorithms:\n  A: {nesterov: true}\n", "f");
  const std::vector<Diagnostic> found = with_locations(
      {{{}, "algorithms.A.nesterov", "needs momentum above 0"}, {{"g", 1, 1}, "algorithms.A", "m"}}, root);
  CHECK(found[0].where.text() == "f:2:17");
  CHECK(found[0].message == "algorithms.A.nesterov: needs momentum above 0");
  CHECK(found[1].where.text() == "g:1:1");
  CHECK(found[1].message == "m");
}

}  // namespace modeldiff
