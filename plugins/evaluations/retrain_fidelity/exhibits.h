#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/retrained.h"
#include "modeldiff/evaluation.h"

/// What the report shows of retrained and rapidly retrained models.
namespace modeldiff::retrain_fidelity {

/// By algorithm.
using AllMeasures = std::map<std::string, Measures>;
/// By algorithm, the distance to the retrained weights after each request of a stream, as a share
/// of how far retraining moved them; mean over runs.
using StreamErrors = std::map<std::string, std::vector<double>>;

/// Every algorithm against its share of retraining's gradients; nothing where none tells it.
std::vector<Exhibit> fidelity_against_work(const AllMeasures& measures);
/// Every algorithm but `before` against its seconds, by how far its predictions are from the
/// retrained model's.
Exhibit fidelity_against_time(const AllMeasures& measures,
                              const std::map<std::string, RunSet>& runs, const std::string& before);
std::vector<Exhibit> stream_errors(const StreamErrors& errors);

}  // namespace modeldiff::retrain_fidelity
