// Calls a function that is nowhere; linked without the check that modeldiff_add_plugin() makes.
#include "library.h"

void function_that_is_nowhere();

TEST_MANIFEST(TEST_HOST_TAG, "attributors", "missing_function");
TEST_PLUGIN(TEST_HOST_TAG, "attributors", "missing_function")

extern "C" MODELDIFF_API void calls_it() { function_that_is_nowhere(); }
