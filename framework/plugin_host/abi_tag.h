#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace modeldiff {

/// The keys in which two ABI tags, "sdk=1;torch=2.13.0;...", differ, in the order of the first;
/// then those that only the second has.
std::vector<std::string> differing_abi_keys(std::string_view a, std::string_view b);

/// What of a tag may change a result: all but the digest of the headers, which changes with every
/// comment in them.
std::string build_of_results(std::string_view tag);

/// Both tags, one above the other, and the keys in which they differ.
std::string abi_mismatch_text(std::string_view plugin_tag, std::string_view host_tag);

}  // namespace modeldiff
