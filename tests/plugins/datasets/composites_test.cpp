#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "dataset_plugin.h"
#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

namespace {

constexpr std::int64_t kObjects = 200;  // of each label and part
const std::vector<std::int64_t> kSand{10, 20, 30}, kSnow{100, 110, 120}, kFace{250, 251, 252},
    kYellow{255, 255, 0};

std::string plain_image(std::int64_t side, const std::vector<std::int64_t>& rgb) {
  const auto value = [&](std::size_t c) { return static_cast<std::uint8_t>(rgb[c]); };
  return png_bytes(side, side, plain_pixels(side, side, value(0), value(1), value(2)));
}

/// Objects are red (label `cup`) or green (label `vase`), their blue is the object's number.
/// Backgrounds are sand and snow.
class Archive {
 public:
  Archive() {
    for (const std::string part : {"train/", "test/"}) {
      for (std::int64_t i = 0; i < kObjects; ++i) {
        const std::string file = "/" + std::to_string(i) + ".png";
        const std::string folder = i % 2 ? "mug" : "cup";
        tar_.file(part + folder + file, plain_image(9, {200, 0, i}));
        tar_.file(part + "vase" + file, plain_image(9, {0, 200, i}));
      }
      tar_.file(part + "sand/0.png", plain_image(16, kSand));
      tar_.file(part + "snow/0.png", plain_image(16, kSnow));
    }
    tar_.file("train/face/0.png", plain_image(16, kFace));
    folder_.write("all.tar", tar_.bytes());
  }

  Dataset load(const Json& changes = Json::object()) const {
    Json params = {{"labels",
                    {{"cup", {{"foreground", {"cup", "mug"}}, {"background", {"sand"}}}},
                     {"vase", {{"foreground", {"vase"}}, {"background", {"snow"}}, {"share", 3}}}}},
                   {"foreground", {{"path", "all.tar"}, {"size", 10}}},
                   {"background", {{"path", "all.tar"}, {"crop", 12}}},
                   {"size", 16},
                   {"train", 200},
                   {"test", 40}};
    params.merge_patch(changes);
    return load_dataset("composites", folder_.path(), params);
  }

  template <typename E>
  std::string error(const Json& changes) const {
    return error_of<E>([&] { load(changes); });
  }

  const TemporaryFolder& folder() const { return folder_; }

 private:
  TarBuilder tar_;
  TemporaryFolder folder_;
};

const Archive& archive() {
  static const Archive it;
  return it;
}

/// [n] bool: the pixel has this colour.
at::Tensor shows(const Examples& examples, std::int64_t row, std::int64_t column,
                 const std::vector<std::int64_t>& rgb) {
  return (examples.inputs.select(3, column).select(2, row).to(at::kLong) == at::tensor(rgb)).all(1);
}

/// [n] bool: the square of `side` pixels in one of the four corners has this colour.
at::Tensor corner_shows(const Examples& examples, std::int64_t side,
                        const std::vector<std::int64_t>& rgb) {
  const std::int64_t last = examples.inputs.size(2) - side;
  at::Tensor out = at::zeros({examples.size()}, at::kBool);
  for (const std::int64_t row : {std::int64_t{0}, last}) {
    for (const std::int64_t column : {std::int64_t{0}, last}) {
      const at::Tensor square =
          examples.inputs.narrow(2, row, side).narrow(3, column, side).to(at::kLong);
      out |= (square == at::tensor(rgb).view({3, 1, 1})).flatten(1).all(1);
    }
  }
  return out;
}

double mean_of(const at::Tensor& mask) { return mask.to(at::kDouble).mean().item<double>(); }

at::Tensor own_background(const Examples& examples) {
  return examples.groups.remainder(2).eq(examples.targets);
}

}  // namespace

TEST_CASE("the middle shows the object's pixel, the border the background's") {
  const Dataset data = archive().load();
  CHECK(data.facts.class_names == std::vector<std::string>{"cup", "vase"});
  CHECK(data.facts.groups ==
        std::vector<std::string>{"cup on sand", "cup on snow", "vase on sand", "vase on snow"});
  CHECK(data.facts.source == "objects of 'all.tar' on backgrounds of 'all.tar', seed 0");
  for (const Examples* examples : {&data.train, &data.test}) {
    const at::Tensor middle = examples->inputs.select(3, 8).select(2, 8).to(at::kLong);
    const at::Tensor cup = examples->targets.eq(0);
    CHECK(at::equal(middle.select(1, 0), at::where(cup, 200, 0).to(at::kLong)));
    CHECK(at::equal(middle.select(1, 1), at::where(cup, 0, 200).to(at::kLong)));
    // The object's square is rows and columns 3 to 12: its border is transparent, and so is all
    // around it.
    const at::Tensor sand = examples->groups.remainder(2).eq(0);
    for (std::int64_t k = 0; k < 16; ++k) {
      for (const std::int64_t border : {0, 3, 12, 15}) {
        CAPTURE(k);
        CAPTURE(border);
        CHECK(at::equal(shows(*examples, border, k, kSand), sand));
        CHECK(at::equal(shows(*examples, k, border, kSnow), ~sand));
      }
    }
    // Row 8, column 4 has r = sqrt(0.5^2 + 3.5^2) / 4.5 = 0.78567, so opacity (1 - r) / 0.3 =
    // 0.71442 and a = 182: on sand a red of 200 gives (182 * 200 + 73 * 10) / 255 = 145.6.
    const at::Tensor red = examples->inputs.select(3, 4).select(2, 8).select(1, 0);
    CHECK((red.masked_select(cup & sand) == 146).all().item<bool>());
  }
}

