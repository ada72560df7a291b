#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <thread>

#include "app/data_sets.h"
#include "app/machine.h"
#include "app/subprocess.h"
#include "app/verbs.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

namespace fs = std::filesystem;

constexpr double kLittleDisk = 2e9, kLittleMemory = 1e9;

enum class State { ok, warn, missing };

struct Finding {
  State state = State::ok;
  std::string what, text;
  /// What to do about it; empty when all is well.
  std::string mend;
};

const char* name_of(State state) {
  return state == State::ok ? "ok" : state == State::warn ? "warn" : "missing";
}

class Doctor {
 public:
  explicit Doctor(const Globals& globals) : globals_(globals) {}

  std::vector<Finding> examine() {
    look_at_torch();
    look_at_machine();
    look_at_plugins();
    look_at_data();
    look_at_store();
    return std::move(findings_);
  }

  const Json& facts() const { return facts_; }

 private:
  void add(State state, std::string what, std::string text, std::string mend = "") {
    findings_.push_back({state, std::move(what), std::move(text), std::move(mend)});
  }

  void look_at_torch() {
    const std::string worker = globals_.worker().string();
    const std::string rebuild =
        "build the target modeldiff-worker, with CMAKE_PREFIX_PATH naming a torch";
    if (!fs::exists(worker))
      return add(State::missing, "torch", fmt::format("the worker '{}' is not there", worker),
                 rebuild);
    const ProgramOutput output = run_program({worker, "--doctor"}, /*capture=*/true);
    const Json torch = Json::parse(output.text, nullptr, /*allow_exceptions=*/false);
    if (output.exit_code != 0 || !torch.is_object()) {
      return add(
          State::missing, "torch",
          fmt::format("the worker '{}' does not start (exit code {})", worker, output.exit_code),
          rebuild);
    }
    facts_["torch"] = torch;
    add(State::ok, "torch",
        fmt::format("{}, {}", torch.at("torch").get<std::string>(),
                    torch.at("library").get<std::string>()));
    const double full = torch.at("gflops").at("float32").get<double>(),
                 half = torch.at("gflops").at("bfloat16").get<double>();
    const char* const chosen = half > full ? "bfloat16" : "float32";
    facts_["precision"] = chosen;
    add(State::ok, "precision",
        fmt::format(
            "{} is the faster: one thread multiplies matrices at {:.3g} GFLOP/s in float32, "
            "{:.3g} in bfloat16; float32 is the reference",
            chosen, full, half));
  }

  void look_at_machine() {
    const auto features =
        processor_features({"avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16"});
    const bool fast = std::find(features.begin(), features.end(), "avx2") != features.end();
    facts_["processor"] = {{"name", processor_name()}, {"features", features}};
    add(fast ? State::ok : State::warn, "processor",
        fmt::format("{}: {}", processor_name(), fmt::join(features, ", ")),
        fast ? "" : "without AVX2 everything is right but several times slower");
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    facts_["cores"] = cores;
    add(State::ok, "threads",
        fmt::format("{} cores: by default {} workers of one thread each", cores, cores));
    const double memory = free_memory();
    facts_["free_memory_bytes"] = memory;
    add(memory < kLittleMemory * cores ? State::warn : State::ok, "memory",
        bytes_text(memory) + " free",
        memory < kLittleMemory * cores ? "a worker needs about 1 GB; use fewer: --workers 1" : "");
  }

  void look_at_plugins() {
    const PluginRegistry plugins = globals_.plugins();
    std::vector<std::string> counts, absent;
    for (const char* kind : kPluginKinds) {
      const std::size_t count = plugins.names(kind).size();
      facts_["plugins"][kind] = plugins.names(kind);
      counts.push_back(fmt::format("{} {}", kind, count));
      if (count == 0) absent.push_back(kind);
    }
    const bool essential = plugins.names("datasets").empty() || plugins.names("models").empty() ||
                           plugins.names("algorithms").empty();
    add(essential        ? State::missing
        : absent.empty() ? State::ok
                         : State::warn,
        "plugins",
        fmt::format("{}; from {}", fmt::join(counts, ", "),
                    fmt::join(folder_texts(plugins.folders()), ", ")),
        absent.empty()
            ? ""
            : fmt::format(
                  "there are no {}: build the target plugins/all, or name their folder with "
                  "--plugin-path or MODELDIFF_PLUGIN_PATH",
                  fmt::join(absent, ", ")));
    for (const UnusablePlugin& plugin : plugins.unusable()) {
      add(State::warn, "plugin", plugin.file.string(), plugin.reason);
    }
  }

