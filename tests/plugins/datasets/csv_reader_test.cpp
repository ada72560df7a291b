#include "csv/csv_reader.h"

#include <doctest/doctest.h>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

TEST_CASE("quotes, CRLF, a byte order mark, blanks and empty lines are read as meant") {
  const CsvTable table = parse_csv(
      "\xef\xbb\xbfx,\"y, of 2\",\"say \"\"z\"\"\"\r\n1,\"2\r\n\",\"\"\r\n\r\n +4 ,5e-1,\"a,b\"",
      "t.csv");
  CHECK(table.columns == std::vector<std::string>{"x", "y, of 2", "say \"z\""});
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0] == std::vector<std::string>{"1", "2\r\n", ""});
  CHECK(table.rows[1] == std::vector<std::string>{" +4 ", "5e-1", "a,b"});
  CHECK(table.lines == std::vector<std::int64_t>{2, 5});
  CHECK(number_at(table, 1, 0) == 4);
  CHECK(number_at(table, 1, 1) == 0.5);
}

TEST_CASE("a table that is malformed is refused with its line") {
  const struct {
    std::string text;
    std::string error;
  } cases[] = {
      {"", "t.csv: has no header line"},
      {"a,b\n", "t.csv: has a header line but no rows"},
      {"a,b\n1,2\n3\n", "t.csv:3: expected 2 fields, found 1"},
      {"a,b\n1,2\n\n3,4,5\n", "t.csv:4: expected 2 fields, found 3"},
      {"a,,c\n1,2,3\n", "t.csv:1: column 2 has no name"},
      {"a,b,a\n1,2,3\n", "t.csv:1: column 3 has the name 'a' of an earlier one"},
      {"a,b\n1,\"2\n3,4\n", "t.csv:2: opens a quote that is never closed"},
      {"a,b\n1,\"2\"x\n", "t.csv:2: has text after a closing quote"},
  };
  for (const auto& [text, error] : cases) {
    CHECK(error_of<DataError>([&] { parse_csv(text, "t.csv"); }) == error);
  }
}

TEST_CASE("a value that is missing or no number is refused with line and column") {
  const CsvTable table = parse_csv("age,city\n1,2\n,Rome\nnan,inf\n0x10,1e999\n1.5.2, \n", "t.csv");
  const auto error = [&](std::size_t row, std::size_t column) {
    return error_of<DataError>([&] { number_at(table, row, column); });
  };
  CHECK(error(1, 0) == "t.csv:3: column 'age' has no value");
  CHECK(
      error(1, 1) ==
      "t.csv:3: column 'city' holds 'Rome', which is no finite number; `drop` leaves a column out");
  CHECK(error(4, 1) == "t.csv:6: column 'city' has no value");
  for (const auto& [row, column] :
       {std::pair<std::size_t, std::size_t>{2, 0}, {2, 1}, {3, 0}, {3, 1}, {4, 0}}) {
    CHECK(contains(error(row, column), "is no finite number"));
  }
}