TEST_CASE("shares of labels are exact, no object is used twice, backgrounds go with the label") {
  const Dataset data = archive().load({{"train", 240}, {"test", 240}, {"strength", 0.9}});
  for (const Examples* examples : {&data.train, &data.test}) {
    CHECK(
        at::equal(at::bincount(examples->targets), at::tensor(std::vector<std::int64_t>{60, 180})));
    CHECK(at::equal(examples->groups.floor_divide(2), examples->targets));
    const at::Tensor number =
        examples->inputs.select(3, 8).select(2, 8).select(1, 2).to(at::kLong) +
        kObjects * examples->targets;
    CHECK((at::bincount(number) <= 1).all().item<bool>());
  }
  // Three standard deviations of a share of 240 draws: 0.058 at .9, 0.097 at .5.
  CHECK(std::abs(mean_of(own_background(data.train)) - 0.9) < 0.058);
  CHECK(std::abs(mean_of(own_background(data.test)) - 0.5) < 0.097);
  const Dataset sure = archive().load({{"strength", 1}, {"test_strength", 0}});
  CHECK(mean_of(own_background(sure.train)) == 1);
  CHECK(mean_of(own_background(sure.test)) == 0);
}

TEST_CASE("confounders are in corners of their share of one label's training images") {
  const Json crop = {{"kind", "crop"}, {"label", "vase"},   {"share", 0.1},
                     {"size", 3},      {"path", "all.tar"}, {"folders", {"face"}}};
  const Json square = {
      {"kind", "square"}, {"label", "vase"}, {"share", 0.2}, {"size", 2}, {"colour", {1, 1, 0}}};
  const Dataset data = archive().load({{"confounders", {crop, square}}});
  const at::Tensor face = corner_shows(data.train, 3, kFace),
                   yellow = corner_shows(data.train, 2, kYellow);
  CHECK(face.sum().item<std::int64_t>() == 15);  // of 150 vases
  CHECK(yellow.sum().item<std::int64_t>() == 30);
  CHECK_FALSE((face & yellow).any().item<bool>());
  CHECK_FALSE(((face | yellow) & data.train.targets.eq(0)).any().item<bool>());
  CHECK_FALSE(corner_shows(data.test, 3, kFace).any().item<bool>());
  CHECK_FALSE(corner_shows(data.test, 2, kYellow).any().item<bool>());
  for (const std::int64_t row : {0, 15}) {
    for (const std::int64_t column : {0, 15})
      CHECK(shows(data.train, row, column, kYellow).any().item<bool>());
  }
  // What is not covered is as it would be without them.
  CHECK(at::equal(
      archive().load().train.inputs.index_select(0, (~(face | yellow)).nonzero().squeeze(1)),
      data.train.inputs.index_select(0, (~(face | yellow)).nonzero().squeeze(1))));
}

TEST_CASE("a confounder lies under the object") {
  const Json square = {
      {"kind", "square"}, {"label", "cup"}, {"share", 1}, {"size", 16}, {"colour", {1, 1, 0}}};
  const Examples train = archive().load({{"confounders", {square}}}).train;
  const at::Tensor cup = train.targets.eq(0);
  CHECK(at::equal(shows(train, 3, 3, kYellow), cup));
  CHECK(at::equal(train.inputs.select(3, 8).select(2, 8).select(1, 0).eq(200), cup));
}

