// Transformations as values: listed, exported, and applied to folders of images.

#include <doctest/doctest.h>

#include <cstdlib>

#include "finished_quickstart.h"
#include "images/image_decode.h"
#include "images/image_encode.h"
#include "store/exported_transformation.h"

namespace modeldiff::test {
namespace {

const std::string kResult = (kQuickstart / "results/quickstart").string();
const std::string kStore = (kQuickstart / ".modeldiff").string();

/// An image of 4 x 6 pixels in which each value tells where it is.
PixelRows numbered() {
  PixelRows image{4, 6, 3, {}};
  for (int i = 0; i < 4 * 6 * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(3 * i));
  return image;
}

/// Left and right mirrored, for images of 4 x 6 pixels.
ExportedTransformation mirror() {
  return {{{"proposer", "geometry"},
           {"family", "flip"},
           {"label", "mirrored"},
           {"parameters", {{"map", {1, 0, 0, 0, -1, 0}}}},
           {"direction", -1}},
          "1.0",
          {3, 4, 6},
          {{"experiment", "by hand"}},
          {}};
}

}  // namespace

TEST_CASE("an exported flip mirrors each image of a folder, exactly") {
  const ScratchFolder scratch;
  const fs::path in = scratch.path() / "in", out = scratch.path() / "out";
  fs::create_directory(in);
  write_file(in / "a.PNG", encode_png(numbered()));
  write_file(in / "b.jpg", encode_jpeg(numbered(), 90));
  write_file(in / "notes.txt", "no image");
  write_exported(scratch.path() / "mirror", mirror());
  const ProgramRun run =
      run_program({"transform", "mirror", "in", "out", "--json"}, scratch.path());
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(Json::parse(run.out).at("images") == 2);
  CHECK(Json::parse(run.out).at("resized") == 0);
  for (const auto& [from, to] : {std::pair{"a.PNG", "a.png"}, std::pair{"b.jpg", "b.png"}}) {
    const RgbImage before = decode_image(content_of(in / from), from),
                   after = decode_image(content_of(out / to), to);
    REQUIRE(after.pixels.size() == before.pixels.size());
    for (int y = 0; y < 4; ++y) {
      for (int x = 0; x < 6; ++x) {
        for (int c = 0; c < 3; ++c) {
          CHECK(after.pixels[static_cast<std::size_t>((y * 6 + x) * 3 + c)] ==
                before.pixels[static_cast<std::size_t>((y * 6 + 5 - x) * 3 + c)]);
        }
      }
    }
  }
}

TEST_CASE("an image of another size gets that of the data set") {
  const ScratchFolder scratch;
  fs::create_directory(scratch.path() / "in");
  write_file(scratch.path() / "in/large.png",
             encode_png({8, 12, 1, std::vector<std::uint8_t>(96, 200)}));
  write_exported(scratch.path() / "mirror", mirror());
  const ProgramRun run = run_program({"transform", "mirror", "in", "out"}, scratch.path());
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  CHECK(holds(run.out, "1 images in 'out', 1 of them resized to 4 x 6"));
  const RgbImage after = decode_image(content_of(scratch.path() / "out/large.png"), "after");
  CHECK(after.height == 4);
  CHECK(after.width == 6);
  CHECK(after.pixels == std::vector<std::uint8_t>(4 * 6 * 3, 200));
}

TEST_CASE("the list has the claims of the result, in their order") {
  const Json result = Json::parse(content_of(fs::path(kResult) / "result.json"));
  const Json& claims = result.at("verify").at("claims");
  const Json listed =
      Json::parse(run_program({"transform", kResult, "--list", "--json"}, kQuickstart).out);
  REQUIRE(listed.at("transformations").size() == claims.size());
  for (std::size_t i = 0; i < claims.size(); ++i) {
    CHECK(listed.at("transformations")[i].at("number") == i + 1);
    CHECK(listed.at("transformations")[i].at("label") == claims[i].at("label"));
  }
  const ProgramRun table = run_program({"transform", kResult, "--list"}, kQuickstart);
  CHECK(holds(table.out, claims[0].at("label")));
}

TEST_CASE("a claim of a result does what the report shows, directly and as an exported file") {
  // The report's pictures of the first claim, [images, 1, 8, 8].
  const Json result = Json::parse(content_of(fs::path(kResult) / "result.json"));
  const std::string key = result.at("verify").at("artifact");
  const SafetensorsFile pictures(fs::path(kStore) / "objects" / key.substr(0, 2) / key /
                                 "images.safetensors");
  const TensorView& before = pictures.tensor("0.before");
  const TensorView& after = pictures.tensor("0.after");
  const auto* pixels = reinterpret_cast<const std::uint8_t*>(before.data);
  const auto* expected = reinterpret_cast<const std::uint8_t*>(after.data);
  const ScratchFolder scratch;
  fs::create_directory(scratch.path() / "in");
  for (std::int64_t i = 0; i < before.shape[0]; ++i) {
    write_file(scratch.path() / "in" / (std::to_string(i) + ".png"),
               encode_png(rows_of(pixels + i * 64, 1, 8, 8)));
  }
  const auto done = [&](const std::vector<std::string>& arguments) {
    const ProgramRun run = run_program(arguments, scratch.path());
    CAPTURE(run.err);
    REQUIRE(run.exit_code == 0);
  };
  done({"transform", kResult, "1", "in", "out", "--store", kStore});
  done({"transform", kResult, "1", "--export", "file", "--store", kStore});
  done({"transform", "file", "in", "again"});
  bool changes = false;
  for (std::int64_t i = 0; i < before.shape[0]; ++i) {
    const std::string name = std::to_string(i) + ".png";
    std::vector<std::uint8_t> got(64);
    write_planes(decode_image(content_of(scratch.path() / "out" / name), name), 1, got.data());
    // The report's images before were not rounded to 1/255, those of the folder are.
    for (std::size_t k = 0; k < got.size(); ++k)
      CHECK(std::abs(got[k] - expected[i * 64 + static_cast<std::int64_t>(k)]) <= 1);
    CHECK(content_of(scratch.path() / "again" / name) == content_of(scratch.path() / "out" / name));
    changes = changes || !std::equal(got.begin(), got.end(), pixels + i * 64);
  }
  CHECK(changes);
}

TEST_CASE("what transform cannot do is said, with what is near") {
  const ScratchFolder scratch;
  fs::create_directory(scratch.path() / "empty");
  write_exported(scratch.path() / "mirror", mirror());
  ExportedTransformation unknown = mirror();
  unknown.transformation["proposer"] = "geometri";
  write_exported(scratch.path() / "unknown", unknown);
  write_file(scratch.path() / "text", "no transformation");
  const auto error = [&](const std::vector<std::string>& arguments, int code) {
    const ProgramRun run = run_program(arguments, scratch.path());
    CHECK(run.exit_code == code);
    return run.err;
  };
  CHECK(holds(error({"transform", "miror", "empty", "out"}, 2), "did you mean 'mirror'?"));
  CHECK(holds(error({"transform", "mirror", "empty", "out"}, 2),
              "'empty' holds no .png, .jpg or .jpeg file"));
  CHECK(holds(error({"transform", "mirror", "empty", "empty"}, 2), "a folder of their own"));
  CHECK(holds(error({"transform", "mirror", "--list"}, 2), "RESULT --list"));
  CHECK(holds(error({"transform", "text", "empty", "out"}, 2), "text"));
  CHECK(holds(error({"transform", "unknown", "empty", "out"}, 3), "did you mean 'geometry'?"));
  CHECK(holds(error({"transform", kResult, "1000", "empty", "out"}, 2),
              "'1000' is no number of a transformation"));
  CHECK(holds(error({"transform", kResult, "1", "empty", "out"}, 2),
              "name the one that does with --store"));
}

}  // namespace modeldiff::test
