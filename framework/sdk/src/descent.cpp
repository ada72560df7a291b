#include "modeldiff/descent.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/core/hash.h"
#include "modeldiff/core/random.h"

namespace modeldiff {
namespace {

at::ScalarType type_of(Precision precision) {
  return precision == Precision::float64 ? at::kDouble : at::kFloat;
}

}  // namespace

double DescentPlan::gradients() const {
  const auto n = static_cast<std::int64_t>(rows.size());
  const std::int64_t epochs = steps() / steps_per_epoch(), left = steps() % steps_per_epoch();
  return static_cast<double>(epochs * n + left * (batch == 0 ? n : batch));
}

// ---- batches ----

Batches::Batches(const DescentPlan& plan, const DataChange& change) : plan_(plan), change_(change) {
  std::int32_t last = plan.rows.empty() ? -1 : plan.rows.back();
  leaves_.resize(static_cast<std::size_t>(last) + 1);
  for (const auto* rows : {&change.removed, &change.relabelled}) {
    for (const std::int32_t row : *rows) leaves_[static_cast<std::size_t>(row)] = true;
  }
}

void Batches::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  const auto e = static_cast<std::uint64_t>(epoch);
  const auto batches = static_cast<std::uint64_t>(plan_.steps_per_epoch());
  joining_.assign(batches, {});
  if (plan_.batch == 0) {
    order_ = plan_.rows;
    joining_.front() = change_.added;
    return;
  }
  const auto n = static_cast<std::int64_t>(plan_.rows.size());
  order_.resize(plan_.rows.size());
  const std::vector<std::int64_t> order = RandomStream(plan_.seed, "order", e).permutation(n);
  std::transform(order.begin(), order.end(), order_.begin(),
                 [&](std::int64_t at) { return plan_.rows[static_cast<std::size_t>(at)]; });
  RandomStream join(plan_.seed, "join", e);
  for (const std::int32_t row : change_.added) joining_[join.below(batches)].push_back(row);
}

StepRows Batches::at(std::int64_t step) {
  const std::int64_t per_epoch = plan_.steps_per_epoch();
  const std::int64_t batch = step % per_epoch;
  const bool same_batch = step_ >= 0 && plan_.batch == 0;
  if (step / per_epoch != epoch_ && !same_batch) begin_epoch(step / per_epoch);
  const std::size_t begin = static_cast<std::size_t>(batch * plan_.batch);
  const std::size_t end =
      plan_.batch == 0 ? order_.size()
                       : std::min(begin + static_cast<std::size_t>(plan_.batch), order_.size());
  const RowSpan before(order_.data() + begin, end - begin);
  if (step != step_ && !same_batch) {
    removed_.clear();
    added_ = joining_[static_cast<std::size_t>(batch)];
    after_.clear();
    for (const std::int32_t row : before) {
      (leaves_[static_cast<std::size_t>(row)] ? removed_ : after_).push_back(row);
    }
    for (const std::int32_t row : removed_) {
      if (std::binary_search(change_.relabelled.begin(), change_.relabelled.end(), row))
        added_.push_back(row);
    }
    after_.insert(after_.end(), added_.begin(), added_.end());
  }
  step_ = step;
  return {before, removed_, added_, after_};
}

// ---- steps ----

void descent_step(at::Tensor& w, double rate, double weight_decay, const at::Tensor& g) {
  w.mul_(1 - rate * weight_decay).sub_(g, rate);
}

CheckpointKeeper::CheckpointKeeper(const CheckpointRequest& request, std::vector<double> rates)
    : count_(request.count), rates_(std::move(rates)) {
  if (count_ > static_cast<std::int64_t>(rates_.size())) {
    throw ConfigError(
        "steps", fmt::format("are {}, and {} checkpoints are asked for", rates_.size(), count_));
  }
}

void CheckpointKeeper::after(std::int64_t step, const at::Tensor& w) {
  rate_sum_ += rates_[static_cast<std::size_t>(step)];
  const auto kept = static_cast<std::int64_t>(checkpoints_.size());
  if (kept == count_ || step + 1 != (kept + 1) * static_cast<std::int64_t>(rates_.size()) / count_)
    return;
  Checkpoint& checkpoint = checkpoints_.emplace_back();
  checkpoint.step = step + 1;
  checkpoint.weights.parameters = w.to(at::kFloat);
  checkpoint.learning_rate_sum = std::exchange(rate_sum_, 0);
}

TrainedRun trained_run(const DescentPlan& plan, const at::Tensor& w,
                       const std::vector<double>& losses, std::vector<Checkpoint> checkpoints) {
  TrainedRun out;
  out.weights.parameters = w.to(at::kFloat);
  out.checkpoints = std::move(checkpoints);
  out.steps = plan.steps();
  const auto per_epoch = static_cast<std::size_t>(plan.steps_per_epoch());
  for (std::size_t begin = 0; begin < losses.size(); begin += per_epoch) {
    const auto first = losses.begin() + static_cast<std::ptrdiff_t>(begin);
    const std::size_t count = std::min(per_epoch, losses.size() - begin);
    out.epoch_loss.push_back(
        std::accumulate(first, first + static_cast<std::ptrdiff_t>(count), 0.0) /
        static_cast<double>(count));
  }
  return out;
}

