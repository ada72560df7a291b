#include "config/yaml.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "config_errors.h"

namespace modeldiff {
namespace {

/// The one value of "v: <text>", as JSON text.
std::string read(const std::string& text) {
  return parse_yaml("v: " + text, "f.yaml").find("v")->to_json().dump();
}

std::string place(const Value& value) { return value.where().text(); }

}  // namespace

TEST_CASE("plain scalars follow the core schema of YAML 1.2") {
  const std::pair<const char*, const char*> cases[] = {
      {"010", "10"},
      {"+7", "7"},
      {"-0", "0"},
      {"0x1F", "31"},
      {"0o17", "15"},
      {"08", "8"},
      {"1e3", "1000.0"},
      {".5", "0.5"},
      {"-.5e1", "-5.0"},
      {"5.", "5.0"},
      {"+1.5E-2", "0.015"},
      {"1_000", R"("1_000")"},
      {"0b11", R"("0b11")"},
      {"-0x1F", R"("-0x1F")"},
      {"0X1F", R"("0X1F")"},
      {"1e", R"("1e")"},
      {".", R"(".")"},
      {"-.", R"("-.")"},
      {"1.2.3", R"("1.2.3")"},
      {"12:30", R"("12:30")"},
      {"2024-01-01", R"("2024-01-01")"},
      {"yes", R"("yes")"},
      {"No", R"("No")"},
      {"on", R"("on")"},
      {"true", "true"},
      {"TRUE", "true"},
      {"tRUE", R"("tRUE")"},
      {"False", "false"},
      {"~", "null"},
      {"null", "null"},
      {"NULL", "null"},
      {"nil", R"("nil")"},
      {"inf", R"("inf")"},
      {"nan", R"("nan")"},
      {"", "null"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"9223372036854775807", "9223372036854775807"},
      {"1e308", "1e+308"},
      {"4.9e-324", "5e-324"}};
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(read(text) == expected);
  }
}

TEST_CASE("what stands in quotes or in a block is a string") {
  CHECK(read("'10'") == R"("10")");
  CHECK(read("\"null\"") == R"("null")");
  CHECK(read("'true'") == R"("true")");
  CHECK(read("''") == R"("")");
  CHECK(read("|\n  3\n") == R"("3\n")");
  CHECK(read("\"\\u00e9\\t\"") == "\"\u00e9\\t\"");
}

TEST_CASE("a number that 64 bits cannot hold is an error, not another number") {
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "0x8000000000000000",
                           "0o1000000000000000000000"}) {
    CAPTURE(text);
    CHECK(config_errors([&] { read(text); }) ==
          "f.yaml:1:4 the integer " + std::string(text) + " does not fit 64 bits");
  }
  for (const char* text : {"1e309", "-1e400", "1e-400"}) {
    CAPTURE(text);
    CHECK(config_errors([&] { read(text); }) ==
          "f.yaml:1:4 the number " + std::string(text) + " is outside the range of 64 bits");
  }
  for (const char* text : {".inf", "-.INF", "+.Inf", ".nan", ".NaN"}) {
    CAPTURE(text);
    CHECK(config_errors([&] { read(text); }) ==
          "f.yaml:1:4 " + std::string(text) + " is not a finite number");
  }
}

TEST_CASE("every key and value knows its line and column, counted in characters from 1") {
  const Value root =
      parse_yaml("caf\u00e9: \u00e9t\u00e9\nb:\n  - x\n  - {k: 1, \u00fc: 2}\n", "f.yaml");
  CHECK(place(*root.find("caf\u00e9")) == "f.yaml:1:7");
  CHECK(root.key_location("b").text() == "f.yaml:2:1");
  const Value& list = *root.find("b");
  CHECK(place(list) == "f.yaml:3:3");
  CHECK(place(list.items()[0]) == "f.yaml:3:5");
  CHECK(place(list.items()[1]) == "f.yaml:4:5");
  CHECK(list.items()[1].key_location("\u00fc").text() == "f.yaml:4:12");
  CHECK(place(*list.items()[1].find("\u00fc")) == "f.yaml:4:15");
}

TEST_CASE("an empty value is where its key is, not where the next one begins") {
  const Value root = parse_yaml("a:\n\n# comment\nb: {c: }\n", "f.yaml");
  CHECK(place(*root.find("a")) == "f.yaml:1:1");
  CHECK(place(*root.find("b")->find("c")) == "f.yaml:4:8");
}

