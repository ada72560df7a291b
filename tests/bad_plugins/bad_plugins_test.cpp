#include <doctest/doctest.h>

#include "modeldiff/core/json.h"
#include "run_program.h"

/// Plugins that cannot be loaded, and one that fails in every way while it works: what the program
/// says, that it goes on, and that what was finished is used again.
namespace modeldiff::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExperiment = R"(experiment: small
dataset: {plugin: digits, subset: {train: 200}}
queries: 20
algorithms:
  A: {plugin: sgd, model: linear, epochs: 1}
evaluate:
  - accuracy
)";

/// A folder with an experiment, a store and a folder of plugins of its own.
class Bench {
 public:
  explicit Bench(const std::string& evaluation) {
    fs::create_directory(plugins());
    set_evaluation(evaluation);
  }

  void set_evaluation(const std::string& evaluation) {
    write_file(folder() / "experiment.yaml",
               kExperiment + (evaluation.empty() ? "" : "  - " + evaluation + "\n"));
  }

  void append(const std::string& lines) const {
    const fs::path file = folder() / "experiment.yaml";
    write_file(file, content_of(file) + lines);
  }

  const fs::path& folder() const { return scratch_.path(); }
  fs::path plugins() const { return scratch_.path() / "extra"; }

  /// A copy of the plugin with every `old` in it replaced by a text that is as long.
  void add_patched(const std::string& old, const std::string& by) const {
    const std::string library = content_of(MISBEHAVING_PLUGIN);
    REQUIRE(old.size() == by.size());
    REQUIRE(library.find(old) != std::string::npos);
    write_file(plugins() / "misbehaving.so", replaced(library, old, by));
  }
  void add_plugin(const std::string& name = "misbehaving.so") const {
    fs::copy_file(MISBEHAVING_PLUGIN, plugins() / name);
  }

  ProgramRun run(const std::string& verb) const {
    std::vector<std::string> arguments{verb, "experiment.yaml", "--plugin-path",
                                       plugins().string()};
    if (verb == "run") arguments.push_back("-j1");
    return run_program(arguments, folder());
  }

  /// Labels of the cells that a run would make, one a line.
  std::string left() const {
    const ProgramRun plan = run_program(
        {"plan", "experiment.yaml", "--json", "--plugin-path", plugins().string()}, folder());
    REQUIRE(plan.exit_code == 0);
    const Json description = Json::parse(plan.out);
    std::string labels;
    for (const Json& cell : description.at("cells")) {
      if (!cell.at("there").get<bool>()) labels += cell.at("label").get<std::string>() + "\n";
    }
    return labels;
  }

 private:
  ScratchFolder scratch_;
};

#define CHECK_SAYS(run, part) \
  CHECK_MESSAGE(holds((run).err, part), "expected: ", part, "\nfound: ", (run).err)

/// The experiment without the plugin needs nothing but its own checks, which are over in no time.
void check_goes_on_without_plugin(Bench& bench) {
  bench.set_evaluation("");
  CHECK(bench.left() == "checks before training\n");
  const ProgramRun run = bench.run("run");
  CHECK(run.exit_code == 0);
  CHECK(bench.left() == "");
}

}  // namespace

TEST_CASE(
    "a plugin that cannot be loaded is named with the reason before anything is made, exit code "
    "3") {
  const Bench bench("misbehaving");
  const auto refused = [&](const std::vector<std::string>& reasons) {
    for (const char* verb : {"check", "run"}) {
      CAPTURE(verb);
      const ProgramRun run = bench.run(verb);
      CHECK((run.exit_code == 3 || (std::string(verb) == "run" && run.exit_code == 4)));
      CHECK_SAYS(run, (bench.plugins() / "misbehaving.so").string());
      for (const std::string& reason : reasons) CHECK_SAYS(run, reason);
    }
  };
  SUBCASE("another version of the SDK") {
    bench.add_patched("sdk=1;torch", "sdk=9;torch");
    refused({"they differ in sdk; build the plugin again against this installation"});
  }
  SUBCASE("other headers of the SDK") {
    bench.add_patched(";headers=", ";headerz=");
    refused({"they differ in headerz, headers; build the plugin again against this installation"});
  }
  SUBCASE("another LibTorch") {
    bench.add_patched("cxx11abi=1", "cxx11abi=0");
    refused({"they differ in cxx11abi; build the plugin again against this installation"});
  }
  SUBCASE("without its symbol") {
    bench.add_patched("modeldiff_plugin_v1", "modeldiff_plugin_v9");
    refused({"plugin 'misbehaving' of kind 'evaluations', version 0.3", "cannot be loaded",
             "modeldiff_plugin_v1"});
  }
  SUBCASE("with a function that is nowhere") {
    bench.add_patched("_ZN9modeldiff10EvaluationD2Ev", "_ZN9modeldiff10EvaluationD9Ev");
    refused({"plugin 'misbehaving' of kind 'evaluations', version 0.3",
             "undefined symbol: _ZN9modeldiff10EvaluationD9Ev"});
  }
}

