#pragma once

#include "engine/workspace.h"
#include "modeldiff/attributor.h"

namespace modeldiff {

/// The runs whose scores an attribution cell reads, in the store. Masks are drawn anew each time.
class StoredRuns final : public ScoredRuns {
 public:
  /// Both must outlive this object.
  StoredRuns(Workspace& workspace, const Cell& attribution);

  std::int64_t size() const override;
  TensorMap run(std::int64_t index) const override;
  double keep(std::int64_t index) const override;
  at::Tensor masks(std::int64_t first, std::int64_t count) const override;

 private:
  const Cell& run_cell(std::int64_t index) const;

  Workspace& workspace_;
  const Cell& attribution_;
};

}  // namespace modeldiff
