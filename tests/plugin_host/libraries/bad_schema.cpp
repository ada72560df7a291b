// Its schema has a type that does not exist.
#include "library.h"

TEST_SECTION(
    "{\"abi_tag\":\"" TEST_HOST_TAG
    "\",\"kind\":\"models\",\"name\":\"bad_schema\",\"version\":\"1\",\"summary\":\"\","
    "\"schema\":{\"name\":\"test\",\"fields\":[{\"name\":\"size\",\"type\":\"colour\"}]}}");
TEST_PLUGIN(TEST_HOST_TAG, "models", "bad_schema")
