#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/data_sets.h"
#include "app/subprocess.h"
#include "app/table.h"
#include "app/verbs.h"
#include "config/nearest.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

struct FetchArguments {
  std::string name, from;
};

Json to_json(const DataSet& set) {
  return {{"plugin", set.plugin},  {"parameter", set.parameter},
          {"name", set.name},      {"layout", set.layout},
          {"files", set.digests},  {"found", set.found.empty() ? Json() : Json(set.found.string())},
          {"missing", set.missing}};
}

int list(const Globals& globals) {
  const Console console = globals.console();
  const DataSearch search = globals.data(fs::current_path());
  const std::vector<DataSet> sets = data_sets(globals.plugins(), search);
  Json rows = Json::array(), folders = Json::array();
  TextTable table({"data set", "looks for", "where"});
  for (const DataSet& set : sets) {
    rows.push_back(to_json(set));
    table.add({set.plugin, set.name.empty() ? set.parameter + ": FILE" : set.name,
               set.name.empty() ? "the experiment names it"
               : set.found.empty()
                   ? "not found; modeldiff data fetch " + set.plugin + " --from URL_OR_FOLDER"
               : set.missing.empty() ? set.found.string()
                                     : fmt::format("{}, without {}", set.found.string(),
                                                   fmt::join(set.missing, ", "))});
  }
  for (const fs::path& root : search.roots())
    folders.push_back({{"path", root.string()}, {"exists", fs::is_directory(root)}});
  if (globals.json) {
    console.result(Json{{"data_sets", rows}, {"folders", folders}}.dump(2));
    return kDone;
  }
  table.print(console);
  console.note("\nfolders that are searched, in this order:");
  for (const Json& folder : folders) {
    console.note(fmt::format("  {}{}", folder.at("path").get<std::string>(),
                             folder.at("exists").get<bool>() ? "" : " (absent)"));
  }
  return kDone;
}

/// Brings files to a folder and checks them.
class Fetcher {
 public:
  Fetcher(const Console& console, const DataSet& set, std::string from)
      : console_(console),
        set_(set),
        from_(std::move(from)),
        is_url_(from_.find("://") != std::string::npos) {
    while (from_.size() > 1 && from_.ends_with('/')) from_.pop_back();
  }

  /// @return the files, in place
  std::vector<fs::path> fetch(const fs::path& place) const {
    if (set_.digests.empty()) return {fetch_one(place.parent_path(), place.filename().string())};
    if (!is_url_) check_folder();
    std::vector<fs::path> files;
    for (const auto& [file, digest] : set_.digests)
      files.push_back(fetch_known(place, file, digest));
    return files;
  }

 private:
  void check_folder() const {
    std::vector<std::string> absent;
    for (const auto& [file, digest] : set_.digests) {
      if (plain_or_packed(from_, file).empty()) absent.push_back(file);
    }
    if (!absent.empty()) {
      throw DataError(fmt::format("'{}' holds no {} (nor with .gz). '{}' needs: {}", from_,
                                  fmt::join(absent, ", "), set_.plugin, set_.layout));
    }
  }

  fs::path fetch_known(const fs::path& folder, const std::string& file,
                       const std::string& digest) const {
    if (const fs::path there = plain_or_packed(folder, file);
        !there.empty() && digest_of_content(there) == digest) {
      console_.note(fmt::format("{}: already there", there.string()));
      return there;
    }
    const std::string name =
        is_url_ ? file + ".gz" : plain_or_packed(from_, file).filename().string();
    if (bring(from_ + "/" + name, folder / name)) return keep(folder / name, digest);
    if (is_url_ && bring(from_ + "/" + file, folder / file)) return keep(folder / file, digest);
    throw DataError(
        fmt::format("neither '{0}/{1}.gz' nor '{0}/{1}' could be fetched", from_, file));
  }

  fs::path fetch_one(const fs::path& folder, const std::string& name) const {
    std::string source = from_;
    if (!is_url_ && fs::is_directory(source)) source += "/" + name;
    if (!bring(source, folder / name)) {
      throw DataError(fmt::format("'{}' could not be fetched. '{}' needs: {}", source, set_.plugin,
                                  set_.layout));
    }
    return keep(folder / name, "");
  }

  static fs::path part_of(const fs::path& target) { return target.string() + ".part"; }

