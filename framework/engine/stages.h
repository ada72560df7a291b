#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/workspace.h"
#include "modeldiff/algorithm.h"

/// The stages in the order in which an experiment passes them. Each reads the artifacts that its
/// cell names and fills one artifact; what is in it depends on the cell alone.
namespace modeldiff {

using StageFunction = void (*)(Workspace&, const Cell&, Publication&, Progress&);

/// Files and generators -> data.safetensors, facts.json.
void make_dataset(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);
/// Everything that can be known to fail before anything is trained -> preflight.json.
void make_preflight(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);
/// The test set's parts: queries, screening and verification images -> split.safetensors,
/// split.json.
void make_split(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);

/// What parts of the work took, by name.
using Seconds = std::map<std::string, double>;

/// Training runs of one algorithm on one data set, made together -> weights.safetensors, run.json,
/// checkpoints.safetensors, tensors.safetensors. @return what each run tells of its time
std::vector<Seconds> make_runs(Workspace& workspace, std::span<const Cell* const> cells,
                               std::span<Publication> out, Progress& progress);

/// One run's part of the scores -> scores.safetensors.
void make_run_scores(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);
/// What runs answer on the queries -> measurements.safetensors.
void make_measurements(Workspace& workspace, const Cell& cell, Publication& out,
                       Progress& progress);
/// Scores of one algorithm -> scores.safetensors, attribution.json.
void make_attribution(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);
/// Residuals, directions, tests, subpopulations -> comparison.safetensors, comparison.json,
/// images.safetensors.
void make_comparison(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);
/// Directions -> transformations.json, tensors.safetensors.
void make_proposals(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);
/// Effects of all proposals on some runs -> effects.safetensors.
void make_screen_effects(Workspace& workspace, const Cell& cell, Publication& out,
                         Progress& progress);
/// What is verified, with its placebos -> transformations.json, tensors.safetensors, screened.json.
void make_selection(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);
/// Effects of the selected transformations on some fresh runs -> effects.safetensors.
void make_verify_effects(Workspace& workspace, const Cell& cell, Publication& out,
                         Progress& progress);
/// Claims -> verification.json, images.safetensors.
void make_verification(Workspace& workspace, const Cell& cell, Publication& out,
                       Progress& progress);
/// -> evaluation.json, tensors.safetensors.
void make_evaluation(Workspace& workspace, const Cell& cell, Publication& out, Progress& progress);

/// The stage of a kind of cell; all but "run", which is made several at a time. nullptr: unknown.
StageFunction find_stage(const std::string& kind);

}  // namespace modeldiff
