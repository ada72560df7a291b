// An evaluation that goes wrong where and how its parameters say.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "modeldiff/evaluation.h"
#include "modeldiff/plugin.h"

namespace modeldiff {

enum class Fault { none, error, odd_throw, segfault, hang, exit, memory };
template <>
struct Choices<Fault> {
  static constexpr std::pair<Fault, const char*> names[] = {
      {Fault::none, "none"},         {Fault::error, "error"}, {Fault::odd_throw, "odd_throw"},
      {Fault::segfault, "segfault"}, {Fault::hang, "hang"},   {Fault::exit, "exit"},
      {Fault::memory, "memory"}};
};

namespace {

struct Params {
  Fault construct = Fault::none;
  Fault evaluate = Fault::none;

  static Schema<Params> schema() {
    return Schema<Params>("misbehaving")
        .field("construct", &Params::construct, "How it goes wrong when it is made.")
        .field("evaluate", &Params::evaluate, "How it goes wrong when it is used.");
  }
};

/// Takes memory until there is none, within 256 MiB of what the process has already.
void exhaust_memory() {
  rlimit before{};
  ::getrlimit(RLIMIT_AS, &before);
  constexpr std::size_t kBlock = 16 << 20, kMost = 1024;
  long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  rlimit tight = before;
  tight.rlim_cur =
      static_cast<rlim_t>(pages) * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + 16 * kBlock;
  ::setrlimit(RLIMIT_AS, &tight);
  try {
    std::vector<std::vector<char>> blocks;
    while (blocks.size() < kMost) blocks.emplace_back(kBlock, 'x');
  } catch (...) {
    ::setrlimit(RLIMIT_AS, &before);
    throw;
  }
}

void commit(Fault fault) {
  switch (fault) {
    case Fault::none:
      return;
    case Fault::error:
      throw std::runtime_error("the moon is in the wrong phase");
    case Fault::odd_throw:
      throw 12;
    case Fault::segfault:
      ::raise(SIGSEGV);
      return;
    case Fault::hang:
      ::sleep(600);
      return;
    case Fault::exit:
      ::_exit(7);
    case Fault::memory:
      exhaust_memory();
      return;
  }
}

class Misbehaving final : public Evaluation {
 public:
  explicit Misbehaving(Params params) : params_(params) { commit(params_.construct); }

  EvaluationResult evaluate(const EvaluationRequest&) const override {
    commit(params_.evaluate);
    return {};
  }

 private:
  Params params_;
};

}  // namespace

MODELDIFF_PLUGIN("evaluations", "misbehaving", "0.3", "Goes wrong as it is told", Misbehaving,
                 Params, R"({"needs": ["runs"]})")

}  // namespace modeldiff