  /// Copies or downloads to TARGET.part; a download that was cut short goes on where it was.
  bool bring(const std::string& source, const fs::path& target) const {
    create_folders(target.parent_path());
    console_.note(fmt::format("{} -> {}", source, target.string()));
    if (is_url_) return download(source, target);
    std::error_code error;
    fs::copy_file(source, part_of(target), fs::copy_options::overwrite_existing, error);
    return !error;
  }

  bool download(const std::string& url, const fs::path& target) const {
    const bool show = console_.live() && !console_.quiet();
    const ProgramOutput curl =
        run_program({"curl", "--fail", "--location", "--retry", "3", "--continue-at", "-",
                     show ? "--progress-bar" : "--silent", "--show-error", "--output",
                     part_of(target).string(), "--", url},
                    /*capture=*/false);
    if (curl.exit_code == 127) {
      throw DataError(
          "the program 'curl' is needed to download and was not found; install it, or download by "
          "hand and "
          "give the folder: --from FOLDER");
    }
    return curl.exit_code == 0;
  }

  fs::path keep(const fs::path& target, const std::string& digest) const {
    const std::string found = digest_of_content(part_of(target));
    if (!digest.empty() && found != digest) {
      remove_quietly(part_of(target));
      throw DataError(fmt::format(
          "'{}' is not what the plugin '{}' knows: its unpacked content must have the SHA-256 {}, "
          "found {}; it was not kept",
          target.filename().string(), set_.plugin, digest, found));
    }
    fs::rename(part_of(target), target);
    console_.note(
        fmt::format("  SHA-256 {} {}", found,
                    digest.empty() ? "(the plugin names none to compare with)" : "as expected"));
    return target;
  }

  const Console& console_;
  const DataSet& set_;
  std::string from_;
  bool is_url_;
};

DataSet find_set(const std::vector<DataSet>& sets, const std::string& name) {
  std::vector<std::string> names;
  for (const DataSet& set : sets) {
    if (set.plugin == name || (!set.name.empty() && set.name == name)) return set;
    names.push_back(set.plugin);
  }
  throw UsageError(fmt::format("no data set that reads files is called '{}'{}", name,
                               name_advice(name, names, "there are")));
}

int fetch(const Globals& globals, const FetchArguments& arguments) {
  const Console console = globals.console();
  const DataSet set =
      find_set(data_sets(globals.plugins(), globals.data(fs::current_path())), arguments.name);
  if (set.name.empty()) {
    throw UsageError(fmt::format(
        "'{}' reads whatever the experiment names under '{}', so there is nothing to fetch. It "
        "needs: {}",
        set.plugin, set.parameter, set.layout));
  }
  const fs::path place = user_data_folder() / set.name;
  if (arguments.from.empty()) {
    std::vector<std::string> files;
    for (const auto& [file, digest] : set.digests) files.push_back(file);
    throw UsageError(fmt::format(
        "--from is needed: the address or folder that holds the data. '{}' needs: {}{} They "
        "are put in '{}'",
        set.plugin, set.layout,
        files.empty() ? "" : fmt::format(" Files: {}.", fmt::join(files, ", ")), place.string()));
  }
  Json files = Json::array();
  for (const fs::path& file : Fetcher(console, set, arguments.from).fetch(place))
    files.push_back(file.string());
  console.result(
      globals.json
          ? Json{{"data_set", set.plugin}, {"path", place.string()}, {"files", files}}.dump(2)
          : place.string());
  return kDone;
}

}  // namespace

void add_data(CLI::App& app, const Globals& globals, int& exit_code) {
  CLI::App* data = app.add_subcommand("data", "List the data that plugins look for, or fetch them");
  data->require_subcommand(1);
  with_example(data->add_subcommand("ls", "List the data sets that read files, and where they are"),
               "modeldiff data ls")
      ->callback([&globals, &exit_code] { exit_code = list(globals); });
  auto arguments = std::make_shared<FetchArguments>();
  CLI::App* verb = with_example(
      data->add_subcommand("fetch", "Bring a data set to the user's data folder, and check it"),
      "modeldiff data fetch mnist --from ~/Downloads/mnist");
  verb->add_option("name", arguments->name, "A data set of `modeldiff data ls`")
      ->required()
      ->type_name("NAME");
  verb->add_option("--from", arguments->from, "Address or folder that holds the files")
      ->type_name("URL|FOLDER");
  verb->callback([=, &globals, &exit_code] { exit_code = fetch(globals, *arguments); });
}

}  // namespace modeldiff
