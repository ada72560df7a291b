// Built for another program.
#include "library.h"

TEST_MANIFEST(TEST_OTHER_TAG, "attributors", "other_tag");
TEST_PLUGIN(TEST_OTHER_TAG, "attributors", "other_tag")
