#pragma once

#include <filesystem>
#include <vector>

#include "app/console.h"
#include "report/result.h"

namespace modeldiff {

/// Writes result.json, resolved.yaml and report.html into the folder. @return what result.json
/// holds
Json write_report_files(const std::filesystem::path& folder, const Plan& plan, const Store& store,
                        const std::vector<MissingCell>& missing,
                        const std::vector<Expectation>& expectations);

/// The verdict and where the page is, or all of result.json.
void print_report(const Console& console, bool json, const Json& result,
                  const std::filesystem::path& folder);

bool expectation_missed(const Json& result);

}  // namespace modeldiff
