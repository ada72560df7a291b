#include <utility>

#include "modeldiff/algorithm.h"
#include "modeldiff/attributor.h"
#include "modeldiff/dataset.h"
#include "modeldiff/evaluation.h"
#include "modeldiff/model.h"
#include "modeldiff/plugin_factory.h"
#include "modeldiff/proposer.h"

// The interfaces' destructors: their type information must exist once, in this library, for casts
// between plugins and the program to work.
namespace modeldiff {

Progress::~Progress() = default;
Resources::~Resources() = default;
PluginFactory::~PluginFactory() = default;
Model::~Model() = default;
DatasetSource::~DatasetSource() = default;
Architecture::~Architecture() = default;
LearningAlgorithm::~LearningAlgorithm() = default;
ScoredRuns::~ScoredRuns() = default;
Attributor::~Attributor() = default;
Proposer::~Proposer() = default;
Evaluation::~Evaluation() = default;

namespace {
constexpr std::chrono::milliseconds kPulse{50};
}  // namespace

void Pulse::begin_run(std::size_t run, const std::string& label) {
  run_ = run;
  label_ = label;
  beat(0);
}

void Pulse::beat(double share) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kPulse) return;
  last_ = now;
  progress_.check_stop();
  progress_.update((static_cast<double>(run_) + share) / static_cast<double>(runs_), label_);
}

RunsInMemory::RunsInMemory(std::vector<TensorMap> runs)
    : runs_(std::move(runs)), keep_(runs_.size(), 1.0) {}

RunsInMemory::RunsInMemory(std::vector<TensorMap> runs, at::Tensor masks, std::vector<double> keep)
    : runs_(std::move(runs)), masks_(std::move(masks)), keep_(std::move(keep)) {
  MODELDIFF_CHECK(keep_.size() == runs_.size() && masks_.dim() == 2 && masks_.size(0) == size(),
                  fmt::format("{} runs have masks {} and {} shares", runs_.size(),
                              shape_text(masks_), keep_.size()));
}

std::int64_t RunsInMemory::size() const { return static_cast<std::int64_t>(runs_.size()); }
TensorMap RunsInMemory::run(std::int64_t index) const { return runs_.at(index); }
double RunsInMemory::keep(std::int64_t index) const { return keep_.at(index); }
at::Tensor RunsInMemory::masks(std::int64_t first, std::int64_t count) const {
  return masks_.defined() ? masks_.narrow(0, first, count) : masks_;
}

std::optional<Transformation> Proposer::placebo(const Transformation&, RandomStream&) const {
  return std::nullopt;
}

Json to_json(const Transformation& transformation) {
  return {{"proposer", transformation.proposer},
          {"family", transformation.family},
          {"label", transformation.label},
          {"parameters", transformation.parameters},
          {"direction", transformation.direction}};
}

Transformation transformation_from_json(const Json& json, TensorMap tensors) {
  try {
    return {json.at("proposer").get<std::string>(),
            json.at("family").get<std::string>(),
            json.at("label").get<std::string>(),
            json.at("parameters"),
            std::move(tensors),
            json.at("direction").get<std::int64_t>()};
  } catch (const Json::exception& error) {
    throw DataError(std::string("this is not the description of a transformation: ") +
                    error.what());
  }
}

}  // namespace modeldiff
