#include "training/wrappers.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/sparse_table.h"
#include "training/classes.h"

namespace modeldiff {
namespace {

using Rows = std::vector<std::int64_t>;  // ascending

Rows rows_where(const at::Tensor& condition) {
  const at::Tensor found = condition.nonzero().squeeze(1).contiguous();
  return {found.const_data_ptr<std::int64_t>(),
          found.const_data_ptr<std::int64_t>() + found.numel()};
}

at::Tensor index_of(const Rows& rows) { return at::tensor(rows, at::kLong); }

std::int64_t share_of(double fraction, std::int64_t n) {
  return std::llround(fraction * static_cast<double>(n));
}

/// `count` of the rows, in their order.
Rows choose_rows(const Rows& rows, std::int64_t count, RandomStream& random) {
  Rows chosen = random.choose(static_cast<std::int64_t>(rows.size()), count);
  for (std::int64_t& place : chosen) place = rows[static_cast<std::size_t>(place)];
  return chosen;
}

/// How many of `available` a wrapper's `fraction` or `count` asks for.
std::int64_t asked_count(const std::string& section, std::optional<double> fraction,
                         std::optional<std::int64_t> count, std::int64_t available,
                         const std::string& what) {
  if (fraction.has_value() == count.has_value()) {
    throw ConfigError(section, fmt::format("needs `fraction` or `count`, {}",
                                           fraction ? "not both" : "and has neither"));
  }
  const std::int64_t asked = count ? *count : share_of(*fraction, available);
  if (asked > available) {
    throw ConfigError(section + ".count",
                      fmt::format("asks for {} {}; there are {}", asked, what, available));
  }
  if (asked == 0) {
    throw ConfigError(section + ".fraction",
                      fmt::format("{} of {} {} is none", *fraction, available, what));
  }
  return asked;
}

Dataset split_again(const Dataset& data, const SplitParams& params, std::uint64_t seed) {
  const auto joined = [&](at::Tensor Examples::* member, const char* what) {
    const at::Tensor &train = data.train.*member, &test = data.test.*member;
    if (train.defined() != test.defined()) {
      throw ConfigError(
          "split", fmt::format("'{}' has {} in one part only, so the parts cannot be put together",
                               data.facts.name, what));
    }
    return train.defined() ? join_rows(train, test) : at::Tensor();
  };
  const Examples all{joined(&Examples::inputs, "inputs"), joined(&Examples::targets, "targets"),
                     joined(&Examples::groups, "groups"), joined(&Examples::planted, "marks")};
  const std::int64_t n = all.size(), count = share_of(params.fraction, n);
  if (count == 0 || count == n) {
    throw ConfigError("split.fraction",
                      fmt::format("{} of {} examples leaves no {} example", params.fraction, n,
                                  count == 0 ? "training" : "test"));
  }
  const at::Tensor rows =
      index_of(RandomStream(seed, "dataset.split", params.seed).choose(n, count));
  const at::Tensor train = at::zeros({n}, at::kBool).index_fill_(0, rows, true);
  return {data.facts, all.select(rows), all.select(index_of(rows_where(train.logical_not())))};
}

/// @param path "subset.train", for errors
Examples part_of(const Examples& examples, const DataFacts& facts, std::int64_t count,
                 bool balanced, RandomStream random, const std::string& path) {
  const std::int64_t n = examples.size();
  if (count > n) throw ConfigError(path, fmt::format("asks for {} of {} examples", count, n));
  if (!balanced) return examples.select(index_of(random.choose(n, count)));
  if (facts.task != Task::classification)
    throw ConfigError("subset.balanced", "a regression has no classes");
  Rows chosen;
  for (std::int64_t label = 0; label < facts.outputs; ++label) {
    const std::int64_t wanted = count / facts.outputs + (label < count % facts.outputs ? 1 : 0);
    const Rows rows = rows_where(examples.targets.eq(label));
    if (wanted > static_cast<std::int64_t>(rows.size())) {
      throw ConfigError(
          path, fmt::format("{} balanced examples need {} of class '{}', which has {}", count,
                            wanted, class_name(facts, label), rows.size()));
    }
    const Rows drawn = choose_rows(rows, wanted, random);
    chosen.insert(chosen.end(), drawn.begin(), drawn.end());
  }
  std::sort(chosen.begin(), chosen.end());
  return examples.select(index_of(chosen));
}

Dataset subset_of(Dataset data, const SubsetParams& params, std::uint64_t seed) {
  if (params.train && params.fraction)
    throw ConfigError("subset", "needs `train` or `fraction`, not both");
  if (params.train || params.fraction) {
    const std::int64_t count =
        params.train ? *params.train : share_of(*params.fraction, data.train.size());
    if (count == 0) {
      throw ConfigError("subset.fraction", fmt::format("{} of {} examples is none",
                                                       *params.fraction, data.train.size()));
    }
    data.train = part_of(data.train, data.facts, count, params.balanced,
                         RandomStream(seed, "dataset.subset.train", params.seed),
                         params.train ? "subset.train" : "subset.fraction");
  }
  if (params.test) {
    data.test = part_of(data.test, data.facts, *params.test, params.balanced,
                        RandomStream(seed, "dataset.subset.test", params.seed), "subset.test");
  }
  if (params.balanced && !params.train && !params.fraction && !params.test) {
    throw ConfigError("subset.balanced", "does nothing without `train`, `fraction` or `test`");
  }
  return data;
}

/// Notes in the groups which labels are wrong and what they were. Groups that the data had stay, as
/// part of the name.
/// @param labels     [n] int64, the true ones
/// @param relabelled [n] bool
void note_relabelled(Dataset& data, const at::Tensor& labels, const at::Tensor& relabelled) {
  const std::vector<std::string> before =
      data.facts.groups.empty() ? std::vector<std::string>{""} : data.facts.groups;
  const auto groups_of = [](const Examples& examples) {
    return examples.groups.defined() ? examples.groups : at::zeros({examples.size()}, at::kLong);
  };
  const auto name_of = [](const std::string& group, const std::string& note) {
    return group.empty() ? note : group + ", " + note;
  };
  // Group g becomes "g, kept" under its old number; the others follow, in the order of (group, true
  // class).
  const at::Tensor old_groups = groups_of(data.train);
  std::map<std::pair<std::int64_t, std::int64_t>, Rows> moved;
  for (const std::int64_t row : rows_where(relabelled)) {
    moved[{old_groups[row].item<std::int64_t>(), labels[row].item<std::int64_t>()}].push_back(row);
  }
  data.facts.groups.clear();
  for (const std::string& group : before) data.facts.groups.push_back(name_of(group, kKeptLabel));
  data.train.groups = old_groups.clone();
  data.test.groups = groups_of(data.test);
  for (const auto& [key, rows] : moved) {
    data.train.groups.index_fill_(0, index_of(rows),
                                  static_cast<std::int64_t>(data.facts.groups.size()));
    data.facts.groups.push_back(name_of(before[static_cast<std::size_t>(key.first)],
                                        kRelabelledFrom + class_name(data.facts, key.second)));
  }
}

/// @return [n] bool, the training examples whose label is wrong now
at::Tensor relabel(Dataset& data, const RelabelParams& params, std::uint64_t seed) {
  const DataFacts& facts = data.facts;
  if (facts.task != Task::classification)
    throw ConfigError("relabel", "a regression has no classes");
  const at::Tensor truth = data.train.targets;
  at::Tensor candidates = at::ones_like(truth, at::kBool);
  std::string what = "training examples";
  if (params.of) {
    const std::int64_t of = class_index(facts, *params.of, "relabel.of");
    candidates = truth.eq(of);
    what += fmt::format(" of class '{}'", class_name(facts, of));
  }
  const bool uniform = params.to == "uniform";
  const std::int64_t to = uniform ? -1 : class_index(facts, params.to, "relabel.to");
  if (!uniform) {
    candidates = candidates.logical_and(truth.ne(to));
    what += fmt::format(" that are not of class '{}'", class_name(facts, to));
  }
  const Rows rows = rows_where(candidates);
  RandomStream random(seed, "dataset.relabel", params.seed);
  const std::int64_t count = asked_count("relabel", params.fraction, params.count,
                                         static_cast<std::int64_t>(rows.size()), what);
  at::Tensor labels = truth.clone(), relabelled = at::zeros_like(candidates);
  for (const std::int64_t row : choose_rows(rows, count, random)) {
    const auto others = static_cast<std::uint64_t>(facts.outputs - 1);
    labels[row] = uniform ? (truth[row].item<std::int64_t>() + 1 +
                             static_cast<std::int64_t>(random.below(others))) %
                                facts.outputs
                          : to;
    relabelled[row] = true;
  }
  data.train.targets = labels;
  note_relabelled(data, truth, relabelled);
  return relabelled;
}

/// One colour on some pixels.
struct Mark {
  at::Tensor mask;    // [height, width] bool
  at::Tensor colour;  // [channels, 1, 1] float32 in [0, 1]
  double contrast;

