#include "training/content_digest.h"

#include <ATen/ATen.h>

#include "modeldiff/core/hash.h"
#include "modeldiff/sparse_table.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

void add_tensor(Hasher& hasher, const char* name, const at::Tensor& tensor) {
  hasher.update(name).update(" ");
  if (!tensor.defined()) {
    hasher.update("undefined\n");
    return;
  }
  hasher.update(shape_text(tensor)).update("\n");
  for (const at::Tensor& part : stored_parts(tensor.detach().cpu()))
    hasher.update(part.const_data_ptr(), part.nbytes());
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
