#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "app/verbs.h"

namespace modeldiff {
namespace {

/// What may stand for an option or argument, as the shells' scripts tell it: "files", "folders",
/// "none", or words.
struct ValueHint {
  std::string sort = "none";
  std::vector<std::string> words;
};

struct OptionEntry {
  std::vector<std::string> names;  // "-j", "--workers"
  std::string doc;
  bool takes_value = false;
  ValueHint value;
};

/// One verb, "store gc", or the program itself, "".
struct VerbEntry {
  std::string path, doc;
  std::vector<std::pair<std::string, std::string>> verbs;  // name, doc
  std::vector<OptionEntry> options;
  ValueHint argument;
};

/// From the name of an option's type: FILE, FOLDER, "a|b|c".
ValueHint value_of(const std::string& type) {
  ValueHint value;
  for (std::size_t start = 0; start <= type.size();) {
    const std::size_t end = std::min(type.find('|', start), type.size());
    const std::string part = type.substr(start, end - start);
    const bool placeholder =
        std::none_of(part.begin(), part.end(), [](unsigned char c) { return std::islower(c); });
    if (!placeholder) {
      value.sort = "words";
      value.words.push_back(part);
    } else if (part == "FILE") {
      value.sort = "files";
    } else if (value.sort == "none" && (part == "FOLDER" || part == "RESULT")) {
      value.sort = "folders";
    }
    start = end + 1;
  }
  return value;
}

std::string first_line(std::string text) {
  text.resize(std::min(text.find('\n'), text.size()));
  std::erase_if(text, [](char c) {
    return c == '\'' || c == '"' || c == '`' || c == ':' || c == '[' || c == ']';
  });
  return text;
}

VerbEntry entry_of(const CLI::App& app, const std::string& path) {
  VerbEntry entry{path, first_line(app.get_description()), {}, {}, {}};
  for (const CLI::App* verb : app.get_subcommands({})) {
    entry.verbs.emplace_back(verb->get_name(), first_line(verb->get_description()));
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      if (entry.argument.sort == "none") entry.argument = value_of(option->get_type_name());
      continue;
    }
    OptionEntry out{
        {}, first_line(option->get_description()), option->get_items_expected_max() > 0, {}};
    for (const std::string& name : option->get_snames()) out.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) out.names.push_back("--" + name);
    if (out.takes_value) out.value = value_of(option->get_type_name());
    entry.options.push_back(std::move(out));
  }
  return entry;
}

/// The program, then every verb below it.
std::vector<VerbEntry> entries_of(const CLI::App& app, const std::string& path = "") {
  std::vector<VerbEntry> out{entry_of(app, path)};
  for (const CLI::App* verb : app.get_subcommands({})) {
    const auto below =
        entries_of(*verb, path.empty() ? verb->get_name() : path + " " + verb->get_name());
    out.insert(out.end(), below.begin(), below.end());
  }
  return out;
}

std::vector<std::string> option_names(const VerbEntry& entry) {
  std::vector<std::string> names;
  for (const OptionEntry& option : entry.options)
    names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

std::vector<std::string> verb_names(const VerbEntry& entry) {
  std::vector<std::string> names;
  for (const auto& [name, doc] : entry.verbs) names.push_back(name);
  return names;
}

/// Options with a value, and what it may be, over all verbs: an option means the same everywhere.
std::vector<OptionEntry> valued_options(const std::vector<VerbEntry>& entries) {
  std::vector<OptionEntry> out;
  for (const VerbEntry& entry : entries) {
    for (const OptionEntry& option : entry.options) {
      const bool known = std::any_of(out.begin(), out.end(),
                                     [&](const OptionEntry& o) { return o.names == option.names; });
      if (option.takes_value && !known) out.push_back(option);
    }
  }
  return out;
}

std::string bash_values(const ValueHint& value) {
  if (value.sort == "files") return "_modeldiff_files";
  if (value.sort == "folders") return "COMPREPLY=($(compgen -d -- \"$word\"))";
  return fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$word\"))", fmt::join(value.words, " "));
}

std::string bash_script(const std::vector<VerbEntry>& entries) {
  const VerbEntry& program = entries.front();
  std::string out = R"sh(# ValueHint of modeldiff for bash: source <(modeldiff completion bash)
_modeldiff_files() {
  COMPREPLY=($(compgen -f -X '!*.@(yaml|yml)' -- "$word") $(compgen -d -- "$word"))
  compopt -o filenames
}

_modeldiff() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb= i
  shopt -q extglob || { shopt -s extglob; trap 'shopt -u extglob; trap - RETURN' RETURN; }
  COMPREPLY=()
  case $before in
)sh";
  for (const OptionEntry& option : valued_options(entries)) {
    out += fmt::format("    {}) {}; return ;;\n", fmt::join(option.names, "|"),
                       bash_values(option.value));
  }
  out +=
      "  esac\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    case \"$verb ${COMP_WORDS[i]}\" in\n";
  for (const VerbEntry& entry : entries) {
    for (const std::string& verb : verb_names(entry)) {
      out += fmt::format("      '{} {}') verb='{}' ;;\n", entry.path, verb,
                         entry.path.empty() ? verb : entry.path + " " + verb);
    }
  }
  out += fmt::format(R"sh(    esac
  done
  local options='{}'
  case $verb in
)sh",
                     fmt::join(option_names(program), " "));
  for (const VerbEntry& entry : entries) {
    if (!entry.path.empty())
      out += fmt::format("    '{}') options+=' {}' ;;\n", entry.path,
                         fmt::join(option_names(entry), " "));
  }
  out += R"sh(  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
    return
  fi
  if [[ $verb == describe && $before != describe && $before != -* ]]; then
    COMPREPLY=($(compgen -W "$(modeldiff describe "$before" 2>/dev/null | awk '/^  [a-z]/ {print $1}')" -- "$word"))
    return
  fi
  case $verb in
)sh";
  for (const VerbEntry& entry : entries) {
    ValueHint value = entry.argument;
    if (!entry.verbs.empty()) value = {"words", verb_names(entry)};
    if (value.sort != "none")
      out += fmt::format("    '{}') {} ;;\n", entry.path, bash_values(value));
  }
  return out + "  esac\n}\ncomplete -F _modeldiff modeldiff";
}