  Mark(const DataFacts& facts, const PlantParams& params) : contrast(params.contrast) {
    try {
      mask = params.mark.mask(facts.input_shape[1], facts.input_shape[2]);
    } catch (const ShapeError& error) {
      throw ConfigError("plant.mark", error.what());
    }
    const std::int64_t channels = facts.input_shape[0];
    std::vector<double> values = params.colour;
    if (values.size() == 1) values.assign(static_cast<std::size_t>(channels), values[0]);
    if (static_cast<std::int64_t>(values.size()) != channels) {
      throw ConfigError("plant.colour", fmt::format("has {} values, the images have {} channels",
                                                    values.size(), channels));
    }
    colour = at::tensor(values, at::kFloat).view({channels, 1, 1});
  }

  /// Marks these images, and notes it.
  void paste(Examples& examples, const Rows& rows) const {
    const at::Tensor index = index_of(rows);
    const bool bytes = examples.inputs.scalar_type() == at::kByte;
    const at::Tensor images = examples.inputs.index_select(0, index);
    at::Tensor marked =
        images.to(at::kFloat) * (1 - contrast) + colour * (contrast * (bytes ? 255 : 1));
    if (bytes) marked = marked.round();
    examples.inputs = examples.inputs.index_copy(
        0, index, at::where(mask, marked.to(images.scalar_type()), images));
    at::Tensor planted = at::zeros({examples.size()}, at::kBool).index_fill_(0, index, true);
    examples.planted = examples.planted.defined() ? examples.planted.logical_or(planted) : planted;
  }
};

/// @param relabelled [n] bool or undefined
void plant(Dataset& data, const PlantParams& params, const at::Tensor& relabelled,
           std::uint64_t seed) {
  if (!data.facts.images())
    throw ConfigError("plant",
                      fmt::format("'{}' holds tables; marks are for images", data.facts.name));
  const std::int64_t label = class_index(data.facts, params.target_class, "plant.class");
  const std::string name = class_name(data.facts, label);
  const Mark mark(data.facts, params);
  at::Tensor clean = data.train.targets.eq(label);
  if (relabelled.defined()) clean = clean.logical_and(relabelled.logical_not());
  const Rows train = rows_where(clean), test = rows_where(data.test.targets.eq(label));
  const auto n = static_cast<std::int64_t>(train.size());
  const std::int64_t count =
      asked_count("plant", params.fraction, params.count, n,
                  fmt::format("training images of class '{}' with a true label", name));
  const double training_share =
      params.fraction.value_or(static_cast<double>(count) / static_cast<double>(n));
  const std::int64_t queries = share_of(params.query_fraction.value_or(training_share),
                                        static_cast<std::int64_t>(test.size()));
  RandomStream train_random(seed, "dataset.plant.train", params.seed),
      test_random(seed, "dataset.plant.test", params.seed);
  mark.paste(data.train, choose_rows(train, count, train_random));
  mark.paste(data.test, choose_rows(test, queries, test_random));
  data.facts.planted = {{"class", label},
                        {"mark", Region::schema().write(params.mark)},
                        {"colour", params.colour},
                        {"contrast", params.contrast}};
}

}  // namespace

Dataset apply_wrappers(Dataset data, const DatasetParams& params, std::uint64_t seed) {
  if (params.split) data = split_again(data, *params.split, seed);
  if (params.subset) data = subset_of(std::move(data), *params.subset, seed);
  at::Tensor relabelled;
  if (params.relabel) relabelled = relabel(data, *params.relabel, seed);
  if (params.plant) plant(data, *params.plant, relabelled, seed);
  return data;
}

}  // namespace modeldiff
