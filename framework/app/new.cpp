#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "app/verbs.h"
#include "config/yaml.h"
#include "store/file_io.h"
#include "templates/templates.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

struct NewPlugin {
  std::string kind, name;
  fs::path into = ".";
};

bool is_snake_case(const std::string& name) {
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty() || !is_lower(name.front()) || name.back() == '_' || name.find("__") != name.npos)
    return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
}

/// "MyPlugin-2" -> "my_plugin_2": the same words as a plugin's name.
std::string to_snake_case(const std::string& text) {
  std::string out;
  char before = '_';
  for (const char c : text) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isupper(letter) && std::islower(static_cast<unsigned char>(before))) out += '_';
    const char next = std::isalnum(letter) ? static_cast<char>(std::tolower(letter)) : '_';
    if (next != '_' || (!out.empty() && out.back() != '_')) out += next;
    before = c;
  }
  while (out.ends_with('_')) out.pop_back();
  return out;
}

/// "my_plugin" -> "MyPlugin": the name of its class.
std::string to_camel_case(const std::string& name) {
  std::string out;
  bool starts_word = true;
  for (const char c : name) {
    if (c != '_')
      out += starts_word ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    starts_word = c == '_';
  }
  return out;
}

void check_name(const NewPlugin& plugin, const PluginRegistry& plugins) {
  if (!is_snake_case(plugin.name)) {
    const std::string near = to_snake_case(plugin.name);
    const std::string advice = is_snake_case(near) ? fmt::format("; did you mean '{}'?", near) : "";
    throw ConfigError(
        "", fmt::format(
                "a plugin's name is words of lower-case letters and digits, joined by '_', that "
                "starts with a letter; got '{}'{}",
                plugin.name, advice));
  }
  if (!parse_yaml(plugin.name, "the name").is(Value::Kind::string)) {
    throw ConfigError(
        "",
        fmt::format("'{}' cannot name a plugin: in an experiment file it is no text", plugin.name));
  }
  const std::vector<std::string> taken = plugins.names(plugin.kind);
  if (std::find(taken.begin(), taken.end(), plugin.name) != taken.end()) {
    throw ConfigError(
        "", fmt::format("there is already a plugin '{}' of kind '{}' ('{}'); choose another name",
                        plugin.name, plugin.kind,
                        plugins.find(plugin.kind, plugin.name)->file.string()));
  }
}

/// Where this program is installed; empty when it runs from its build folder.
fs::path prefix_of(const fs::path& program) {
  const fs::path prefix = program.parent_path().parent_path();
  return fs::exists(prefix / MODELDIFF_PACKAGE_FOLDER / "modeldiffConfig.cmake") ? prefix
                                                                                 : fs::path();
}

using Words = std::array<std::pair<std::string_view, std::string>, 4>;

/// All placeholders at once, so that what is put in is never taken for one.
std::string filled_in(std::string_view text, const Words& words) {
  std::string out;
  while (!text.empty()) {
    const auto word = std::find_if(words.begin(), words.end(), [&](const auto& candidate) {
      return text.starts_with(candidate.first);
    });
    if (word == words.end()) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += word->second;
      text.remove_prefix(word->first.size());
    }
  }
  return out;
}

/// @return the names of the files
std::vector<std::string> write_files(const NewPlugin& plugin, const fs::path& folder,
                                     const std::string& prefix) {
  const Words words{{{"my_plugin", plugin.name},
                     {"MyPlugin", to_camel_case(plugin.name)},
                     {"my_kind", plugin.kind},
                     {"my_prefix", prefix}}};
  create_folders(plugin.into);
  std::error_code error;
  if (!fs::create_directory(folder, error)) {
    if (error) throw_storage_error(error.value(), "create the folder", folder);
    throw ConfigError(
        "", fmt::format("'{}' exists already, and nothing in it is overwritten", folder.string()));
  }
  std::vector<std::string> names;
  try {
    for (const TemplateFile& file : template_files()) {
      if (file.folder != "common" && file.folder != plugin.kind) continue;
      names.push_back(filled_in(file.name, words));
      write_text_atomically(folder / names.back(), filled_in(file.text, words));
    }
  } catch (...) {
    remove_quietly(folder);
    throw;
  }
  return names;
}

int new_plugin(const Globals& globals, NewPlugin plugin) {
  const Console console = globals.console();
  plugin.kind = plugin_kind(plugin.kind);
  check_name(plugin, globals.plugins());
  const fs::path folder = (plugin.into / plugin.name).lexically_normal();
  const fs::path prefix = prefix_of(globals.program);
  const std::string prefix_text = prefix.empty() ? "PREFIX" : prefix.string();
  const std::vector<std::string> files = write_files(plugin, folder, prefix_text);

  std::vector<std::string> commands;
  if (prefix.empty()) {
    const std::string build = globals.program.parent_path().parent_path().string();
    commands.push_back(fmt::format("cmake --build {}", build));
    commands.push_back(fmt::format("cmake --install {} --prefix PREFIX", build));
  }
  commands.push_back(fmt::format("cd {}", folder.string()));
  commands.push_back(fmt::format("cmake -S . -B build -DCMAKE_PREFIX_PATH={}", prefix_text));
  commands.push_back("cmake --build build");
  commands.push_back("ctest --test-dir build --output-on-failure");
  if (globals.json) {
    console.result(Json{
        {"kind", plugin.kind},
        {"name", plugin.name},
        {"folder", folder.string()},
        {"files", files},
        {"commands",
         commands}}.dump(2));
    return kDone;
  }
  console.result(folder.string());
  console.note(prefix.empty()
                   ? "Next, with a PREFIX of your choice, as this modeldiff is not installed:"
                   : "Next:");
  for (const std::string& command : commands) console.note("  " + command);
  return kDone;
}

}  // namespace

void add_new(CLI::App& app, const Globals& globals, int& exit_code) {
  CLI::App* verb = app.add_subcommand("new", "Make the folder of a new plugin");
  verb->require_subcommand(1);
  auto arguments = std::make_shared<NewPlugin>();
  CLI::App* plugin = with_example(
      verb->add_subcommand(
          "plugin",
          "Write a plugin that works, to be built outside of this tree, with its test, an "
          "example experiment and a README"),
      "modeldiff new plugin algorithms slow_start --into ~/plugins");
  plugin
      ->add_option("kind", arguments->kind,
                   "datasets, models, algorithms, attributors, proposers or evaluations")
      ->required();
  plugin
      ->add_option("name", arguments->name,
                   "Lower-case words with '_' between them; also the name of the folder")
      ->required();
  plugin->add_option("--into", arguments->into, "Folder in which the new one is made")
      ->capture_default_str()
      ->type_name("FOLDER");
  plugin->callback([=, &globals, &exit_code] { exit_code = new_plugin(globals, *arguments); });
}

}  // namespace modeldiff
