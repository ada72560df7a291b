// What holds for every data set.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contract/fixtures.h"

namespace modeldiff::contract::datasets {
namespace {

Dataset load(const Case& some) { return subject().make<DatasetSource>(some)->load(subject()); }

/// Loaded once for all laws: real data sets take seconds.
const Dataset& loaded(const Case& some) {
  static std::map<const Case*, Dataset> all;
  if (const auto found = all.find(&some); found != all.end()) return found->second;
  return all.emplace(&some, load(some)).first->second;
}

/// Calls `law(part, facts)` for the training and the test part.
template <typename Law>
void for_each_part(Law law) {
  for_each_case([&](const Case& some) {
    const Dataset& data = loaded(some);
    for (const auto& [name, part] :
         {std::pair{"train", &data.train}, std::pair{"test", &data.test}}) {
      const std::string part_name = name;
      CAPTURE(part_name);
      law(*part, data.facts);
    }
  });
}

bool within(const at::Tensor& values, std::int64_t bound) {
  return values.numel() == 0 ||
         (values.min().item<std::int64_t>() >= 0 && values.max().item<std::int64_t>() < bound);
}

TEST_SUITE("datasets") {
  TEST_CASE("loading twice gives the same bytes") {
    for_each_case([](const Case& some) {
      const Dataset& first = loaded(some);
      const Dataset second = load(some);
      CHECK(to_json(first.facts) == to_json(second.facts));
      for (const auto& [a, b] :
           {std::pair{&first.train, &second.train}, std::pair{&first.test, &second.test}}) {
        CHECK(same_bytes(a->inputs, b->inputs));
        CHECK(same_bytes(a->targets, b->targets));
        CHECK(same_bytes(a->groups, b->groups));
        CHECK(same_bytes(a->planted, b->planted));
      }
    });
  }

  TEST_CASE("inputs have the shape that the facts name, and their values are in range") {
    for_each_part([](const Examples& part, const DataFacts& facts) {
      REQUIRE(part.size() > 0);
      std::vector<std::int64_t> shape = facts.input_shape;
      shape.insert(shape.begin(), part.size());
      CHECK(part.inputs.sizes() == at::IntArrayRef(shape));
      CHECK((facts.input_shape.size() == 1 || facts.images()));
      const bool bytes = part.inputs.scalar_type() == at::kByte;
      CHECK(((bytes && facts.images()) || part.inputs.scalar_type() == at::kFloat));
      CHECK((part.inputs.layout() == at::kSparseCsr) == facts.sparse);
      CHECK(is_finite(part.floats(0, part.size())));
      if (facts.images()) {
        CHECK(part.floats().min().item<float>() >= 0);
        CHECK(part.floats().max().item<float>() <= 1);
      }
    });
  }

  TEST_CASE("targets are classes below the number of outputs, or rows of finite numbers") {
    for_each_part([](const Examples& part, const DataFacts& facts) {
      if (facts.task == Task::classification) {
        CHECK(part.targets.sizes() == at::IntArrayRef({part.size()}));
        REQUIRE((part.targets.scalar_type() == at::kLong));
        CHECK(within(part.targets, facts.outputs));
      } else {
        CHECK(part.targets.sizes() == at::IntArrayRef({part.size(), facts.outputs}));
        CHECK((part.targets.scalar_type() == at::kFloat));
        CHECK(is_finite(part.targets));
      }
    });
  }

  TEST_CASE("groups and planted marks, where there are any, are one for each row") {
    for_each_part([](const Examples& part, const DataFacts& facts) {
      if (part.groups.defined()) {
        CHECK(part.groups.sizes() == at::IntArrayRef({part.size()}));
        REQUIRE((part.groups.scalar_type() == at::kLong));
        CHECK(within(part.groups, static_cast<std::int64_t>(facts.groups.size())));
      }
      if (part.planted.defined()) {
        CHECK(part.planted.sizes() == at::IntArrayRef({part.size()}));
        CHECK((part.planted.scalar_type() == at::kBool));
        CHECK(facts.planted.is_object());
      }
    });
  }

  TEST_CASE("facts are complete, and the same after being written and read") {
    for_each_case([](const Case& some) {
      const DataFacts& facts = loaded(some).facts;
      CHECK_FALSE(facts.name.empty());
      CHECK_FALSE(facts.source.empty());
      CHECK(facts.outputs >= (facts.task == Task::classification ? 2 : 1));
      const auto channels = static_cast<std::size_t>(facts.input_shape.at(0));
      CHECK((facts.class_names.empty() ||
             facts.class_names.size() == static_cast<std::size_t>(facts.outputs)));
      CHECK((facts.mean.empty() || facts.mean.size() == channels));
      CHECK(facts.deviation.size() == facts.mean.size());
      CHECK((facts.mean.empty() || !facts.sparse));
      CHECK(std::all_of(facts.deviation.begin(), facts.deviation.end(),
                        [](float d) { return d > 0; }));
      if (facts.images()) CHECK(facts.fill.size() == channels);
      CHECK(to_json(data_facts_from_json(to_json(facts))) == to_json(facts));
    });
  }

}  // TEST_SUITE

}  // namespace
}  // namespace modeldiff::contract::datasets