TEST_CASE("backgrounds and crops are windows of their images") {
  // Columns of red 10 x.
  std::vector<std::uint8_t> ramp;
  for (int i = 0; i < 16 * 16; ++i)
    ramp.insert(ramp.end(), {static_cast<std::uint8_t>(10 * (i % 16)), 0, 0});
  const TemporaryFolder folder;
  for (const std::string part : {"train", "test"}) {
    for (const char* name : {"ramp", "a", "b"}) {
      for (int i = 0; i < 40; ++i)
        folder.write("f/" + part + "/" + name + "/" + std::to_string(i) + ".png",
                     png_bytes(16, 16, ramp));
    }
  }
  const auto load = [&](const Json& confounders) {
    const Dataset data = load_dataset("composites", folder.path(),
                                      {{"labels",
                                        {{"a", {{"foreground", {"a"}}, {"background", {"ramp"}}}},
                                         {"b", {{"foreground", {"b"}}, {"background", {"ramp"}}}}}},
                                       {"foreground", {{"path", "f"}, {"size", 4}}},
                                       {"background", {{"path", "f"}, {"crop", 8}}},
                                       {"confounders", confounders},
                                       {"size", 16},
                                       {"train", 80},
                                       {"test", 2}});
    return data.train.inputs.select(1, 0).select(1, 0).to(at::kLong);  // red of the first row
  };
  const at::Tensor plain = load(Json::array()), first = plain.select(1, 0),
                   last = plain.select(1, 15);
  SUBCASE("a background is enlarged, and mirrored or not") {
    CHECK(((last - first).abs() == 70).all().item<bool>());
    CHECK((last > first).any().item<bool>());
    CHECK((last < first).any().item<bool>());
    std::set<std::int64_t> places;
    for (std::int64_t i = 0; i < 80; ++i)
      places.insert(at::minimum(first, last)[i].item<std::int64_t>() / 10);
    CHECK(places == std::set<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8});
  }
  SUBCASE("a crop has the pixels of its window, or is made smaller") {
    Json crop = {{"kind", "crop"}, {"label", "a"}, {"share", 1},
                 {"size", 4},      {"path", "f"},  {"folders", {"ramp"}}};
    const auto spreads = [&] {
      const at::Tensor row = load(Json::array({crop}));
      std::set<std::int64_t> out;  // over the 4 pixels of the corners in the first row that changed
      for (std::int64_t i = 0; i < 80; ++i) {
        for (const std::int64_t begin : {0, 12}) {
          const at::Tensor corner = row[i].narrow(0, begin, 4);
          if (!at::equal(corner, plain[i].narrow(0, begin, 4)))
            out.insert((corner[3] - corner[0]).item<std::int64_t>());
        }
      }
      return out;
    };
    CHECK(spreads() == std::set<std::int64_t>{30});
    crop["window"] = 8;
    // Each pixel is a mean over about two of the window's, whose first and last pairs are 60 apart.
    const std::set<std::int64_t> smaller = spreads();
    CHECK(*smaller.begin() >= 50);
    CHECK(*smaller.rbegin() <= 60);
  }
}

TEST_CASE("composites are the same bytes whatever the number of threads, and others by seed") {
  const Dataset one = archive().load({{"threads", 1}});
  for (const int threads : {2, 3}) {
    const Dataset again = archive().load({{"threads", threads}});
    CHECK(at::equal(again.train.inputs, one.train.inputs));
    CHECK(at::equal(again.train.groups, one.train.groups));
    CHECK(at::equal(again.test.inputs, one.test.inputs));
  }
  CHECK_FALSE(at::equal(archive().load({{"seed", 1}}).train.inputs, one.train.inputs));
}

TEST_CASE("composites that cannot be made are refused by key") {
  const auto error = [](const Json& changes) { return archive().error<ConfigError>(changes); };
  CHECK(error({{"labels", {{"cup", {{"foreground", {"cap"}}}}}}}) ==
        "labels.cup.foreground: there is no class folder 'cap'; there are cup, face, mug, sand, "
        "snow, vase");
  CHECK(error({{"labels", {{"vase", {{"background", {"face"}}}}}}}) ==
        "labels.vase.background: 'all.tar' has no images of these folders in test/");
  CHECK(error({{"labels", {{"vase", nullptr}}}}) == "labels: must be two or more");
  CHECK(error({{"labels", {{"vase", {{"foreground", {"mug"}}}}}}}) ==
        "labels.vase.foreground: 'mug' is listed twice");
  CHECK(error({{"train", 400}}) == "train: 400 images need 300 objects of 'vase', there are 200");
  CHECK(error({{"foreground", {{"size", 17}}}}) ==
        "foreground.size: must be at most `size`, 16, got 17");
  const auto error_of_confounder = [&](const Json& changes) {
    Json square = {{"kind", "square"}, {"label", "vase"}, {"share", 0.6}, {"colour", {1, 1, 0}}};
    square.merge_patch(changes);
    return error({{"confounders", {square, square}}});
  };
  CHECK(error_of_confounder(Json::object()) ==
        "confounders[1].share: asks for more than what is left of the 150 images of 'vase'");
  CHECK(contains(error_of_confounder({{"label", "jug"}}),
                 "confounders[0].label: there is no label 'jug'; there are cup, vase"));
  CHECK(contains(error_of_confounder({{"colour", nullptr}}), "confounders[0].colour: is missing"));
  CHECK(contains(error_of_confounder({{"folders", {"face"}}}),
                 "confounders[0].folders: belong to a crop"));
  CHECK(contains(error_of_confounder({{"window", 3}}), "confounders[0].window: belongs to a crop"));
  CHECK(contains(error_of_confounder({{"kind", "crop"}}), "confounders[0].path: is missing"));
  archive().folder().write("flat/cup/0.png", plain_image(9, kSand));
  CHECK(contains(archive().error<DataError>({{"foreground", {{"path", "flat"}}}}),
                 "flat: has no folders train/ and test/"));
}
