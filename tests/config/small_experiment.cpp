#include "small_experiment.h"

#include <map>
#include <utility>

namespace modeldiff::test {

Schema<MlpParams> MlpParams::schema() {
  return Schema<MlpParams>("mlp")
      .field("hidden", &MlpParams::hidden, "Units of each hidden layer.", each_item(at_least(1)),
             item_count(1, 4))
      .field("dropout", &MlpParams::dropout, "Share of units left out in training.", at_least(0),
             less_than(1));
}

Schema<CnnParams> CnnParams::schema() {
  return Schema<CnnParams>("cnn").field("channels", &CnnParams::channels,
                                        "Filters of the first layer.", at_least(1));
}

Schema<InitParams> InitParams::schema() {
  return Schema<InitParams>("init")
      .field("from", &InitParams::from, "Learning algorithm whose weights are taken over.",
             names_entry_of("algorithms"))
      .field("scale", &InitParams::scale, "Factor on the weights.", more_than(0));
}

Schema<SgdParams> SgdParams::schema() {
  return Schema<SgdParams>("sgd")
      .required("model", &SgdParams::model, "Architecture that is trained.", plugin_of("models"))
      .field("epochs", &SgdParams::epochs, "Passes over the training set.", at_least(1),
             at_most(10000))
      .field("lr", &SgdParams::lr, "Largest learning rate.", more_than(0))
      .field("momentum", &SgdParams::momentum, "Share of the last step that is kept.", at_least(0),
             less_than(1))
      .field("nesterov", &SgdParams::nesterov, "Look ahead by one step.")
      .field("schedule", &SgdParams::schedule, "Course of the learning rate.",
             one_of({"constant", "cosine", "triangle"}))
      .field("init", &SgdParams::init, "Where training begins.", shorthand_for("from"))
      .field("weights", &SgdParams::weights, "File of weights to begin with.")
      .field("threads", &SgdParams::threads, "Threads of one training run.", at_least(1),
             not_semantic());
}

Schema<AdamParams> AdamParams::schema() {
  return Schema<AdamParams>("adam")
      .required("model", &AdamParams::model, "Architecture that is trained.", plugin_of("models"))
      .field("epochs", &AdamParams::epochs, "Passes over the training set.", at_least(1))
      .field("lr", &AdamParams::lr, "Learning rate.", more_than(0))
      .field("betas", &AdamParams::betas, "Decay of the two moments.", item_count(2, 2),
             each_item(less_than(1)));
}

Schema<MergeParams> MergeParams::schema() {
  return Schema<MergeParams>("merge")
      .required("of", &MergeParams::of, "Learning algorithms that are averaged.",
                names_entry_of("algorithms"), item_count(1, 100))
      .field("weights", &MergeParams::weights, "Weight of each, by name.", each_item(at_least(0)));
}

Schema<DigitsParams> DigitsParams::schema() {
  return Schema<DigitsParams>("digits").field("examples", &DigitsParams::examples,
                                              "Training examples.", at_least(10), unit("examples"));
}

Schema<TrakParams> TrakParams::schema() {
  return Schema<TrakParams>("trak")
      .field("projection", &TrakParams::projection, "Dimensions of the random projection.",
             at_least(1))
      .field("q_power", &TrakParams::q_power, "Power of the weighting term.", at_least(0),
             at_most(1))
      .field("proxy", &TrakParams::proxy, "Model whose gradients are used.", plugin_of("models"));
}

Schema<NoParams> NoParams::schema() { return Schema<NoParams>("patches"); }

Schema<AlgorithmKeys> AlgorithmKeys::schema() {
  return Schema<AlgorithmKeys>("algorithms")
      .field("input_mask", &AlgorithmKeys::input_mask, "Part of the input that is hidden.");
}

Schema<CompareParams> CompareParams::schema() {
  return Schema<CompareParams>("compare")
      .field("directions", &CompareParams::directions,
             "Distinguishing directions that are looked at.", at_least(1))
      .field("permutations", &CompareParams::permutations, "Draws of the permutation test.",
             at_least(1));
}

Schema<VerifyParams> VerifyParams::schema() {
  return Schema<VerifyParams>("verify")
      .field("runs", &VerifyParams::runs, "Training runs of each algorithm.", at_least(2))
      .field("confidence", &VerifyParams::confidence, "Level of the intervals.", more_than(0),
             less_than(1))
      .required("baseline", &VerifyParams::baseline, "What the effect is compared with.");
}

Schema<ExperimentParams> ExperimentParams::schema() {
  return Schema<ExperimentParams>("experiment")
      .required("experiment", &ExperimentParams::experiment, "Name of the experiment.")
      .field("seed", &ExperimentParams::seed, "Seed of everything.", at_least(0))
      .required("dataset", &ExperimentParams::dataset, "Examples and labels.",
                plugin_of("datasets"))
      .required("algorithms", &ExperimentParams::algorithms,
                "Learning algorithms that are compared.",
                plugin_of("algorithms", AlgorithmKeys::schema().info()), item_count(1, 10))
      .field("attribute", &ExperimentParams::attribute, "Scores of training examples.",
             plugin_of("attributors"))
      .field("compare", &ExperimentParams::compare, "How scores are compared.")
      .field("propose", &ExperimentParams::propose, "Transformations that are tried.",
             plugin_of("proposers"))
      .field("verify", &ExperimentParams::verify, "Counterfactual test.")
      .field("workers", &ExperimentParams::workers, "Worker processes; 0: one per core.",
             at_least(0), not_semantic())
      .field("expect", &ExperimentParams::expect, "Conditions on the result.");
}

namespace {

class SmallCatalog final : public PluginCatalog {
 public:
  SmallCatalog() {
    add<MlpParams>("models");
    add<CnnParams>("models");
    add<SgdParams>("algorithms");
    add<AdamParams>("algorithms");
    add<MergeParams>("algorithms");
    add<DigitsParams>("datasets");
    add<TrakParams>("attributors");
    add<NoParams>("proposers");
  }

  const SchemaInfo* find_schema(const std::string& kind, const std::string& name) const override {
    const auto found = schemas_.find({kind, name});
    return found == schemas_.end() ? nullptr : &found->second;
  }

  std::vector<std::string> names(const std::string& kind) const override {
    std::vector<std::string> all;
    for (const auto& [id, schema] : schemas_) {
      if (id.first == kind) all.push_back(id.second);
    }
    return all;
  }

 private:
  template <typename Params>
  void add(const std::string& kind) {
    const SchemaInfo schema = Params::schema().info();
    schemas_.emplace(std::pair(kind, schema.name), schema);
  }

  std::map<std::pair<std::string, std::string>, SchemaInfo> schemas_;
};

}  // namespace

const PluginCatalog& small_catalog() {
  static const SmallCatalog catalog;
  return catalog;
}

const SchemaInfo& small_schema() {
  static const SchemaInfo schema = ExperimentParams::schema().info();
  return schema;
}

}  // namespace modeldiff::test
