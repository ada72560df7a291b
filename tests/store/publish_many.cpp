// publish_many <store> <count> [<together>]: publishes `count` small artifacts whose content
// depends on their number alone, `together` at a time, those that are missing. The tests kill it at
// every place where it may be killed. As a benchmark, `publish_many <store> 4000 4000` takes 1.0 s
// of processor time (0.3 user, 0.7 system; one core) and a single flush. On ext4 without a journal,
// files that were deleted in the minute before make it ten times slower: the kernel then searches
// for inodes that were not used lately.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "modeldiff/core/error.h"
#include "store/store.h"

using namespace modeldiff;

int main(int count, char** arguments) try {
  if (count < 3) return 2;
  const Store store(arguments[1]);
  const int artifacts = std::atoi(arguments[2]);
  const int together = count > 3 ? std::atoi(arguments[3]) : 1;
  for (int first = 0; first < artifacts; first += together) {
    std::vector<Publication> publications;
    for (int i = first; i < std::min(first + together, artifacts); ++i) {
      const Key key = Key::of({{"cell", i}});
      if (store.contains(key)) continue;
      Publication publication = store.begin(key, {{"kind", "training_run"}, {"cell", i}});
      publication.add_json("facts.json", {{"cell", i}});
      std::array<float, 64> weights{};
      weights.fill(static_cast<float>(i));
      publication.add_tensors("weights.safetensors",
                              {{"w", view_of(DType::f32, {64}, weights.data(), sizeof weights)}});
      publications.push_back(std::move(publication));
    }
    store.commit_all(publications);
  }
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
