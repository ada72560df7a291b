#include "store/store.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <limits>
#include <functional>

#include "modeldiff/core/error.h"
#include "temporary_folder.h"
#include "thrown_text.h"

using namespace modeldiff;

namespace {

namespace fs = std::filesystem;

Key key_of(int i) { return Key::of({{"cell", i}}); }

/// An artifact with one file of each sort.
Publication small_publication(const Store& store, const Key& key, float value = 1) {
  Publication publication = store.begin(key, {{"kind", "training_run"}, {"seed", 3}});
  publication.add_json("facts.json", {{"loss", 0.25}, {"steps", 10}});
  publication.add_json_lines("series.jsonl", std::vector<Json>{{{"step", 1}}, {{"step", 2}}});
  const std::array<float, 2> weights{value, 2};
  publication.add_tensors("weights.safetensors",
                          {{"w", view_of(DType::f32, {2}, weights.data(), sizeof weights)}});
  return publication;
}

/// Relative name -> content of all files below a folder.
std::map<std::string, std::string> content_of(const fs::path& folder) {
  std::map<std::string, std::string> content;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      content[entry.path().lexically_relative(folder).string()] = read_text(entry.path());
  }
  return content;
}

void overwrite(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::trunc) << text;
}

std::vector<Json> events(const Store& store, const std::string& name) {
  std::vector<Json> found;
  for (const Json& line : store.attempts()) {
    if (line.value("event", "") == name) found.push_back(line);
  }
  return found;
}

}  // namespace

TEST_CASE("equal identities have equal keys, whatever the order of their entries") {
  CHECK(Key::of(Json::parse(R"({"a": 1, "b": [0.1, true]})")) ==
        Key::of(Json::parse(R"({"b": [0.1, true], "a": 1})")));
  CHECK(Key::of({{"a", 1}}) != Key::of({{"a", 2}}));
  // printf '{"a":1}' | sha256sum
  CHECK(Key::of({{"a", 1}}).text() ==
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
}

TEST_CASE("a key is 64 lower-case hexadecimal digits and nothing else") {
  const std::string text(64, 'a');
  CHECK(Key::parse(text).text() == text);
  CHECK(Key::parse(text).brief() == "aaaaaaaaaaaa");
  for (const std::string& wrong :
       {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'), std::string(64, 'g'),
        std::string(), "../" + std::string(61, 'a')}) {
    CAPTURE(wrong);
    CHECK(thrown_text<DataError>([&] { Key::parse(wrong); }) ==
          "an artifact's key must be 64 lower-case hexadecimal digits, found '" + wrong + "'");
  }
}

TEST_CASE("a published artifact gives back what was put in") {
  const TemporaryFolder folder;
  const Store store(folder / "store");
  const Key key = key_of(1);
  overwrite(folder / "source.txt", "copied");
  CHECK_FALSE(store.contains(key));
  Publication publication = small_publication(store, key);
  publication.add_text("note.txt", "two\nlines");
  publication.add_file("copy.txt", folder / "source.txt");
  CHECK_FALSE(store.contains(key));
  CHECK(publication.commit().outcome == PublishOutcome::published);

  CHECK(store.contains(key));
  const Artifact artifact = store.open(key);
  CHECK(artifact.kind() == "training_run");
  CHECK(artifact.description() == Json{{"kind", "training_run"}, {"seed", 3}});
  CHECK(artifact.json("facts.json") == Json{{"loss", 0.25}, {"steps", 10}});
  CHECK(artifact.json_lines("series.jsonl") == std::vector<Json>{{{"step", 1}}, {{"step", 2}}});
  CHECK(artifact.text("note.txt") == "two\nlines");
  CHECK(artifact.text("copy.txt") == "copied");
  const SafetensorsFile tensors = artifact.tensors("weights.safetensors");
  CHECK(reinterpret_cast<const float*>(tensors.tensor("w").data)[1] == 2.0f);
  CHECK_NOTHROW(artifact.verify());
  std::uint64_t bytes = 0;
  for (const auto& [name, text] : content_of(store.object_folder(key))) bytes += text.size();
  CHECK(artifact.bytes() == bytes);
  CHECK(fs::is_empty(store.root() / "tmp"));
}

TEST_CASE("the same work in two stores gives the same bytes, in whatever order it is done") {
  const TemporaryFolder folder;
  const Store one(folder / "one"), other(folder / "other");
  for (const int i : {1, 2, 3}) small_publication(one, key_of(i)).commit();
  std::vector<Publication> publications;
  for (const int i : {3, 1, 2}) publications.push_back(small_publication(other, key_of(i)));
  for (const Published& result : other.commit_all(publications))
    CHECK(result.outcome == PublishOutcome::published);
  CHECK(content_of(one.root() / "objects") == content_of(other.root() / "objects"));
  CHECK(content_of(one.root() / "objects").size() == 12);
  CHECK(one.open(key_of(2)).digest() == other.open(key_of(2)).digest());
}

TEST_CASE("the manifest says what is in the artifact and nothing else") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  Publication publication = store.begin(key_of(1), {{"kind", "scores"}});
  publication.add_text("note.txt", "abc");
  publication.commit();
  CHECK(read_text(store.object_folder(key_of(1)) / "manifest.json") == R"({
 "description": {
  "kind": "scores"
 },
 "files": {
  "note.txt": {
   "bytes": 3,
   "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
  }
 },
 "format": 1,
 "key": ")" + key_of(1).text() + "\"\n}\n");
}

