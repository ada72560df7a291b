#include "modeldiff/core/plugin.h"

namespace modeldiff {

Plugin::~Plugin() = default;

}  // namespace modeldiff
