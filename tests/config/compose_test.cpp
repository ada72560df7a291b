#include "config/compose.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <fstream>

#include "config_errors.h"
#include "small_experiment.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

/// Files that are gone at the end of the scope.
class Files {
 public:
  Files() {
    std::string name = (fs::temp_directory_path() / "modeldiff-compose-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Files() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

ComposeOptions small_options() {
  ComposeOptions options;
  options.catalog = &test::small_catalog();
  options.sections = {"compare", "seed", "verify"};
  return options;
}

std::vector<ComposedExperiment> compose_text(const std::string& text,
                                             const ComposeOptions& options = small_options()) {
  const Files files;
  return compose_experiments(files.write("e.yaml", text), options);
}

/// The one experiment of a text, as JSON text.
std::string composed(const std::string& text, const std::vector<std::string>& overrides = {}) {
  ComposeOptions options = small_options();
  options.overrides = overrides;
  const std::vector<ComposedExperiment> all = compose_text(text, options);
  REQUIRE(all.size() == 1);
  return all[0].root.to_json().dump();
}

}  // namespace

TEST_CASE(
    "maps of extended files merge key by key, later files win, the file itself wins over all, "
    "lists are replaced") {
  const Files files;
  files.write("one.yaml",
              "seed: 1\ncompare: {directions: 1, permutations: 1}\npropose: [a, b, c]\n");
  files.write("configs/two.yaml", "seed: 2\ncompare: {permutations: 2}\n");
  const fs::path main =
      files.write("main.yaml",
                  "extends: [one, two.yaml]\nworkers: 3\npropose: [d]\ncompare: {directions: 3}\n");
  ComposeOptions options = small_options();
  options.search_folders = {files.folder() / "configs"};
  const std::vector<ComposedExperiment> all = compose_experiments(main, options);
  REQUIRE(all.size() == 1);
  const Value& root = all[0].root;
  CHECK(root.to_json().dump() ==
        R"({"compare":{"directions":3,"permutations":2},"propose":["d"],"seed":2,"workers":3})");
  CHECK(all[0].variant == "");
  CHECK(root.find("seed")->where().text() ==
        (files.folder() / "configs/two.yaml").string() + ":1:7");
  CHECK(root.find("compare")->find("directions")->where().text() == main.string() + ":4:23");
  CHECK(root.find("compare")->key_location("permutations").text() ==
        (files.folder() / "configs/two.yaml").string() + ":2:11");
}

TEST_CASE("a file named twice is one file, and what extends may itself extend") {
  const Files files;
  files.write("base.yaml", "a: 1\nb: 1\n");
  files.write("left.yaml", "extends: base\nb: 2\n");
  files.write("right.yaml", "extends: ./base.yaml\nc: 3\n");
  const fs::path main = files.write("main.yaml", "extends: [left, right]\n");
  CHECK(compose_experiments(main, small_options())[0].root.to_json().dump() ==
        R"({"a":1,"b":1,"c":3})");
}

TEST_CASE("another plugin replaces the map of the plugin below it; the same one keeps its keys") {
  const Files files;
  files.write("base.yaml",
              "dataset: {plugin: digits, examples: 50}\nm: {plugin: mlp, dropout: 0.5}\nn: mlp\n");
  const fs::path other =
      files.write("other.yaml", "extends: base\nm: {plugin: cnn, channels: 3}\nn: {hidden: [3]}\n");
  CHECK(
      compose_experiments(other, small_options())[0].root.to_json().dump() ==
      R"({"dataset":{"examples":50,"plugin":"digits"},"m":{"channels":3,"plugin":"cnn"},"n":{"hidden":[3],"plugin":"mlp"}})");
  const fs::path same =
      files.write("same.yaml", "extends: base\nm: {plugin: mlp, hidden: [3]}\ndataset: digits\n");
  CHECK(
      compose_experiments(same, small_options())[0].root.to_json().dump() ==
      R"({"dataset":{"examples":50,"plugin":"digits"},"m":{"dropout":0.5,"hidden":[3],"plugin":"mlp"},"n":"mlp"})");
}

TEST_CASE("a map inherits the map at a key path, its own keys win, and nested maps merge") {
  CHECK(
      composed("algorithms:\n"
               "  A: {plugin: sgd, model: {plugin: mlp, hidden: [64], dropout: 0.5}, lr: 0.1}\n"
               "  B: {extends: algorithms.A, lr: 0.2, model: {hidden: [32]}}\n"
               "  C: {extends: algorithms.B, input_mask: corners}\n") ==
      R"({"algorithms":{"A":{"lr":0.1,"model":{"dropout":0.5,"hidden":[64],"plugin":"mlp"},"plugin":"sgd"},)"
      R"("B":{"lr":0.2,"model":{"dropout":0.5,"hidden":[32],"plugin":"mlp"},"plugin":"sgd"},)"
      R"("C":{"input_mask":"corners","lr":0.2,"model":{"dropout":0.5,"hidden":[32],"plugin":"mlp"},"plugin":"sgd"}}})");
}

TEST_CASE("inherited values keep the place they were written at") {
  const ComposedExperiment experiment = compose_text("a: {x: 1}\nb:\n  extends: a\n  y: 2\n")[0];
  const Value& b = *experiment.root.find("b");
  CHECK(b.find("x")->where().text().ends_with("e.yaml:1:8"));
  CHECK(b.key_location("x").text().ends_with("e.yaml:1:5"));
  CHECK(b.find("y")->where().text().ends_with("e.yaml:4:6"));
  CHECK(b.where().text().ends_with("e.yaml:3:3"));
}

TEST_CASE(
    "a map that inherits from another plugin leaves behind the keys which belong to that plugin "
    "alone") {
  // `momentum` is sgd's alone, `model` and `lr` are of both, `input_mask` is the section's.
  CHECK(composed("A: {plugin: sgd, model: mlp, lr: 0.1, momentum: 0.5, input_mask: corners}\n"
                 "B: {extends: A, plugin: adam}\n") ==
        R"({"A":{"input_mask":"corners","lr":0.1,"model":"mlp","momentum":0.5,"plugin":"sgd"},)"
        R"("B":{"input_mask":"corners","lr":0.1,"model":"mlp","plugin":"adam"}})");
}

TEST_CASE("a map may name its plugin again that it inherits, long or short") {
  CHECK(composed("A: {plugin: sgd, model: mlp}\n"
                 "B: {extends: A, plugin: sgd, model: {plugin: mlp, hidden: [3]}}\n"
                 "C: {extends: B, model: mlp}\n") ==
        R"({"A":{"model":"mlp","plugin":"sgd"},)"
        R"("B":{"model":{"hidden":[3],"plugin":"mlp"},"plugin":"sgd"},)"
        R"("C":{"model":{"hidden":[3],"plugin":"mlp"},"plugin":"sgd"}})");
}

TEST_CASE("several maps are inherited in their order, the last one wins") {
  CHECK(composed("x-a: {k: 1, l: 1}\nx-b: {l: 2, m: 2}\nc: {extends: [x-a, x-b], m: 3}\n") ==
        R"({"c":{"k":1,"l":2,"m":3},"x-a":{"k":1,"l":1},"x-b":{"l":2,"m":2}})");
}

TEST_CASE(
    "a map may inherit a part of another, one that is itself inherited, and one inside of a list") {
  CHECK(
      composed("A: {model: {hidden: [3]}}\nB: {extends: A}\nC: {model: {extends: B.model, dropout: "
               "0.5}}\n"
               "L: [{extends: C.model}, {k: 1}]\nM: {extends: 'L[1]'}\n") ==
      R"({"A":{"model":{"hidden":[3]}},"B":{"model":{"hidden":[3]}},"C":{"model":{"dropout":0.5,"hidden":[3]}},)"
      R"("L":[{"dropout":0.5,"hidden":[3]},{"k":1}],"M":{"k":1}})");
}

TEST_CASE("what a map names itself wins over what its parent inherited for it") {
  CHECK(composed("A: {m: {k: 1, l: 1}}\nx-m: {l: 2}\nB: {extends: A, m: {extends: x-m, n: 3}}\n") ==
        R"({"A":{"m":{"k":1,"l":1}},"B":{"m":{"k":1,"l":2,"n":3}},"x-m":{"l":2}})");
}

TEST_CASE("a map may inherit from its own sibling inside of a map that inherits, too") {
  CHECK(
      composed(
          "A: {base: {k: 1}, model: {extends: A.base, l: 2}}\nB: {extends: A, base: {k: 5}}\n") ==
      R"({"A":{"base":{"k":1},"model":{"k":1,"l":2}},"B":{"base":{"k":5},"model":{"k":1,"l":2}}})");
}

TEST_CASE("a key with a dot in it is not mistaken for a path") {
  CHECK(composed("expect: {a.b: {extends: x}, a: {b: {k: 2}}}\nx: {k: 1}\n") ==
        R"({"expect":{"a":{"b":{"k":2}},"a.b":{"k":1}},"x":{"k":1}})");
}

TEST_CASE("a long chain of inheritance ends in an error, not at the end of the stack") {
  std::string text = "a0: {k: 1}\n";
  for (int i = 1; i < 5000; ++i) text += fmt::format("a{}: {{n: {{extends: a{}}}}}\n", i, i - 1);
  std::string backwards = "a0: {n: {extends: a1}}\n";
  for (int i = 1; i < 5000; ++i) {
    backwards += fmt::format("a{}: {{n: {{extends: a{}}}}}\n", i, i + 1);
  }
  CHECK(config_errors([&] {
          compose_text(text);
        }).find("the experiment grows beyond 64 levels of nesting by 'extends'") !=
        std::string::npos);
  CHECK(config_errors([&] {
          compose_text(backwards);
        }).find("more than 200 levels of nesting and inheritance") != std::string::npos);
}

TEST_CASE("overrides are typed as YAML, made in their order and located at themselves") {
  const char* text = "algorithms: {A: {plugin: sgd, lr: 0.1, hidden: [64, 32]}}\n";
  CHECK(composed(text, {"algorithms.A.lr=1e-2", "algorithms.A.lr=5"}) ==
        R"({"algorithms":{"A":{"hidden":[64,32],"lr":5,"plugin":"sgd"}}})");
  CHECK(composed(text, {"algorithms.A.hidden[1]=true"}) ==
        R"({"algorithms":{"A":{"hidden":[64,true],"lr":0.1,"plugin":"sgd"}}})");
  CHECK(composed(text, {"algorithms.A.hidden=[]"}) ==
        R"({"algorithms":{"A":{"hidden":[],"lr":0.1,"plugin":"sgd"}}})");
  CHECK(composed(text, {"algorithms.A.lr=null"}) ==
        R"({"algorithms":{"A":{"hidden":[64,32],"lr":null,"plugin":"sgd"}}})");
  CHECK(composed(text, {"algorithms.A.name=a=b"}) ==
        R"({"algorithms":{"A":{"hidden":[64,32],"lr":0.1,"name":"a=b","plugin":"sgd"}}})");
  CHECK(
      composed(text, {"algorithms.B={extends: algorithms.A, lr: 1}"}) ==
      R"({"algorithms":{"A":{"hidden":[64,32],"lr":0.1,"plugin":"sgd"},"B":{"hidden":[64,32],"lr":1,"plugin":"sgd"}}})");
  ComposeOptions options = small_options();
  options.overrides = {"algorithms.A.lr=5"};
  const Value a = *compose_text(text, options)[0].root.find("algorithms")->find("A");
  CHECK(a.find("lr")->where().text() == "--set algorithms.A.lr=5");
  CHECK(a.find("hidden")->where().text().ends_with("e.yaml:1:48"));
}

TEST_CASE(
    "an override appends to a list, all items of a list that is given, and begins a list that is "
    "not there") {
  CHECK(composed("a: [1]\n", {"a+=2", "a+=[3, 4]"}) == R"({"a":[1,2,3,4]})");
  CHECK(composed("m: {}\n", {"m.a+=2"}) == R"({"m":{"a":[2]}})");
  CHECK(composed("a: {l: [1]}\nb: {extends: a}\n", {"b.l+=2"}) ==
        R"({"a":{"l":[1]},"b":{"l":[1,2]}})");
}

TEST_CASE(
    "an override of what others inherit reaches them, and one of an inherited key does not reach "
    "back") {
  const char* text = "A: {lr: 0.1, model: {plugin: mlp, hidden: [64]}}\nB: {extends: A}\n";
  CHECK(
      composed(text, {"A.lr=1"}) ==
      R"({"A":{"lr":1,"model":{"hidden":[64],"plugin":"mlp"}},"B":{"lr":1,"model":{"hidden":[64],"plugin":"mlp"}}})");
  CHECK(
      composed(text, {"B.model.hidden[0]=1"}) ==
      R"({"A":{"lr":0.1,"model":{"hidden":[64],"plugin":"mlp"}},"B":{"lr":0.1,"model":{"hidden":[1],"plugin":"mlp"}}})");
}

TEST_CASE(
    "an override gives keys to a plugin that stands as its bare name, and makes a section that is "
    "not there") {
  CHECK(composed("A: {model: mlp}\n", {"A.model.hidden=[3]", "compare.directions=2"}) ==
        R"({"A":{"model":{"hidden":[3],"plugin":"mlp"}},"compare":{"directions":2}})");
}

TEST_CASE("a sweep makes one experiment for each combination, the first key slowest") {
  const std::vector<ComposedExperiment> all = compose_text(
      "seed: 9\nA: {lr: 0.1}\nB: {extends: A}\nsweep: {A.lr: [0.5, 1e-3], seed: 0..2}\n");
  REQUIRE(all.size() == 6);
  const char* names[] = {"lr=0.5,seed=0",   "lr=0.5,seed=1",   "lr=0.5,seed=2",
                         "lr=0.001,seed=0", "lr=0.001,seed=1", "lr=0.001,seed=2"};
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].variant == names[i]);
  CHECK(all[5].root.to_json().dump() == R"({"A":{"lr":0.001},"B":{"lr":0.001},"seed":2})");
  CHECK(all[5].root.find("seed")->where().text().ends_with("e.yaml:4:34"));
  CHECK(Json(all[5].chosen).dump() == R"([["A.lr",0.001],["seed",2]])");
}