TEST_CASE("numbers that are not finite are stored as null, and text that is not UTF-8 is made so") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  Publication publication = store.begin(key_of(1), {{"kind", "scores"}});
  publication.add_json("facts.json",
                       {{"loss", std::numeric_limits<double>::quiet_NaN()}, {"name", "a\xff"}});
  publication.commit();
  CHECK(store.open(key_of(1)).text("facts.json") == "{\"loss\":null,\"name\":\"a\xEF\xBF\xBD\"}\n");
}

TEST_CASE(
    "publishing again with the same content changes nothing; other content is reported and "
    "dropped") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  small_publication(store, key_of(1)).commit();
  const auto before = content_of(store.root() / "objects");

  CHECK(small_publication(store, key_of(1)).commit().outcome == PublishOutcome::already_there);
  CHECK(events(store, "nondeterminism").empty());

  Publication other = small_publication(store, key_of(1), /*value=*/7);
  other.add_text("more.txt", "x");
  const Published result = other.commit();
  CHECK(result.outcome == PublishOutcome::nondeterminism);
  CHECK(result.differing == std::vector<std::string>{"more.txt", "weights.safetensors"});
  const std::vector<Json> lines = events(store, "nondeterminism");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("key") == key_of(1).text());
  CHECK(lines[0].at("differing") == Json{"more.txt", "weights.safetensors"});

  Publication renamed = store.begin(key_of(1), {{"kind", "scores"}});
  CHECK(renamed.commit().differing == std::vector<std::string>{"description", "facts.json",
                                                               "series.jsonl",
                                                               "weights.safetensors"});
  CHECK(content_of(store.root() / "objects") == before);
  CHECK(fs::is_empty(store.root() / "tmp"));
}

TEST_CASE("a publication that is let go, moved from or fails leaves nothing behind") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  {
    Publication dropped = small_publication(store, key_of(1));
  }
  CHECK(fs::is_empty(store.root() / "tmp"));

  Publication first = small_publication(store, key_of(1));
  first = small_publication(store, key_of(2));
  CHECK(std::distance(fs::directory_iterator(store.root() / "tmp"), {}) == 1);
  Publication second = std::move(first);
  CHECK(second.commit().outcome == PublishOutcome::published);
  CHECK_THROWS_AS(second.commit(), InternalError);
  CHECK_THROWS_AS(second.add_text("late.txt", ""), InternalError);

  Publication failing = store.begin(key_of(3), {{"kind", "scores"}});
  CHECK_THROWS_AS(failing.add_file("copy.txt", folder / "absent"), DataError);
  CHECK(fs::is_empty(store.root() / "tmp"));
  CHECK_FALSE(store.contains(key_of(1)));
  CHECK_FALSE(store.contains(key_of(3)));
}

TEST_CASE("file names that could leave the artifact, or stand twice, are refused") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  Publication publication = store.begin(key_of(1), {{"kind", "scores"}});
  for (const char* name :
       {"", ".", "..", "../x", "a/b", ".hidden", "manifest.json", "a b", "a\n"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(publication.add_text(name, ""), InternalError);
  }
  publication.add_text("x", "1");
  CHECK_THROWS_AS(publication.add_text("x", "2"), InternalError);
  CHECK_THROWS_AS(store.begin(key_of(2), Json::object()), InternalError);
}

