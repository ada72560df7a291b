#include "training/content_digest.h"

#include <ATen/ATen.h>

#include "modeldiff/core/hash.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

void add_tensor(Hasher& hasher, const char* name, const at::Tensor& tensor) {
  hasher.update(name).update(" ");
  if (!tensor.defined()) {
    hasher.update("undefined\n");
    return;
  }
  const at::Tensor plain = tensor.detach().cpu().contiguous();
  hasher.update(shape_text(plain)).update("\n").update(plain.const_data_ptr(), plain.nbytes());
}

void add_examples(Hasher& hasher, const Examples& examples) {
  add_tensor(hasher, "inputs", examples.inputs);
  add_tensor(hasher, "targets", examples.targets);
  add_tensor(hasher, "groups", examples.groups);
  add_tensor(hasher, "planted", examples.planted);
}

}  // namespace

std::string content_digest(const Dataset& data) {
  Hasher hasher;
  hasher.update(canonical_text(to_json(data.facts))).update("\n");
  add_examples(hasher, data.train);
  add_examples(hasher, data.test);
  return hasher.hex();
}

}  // namespace modeldiff