TEST_CASE("names of a sweep fit a file name and are unlike each other") {
  const auto names = [](const std::string& sweep) {
    std::string text;
    for (const ComposedExperiment& e :
         compose_text("A: {lr: 1}\nB: {lr: 1}\nl: [1]\nsweep: " + sweep)) {
      text += e.variant + " ";
    }
    return text;
  };
  CHECK(names("{A.lr: [1], B.lr: [2]}") == "A.lr=1,B.lr=2 ");
  CHECK(names("{A.lr: [a/b, a b]}") == "lr=1 lr=2 ");
  CHECK(names("{A.lr: [a/b, c]}") == "lr=a-b lr=c ");
  CHECK(names("{A: [{lr: 1}, {lr: 2}]}") == "A=1 A=2 ");
  CHECK(names("{'l[0]': [true, null]}") == "l.0=true l.0=null ");
}

TEST_CASE("sweeps of the command line multiply those of the file") {
  ComposeOptions options = small_options();
  options.sweeps = {"A.lr=0.1,0.2", "A.hidden=[[1], [2, 3]]"};
  const std::vector<ComposedExperiment> all =
      compose_text("seed: 1\nA: {lr: 1}\nsweep: {seed: [7]}\n", options);
  REQUIRE(all.size() == 4);
  CHECK(all[3].root.to_json().dump() == R"({"A":{"hidden":[2,3],"lr":0.2},"seed":7})");
  CHECK(all[3].variant == "seed=7,lr=0.2,hidden=2");
}

}  // namespace modeldiff