TEST_CASE("tensors larger than memory are written piece by piece") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  Publication publication = store.begin(key_of(1), {{"kind", "scores"}});
  publication.add_tensors("scores.safetensors", {{"scores", DType::f32, {100, 3}}}, {},
                          [](SafetensorsWriter& writer) {
                            for (int row = 0; row < 100; ++row) {
                              const std::array<float, 3> values{float(row), 0, 1};
                              writer.write(values.data(), sizeof values);
                            }
                          });
  publication.commit();
  const SafetensorsFile tensors = store.open(key_of(1)).tensors("scores.safetensors");
  CHECK(reinterpret_cast<const float*>(tensors.tensor("scores").data)[3 * 42] == 42.0f);
}

TEST_CASE("each way in which an artifact may be corrupt is seen, and it can be made again") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  const Key key = key_of(1);
  const fs::path place = store.object_folder(key);
  const auto edit_manifest = [&](const std::string& old_part, const std::string& new_part) {
    std::string text = read_text(place / "manifest.json");
    text.replace(text.find(old_part), old_part.size(), new_part);
    overwrite(place / "manifest.json", text);
  };
  struct Case {
    std::string expected;
    std::function<void()> damage;
    bool seen_when_opened;
  };
  const std::string prefix = "artifact " + key.brief() + " is corrupt: ";
  const std::string manifest = "'" + (place / "manifest.json").string() + "'";
  const std::vector<Case> cases{
      {prefix + "'" + (place / "facts.json").string() + "': No such file or directory",
       [&] { fs::remove(place / "facts.json"); }, true},
      {prefix + "'" + (place / "facts.json").string() + "' must have 25 bytes, found 24",
       [&] { fs::resize_file(place / "facts.json", 24); }, true},
      {"cannot read " + manifest + ": No such file or directory",
       [&] { fs::remove(place / "manifest.json"); }, true},
      {prefix + manifest + " must hold a JSON object",
       [&] { overwrite(place / "manifest.json", "{"); }, true},
      {prefix + manifest + " must hold its own key",
       [&] { edit_manifest(key.text(), key_of(2).text()); }, true},
      {prefix + manifest + " must hold format 1, the one this version reads",
       [&] { edit_manifest("\"format\": 1", "\"format\": 2"); }, true},
      {prefix + manifest + " must hold a name, bytes and a sha256 for each file",
       [&] { edit_manifest("facts.json", "../../x"); }, true},
      {prefix + manifest + " must hold a name, bytes and a sha256 for each file",
       [&] { edit_manifest("\"bytes\": 25", "\"bytes\": -5"); }, true},
      {prefix + manifest + " must hold a description with its kind",
       [&] { edit_manifest("\"kind\"", "\"kin\""); }, true},
      {prefix + "'" + (place / "facts.json").string() + "' must have the SHA-256 ",
       [&] { overwrite(place / "facts.json", "{\"loss\":0.26,\"steps\":10}\n"); }, false},
  };
  small_publication(store, key).commit();
  const auto undisturbed = content_of(store.root() / "objects");
  int quarantined = 0;
  for (const Case& c : cases) {
    CAPTURE(c.expected);
    c.damage();
    const std::string text = thrown_text<DataError>([&] { store.open(key).verify(); });
    CHECK(text.starts_with(c.expected));
    if (c.seen_when_opened) {
      CHECK_THROWS_AS(store.open(key), DataError);
      CHECK(store.list().at(0).kind == "corrupt");
    } else {
      CHECK_NOTHROW(store.open(key));
    }
    REQUIRE(store.verify_all().size() == 1);
    CHECK(store.verify_all()[0].text == text);

    const auto aside = store.quarantine(key, text);
    REQUIRE(aside);
    CHECK(aside->filename() == key.text() + "." + std::to_string(quarantined++));
    CHECK_FALSE(store.contains(key));
    CHECK(events(store, "quarantine").back().at("reason") == text);
    CHECK(small_publication(store, key).commit().outcome == PublishOutcome::published);
    CHECK(content_of(store.root() / "objects") == undisturbed);
    CHECK(store.verify_all().empty());
  }
  CHECK_FALSE(store.quarantine(key_of(2), "absent"));
}

TEST_CASE("publishing where a corrupt artifact stands moves that one aside") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  small_publication(store, key_of(1)).commit();
  fs::resize_file(store.object_folder(key_of(1)) / "weights.safetensors", 5);
  CHECK(small_publication(store, key_of(1)).commit().outcome == PublishOutcome::published);
  CHECK_NOTHROW(store.open(key_of(1)).verify());
  CHECK(fs::exists(store.quarantine_folder() / (key_of(1).text() + ".0")));
}

