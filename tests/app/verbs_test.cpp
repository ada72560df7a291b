// What the verbs say about a finished experiment, and that they say where and what to do when
// something is wrong. The quickstart's folder is only read; what changes a store works on a copy.

#include <doctest/doctest.h>

#include "finished_quickstart.h"

namespace modeldiff::test {
namespace {

ProgramRun read(const std::vector<std::string>& arguments) {
  return run_program(arguments, kQuickstart);
}

}  // namespace

TEST_CASE("report writes the same page and numbers again") {
  const StoreCopy store;
  const ProgramRun report = store.run({"report", kFile});
  CHECK(report.exit_code == 0);
  CHECK(content_of(store.folder() / "results/quickstart/result.json") ==
        content_of(kQuickstart / "results/quickstart/result.json"));
  CHECK(content_of(store.folder() / "results/quickstart/report.html") ==
        content_of(kQuickstart / "results/quickstart/report.html"));
  CHECK(holds(report.out, "results/quickstart/report.html"));
  // The folder of results alone is enough, without the experiment file.
  fs::remove(store.folder() / "results/quickstart/report.html");
  CHECK(store.run({"report", "results/quickstart"}).exit_code == 0);
  CHECK(fs::exists(store.folder() / "results/quickstart/report.html"));
}

TEST_CASE("report lists what is missing, and what makes it") {
  const StoreCopy store;
  fs::remove_all(store.object(store.key_of("verification")));
  const ProgramRun report = store.run({"report", kFile});
  CHECK(report.exit_code == 4);
  CHECK(holds(report.err, "1 verification    verification\n"));
  CHECK(holds(report.err, "to make them: modeldiff run " + kFile));
  const Json result = result_in(store.folder());
  CHECK(result.at("missing").size() == 1);
  CHECK(holds(content_of(store.folder() / "results/quickstart/report.html"), "What is missing"));
}

TEST_CASE("report on an empty store says that there is nothing") {
  const ScratchFolder empty;
  const ProgramRun report = run_program({"report", kFile}, empty.path());
  CHECK(report.exit_code == 2);
  CHECK(holds(report.err, "there is nothing to report in the store"));
  CHECK(holds(report.err, "modeldiff run " + kFile));
}

TEST_CASE("plan tells of a damaged artifact, and goes on") {
  const StoreCopy store;
  const std::string key = store.key_of("comparison");
  fs::resize_file(store.object(key) / "comparison.json", 10);
  const ProgramRun plan = store.run({"plan", kFile});
  CHECK(plan.exit_code == 0);
  CHECK(holds(plan.out, "damaged: artifact " + key.substr(0, 12) + " is corrupt: "));
  CHECK(holds(plan.err, "modeldiff store verify --quarantine"));
  const Json json = Json::parse(store.run({"plan", kFile, "--json"}).out);
  CHECK(json.at("damaged").size() == 1);
  CHECK(json.at("bytes").get<double>() > 0);
}

TEST_CASE("why says what has changed since the last plan") {
  const ProgramRun why = read({"why", kFile, "comparison", "--set", "compare.permutations=99"});
  CHECK(why.exit_code == 0);
  CHECK(holds(why.out, "comparison of A with B: not in the store\n"));
  CHECK(holds(why.out, "permutations: 99 (before: 199)\n"));
  CHECK(holds(read({"why", kFile}).out, "everything is in the store; nothing would be made"));
  CHECK(holds(read({"why", kFile, "nothing_like_it"}).out, "no cell is called 'nothing_like_it'"));
}

TEST_CASE("store ls shows kind, key, experiment and label, and sums up") {
  const Json all = Json::parse(read({"store", "ls", "--json"}).out);
  std::uint64_t bytes = 0;
  for (const Json& artifact : all.at("artifacts"))
    bytes += artifact.at("bytes").get<std::uint64_t>();
  CHECK(bytes == all.at("bytes"));
  const ProgramRun runs = read({"store", "ls", "--kind", "comparison"});
  CHECK(holds(runs.out, "quickstart  comparison of A with B\n1 artifacts"));
  const ProgramRun wrong = read({"store", "ls", "--kind", "comparson"});
  CHECK(wrong.exit_code == 2);
  CHECK(holds(wrong.err, "did you mean 'comparison'?"));
}

TEST_CASE("store verify names what is corrupt, and quarantine lets it be made again") {
  const StoreCopy store;
  CHECK(store.run({"store", "verify"}).exit_code == 0);
  const std::string key = store.key_of("comparison");
  const fs::path file = store.object(key) / "comparison.json";
  std::string text = content_of(file);
  text[text.size() / 2] ^= 1;
  write_file(file, text);
  const ProgramRun found = store.run({"store", "verify"});
  CHECK(found.exit_code == 4);
  CHECK(holds(found.out, "corrupt: artifact " + key.substr(0, 12)));
  CHECK(holds(found.err, "store verify --quarantine"));
  CHECK(store.run({"store", "verify", "--quarantine"}).exit_code == 4);
  CHECK(store.run({"store", "verify"}).exit_code == 0);
  CHECK(!fs::exists(store.object(key)));
}

TEST_CASE("store gc deletes nothing without --yes, and then what no experiment needs") {
  const StoreCopy store;
  const std::string run = store.key_of("run");
  write_file(store.folder() / "other.yaml", "extends: " + kFile + "\nexperiment: other\nseed: 1\n");
  const ProgramRun none = store.run({"store", "gc"});
  CHECK(holds(none.out, "0 artifacts, 0 temporary folders and 0 quarantined can be deleted"));
  const ProgramRun dry = store.run({"store", "gc", "--keep", "other.yaml"});
  CHECK(dry.exit_code == 0);
  CHECK(holds(dry.err, "nothing was deleted; --yes deletes"));
  CHECK(fs::exists(store.object(run)));
  CHECK(store.run({"store", "gc", "--keep", kFile, "--yes"}).exit_code == 0);
  CHECK(fs::exists(store.object(run)));
  CHECK(store.run({"store", "gc", "--keep", "other.yaml", "--yes"}).exit_code == 0);
  CHECK(!fs::exists(store.object(run)));
}

TEST_CASE("store gc keeps what another process is at work on") {
  const StoreCopy store;
  const std::string run = store.key_of("run");
  // A plan of another machine: whether its process lives cannot be told from here.
  const fs::path foreign = store.folder() / ".modeldiff/tmp/elsewhere.1.1-0";
  fs::create_directories(foreign);
  write_file(foreign / "plan.json", Json{{"cells", {{{"key", run}}}}}.dump());
  write_file(store.folder() / "other.yaml", "extends: " + kFile + "\nexperiment: other\nseed: 1\n");
  CHECK(store.run({"store", "gc", "--keep", "other.yaml", "--yes"}).exit_code == 0);
  CHECK(Json::parse(store.run({"store", "ls", "--json"}).out).at("artifacts").size() == 1);
  CHECK(fs::exists(store.object(run)));
}

TEST_CASE("show takes the start of a key and lists several that begin so") {
  const Json all = Json::parse(read({"store", "ls", "--kind", "comparison", "--json"}).out);
  const std::string key = all.at("artifacts").at(0).at("key");
  const ProgramRun shown = read({"show", key.substr(0, 12)});
  CHECK(shown.exit_code == 0);
  CHECK(holds(shown.out, "comparison: comparison of A with B\n" + key));
  CHECK(holds(shown.out, "attribution against"));
  const Json facts = Json::parse(read({"show", key, "--json"}).out);
  CHECK(facts.at("experiment") == "quickstart");
  for (const auto& [name, tensor] :
       facts.at("files").at("comparison.safetensors").at("tensors").items()) {
    CAPTURE(name);
    CHECK(tensor.at("min") <= tensor.at("mean"));
    CHECK(tensor.at("mean") <= tensor.at("max"));
  }
  CHECK(Json::parse(read({"show", key, "--file", "comparison.json"}).out).is_object());

  const StoreCopy store;
  std::string twin = key;
  twin.back() = twin.back() == '0' ? '1' : '0';
  fs::create_directories(store.object(twin));
  const ProgramRun ambiguous = store.run({"show", key.substr(0, 10)});
  CHECK(ambiguous.exit_code == 2);
  CHECK(holds(ambiguous.err, "is the start of 2 keys; give more digits:"));
  CHECK(holds(ambiguous.err, "comparison of A with B"));
  CHECK(holds(ambiguous.err, "corrupt"));
}

TEST_CASE("show of a result prints its verdict and where its parts come from") {
  const ProgramRun shown = read({"show", "results/quickstart"});
  CHECK(shown.exit_code == 0);
  CHECK(holds(shown.out, "A and B differ in how they use the training data"));
  CHECK(holds(shown.out, "verify"));
  const ProgramRun wrong = read({"show", "results/quickstrat"});
  CHECK(wrong.exit_code == 2);
  CHECK(holds(wrong.err, "is neither a folder of results"));
}

TEST_CASE("diff of two files names each key that differs, with the line it comes from") {
  const ScratchFolder folder;
  const std::string head = "extends: " + kFile + "\nexperiment: a\nalgorithms:\n";
  write_file(folder.path() / "a.yaml", head + "  A: {lr: 0.5}\n");
  write_file(folder.path() / "b.yaml", head + "\n  A: {lr: 0.25}\n");
  const Json diff =
      Json::parse(run_program({"diff", "a.yaml", "b.yaml", "--json"}, folder.path()).out);
  REQUIRE(diff.at("differences").size() == 2);  // B extends A
  const Json& first = diff.at("differences").at(0);
  CHECK(first.at("path") == "algorithms.A.lr");
  CHECK(first.at("a") == 0.5);
  CHECK(first.at("b") == 0.25);
  CHECK(holds(first.at("a_from"), "a.yaml:4"));
  CHECK(holds(first.at("b_from"), "b.yaml:5"));
  const ProgramRun same = run_program({"diff", "a.yaml", "a.yaml"}, folder.path());
  CHECK(same.out == "the two describe the same experiment\n");
}

TEST_CASE("diff of two results sets their numbers side by side") {
  const ScratchFolder folder;
  Json result = result_in(kQuickstart);
  result["compare"]["p_value"] = 0.5;
  fs::create_directories(folder.path() / "changed");
  write_file(folder.path() / "changed/result.json", result.dump());
  const std::string original = (kQuickstart / "results/quickstart").string();
  const Json diff =
      Json::parse(run_program({"diff", original, "changed", "--json"}, folder.path()).out);
  CHECK(diff.at("equal") == false);
  REQUIRE(diff.at("numbers").size() == 1);
  CHECK(diff.at("numbers").at(0).at("path") == "compare.p_value");
  CHECK(diff.at("numbers").at(0).at("b") == 0.5);
  CHECK(
      holds(run_program({"diff", original, original}, folder.path()).out, "all numbers are equal"));
  const ProgramRun mixed = run_program({"diff", original, kFile}, folder.path());
  CHECK(mixed.exit_code == 2);
  CHECK(holds(mixed.err, "two of one sort can be compared"));
}

TEST_CASE("diff of two artifacts says what they were made from and how far tensors are apart") {
  const Json runs =
      Json::parse(read({"store", "ls", "--kind", "run", "--json"}).out).at("artifacts");
  const std::string a = runs.at(0).at("key"), b = runs.at(1).at("key");
  const Json diff = Json::parse(read({"diff", a, b, "--json"}).out);
  CHECK(diff.at("equal") == false);
  CHECK(!diff.at("identity").empty());
  REQUIRE(!diff.at("tensors").empty());
  CHECK(diff.at("tensors").at(0).at("largest_difference") > 0.0);
  CHECK(Json::parse(read({"diff", a, a, "--json"}).out).at("equal") == true);
}

TEST_CASE("doctor finds torch, measures both precisions and has a line for each part") {
  const ProgramRun doctor = read({"doctor", "--json"});
  CHECK(doctor.exit_code == 0);
  const Json facts = Json::parse(doctor.out).at("facts");
  CHECK(holds(facts.at("torch").at("torch"), "2."));
  const double full = facts.at("torch").at("gflops").at("float32"),
               half = facts.at("torch").at("gflops").at("bfloat16");
  CHECK(full > 0);
  CHECK(half > 0);
  CHECK(facts.at("precision") == (half > full ? "bfloat16" : "float32"));
  const ProgramRun text = read({"doctor"});
  for (const char* part :
       {"torch", "precision", "processor", "threads", "memory", "plugins", "data", "store"}) {
    CAPTURE(part);
    CHECK(holds(text.out, part));
  }
  CHECK(holds(text.out, "modeldiff data fetch cifar"));  // nothing is found in an empty home folder
}

TEST_CASE("worker finds that all is done, and makes what is missing to the same bytes") {
  const StoreCopy store;
  CHECK(holds(store.run({"worker", kFile}).out, "0 cells made here"));
  const std::string key = store.key_of("comparison");
  const std::string before = content_of(store.object(key) / "manifest.json");
  fs::remove_all(store.object(key));
  fs::remove_all(store.object(store.key_of("selection")));
  const ProgramRun worker = store.run({"worker", kFile, "--json"});
  CHECK(worker.exit_code == 0);
  CHECK(Json::parse(worker.out).at("made") >= 1);
  CHECK(content_of(store.object(key) / "manifest.json") == before);
  CHECK(fs::is_empty(store.folder() / ".modeldiff/tmp"));
}

TEST_CASE("an unknown verb, option or verb below a verb gets the nearest name") {
  CHECK(holds(read({"reprot"}).err, "there is no verb 'reprot'; did you mean 'report'?"));
  CHECK(holds(read({"store", "verfy"}).err, "there is no verb 'verfy'; did you mean 'verify'?"));
  CHECK(holds(read({"store", "ls", "--kin", "run"}).err,
              "there is no option '--kin'; did you mean '--kind'?"));
  CHECK(holds(read({"show", "--jso", "abcd"}).err, "did you mean '--json'?"));
  CHECK(read({"reprot"}).exit_code == 2);
}

TEST_CASE("every verb's help ends with an example that begins with the program's name") {
  for (const char* verb : {"run", "plan", "check", "why", "report", "show", "transform", "diff",
                           "describe", "schema", "worker", "doctor", "completion"}) {
    CAPTURE(verb);
    const ProgramRun help = read({verb, "--help"});
    CHECK(help.exit_code == 0);
    CHECK(holds(help.out, "Example:\n  "));
    CHECK(holds(help.out.substr(help.out.find("Example:")), std::string("modeldiff ") + verb));
  }
}

}  // namespace modeldiff::test
