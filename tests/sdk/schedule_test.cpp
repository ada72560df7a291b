#include "modeldiff/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "modeldiff/core/error.h"

namespace modeldiff {
namespace {

using doctest::Approx;

std::vector<double> rates(ScheduleKind kind, std::int64_t steps, double lr = 0.1) {
  ScheduleParams schedule;
  schedule.kind = kind;
  return learning_rates(schedule, lr, steps);
}

TEST_CASE("a constant schedule has the same rate at every step") {
  const auto lr = rates(ScheduleKind::constant, 5);
  CHECK(lr == std::vector<double>(5, 0.1));
}

TEST_CASE("the triangle rises from 0 to its peak at a fifth of the steps and falls to 0 linearly") {
  const auto lr = rates(ScheduleKind::triangle, 100);
  CHECK(lr[0] == 0);
  CHECK(lr[10] == Approx(0.05));
  CHECK(std::max_element(lr.begin(), lr.end()) - lr.begin() == 20);
  CHECK(lr[20] == Approx(0.1));
  CHECK(lr[60] == Approx(0.05));
  CHECK(lr[99] == Approx(0.1 / 80));
  CHECK(std::accumulate(lr.begin(), lr.end(), 0.0) == Approx(0.1 * 100 / 2));
}

TEST_CASE("the peak of the triangle is where the parameter says") {
  ScheduleParams schedule;
  schedule.peak = 0.5;
  const auto lr = learning_rates(schedule, 1, 10);
  CHECK(lr[5] == Approx(1));
  CHECK(lr[4] == Approx(0.8));
  CHECK(lr[6] == Approx(0.8));
}

TEST_CASE("the cosine schedule is lr (1 + cos(pi t / T)) / 2") {
  const auto lr = rates(ScheduleKind::cosine, 8);
  for (int t = 0; t < 8; ++t)
    CHECK(lr[t] == Approx(0.05 * (1 + std::cos(std::numbers::pi * t / 8))));
}

TEST_CASE("milestones below 1 are shares of the run, others are steps") {
  ScheduleParams schedule;
  schedule.kind = ScheduleKind::step;
  schedule.factor = 0.5;
  schedule.milestones = {0.07, 90};
  const auto lr = learning_rates(schedule, 0.8, 100);
  CHECK(lr[6] == Approx(0.8));
  CHECK(lr[7] == Approx(0.4));
  CHECK(lr[89] == Approx(0.4));
  CHECK(lr[90] == Approx(0.2));
  CHECK(lr[99] == Approx(0.2));
}

TEST_CASE("milestones that do not ascend in a run are refused with their steps") {
  ScheduleParams schedule;
  schedule.kind = ScheduleKind::step;
  schedule.milestones = {0.5, 10};
  CHECK_THROWS_WITH_AS(
      learning_rates(schedule, 1, 100),
      "schedule.milestones: must ascend, but in a run of 100 steps they are 50, 10", ConfigError);
}

TEST_CASE("one_cycle gives the rates of torch's OneCycleLR") {
  // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.1, total_steps=11, pct_start=0.3), by its formula:
  // the top is at 0.3 x 11 - 1 = 2.3, the end at 10.
  ScheduleParams schedule;
  schedule.kind = ScheduleKind::one_cycle;
  schedule.peak = 0.3;
  const auto lr = learning_rates(schedule, 0.1, 11);
  const auto between = [](double a, double b, double s) {
    return b + (a - b) / 2 * (1 + std::cos(std::numbers::pi * s));
  };
  CHECK(lr[0] == Approx(0.004));
  CHECK(lr[2] == Approx(between(0.004, 0.1, 2 / 2.3)));
  CHECK(lr[3] == Approx(between(0.1, 4e-7, 0.7 / 7.7)));
  CHECK(lr[10] == Approx(4e-7));
}

TEST_CASE("a schedule of one step has a rate") {
  CHECK(rates(ScheduleKind::one_cycle, 1) == std::vector<double>{0.1});
  CHECK(rates(ScheduleKind::cosine, 1) == std::vector<double>{0.1});
}

TEST_CASE("a warmup rises linearly and the cosine takes what is left") {
  ScheduleParams schedule;
  schedule.kind = ScheduleKind::cosine;
  for (const double warmup : {4.0, 0.2}) {  // steps, and a share of 20
    CAPTURE(warmup);
    schedule.warmup = warmup;
    const auto lr = learning_rates(schedule, 1, 20);
    for (int t = 0; t < 4; ++t) CHECK(lr[t] == Approx((t + 1) / 5.0));
    CHECK(lr[4] == Approx(1));
    CHECK(lr[12] == Approx(0.5));
  }
}

TEST_CASE("a warmup that leaves no step is refused") {
  ScheduleParams schedule;
  schedule.kind = ScheduleKind::constant;
  schedule.warmup = 20;
  CHECK_THROWS_WITH_AS(learning_rates(schedule, 1, 20),
                       "schedule.warmup: takes 20 steps, and the run has only 20", ConfigError);
}

}  // namespace
}  // namespace modeldiff
