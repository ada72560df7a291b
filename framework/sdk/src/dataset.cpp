#include "modeldiff/dataset.h"

#include <ATen/ATen.h>

#include "modeldiff/core/error.h"
#include "modeldiff/sparse_table.h"

namespace modeldiff {
namespace {

at::Tensor rows(const at::Tensor& tensor, const at::Tensor& indices) {
  return tensor.defined() ? rows_of(tensor, indices) : at::Tensor();
}

at::Tensor as_float(const at::Tensor& inputs) {
  return inputs.scalar_type() == at::kByte ? inputs.to(at::kFloat).div_(255) : inputs;
}

}  // namespace

Examples Examples::select(const at::Tensor& indices) const {
  return {rows(inputs, indices), rows(targets, indices), rows(groups, indices),
          rows(planted, indices)};
}

at::Tensor Examples::floats() const { return as_float(inputs); }

at::Tensor Examples::floats(std::int64_t begin, std::int64_t end) const {
  return as_float(dense_rows(inputs, begin, end));
}

Json to_json(const DataFacts& facts) {
  Json out{{"name", facts.name},
           {"task", facts.task == Task::classification ? "classification" : "regression"},
           {"input_shape", facts.input_shape},
           {"outputs", facts.outputs},
           {"class_names", facts.class_names},
           {"groups", facts.groups},
           {"mean", facts.mean},
           {"deviation", facts.deviation},
           {"fill", facts.fill},
           {"planted", facts.planted},
           {"source", facts.source}};
  // Left out otherwise, so that the digests of dense data sets stay what they were.
  if (facts.sparse) out["sparse"] = true;
  return out;
}

DataFacts data_facts_from_json(const Json& json) {
  try {
    DataFacts facts;
    json.at("name").get_to(facts.name);
    const std::string task = json.at("task");
    if (task != "classification" && task != "regression") {
      throw DataError("facts of a data set: task must be 'classification' or 'regression', got '" +
                      task + "'");
    }
    facts.task = task == "regression" ? Task::regression : Task::classification;
    json.at("input_shape").get_to(facts.input_shape);
    facts.sparse = json.value("sparse", false);
    json.at("outputs").get_to(facts.outputs);
    json.at("class_names").get_to(facts.class_names);
    json.at("groups").get_to(facts.groups);
    json.at("mean").get_to(facts.mean);
    json.at("deviation").get_to(facts.deviation);
    json.at("fill").get_to(facts.fill);
    facts.planted = json.value("planted", Json());
    json.at("source").get_to(facts.source);
    return facts;
  } catch (const Json::exception& error) {
    throw DataError(std::string("these are not the facts of a data set: ") + error.what());
  }
}

}  // namespace modeldiff
