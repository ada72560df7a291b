// Its manifest has the tag of the host, the library another.
#include "library.h"

TEST_MANIFEST(TEST_HOST_TAG, "attributors", "lying_tag");
TEST_PLUGIN(TEST_OTHER_TAG, "attributors", "lying_tag")
