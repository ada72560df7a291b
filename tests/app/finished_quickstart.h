#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run_program.h"

/// The quickstart, which an earlier test has run to its end.
namespace modeldiff::test {

namespace fs = std::filesystem;
using Json = nlohmann::json;

inline const fs::path kQuickstart = MODELDIFF_QUICKSTART_FOLDER;
inline const std::string kFile = std::string(MODELDIFF_SOURCE_DIR) + "/experiments/quickstart.yaml";

/// The finished quickstart in a folder of its own.
class StoreCopy {
 public:
  StoreCopy() {
    fs::copy(kQuickstart / ".modeldiff", scratch_.path() / ".modeldiff",
             fs::copy_options::recursive);
  }

  const fs::path& folder() const { return scratch_.path(); }
  ProgramRun run(const std::vector<std::string>& arguments) const {
    return run_program(arguments, folder());
  }
  fs::path object(const std::string& key) const {
    return folder() / ".modeldiff/objects" / key.substr(0, 2) / key;
  }
  std::string key_of(const std::string& kind) const {
    return Json::parse(run({"store", "ls", "--kind", kind, "--json"}).out)
        .at("artifacts")
        .at(0)
        .at("key");
  }

 private:
  ScratchFolder scratch_;
};

inline Json result_in(const fs::path& folder) {
  return Json::parse(content_of(folder / "results/quickstart/result.json"));
}

}  // namespace modeldiff::test
