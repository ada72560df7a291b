#include "app/advice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "config/nearest.h"

namespace modeldiff {
namespace {

/// The verb that the words lead to: "store gc"; the program itself when they lead nowhere.
const CLI::App* verb_of(const CLI::App& app, const std::vector<std::string>& words,
                        std::size_t& used) {
  const CLI::App* verb = &app;
  for (; used < words.size(); ++used) {
    if (words[used].starts_with('-')) continue;
    const auto below = verb->get_subcommands(
        [&](const CLI::App* candidate) { return candidate->get_name() == words[used]; });
    if (below.empty()) break;
    verb = below.front();
  }
  return verb;
}

std::string help_of(const CLI::App& verb) {
  std::string path = verb.get_name();
  for (const CLI::App* at = verb.get_parent(); at; at = at->get_parent())
    path = at->get_name() + " " + path;
  return path + " --help";
}

/// The options that may stand after a verb.
std::vector<std::string> options_of(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::App* at = &verb; at; at = at->get_parent()) {
    for (const CLI::Option* option : at->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

}  // namespace

std::string usage_error(const CLI::App& app, const CLI::ParseError& error, int count,
                        char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  std::size_t used = 0;
  const CLI::App* const verb = verb_of(app, words, used);
  const std::vector<std::string> options = options_of(*verb);
  for (const std::string& word : words) {
    const std::string name = word.substr(0, word.find('='));
    if (!name.starts_with("--") || name == "--" ||
        std::find(options.begin(), options.end(), name) != options.end())
      continue;
    const auto near = nearest_name(name, options);
    return fmt::format("there is no option '{}'{}", name,
                       near ? fmt::format("; did you mean '{}'?", *near)
                            : fmt::format("; {} lists them", help_of(*verb)));
  }
  std::vector<std::string> verbs;
  for (const CLI::App* below : verb->get_subcommands({})) verbs.push_back(below->get_name());
  if (!verbs.empty() && used >= words.size()) {
    return fmt::format("'{}' needs a verb: {}; {} says more", verb->get_name(),
                       fmt::join(verbs, ", "), help_of(*verb));
  }
  if (!verbs.empty()) {
    const auto near = nearest_name(words[used], verbs);
    return fmt::format("there is no verb '{}'{}", words[used],
                       near ? fmt::format("; did you mean '{}'?", *near)
                            : fmt::format("; {} lists them", help_of(*verb)));
  }
  return fmt::format("{}; {} says what there is", error.what(), help_of(*verb));
}

}  // namespace modeldiff