Descent descend(const DescentRequest& request) {
  const DescentPlan& plan = request.plan;
  const std::int64_t p = request.objective.parameters();
  Batches batches(plan, request.change);
  Descent out;
  out.w = request.initial.clone();
  if (request.keep_gradients) out.gradients = at::zeros({plan.steps(), p}, type_of(plan.precision));
  at::Tensor sum = at::empty({p}, at::kDouble);
  at::Tensor mean = at::empty({p}, type_of(plan.precision));
  for (std::int64_t t = request.begin; t < plan.steps(); ++t) {
    const RowSpan rows = batches.at(t).after;
    if (rows.empty()) {
      out.losses.push_back(out.losses.empty() ? 0 : out.losses.back());
    } else {
      const auto count = static_cast<double>(rows.size());
      const double loss = request.objective.gradient_sum(out.w, rows, sum) / count;
      if (!std::isfinite(loss)) {
        throw NumericalError(
            fmt::format("{}: the training loss is {} at step {} of {} (learning rate {:.4g}); try "
                        "a lower `lr`",
                        request.label, std::abs(loss), t + 1, plan.steps(),
                        plan.rates[static_cast<std::size_t>(t)]));
      }
      out.losses.push_back(loss);
      mean.copy_(sum.div_(count));
      descent_step(out.w, plan.rates[static_cast<std::size_t>(t)], plan.weight_decay, mean);
      if (request.keep_gradients) out.gradients[t].copy_(mean);
    }
    if (request.after) request.after(t, out.w);
  }
  return out;
}

// ---- what a run leaves behind ----

std::string training_set_digest(const Examples& train, const std::vector<std::int32_t>& rows) {
  std::string text;
  const bool all = static_cast<std::int64_t>(rows.size()) == train.size();
  for (const at::Tensor* tensor : {&train.inputs, &train.targets}) {
    const at::Tensor dense =
        all ? tensor->contiguous() : tensor->index_select(0, at::tensor(rows, at::kInt));
    text += fmt::format("{} {} ", dense.toString(), fmt::join(dense.sizes().vec(), "x"));
    text += sha256({static_cast<const char*>(dense.const_data_ptr()), dense.nbytes()});
  }
  return sha256(text);
}

void leave_trajectory(const Trajectory& trajectory, TrainedRun& run) {
  const DescentPlan& plan = trajectory.plan;
  run.tensors["descent.initial"] = trajectory.initial;
  run.tensors["descent.rates"] = at::tensor(plan.rates, at::kDouble);
  run.tensors["descent.rows"] = at::tensor(plan.rows, at::kInt);
  if (trajectory.gradients.defined()) run.tensors["descent.gradients"] = trajectory.gradients;
  run.facts["descent"] = {{"seed", plan.seed},
                          {"batch", plan.batch},
                          {"weight_decay", plan.weight_decay},
                          {"precision", FieldTraits<Precision>::write(plan.precision)},
                          {"data_digest", trajectory.data_digest}};
}

Trajectory read_trajectory(const InputRun& run, const Examples& train) {
  const auto facts = run.facts.find("descent");
  if (facts == run.facts.end()) {
    throw ConfigError(
        "from",
        "names a run that was not made by plain gradient descent: repeating a run step by step on "
        "changed data needs the same batches and steps that depend on the weights alone, which "
        "momentum, Adam, dropout, batch norm and augmentation do not leave; make it with the "
        "algorithm `descent`");
  }
  Trajectory out;
  out.plan.seed = facts->at("seed").get<std::uint64_t>();
  out.plan.batch = facts->at("batch").get<std::int64_t>();
  out.plan.weight_decay = facts->at("weight_decay").get<double>();
  out.plan.precision = FieldTraits<Precision>::read(facts->at("precision"));
  out.data_digest = facts->at("data_digest").get<std::string>();
  const at::Tensor rates = run.tensors.at("descent.rates").contiguous();
  const at::Tensor rows = run.tensors.at("descent.rows").contiguous();
  out.plan.rates.assign(rates.const_data_ptr<double>(),
                        rates.const_data_ptr<double>() + rates.numel());
  out.plan.rows.assign(rows.const_data_ptr<std::int32_t>(),
                       rows.const_data_ptr<std::int32_t>() + rows.numel());
  const bool fits = out.plan.rows.empty() || out.plan.rows.back() < train.size();
  if (!fits || out.data_digest != training_set_digest(train, out.plan.rows)) {
    throw DataError(
        fmt::format("the run that `from` names was trained on other data: theirs have the SHA-256 "
                    "{:.12}...",
                    out.data_digest));
  }
  out.initial = run.tensors.at("descent.initial");
  if (const auto at = run.tensors.find("descent.gradients"); at != run.tensors.end())
    out.gradients = at->second;
  return out;
}

double descent_memory_bytes(const Predictor& predictor, const DataFacts& facts,
                            std::int64_t examples) {
  constexpr double kVectors = 20;  // weights, sums of the parts of a batch
  constexpr double kBytesOfNumber = 6;
  const double width =
      std::accumulate(facts.input_shape.begin(), facts.input_shape.end(), 1.0, std::multiplies<>());
  return 8 * kVectors * static_cast<double>(predictor.model->parameters().count()) +
         kBytesOfNumber * width * static_cast<double>(examples);
}

}  // namespace modeldiff
