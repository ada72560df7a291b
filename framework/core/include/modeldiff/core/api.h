#pragma once

/// Marks what crosses a library boundary; everything else is hidden.
#define MODELDIFF_API __attribute__((visibility("default")))