TEST_CASE("line ends of Windows and a byte order mark change nothing") {
  const Value root = parse_yaml(
      "\xef\xbb\xbf"
      "a: 1\r\nb: x\r\n",
      "f.yaml");
  CHECK(root.to_json().dump() == R"({"a":1,"b":"x"})");
  CHECK(place(*root.find("a")) == "f.yaml:1:4");
  CHECK(root.key_location("b").text() == "f.yaml:2:1");
}

TEST_CASE("keys stay in the order of the file and are text, whatever they look like") {
  const Value root = parse_yaml("z: 1\n10: 2\ntrue: 3\n'~': 4\n", "f.yaml");
  std::string keys;
  for (const auto& [key, value] : root.entries()) keys += key + ' ';
  CHECK(keys == "z 10 true ~ ");
}

TEST_CASE("an alias stands for what its anchor marks, with the places of the anchor") {
  const Value root = parse_yaml("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\n", "f.yaml");
  CHECK(root.to_json().dump() ==
        R"({"a":{"k":[1,2]},"b":{"k":[1,2]},"c":[{"k":[1,2]},{"k":[1,2]}]})");
  CHECK(place(*root.find("b")->find("k")) == "f.yaml:1:11");
}

TEST_CASE("nesting ends at the limit, through aliases too") {
  const auto nested = [](int levels) {
    return "v: " + std::string(levels, '[') + std::string(levels, ']');
  };
  CHECK(config_errors([&] { parse_yaml(nested(kYamlMaxDepth - 1), "f"); }) == "no error");
  CHECK(config_errors([&] { parse_yaml(nested(kYamlMaxDepth), "f"); }) ==
        "f:1:67 more than 64 levels of nesting");
  std::string doubling = "a0: &a0 [x]\n";
  for (int i = 1; i < 70; ++i) doubling += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  CHECK(config_errors([&] { parse_yaml(doubling, "f"); }) ==
        "f:64:12 more than 64 levels of nesting");
}

TEST_CASE("a file larger than the limit is not read") {
  CHECK(config_errors([] { parse_yaml(std::string(kYamlMaxBytes + 1, ' '), "f"); }) ==
        "f the file has 4194305 bytes; at most 4194304 are read");
}

TEST_CASE("all doubled keys of a file are reported, and syntax errors after them") {
  CHECK(config_errors([] { parse_yaml("a: 1\na: 2\nb: {c: 1, c: 2}\nd: @\n", "f"); }) ==
        "f:2:1 the key 'a' was already given at line 1, column 1\n"
        "f:3:11 the key 'c' was already given at line 3, column 5\n"
        "f:4:4 a value cannot begin with '@'; put the text in quotes");
}

TEST_CASE(
    "bytes that are no UTF-8 are refused: overlong forms, surrogates, what lies beyond Unicode, "
    "cut characters") {
  for (const char* bytes : {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                            "\xf8\x88", "\xe2\x82", "\x80"}) {
    CAPTURE(bytes);
    CHECK(config_errors([&] {
            parse_yaml("a: " + std::string(bytes), "f");
          }).find("is not UTF-8") != std::string::npos);
  }
  CHECK(config_errors([] {
          parse_yaml("a: \xf0\x9f\x8e\xb2 \xed\x9f\xbf \xf4\x8f\xbf\xbf", "f");
        }) == "no error");
}

TEST_CASE("a file that cannot be read is named with the system's reason") {
  CHECK(config_errors([] { read_yaml("no/such.yaml"); }) ==
        "no/such.yaml cannot be read: No such file or directory");
  CHECK(config_errors([] { read_yaml(std::filesystem::temp_directory_path()); }) ==
        std::filesystem::temp_directory_path().string() + " is a folder; a YAML file is expected");
}

TEST_CASE("a value of the command line is located at its option, errors too") {
  const Value value = parse_yaml_argument("{a: [1, x]}", {"--set k={a: [1, x]}", 0, 0});
  CHECK(value.find("a")->items()[1].where().text() == "--set k={a: [1, x]}");
  CHECK(config_errors([] { parse_yaml_argument("1e999", {"--set k=1e999", 0, 0}); }) ==
        "--set k=1e999 the number 1e999 is outside the range of 64 bits");
}

}  // namespace modeldiff
