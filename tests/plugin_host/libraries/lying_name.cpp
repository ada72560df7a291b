// Its manifest has another name than the library.
#include "library.h"

TEST_MANIFEST(TEST_HOST_TAG, "attributors", "lying_name");
TEST_PLUGIN(TEST_HOST_TAG, "attributors", "someone_else")
