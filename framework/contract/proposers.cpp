// What holds for every proposer.
#include <set>
#include <string>
#include <vector>

#include "contract/fixtures.h"
#include "modeldiff/core/random.h"
#include "modeldiff/proposer.h"

namespace modeldiff::contract::proposers {
namespace {

constexpr std::int64_t kExamples = 60, kImages = 7;
constexpr double kPixelRounding = 1e-5;

struct Trial {
  std::unique_ptr<Proposer> proposer;
  DataFacts facts;
  Examples train;
  std::vector<Direction> directions;
  InputRuns runs;
  Examples screen;
  at::Tensor images;

  explicit Trial(const Case& some)
      : proposer(subject().make<Proposer>(some)),
        facts(facts_of(some)),
        train(drawn_examples(some, kExamples, 1)),
        images(drawn_examples(some, kImages, 2).inputs) {
    // The first direction points at the marked examples, the second nowhere in particular.
    for (std::int64_t rank = 0; rank < 2; ++rank) {
      at::Tensor examples = 0.1 * normal({kExamples}, 5 + static_cast<std::uint64_t>(rank));
      if (rank == 0 && train.planted.defined()) examples += train.planted.to(at::kFloat);
      directions.push_back(
          {"A", "B", rank, examples / examples.norm(), normal({kImages}, 7), 0.01});
    }
    if (subject().manifest().traits.value("runs", "") == "screen") {
      screen = drawn_examples(some, kExamples, 4);
      for (const std::uint64_t run : {1, 2, 3, 4}) {
        const Predictor predictor = small_predictor(some);
        runs[run % 2 == 0 ? "A" : "B"].push_back(
            {predictor, drawn_weights(*predictor.model, run), {}, Json::object(), {}});
      }
    }
  }

  std::vector<Transformation> propose() const {
    CheckedProgress progress;
    return proposer->propose({facts, train, directions, 3, runs, screen, progress});
  }
  /// On a copy, so that one law's images are not what another broke.
  at::Tensor apply(const Transformation& transformation, const at::Tensor& some_images) const {
    return proposer->apply(transformation, some_images.clone());
  }
};

/// Calls `law(trial, transformation)` for each proposal.
template <typename Law>
void for_each_proposal(Law law) {
  for_each_case([&](const Case& some) {
    const Trial trial(some);
    for (const Transformation& transformation : trial.propose()) {
      CAPTURE(transformation.label);
      law(trial, transformation);
    }
  });
}

bool same(const Transformation& a, const Transformation& b) {
  return to_json(a) == to_json(b) && same_bytes(a.tensors, b.tensors);
}

void check_images(const at::Tensor& changed, const at::Tensor& images) {
  REQUIRE(changed.sizes() == images.sizes());
  CHECK((changed.scalar_type() == at::kFloat));
  REQUIRE(is_finite(changed));
  CHECK(changed.min().item<float>() >= 0);
  CHECK(changed.max().item<float>() <= 1);
}

TEST_SUITE("proposers") {
  TEST_CASE("there are proposals, each with a family and a label of its own") {
    for_each_case([](const Case& some) {
      const Trial trial(some);
      const std::vector<Transformation> proposed = trial.propose();
      CHECK_FALSE(proposed.empty());
      std::set<std::string> labels;
      for (const Transformation& transformation : proposed) {
        CAPTURE(transformation.label);
        CHECK_FALSE(transformation.family.empty());
        CHECK_FALSE(transformation.label.empty());
        CHECK(labels.insert(transformation.label).second);
        CHECK(transformation.direction >= -1);
        CHECK(transformation.direction < static_cast<std::int64_t>(trial.directions.size()));
      }
    });
  }

  TEST_CASE("the same request gives the same proposals") {
    for_each_case([](const Case& some) {
      const std::vector<Transformation> first = Trial(some).propose(),
                                        second = Trial(some).propose();
      REQUIRE(first.size() == second.size());
      for (std::size_t i = 0; i < first.size(); ++i) CHECK(same(first[i], second[i]));
    });
  }

  TEST_CASE("changed images have the same shape and stay in [0, 1], and some change") {
    for_each_case([](const Case& some) {
      const Trial trial(some);
      bool changes = false;
      for (const Transformation& transformation : trial.propose()) {
        CAPTURE(transformation.label);
        const at::Tensor changed = trial.apply(transformation, trial.images);
        check_images(changed, trial.images);
        changes = changes || !changed.equal(trial.images);
      }
      CHECK(changes);
    });
  }

  TEST_CASE("an image is changed in the same way alone and beside others") {
    for_each_proposal([](const Trial& trial, const Transformation& transformation) {
      const at::Tensor together = trial.apply(transformation, trial.images);
      for (std::int64_t i = 0; i < kImages; ++i) {
        const at::Tensor alone = trial.apply(transformation, trial.images.narrow(0, i, 1));
        CHECK(largest(alone - together.narrow(0, i, 1)) < kPixelRounding);
      }
    });
  }

  TEST_CASE("a transformation does the same after being written and read") {
    for_each_proposal([](const Trial& trial, const Transformation& transformation) {
      const Json written = Json::parse(to_json(transformation).dump());
      const Transformation read = transformation_from_json(written, transformation.tensors);
      CHECK(same_bytes(trial.apply(read, trial.images), trial.apply(transformation, trial.images)));
    });
  }

  TEST_CASE("what a transformation does does not hang on the plugin's parameters") {
    for_each_case([](const Case& some) {
      const Trial trial(some);
      Json defaults = Json::object();
      for (const FieldInfo& field : subject().manifest().schema.fields) {
        if (!field.required) defaults[field.name] = field.default_value;
      }
      const auto other = subject().make<Proposer>(some, defaults);
      for (const Transformation& transformation : trial.propose()) {
        CAPTURE(transformation.label);
        CHECK(same_bytes(other->apply(transformation, trial.images.clone()),
                         trial.apply(transformation, trial.images)));
      }
    });
  }

  TEST_CASE("a placebo is another transformation, the same for the same stream") {
    for_each_proposal([](const Trial& trial, const Transformation& transformation) {
      RandomStream first(9), second(9);
      const auto placebo = trial.proposer->placebo(transformation, first);
      const auto again = trial.proposer->placebo(transformation, second);
      REQUIRE(placebo.has_value() == again.has_value());
      if (!placebo) return;
      CHECK(same(*placebo, *again));
      CHECK_FALSE(same(*placebo, transformation));
      check_images(trial.apply(*placebo, trial.images), trial.images);
    });
  }

  TEST_CASE("given examples and images are left as they are") {
    for_each_case([](const Case& some) {
      const Trial trial(some);
      Kept kept;
      kept.add(trial.train);
      kept.add(trial.images);
      for (const Direction& direction : trial.directions) kept.add(direction.examples);
      for (const Transformation& transformation : trial.propose()) {
        for (const auto& [name, tensor] : transformation.tensors) kept.add(tensor);
        trial.proposer->apply(transformation, trial.images);
      }
      CHECK(kept.unchanged());
    });
  }

}  // TEST_SUITE

}  // namespace
}  // namespace modeldiff::contract::proposers
