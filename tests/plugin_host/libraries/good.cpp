// A plugin as it should be.
#include "library.h"

TEST_MANIFEST(TEST_HOST_TAG, "attributors", "good");
TEST_PLUGIN(TEST_HOST_TAG, "attributors", "good")
