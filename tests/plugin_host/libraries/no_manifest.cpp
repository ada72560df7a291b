// What a plugin may need beside it: a library without a manifest.
extern "C" int helper_of_a_plugin() { return 1; }
