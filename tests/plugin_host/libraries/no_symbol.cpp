// A manifest without a plugin.
#include "library.h"

TEST_MANIFEST(TEST_HOST_TAG, "attributors", "no_symbol");
