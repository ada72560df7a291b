#include "common/image_listing.h"

#include <doctest/doctest.h>

#include "fixtures.h"

using namespace modeldiff;
using namespace modeldiff::testing;

using Names = std::vector<std::string>;

TEST_CASE("images are told from other files by their ending") {
  for (const char* name : {"a/b.jpg", "a/b.JPEG", "c.Png"}) CHECK(names_image(name));
  for (const char* name : {"a/b.gif", "a.jpg/readme", "a/._b.jpg", ".b.png", "jpg", "a/b"})
    CHECK_FALSE(names_image(name));
}

TEST_CASE("part and class come from the folders, the order from the names") {
  const ImageListing listing =
      list_images({"d/train/b/2.jpg", "d/train/b/1.jpg", "d/test/a/1.jpg", "d/train/a/1.jpg"}, "s");
  CHECK(listing.has_parts);
  CHECK(listing.folders == Names{"a", "b"});
  Names names;
  for (const ListedImage& image : listing.images)
    names.push_back(image.name + (image.test ? " test " : " train ") +
                    std::to_string(image.folder));
  CHECK(names == Names{"d/test/a/1.jpg test 0", "d/train/a/1.jpg train 0",
                       "d/train/b/1.jpg train 1", "d/train/b/2.jpg train 1"});
  CHECK_FALSE(list_images({"x/1.jpg", "y/1.jpg"}, "s").has_parts);
}

TEST_CASE("images that do not lie alike are refused") {
  const auto error = [](Names names) {
    return error_of<DataError>([&] { list_images(names, "s"); });
  };
  CHECK(error({}) == "s: holds no .jpg, .jpeg or .png file");
  CHECK(contains(error({"1.jpg"}), "the image '1.jpg' lies in no folder"));
  CHECK(contains(error({"a/1.jpg", "train/a/1.jpg"}),
                 "'a/1.jpg' and 'train/a/1.jpg' do not lie alike"));
  CHECK(contains(error({"p/train/a/1.jpg", "q/train/a/1.jpg"}), "do not lie alike"));
  CHECK(contains(error({"a/1.jpg", "a/1.jpg"}), "holds 'a/1.jpg' twice"));
}

TEST_CASE("classes are the folders, a chosen few in their order, or superclasses") {
  const Names folders{"apple", "bear", "cat", "dog"};
  CHECK(map_classes(folders, {}, {}, {}).names == folders);
  const ClassMap chosen = map_classes(folders, {"dog", "bear"}, {}, {});
  CHECK(chosen.names == Names{"dog", "bear"});
  CHECK(chosen.class_of_folder == std::vector<std::int64_t>{-1, 1, -1, 0});
  const ClassMap fewer = map_classes(folders, {}, {"bear", "dog"}, {});
  CHECK(fewer.names == Names{"apple", "cat"});
  CHECK(fewer.class_of_folder == std::vector<std::int64_t>{0, -1, 1, -1});
  CHECK(map_classes(folders, {"dog", "bear", "apple"}, {"bear"}, {}).names ==
        Names{"dog", "apple"});
  const ClassMap merged = map_classes(folders, {}, {}, {{"wild", {"bear", "apple"}}});
  CHECK(merged.names == Names{"cat", "dog", "wild"});
  CHECK(merged.class_of_folder == std::vector<std::int64_t>{2, 2, 0, 1});
  const ClassMap both = map_classes(folders, {"dog", "bear", "cat"}, {}, {{"pet", {"cat", "dog"}}});
  CHECK(both.names == Names{"pet", "bear"});
  CHECK(both.class_of_folder == std::vector<std::int64_t>{-1, 1, 0, 0});
}

TEST_CASE("classes that do not exist or are named twice are refused by key") {
  const Names folders{"apple", "bear", "cat"};
  const auto error = [&](const Names& keep, const std::map<std::string, Names>& merge) {
    return error_of<ConfigError>([&] { map_classes(folders, keep, {}, merge); });
  };
  CHECK(error({"cow"}, {}) ==
        "classes: there is no class folder 'cow'; there are apple, bear, cat");
  CHECK(error({"cat", "cat"}, {}) == "classes: 'cat' is listed twice");
  CHECK(error({"cat"}, {}) == "classes: leaves fewer than two classes");
  CHECK(error({}, {{"x", {"cow"}}}) ==
        "merge.x: there is no class folder 'cow'; there are apple, bear, cat");
  CHECK(error({}, {{"x", {"cat"}}, {"y", {"cat"}}}) == "merge.y: 'cat' is listed twice");
  CHECK(error({"apple", "bear"}, {{"x", {"cat"}}}) ==
        "merge.x: 'cat' is not among the classes that are kept");
  CHECK(error_of<ConfigError>([&] { map_classes(folders, {}, {"cow"}, {}); }) ==
        "without: there is no class folder 'cow'; there are apple, bear, cat");
  CHECK(error({}, {{"x", folders}}) == "merge: leaves fewer than two classes");
}
