// Its manifest is cut short.
#include "library.h"

TEST_SECTION("{\"abi_tag\":");
TEST_PLUGIN(TEST_HOST_TAG, "attributors", "bad_json")