TEST_CASE("asking for what is not there names it") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  small_publication(store, key_of(1)).commit();
  CHECK(thrown_text<DataError>([&] { store.open(key_of(2)); }) ==
        "the store has no artifact " + key_of(2).brief() + ": '" +
            store.object_folder(key_of(2)).string() + "' does not exist");
  const Artifact artifact = store.open(key_of(1));
  CHECK(thrown_text<DataError>([&] { artifact.json("../manifest.json"); }) ==
        "artifact " + key_of(1).brief() +
            " of kind 'training_run' has no file '../manifest.json'; it has facts.json, "
            "series.jsonl, "
            "weights.safetensors");
}

TEST_CASE("attempts keep their lines, also behind one that was cut short") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  store.record_attempt({{"event", "trained"}, {"seconds", 1.5}});
  overwrite(store.root() / "attempts/other.1.2.jsonl",
            "{\"event\": \"trained\"}\n{\"event\": \"tra");
  store.record_attempt({{"event", "failed"}, {"error", "\xff"}});
  const std::vector<Json> trained = events(store, "trained");
  REQUIRE(trained.size() == 2);
  const std::vector<Json> failed = events(store, "failed");
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].at("pid") == ::getpid());
  CHECK(failed[0].at("time").get<std::string>().size() ==
        std::string("2026-11-21T10:00:00Z").size());
}

TEST_CASE("usage counts artifacts and bytes of each kind") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  for (const int i : {1, 2}) small_publication(store, key_of(i)).commit();
  store.begin(key_of(3), {{"kind", "scores"}}).commit();
  const std::map<std::string, KindUsage> usage = store.usage();
  REQUIRE(usage.size() == 2);
  CHECK(usage.at("training_run").artifacts == 2);
  CHECK(usage.at("training_run").bytes == 2 * store.open(key_of(1)).bytes());
  CHECK(usage.at("scores").artifacts == 1);
}

TEST_CASE("gc keeps what any plan names, wherever in the plan, and a dry run removes nothing") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  for (int i = 0; i < 5; ++i) small_publication(store, key_of(i)).commit();
  store.quarantine(key_of(4), "test");
  overwrite(store.run_folder("a") / "plan.json",
            Json{{"cells", {{{"key", key_of(0).text()}}}}}.dump());
  overwrite(store.run_folder("b") / "plan.json", Json{{key_of(1).text(), "scores"}}.dump());
  store.run_folder("without_plan");

  const auto before = content_of(store.root());
  const GcReport planned = store.gc({.dry_run = true});
  CHECK(content_of(store.root()) == before);
  const GcReport done = store.gc();
  for (const GcReport* report : {&planned, &done}) {
    CHECK(report->kept == 2);
    REQUIRE(report->removed.size() == 2);
    CHECK(report->quarantined == 1);
    CHECK(report->bytes > report->removed[0].bytes + report->removed[1].bytes);
  }
  CHECK(planned.bytes == done.bytes);
  CHECK(store.contains(key_of(0)));
  CHECK(store.contains(key_of(1)));
  CHECK_FALSE(store.contains(key_of(2)));
  CHECK_FALSE(store.contains(key_of(3)));
  CHECK(fs::is_empty(store.quarantine_folder()));
  CHECK(fs::is_empty(store.root() / "tmp"));
  CHECK(store.gc().removed.empty());
}

TEST_CASE("gc removes nothing when a plan cannot be read") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  small_publication(store, key_of(1)).commit();
  overwrite(store.run_folder("a") / "plan.json", "{");
  CHECK(thrown_text<DataError>([&] { store.gc(); }) ==
        "'" + (store.root() / "runs/a/plan.json").string() +
            "' is not JSON, so what it needs is unknown; nothing was removed");
  CHECK(store.contains(key_of(1)));
}

TEST_CASE("an experiment's name must name a folder") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  CHECK(fs::is_directory(store.run_folder("augment-2.b_c")));
  for (const char* name : {"", "..", "a/b", ".git", "a b"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(store.run_folder(name), ConfigError);
  }
}

TEST_CASE("verify reports its progress") {
  const TemporaryFolder folder;
  const Store store(folder.path());
  for (const int i : {1, 2, 3}) small_publication(store, key_of(i)).commit();
  std::vector<std::pair<std::int64_t, std::int64_t>> seen;
  store.verify_all([&](std::int64_t done, std::int64_t total) { seen.emplace_back(done, total); });
  CHECK(seen == std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 3}, {2, 3}, {3, 3}});
}