  void look_at_data() {
    const DataSearch search = globals_.data(fs::current_path());
    std::vector<fs::path> there;
    for (const fs::path& root : search.roots()) {
      if (fs::is_directory(root)) there.push_back(root);
    }
    facts_["data_folders"] = folder_texts(there);
    add(State::ok, "data",
        fmt::format("searched: {}", fmt::join(folder_texts(search.roots()), ", ")));
    for (const DataSet& set : data_sets(globals_.plugins(), search)) {
      if (set.name.empty()) continue;
      const std::string fetch = fmt::format(
          "for experiments with '{0}': modeldiff data fetch {0} --from URL_OR_FOLDER, or name "
          "a folder with --data or MODELDIFF_DATA",
          set.plugin);
      if (set.found.empty()) {
        add(State::warn, "data", fmt::format("{}: '{}' was not found", set.plugin, set.name),
            fetch);
      } else if (!set.missing.empty()) {
        add(State::warn, "data",
            fmt::format("{}: {} lacks {}", set.plugin, set.found.string(),
                        fmt::join(set.missing, ", ")),
            fetch);
      } else {
        add(State::ok, "data", fmt::format("{}: {}", set.plugin, set.found.string()));
      }
    }
  }

  void look_at_store() {
    const fs::path root = fs::absolute(globals_.store);
    fs::path existing = root;
    while (!fs::exists(existing)) existing = existing.parent_path();
    if (::access(existing.c_str(), W_OK) != 0) {
      return add(State::missing, "store", fmt::format("'{}' cannot be written", existing.string()),
                 "name another folder with --store or MODELDIFF_STORE");
    }
    const auto disk = static_cast<double>(free_disk(root));
    facts_["store"] = {
        {"path", root.string()}, {"exists", fs::exists(root)}, {"free_disk_bytes", disk}};
    add(disk < kLittleDisk ? State::warn : State::ok, "store",
        fmt::format("{}{}, {} free", root.string(), fs::exists(root) ? "" : " (not made yet)",
                    bytes_text(disk)),
        disk < kLittleDisk ? "`modeldiff store gc` says what can go; --store names another folder"
                           : "");
  }

  static std::vector<std::string> folder_texts(const std::vector<fs::path>& folders) {
    std::vector<std::string> out;
    for (const fs::path& folder : folders) out.push_back(folder.string());
    return out;
  }

  const Globals& globals_;
  std::vector<Finding> findings_;
  Json facts_ = Json::object();
};

int doctor(const Globals& globals) {
  const Console console = globals.console();
  Doctor examination(globals);
  const std::vector<Finding> findings = examination.examine();
  bool missing = false;
  Json rows = Json::array();
  for (const Finding& finding : findings) {
    missing = missing || finding.state == State::missing;
    rows.push_back({{"state", name_of(finding.state)},
                    {"what", finding.what},
                    {"text", finding.text},
                    {"mend", finding.mend}});
    if (globals.json) continue;
    const std::string state = fmt::format("{:<8}", name_of(finding.state));
    console.result(fmt::format(
        "{}{:<11}{}", finding.state == State::ok ? console.green(state) : console.red(state),
        finding.what, finding.text));
    if (!finding.mend.empty()) console.result(fmt::format("{:<19}{}", "", finding.mend));
  }
  if (globals.json)
    console.result(
        Json{{"findings", rows}, {"facts", examination.facts()}, {"usable", !missing}}.dump(2));
  return missing ? kPluginFailure : kDone;
}

}  // namespace

void add_doctor(CLI::App& app, const Globals& globals, int& exit_code) {
  with_example(
      app.add_subcommand(
          "doctor", "Say what was found on this machine, and what to do about what is missing"),
      "modeldiff doctor")
      ->callback([&globals, &exit_code] { exit_code = doctor(globals); });
}

}  // namespace modeldiff
