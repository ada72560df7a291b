// A plugin whose manifest the build makes.
#include "library.h"

TEST_PLUGIN(TEST_HOST_TAG, "attributors", "good")
