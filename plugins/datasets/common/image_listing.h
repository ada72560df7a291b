#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// Which image of a folder belongs to which part and class, from the names alone.
namespace modeldiff {

struct ListedImage {
  std::string name;         // train/cat/0001.jpg
  std::int64_t folder = 0;  // index into ImageListing::folders
  bool test = false;
};

struct ImageListing {
  std::vector<ListedImage> images;   // in the order of names
  std::vector<std::string> folders;  // names of the class folders, sorted
  bool has_parts = false;            // there are folders train/ and test/
};

/// Whether the name is that of a JPEG or PNG image (by its ending, in any case; ".x" and "._x" are
/// hidden files).
bool names_image(const std::string& name);

/// Reads [FOLDERS/][train|test/]CLASS/FILE. All images must have the same FOLDERS, and either all
/// or none a part.
/// @throws DataError naming the image
ImageListing list_images(std::vector<std::string> names, const std::string& source);

/// The index of a class folder.
/// @param key of the experiment file that names the folder
/// @throws ConfigError with path `key` when there is no such folder
std::int64_t folder_index(const std::vector<std::string>& folders, const std::string& name,
                          const std::string& key);

/// The classes that are kept, and the folders that make them.
struct ClassMap {
  std::vector<std::string> names;
  std::vector<std::int64_t> class_of_folder;  // -1: not kept
};

/// @param keep  the folders to keep, in the order of their classes; empty: all, sorted
/// @param without folders to leave out of these
/// @param merge superclass -> its folders; a folder in none stays a class of its own. A superclass
/// stands where the
///              first of its folders would, or all are sorted when `keep` is empty.
/// @throws ConfigError with path "classes", "without" or "merge" when a folder is unknown, listed twice, or in
/// two superclasses
ClassMap map_classes(const std::vector<std::string>& folders, const std::vector<std::string>& keep,
                     const std::vector<std::string>& without,
                     const std::map<std::string, std::vector<std::string>>& merge);

}  // namespace modeldiff
