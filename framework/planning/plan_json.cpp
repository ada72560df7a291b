#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "planning/plan.h"

namespace modeldiff {

Json to_json(const Plan& plan) {
  Json cells = Json::array();
  for (const Cell& cell : plan.cells) {
    cells.push_back({{"kind", cell.kind},
                     {"label", cell.label},
                     {"path", cell.path},
                     {"config", cell.config},
                     {"own", cell.own},
                     {"inputs", cell.inputs},
                     {"after", cell.after},
                     {"key", cell.key.text()}});
  }
  return {{"experiment", plan.experiment}, {"description", plan.description},
          {"abi_tag", plan.abi_tag},       {"configs", plan.configs},
          {"data_paths", plan.data_paths}, {"cells", cells}};
}

Plan plan_from_json(const Json& json) {
  Plan plan;
  plan.experiment = json.at("experiment").get<std::string>();
  plan.description = json.at("description");
  plan.abi_tag = json.at("abi_tag").get<std::string>();
  plan.configs = json.at("configs").get<std::vector<Json>>();
  plan.data_paths = json.at("data_paths").get<std::map<std::string, std::string>>();
  for (const Json& item : json.at("cells")) {
    Cell cell;
    cell.kind = item.at("kind").get<std::string>();
    cell.label = item.at("label").get<std::string>();
    cell.path = item.at("path").get<std::string>();
    cell.config = item.at("config").get<std::size_t>();
    cell.own = item.at("own");
    cell.inputs = item.at("inputs").get<std::map<std::string, std::vector<std::size_t>>>();
    cell.after = item.at("after").get<std::vector<std::size_t>>();
    cell.key = Key::parse(item.at("key").get<std::string>());
    plan.cells.push_back(std::move(cell));
  }
  return plan;
}

}  // namespace modeldiff
