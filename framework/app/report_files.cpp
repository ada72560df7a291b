#include "app/report_files.h"

#include <algorithm>

#include "report/report.h"
#include "store/file_io.h"

namespace modeldiff {
namespace {

std::string text_of(const Json& result) {
  return result.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Json write_report_files(const std::filesystem::path& folder, const Plan& plan, const Store& store,
                        const std::vector<MissingCell>& missing,
                        const std::vector<Expectation>& expectations) {
  Json result = collect_result(plan, store, missing, expectations);
  create_folders(folder);
  write_text_atomically(folder / "result.json", text_of(result));
  write_text_atomically(folder / "resolved.yaml", plan.description.dump(2) + "\n");
  write_text_atomically(folder / "report.html", render_report(result, plan, store));
  return result;
}

void print_report(const Console& console, bool json, const Json& result,
                  const std::filesystem::path& folder) {
  if (json) {
    console.result(text_of(result));
    return;
  }
  for (const std::string& line : verdict(result)) console.result(line);
  console.result((folder / "report.html").string());
}

bool expectation_missed(const Json& result) {
  const Json& expect = result.at("expect");
  return std::any_of(expect.begin(), expect.end(),
                     [](const Json& row) { return !row.at("holds").get<bool>(); });
}

}  // namespace modeldiff
