#pragma once

#include "planning/plan.h"
#include "plugin_host/plugin_registry.h"
#include "store/store.h"

namespace modeldiff {

/// Makes the cells that are asked for, one answer each, until the orders end. Every worker computes
/// with one thread, so that the number of workers changes no byte.
/// @param orders, answers file descriptors of the pipes; see workers/protocol.h
void serve(const Plan& plan, const Store& store, PluginRegistry& plugins, int orders, int answers);

}  // namespace modeldiff
