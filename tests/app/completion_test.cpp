// The completion scripts, in the shells themselves where these are installed.

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "run_program.h"

namespace modeldiff::test {
namespace {

const std::string kProgram = MODELDIFF_PROGRAM_FILE;

bool is_installed(const std::string& shell) {
  return std::system(("command -v " + shell + " > /dev/null").c_str()) == 0;
}

/// What a shell prints that runs a script file.
std::string output_of(const std::string& shell, const std::string& script) {
  const ScratchFolder scratch;
  write_file(scratch.path() / "script", script);
  const std::string command = shell + " " + (scratch.path() / "script").string() + " 2>&1";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  REQUIRE(pipe);
  std::string out;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe.get())) out += buffer.data();
  return out;
}

/// What bash offers for the last of some words.
std::string offers(const std::string& words, int count) {
  return output_of("bash", "PATH=" + kProgram.substr(0, kProgram.rfind('/')) +
                               ":$PATH\nsource <(modeldiff completion bash)\n" + "COMP_WORDS=(" +
                               words + ")\nCOMP_CWORD=" + std::to_string(count) +
                               "\ncompopt() { :; }\n_modeldiff\necho \" ${COMPREPLY[*]} \"\n");
}

}  // namespace

TEST_CASE("bash takes the script and completes verbs, options, kinds, plugins and their values") {
  CHECK(output_of("bash", "source <(" + kProgram + " completion bash)\ncomplete -p modeldiff\n") ==
        "complete -F _modeldiff modeldiff\n");
  CHECK(offers("modeldiff rep", 1) == " report \n");
  CHECK(offers("modeldiff store ''", 2) == " ls verify gc \n");
  CHECK(holds(offers("modeldiff store gc --", 3), " --keep --yes "));
  CHECK(holds(offers("modeldiff store gc --", 3), " --store "));
  CHECK(offers("modeldiff --color a", 2) == " auto always \n");
  CHECK(offers("modeldiff describe prop", 2) == " proposers \n");
  CHECK(offers("modeldiff describe datasets dig", 3) == " digits \n");
  CHECK(offers("modeldiff completion ''", 2) == " bash zsh fish \n");
}

TEST_CASE("bash offers experiment files and folders, and no others") {
  const ScratchFolder folder;
  write_file(folder.path() / "a.yaml", "");
  write_file(folder.path() / "b.txt", "");
  const std::string offered = offers("modeldiff run " + folder.path().string() + "/", 2);
  CHECK(holds(offered, "/a.yaml "));
  CHECK(!holds(offered, "b.txt"));
}

TEST_CASE("zsh and fish take their scripts without a complaint, where they are installed") {
  for (const std::string shell : {"zsh", "fish"}) {
    if (!is_installed(shell)) {
      MESSAGE("skipped: " << shell << " is not installed");
      continue;
    }
    CAPTURE(shell);
    const std::string before = shell == "zsh" ? "autoload -Uz compinit\ncompinit -D -u\n" : "";
    const std::string load = shell == "zsh" ? "source <(" + kProgram + " completion zsh)\n"
                                            : kProgram + " completion fish | source\n";
    CHECK(output_of(shell, before + load + "echo loaded\n") == "loaded\n");
  }
}

TEST_CASE("every verb and option of the program stands in every script") {
  const ScratchFolder folder;
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    CAPTURE(shell);
    const std::string script = run_program({"completion", shell}, folder.path()).out;
    for (const char* word :
         {"report", "verify", "fetch", "quarantine", "fail-fast", "keep", "plugin-path"}) {
      CAPTURE(word);
      CHECK(holds(script, word));
    }
  }
  CHECK(run_program({"completion", "tcsh"}, folder.path()).exit_code == 2);
}

}  // namespace modeldiff::test
