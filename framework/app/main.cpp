#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <map>

#include "app/advice.h"
#include "app/verbs.h"
#include "config/render.h"
#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

constexpr AddVerb kVerbs[] = {add_run,    add_plan,     add_check,     add_why,
                              add_report, add_show,     add_transform, add_diff,
                              add_new,    add_describe, add_schema,    add_store,
                              add_data,   add_worker,   add_doctor,    add_completion};

void print_config_error(const ConfigError& error, const Globals& globals) {
  if (globals.json) {
    globals.console().result(Json{{"errors", diagnostics_to_json(error.diagnostics())}}.dump(2));
  } else {
    RenderStyle style;
    style.colour = globals.console().colour();
    globals.console().error(render_diagnostics(error.diagnostics(), style));
  }
}

int fail(const Globals& globals, const char* kind, const std::string& message, int code) {
  if (globals.json)
    globals.console().result(Json{{"errors", {{{"kind", kind}, {"message", message}}}}}.dump(2));
  globals.console().error(fmt::format("modeldiff: {}: {}\n", kind, message));
  return code;
}

int run_main(int count, char** arguments) {
  Globals globals;
  globals.program = std::filesystem::read_symlink("/proc/self/exe");
  CLI::App app(
      "Compares the ways models come to be: which training data each learning algorithm uses, "
      "where they differ, "
      "and the counterfactual proof.",
      "modeldiff");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", MODELDIFF_VERSION);
  app.add_option("--store", globals.store, "Folder of artifacts")
      ->type_name("FOLDER")
      ->capture_default_str()
      ->envname("MODELDIFF_STORE");
  app.add_option("--plugin-path", globals.plugin_folders, "More folders with plugins (repeatable)")
      ->type_name("FOLDER")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--data", globals.data_folders,
                 "More folders with data, before MODELDIFF_DATA (repeatable)")
      ->type_name("FOLDER")
      ->take_all()
      ->allow_extra_args(false);
  const std::map<std::string, ColourChoice> colours{{"auto", ColourChoice::automatic},
                                                    {"always", ColourChoice::always},
                                                    {"never", ColourChoice::never}};
  app.add_option("--color", globals.colour, "Colours on a terminal")
      ->transform(CLI::CheckedTransformer(colours).description(""))
      ->type_name("auto|always|never");
  app.add_flag("-q,--quiet", globals.quiet, "Only results and errors");
  app.add_flag("--json", globals.json, "Results and errors as JSON");
  int exit_code = kDone;
  for (const AddVerb add : kVerbs) add(app, globals, exit_code);
  try {
    app.parse(count, arguments);
    return exit_code;
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return fail(globals, "usage", usage_error(app, e, count, arguments), kUsage);
  } catch (const UsageError& e) {
    return fail(globals, "usage", e.what(), kUsage);
  } catch (const ConfigError& e) {
    print_config_error(e, globals);
    return kUsage;
  } catch (const PluginError& e) {
    return fail(globals, "plugin", e.what(), kPluginFailure);
  } catch (const DataError& e) {
    return fail(globals, "data", e.what(), kUsage);
  } catch (const StorageError& e) {
    return fail(globals, "storage", e.what(), kCellsFailed);
  } catch (const Interrupted& e) {
    return fail(globals, "interrupted", e.what(), kInterrupted);
  } catch (const std::exception& e) {
    return fail(globals, "internal error",
                fmt::format("{}\n  This is a bug in modeldiff.", e.what()), kOurBug);
  }
}

}  // namespace
}  // namespace modeldiff

int main(int count, char** arguments) { return modeldiff::run_main(count, arguments); }
