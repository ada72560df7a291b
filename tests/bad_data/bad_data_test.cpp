#include "bench.h"

/// Numbers, artifacts and data files that are not what they should be, through whole runs.
namespace modeldiff::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDigits = R"(experiment: small
dataset: {plugin: digits, subset: {train: 200}}
queries: 20
algorithms:
  A: {plugin: sgd, model: linear, epochs: 1}
  B: {plugin: sgd, model: linear, epochs: 2}
evaluate: [accuracy]
)";

std::string experiment_on(const std::string& dataset) {
  return "experiment: small\ndataset: " + dataset + R"(
queries: 2
algorithms:
  A: {plugin: sgd, model: linear, epochs: 1}
evaluate: [accuracy]
)";
}

void cut(const fs::path& file, std::uintmax_t by) {
  fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
  fs::resize_file(file, fs::file_size(file) - by);
}

std::string big_endian(std::uint32_t number) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

/// Two IDX files: `count` images of 2 x 2 pixels, which are told apart by numbers from `first`.
void write_idx_part(const fs::path& folder, const std::string& part, std::uint32_t count,
                    std::uint32_t first) {
  fs::create_directories(folder);
  std::string images = big_endian(0x803) + big_endian(count) + big_endian(2) + big_endian(2);
  std::string labels = big_endian(0x801) + big_endian(count);
  for (std::uint32_t i = first; i < first + count; ++i) {
    for (const std::uint32_t pixel : {i, 3 * i, 7 * i, i * i})
      images += static_cast<char>(pixel & 0xff);
    labels += static_cast<char>(i % 10);
  }
  write_file(folder / (part + "-images-idx3-ubyte"), images);
  write_file(folder / (part + "-labels-idx1-ubyte"), labels);
}

void write_idx(const fs::path& folder, std::uint32_t count) {
  write_idx_part(folder, "train", count, 0);
  write_idx_part(folder, "t10k", count, count);
}

}  // namespace

TEST_CASE(
    "a loss that is not finite is said with run, step and what to try; the other algorithm is "
    "finished") {
  const Bench bench(replaced(kDigits, "epochs: 2}", "epochs: 2, lr: 1e30}"));
  const ProgramRun run = bench.run();
  CHECK(run.exit_code == 4);
  CHECK_SAYS(run, "algorithm B");
  CHECK_SAYS(run, "the training loss is");
  CHECK_SAYS(run, "try a lower `lr`");
  const std::vector<std::string> left = bench.left();
  const auto is_of_a = [](const std::string& label) { return label.starts_with("algorithm A"); };
  CHECK(std::none_of(left.begin(), left.end(), is_of_a));
}

TEST_CASE(
    "a damaged artifact is set aside with a message, made anew by the next run, and nothing else "
    "is") {
  const Bench bench(kDigits);
  REQUIRE(bench.run().exit_code == 0);
  const fs::path artifact = bench.artifact("algorithm A");
  const std::string weights = content_of(artifact / "weights.safetensors");
  fs::remove_all(bench.artifact("evaluation accuracy"));  // it reads the weights
  SUBCASE("truncated") { cut(artifact / "weights.safetensors", 100); }
  SUBCASE("a length that is wrong") {
    write_file(artifact / "weights.safetensors", std::string(8, '\xff') + weights.substr(8));
  }
  SUBCASE("one byte of a weight") {
    std::string hurt = weights;
    hurt[hurt.size() - 2] ^= 1;
    write_file(artifact / "weights.safetensors", hurt);
  }
  SUBCASE("a manifest that is no JSON") { cut(artifact / "manifest.json", 20); }
  const ProgramRun hurt = bench.run();
  CHECK(hurt.exit_code == 4);
  CHECK_SAYS(hurt, "failed: evaluation accuracy");
  CHECK_SAYS(hurt, "artifact " + artifact.filename().string().substr(0, 12));
  CHECK_SAYS(hurt, "It was set aside; run the experiment again and it is made anew.");
  CHECK(bench.run().exit_code == 0);
  CHECK(content_of(artifact / "weights.safetensors") == weights);
  CHECK(bench.left().empty());
}

TEST_CASE("damaged IDX files are named with what was expected and found") {
  const Bench bench(experiment_on("{plugin: mnist, path: idx}"));
  write_idx(bench.folder() / "idx", 60);
  REQUIRE(bench.run().exit_code == 0);
  SUBCASE("cut off") { cut(bench.folder() / "idx/train-images-idx3-ubyte", 7); }
  SUBCASE("of another kind") {
    write_file(bench.folder() / "idx/train-images-idx3-ubyte", "no IDX file at all");
  }
  SUBCASE("empty") { write_file(bench.folder() / "idx/train-images-idx3-ubyte", ""); }
  const ProgramRun run = bench.run();
  CHECK(run.exit_code == 4);
  CHECK_SAYS(run, "train-images-idx3-ubyte");
  CHECK_SAYS(run, "failed: data set mnist");
  write_idx(bench.folder() / "idx", 60);
  CHECK(bench.run().exit_code == 0);
}

TEST_CASE("images of the test set that the training set has too are left out, and said") {
  const Bench bench(experiment_on("{plugin: mnist, path: idx}"));
  write_idx_part(bench.folder() / "idx", "train", 60, 0);
  write_idx_part(bench.folder() / "idx", "t10k", 60, 1);
  const ProgramRun run = bench.run();
  CHECK(run.exit_code != 0);
  CHECK_SAYS(run, "59 of its images are left out, as the training set has them too");
}

TEST_CASE("a damaged image and a damaged archive are named") {
  const Bench bench(experiment_on("{plugin: image_folder, path: pictures, channels: 1}"));
  for (const char* name :
       {"train/cat/1.png", "train/dog/1.jpg", "test/cat/1.png", "test/dog/1.jpg"}) {
    fs::create_directories((bench.folder() / "pictures" / name).parent_path());
    write_file(bench.folder() / "pictures" / name, "this is no picture");
  }
  const ProgramRun images = bench.run();
  CHECK(images.exit_code == 4);
  CHECK_SAYS(images, ".png: is neither a JPEG nor a PNG image");

  const Bench archive(experiment_on("{plugin: image_folder, path: pictures.tar.gz}"));
  write_file(archive.folder() / "pictures.tar.gz", "\x1f\x8b\x08 this is no archive");
  const ProgramRun run = archive.run();
  CHECK(run.exit_code == 4);
  CHECK_SAYS(run, (archive.folder() / "pictures.tar.gz").string());
}

TEST_CASE("a table with a cell that is no number is named with its line and column") {
  const Bench bench(experiment_on("{plugin: csv, path: table.csv, task: classification}"));
  std::string table = "a,b,label\n";
  for (int i = 0; i < 60; ++i) {
    table += std::to_string(i % 7) + "," + std::to_string(i) + "," + std::to_string(i % 2) + "\n";
  }
  write_file(bench.folder() / "table.csv", replaced(table, "3,31,1\n", "3,many,1\n"));
  const ProgramRun run = bench.run();
  CHECK(run.exit_code == 4);
  CHECK_SAYS(run, "table.csv:33");
  CHECK_SAYS(run, "many");
}

}  // namespace modeldiff::test
