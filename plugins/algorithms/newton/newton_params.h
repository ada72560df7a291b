#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "modeldiff/core/schema.h"
#include "modeldiff/data_change.h"

namespace modeldiff {

enum class NewtonKind { newton, influence };

template <>
struct Choices<NewtonKind> {
  static constexpr std::pair<NewtonKind, const char*> names[] = {
      {NewtonKind::newton, "newton"}, {NewtonKind::influence, "influence"}};
};

/// Parameters of the learning algorithm `newton`.
struct NewtonParams {
  Reference from;
  std::optional<std::int64_t> run;
  ChangeParams change;
  NewtonKind kind = NewtonKind::newton;
  double tolerance = 1e-8;
  std::int64_t iterations = 200;

  static Schema<NewtonParams> schema() {
    return Schema<NewtonParams>("newton")
        .required("from", &NewtonParams::from,
                  "The algorithm `descent`, on a linear model, whose run is corrected.",
                  names_entry_of("algorithms"))
        .field("run", &NewtonParams::run, "Which of its runs; left out: that of the same number.",
               at_least(0))
        .field("change", &NewtonParams::change, "What is changed of the training set.")
        .field("kind", &NewtonParams::kind,
               "`newton`: one step towards the optimum on the changed data; `influence`: the "
               "optimum's shift, added to the weights wherever they are.")
        .field("tolerance", &NewtonParams::tolerance,
               "Relative residual at which the conjugate gradients stop.", more_than(0),
               less_than(1))
        .field("iterations", &NewtonParams::iterations, "At most so many of them.", at_least(1));
  }
};

}  // namespace modeldiff
