#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Where the files and folders that an experiment names are looked for.
namespace modeldiff {

/// $XDG_DATA_HOME/modeldiff, or ~/.local/share/modeldiff.
std::filesystem::path user_data_folder();

/// "a:b" as PATH writes it; empty parts are left out.
std::vector<std::filesystem::path> split_path_list(std::string_view list);

class DataSearch {
 public:
  explicit DataSearch(std::vector<std::filesystem::path> roots) : roots_(std::move(roots)) {}
  /// The folders of MODELDIFF_DATA (colon separated), the user's data folder, the experiment's
  /// folder.
  static DataSearch from_environment(const std::filesystem::path& experiment_folder);

  const std::vector<std::filesystem::path>& roots() const { return roots_; }

  /// The first root that holds it. An absolute path, or one that starts with ~/, is taken as it
  /// stands.
  /// @throws DataError with every place that was looked at and how to fetch data
  std::filesystem::path resolve(const std::string& name) const;

 private:
  std::vector<std::filesystem::path> roots_;
};

}  // namespace modeldiff