TEST_CASE("two libraries with one name are an error that names both, exit code 3") {
  const Bench bench("misbehaving");
  bench.add_plugin("first.so");
  bench.add_plugin("second.so");
  const ProgramRun run = bench.run("run");
  CHECK(run.exit_code == 3);
  CHECK_SAYS(run, "two libraries are the plugin 'misbehaving' of kind 'evaluations':");
  CHECK_SAYS(run, (bench.plugins() / "first.so").string());
  CHECK_SAYS(run, (bench.plugins() / "second.so").string());
  CHECK_SAYS(run, "remove one, or leave its folder out of the search");
}

TEST_CASE(
    "a library that was cut off or is none does not stop an experiment that does not name it") {
  const Bench bench("");
  write_file(bench.plugins() / "cut.so", content_of(MISBEHAVING_PLUGIN).substr(0, 5000));
  write_file(bench.plugins() / "text.so", "this is no library\n");
  CHECK(bench.run("check").exit_code == 0);
  const ProgramRun described =
      run_program({"describe", "--plugin-path", bench.plugins().string()}, bench.folder());
  CHECK(described.exit_code == 0);
  CHECK_SAYS(described, "cut.so");
  CHECK_SAYS(described, "was it copied in full?");
  CHECK_SAYS(described, "text.so");
  CHECK_SAYS(described, "expected an ELF file, found 19 bytes of something else");
}

TEST_CASE("check makes every plugin once and says what its constructor does, exit code 3") {
  const std::string title = "plugin 'misbehaving' of kind 'evaluations', version 0.3";
  for (const auto& [fault, reason] :
       {std::pair<std::string, std::string>{"error", "the moon is in the wrong phase"},
        {"odd_throw", "it threw something that is no std::exception"},
        {"segfault", "was ended by signal 11 (Segmentation fault) while it was made"},
        {"exit", "ended its process with exit code 7 while it was made"},
        {"memory", "std::bad_alloc"}}) {
    CAPTURE(fault);
    const Bench bench("{plugin: misbehaving, construct: " + fault + "}");
    bench.add_plugin();
    const ProgramRun run = bench.run("check");
    CHECK(run.exit_code == 3);
    CHECK_SAYS(run, title);
    CHECK_SAYS(run, reason);
  }
}

TEST_CASE(
    "a plugin that fails at work is named, the rest is finished and used again, exit code 4") {
  for (const auto& [fault, reason] :
       {std::pair<std::string, std::string>{
            "error", "plugin 'misbehaving' 0.3: the moon is in the wrong phase"},
        {"odd_throw", "plugin 'misbehaving' 0.3 threw something that is no exception"},
        {"segfault", "the worker was ended by signal 11 (Segmentation fault)"},
        {"exit", "the worker ended with exit code 7"},
        {"memory", "plugin 'misbehaving' 0.3: memory ran out"},
        {"hang", "its limit (limits.cell_minutes)"}}) {
    CAPTURE(fault);
    Bench bench("{plugin: misbehaving, evaluate: " + fault + "}");
    bench.add_plugin();
    // Time for what comes before, which is little, and then for the hang, twice.
    if (fault == "hang") bench.append("limits: {cell_minutes: 0.08}\n");
    const ProgramRun run = bench.run("run");
    CHECK(run.exit_code == 4);
    CHECK_SAYS(run, "evaluation misbehaving");
    CHECK_SAYS(run, reason);
    CHECK(bench.left() == "evaluation misbehaving\n");
    if (fault == "segfault") check_goes_on_without_plugin(bench);
  }
}

}  // namespace modeldiff::test