std::string zsh_values(const ValueHint& value) {
  if (value.sort == "files") return "_files -g \"*.(yaml|yml)\"";
  if (value.sort == "folders") return "_files -/";
  if (value.words.empty()) return " ";
  return fmt::format("({})", fmt::join(value.words, " "));
}

std::string zsh_options(const VerbEntry& entry) {
  std::string out;
  for (const OptionEntry& option : entry.options) {
    for (const std::string& name : option.names) {
      out += fmt::format(" \\\n      '*{}[{}]{}'", name, option.doc,
                         option.takes_value ? ":value:" + zsh_values(option.value) : "");
    }
  }
  return out;
}

std::string zsh_script(const std::vector<VerbEntry>& entries) {
  std::string out =
      "#compdef modeldiff\n# ValueHint of modeldiff for zsh: source <(modeldiff completion zsh)\n";
  for (const VerbEntry& entry : entries) {
    std::string name = "_modeldiff_" + entry.path;
    std::replace(name.begin(), name.end(), ' ', '_');
    out += fmt::format("{}() {{\n  local line state\n", entry.path.empty() ? "_modeldiff" : name);
    if (entry.verbs.empty()) {
      const std::string options = zsh_options(entries.front()) + zsh_options(entry);
      out += fmt::format("  _arguments -s{}{}\n}}\n", options,
                         entry.argument.sort == "none" ? ""
                                                       : fmt::format(" \\\n      '*:argument:{}'",
                                                                     zsh_values(entry.argument)));
      continue;
    }
    out += fmt::format(
        "  _arguments -C{} \\\n      '1:verb:->verb' '*::argument:->rest'\n  case $state in\n    "
        "verb) local -a verbs; "
        "verbs=(\n",
        zsh_options(entries.front()));
    for (const auto& [verb, doc] : entry.verbs) out += fmt::format("      '{}:{}'\n", verb, doc);
    out += fmt::format(
        "      ); _describe verb verbs ;;\n    rest) (( $+functions[{0}_$line[1]] )) && "
        "{0}_$line[1] ;;\n  esac\n}}\n",
        entry.path.empty() ? "_modeldiff" : name);
  }
  return out + "compdef _modeldiff modeldiff";
}

std::string fish_script(const std::vector<VerbEntry>& entries) {
  std::string out =
      "# ValueHint of modeldiff for fish: modeldiff completion fish | source\ncomplete -c "
      "modeldiff -f";
  for (const VerbEntry& entry : entries) {
    const std::string when = entry.path.empty()
                                 ? ""
                                 : fmt::format(" -n '__fish_seen_subcommand_from {}'",
                                               entry.path.substr(entry.path.rfind(' ') + 1));
    const std::string before = fmt::format(
        " -n '{}'",
        entry.path.empty()
            ? "__fish_use_subcommand"
            : fmt::format(
                  "__fish_seen_subcommand_from {0}; and not __fish_seen_subcommand_from {1}",
                  entry.path, fmt::join(verb_names(entry), " ")));
    for (const auto& [verb, doc] : entry.verbs)
      out += fmt::format("\ncomplete -c modeldiff{} -a {} -d '{}'", before, verb, doc);
    for (const OptionEntry& option : entry.options) {
      out += "\ncomplete -c modeldiff" + when;
      for (const std::string& name : option.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (option.takes_value)
        out += option.value.words.empty()
                   ? " -r -F"
                   : fmt::format(" -x -a '{}'", fmt::join(option.value.words, " "));
      out += fmt::format(" -d '{}'", option.doc);
    }
    if (entry.argument.sort == "words")
      out += fmt::format("\ncomplete -c modeldiff{} -a '{}'", when,
                         fmt::join(entry.argument.words, " "));
    if (entry.argument.sort == "files")
      out += fmt::format("\ncomplete -c modeldiff{} -a '(__fish_complete_suffix .yaml)'", when);
    if (entry.argument.sort == "folders")
      out += fmt::format("\ncomplete -c modeldiff{} -a '(__fish_complete_directories)'", when);
  }
  return out;
}

}  // namespace

void add_completion(CLI::App& app, const Globals& globals, int& exit_code) {
  auto shell = std::make_shared<std::string>();
  CLI::App* verb = with_example(
      app.add_subcommand("completion", "Print a script that completes modeldiff in a shell"),
      "source <(modeldiff completion bash)");
  verb->add_option("shell", *shell, "The shell to print it for")
      ->required()
      ->type_name("bash|zsh|fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""));
  verb->callback([=, &app, &globals, &exit_code] {
    const std::vector<VerbEntry> entries = entries_of(app);
    const std::string script = *shell == "bash"  ? bash_script(entries)
                               : *shell == "zsh" ? zsh_script(entries)
                                                 : fish_script(entries);
    globals.console().result(globals.json ? Json{{"shell", *shell}, {"script", script}}.dump(2)
                                          : script);
    exit_code = kDone;
  });
}

}  // namespace modeldiff
