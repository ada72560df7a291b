// What holds for every evaluation, on what an experiment of two algorithms would give it.
#include <string>
#include <vector>

#include "contract/evaluation_fixture.h"

namespace modeldiff::contract::evaluations {
namespace {

template <typename Law>
void for_each_result(Law law) {
  for_each_case([&](const Case& some) {
    law(EvaluationFixture(some).evaluate(*subject().make<Evaluation>(some)));
  });
}

/// A list of the exhibit, of `size` items; absent ones are fine when they are optional.
void check_list(const Json& content, const char* key, std::size_t size, bool optional = false) {
  CAPTURE(key);
  if (optional && !content.contains(key)) return;
  REQUIRE(content.contains(key));
  REQUIRE(content.at(key).is_array());
  CHECK(content.at(key).size() == size);
}

std::size_t size_of(const Json& content, const char* key) {
  return content.contains(key) ? content.at(key).size() : 0;
}

void check_rows(const Json& rows, std::size_t width) {
  for (const Json& row : rows) {
    REQUIRE(row.is_array());
    CHECK(row.size() == width);
  }
}

void check_exhibit(const std::string& kind, const Json& content) {
  if (kind == "table") {
    check_list(content, "columns", size_of(content, "columns"));
    check_list(content, "rows", size_of(content, "rows"));
    check_rows(content.at("rows"), content.at("columns").size());
  } else if (kind == "bars") {
    check_list(content, "labels", size_of(content, "labels"));
    check_list(content, "values", size_of(content, "labels"));
    check_list(content, "lower", size_of(content, "labels"), /*optional=*/true);
    check_list(content, "upper", size_of(content, "labels"), /*optional=*/true);
  } else if (kind == "lines") {
    check_list(content, "x", size_of(content, "x"));
    check_list(content, "series", size_of(content, "series"));
    for (const Json& series : content.at("series")) {
      CHECK(series.contains("name"));
      check_list(series, "y", content.at("x").size());
      check_list(series, "lower", content.at("x").size(), /*optional=*/true);
      check_list(series, "upper", content.at("x").size(), /*optional=*/true);
    }
  } else if (kind == "scatter") {
    check_list(content, "x", size_of(content, "x"));
    check_list(content, "y", size_of(content, "x"));
    check_list(content, "labels", size_of(content, "x"), /*optional=*/true);
  } else if (kind == "heatmap") {
    check_list(content, "rows", size_of(content, "rows"));
    check_list(content, "columns", size_of(content, "columns"));
    check_list(content, "values", size_of(content, "rows"));
    check_rows(content.at("values"), content.at("columns").size());
  } else {
    FAIL("there is no such kind of exhibit");
  }
}

TEST_SUITE("evaluations") {
  TEST_CASE("values are an object of finite numbers, with a sentence for a person") {
    for_each_result([](const EvaluationResult& result) {
      CHECK(result.values.is_object());
      CHECK_FALSE(result.values.empty());
      CHECK_NOTHROW(canonical_text(result.values));
      CHECK_FALSE(result.summary.empty());
      CHECK(result.summary.find('\n') == std::string::npos);
    });
  }

  TEST_CASE("exhibits are of known kinds, and their lists fit together") {
    for_each_result([](const EvaluationResult& result) {
      for (const Exhibit& exhibit : result.exhibits) {
        CAPTURE(exhibit.title);
        CAPTURE(exhibit.kind);
        CHECK_FALSE(exhibit.title.empty());
        CHECK_NOTHROW(canonical_text(exhibit.content));
        check_exhibit(exhibit.kind, exhibit.content);
      }
    });
  }

  TEST_CASE("the same request gives the same result") {
    for_each_case([](const Case& some) {
      const EvaluationFixture fixture(some);
      const EvaluationResult first = fixture.evaluate(*subject().make<Evaluation>(some));
      const EvaluationResult second = fixture.evaluate(*subject().make<Evaluation>(some));
      CHECK(first.values == second.values);
      CHECK(first.summary == second.summary);
      CHECK(same_bytes(first.tensors, second.tensors));
      REQUIRE(first.exhibits.size() == second.exhibits.size());
      for (std::size_t i = 0; i < first.exhibits.size(); ++i) {
        CHECK(first.exhibits[i].content == second.exhibits[i].content);
      }
    });
  }

  TEST_CASE("given data, scores and weights are left as they are") {
    for_each_case([](const Case& some) {
      const EvaluationFixture fixture(some);
      Kept kept;
      fixture.keep(kept);
      fixture.evaluate(*subject().make<Evaluation>(some));
      CHECK(kept.unchanged());
    });
  }

}  // TEST_SUITE

}  // namespace
}  // namespace modeldiff::contract::evaluations
