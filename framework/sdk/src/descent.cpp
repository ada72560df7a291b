#include "modeldiff/descent.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <numeric>
#include <utility>

#include "modeldiff/core/error.h"
#include "modeldiff/core/hash.h"
#include "modeldiff/core/random.h"
#include "modeldiff/sparse_table.h"

namespace modeldiff {
namespace {

at::ScalarType type_of(Precision precision) {
  return precision == Precision::float64 ? at::kDouble : at::kFloat;
}

using RowList = std::vector<std::int32_t>;

RowList without(const RowList& rows, const RowList& removed) {
  RowList out;
  std::set_difference(rows.begin(), rows.end(), removed.begin(), removed.end(),
                      std::back_inserter(out));
  return out;
}

RowList united(const RowList& a, const RowList& b) {
  RowList out;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

/// One flag for each row up to the last of `all`, set for those of `rows`.
std::vector<bool> flags(const RowList& all, std::initializer_list<const RowList*> rows) {
  std::vector<bool> out(all.empty() ? 0 : static_cast<std::size_t>(all.back()) + 1);
  for (const RowList* some : rows)
    for (const std::int32_t row : *some)
      if (static_cast<std::size_t>(row) < out.size()) out[static_cast<std::size_t>(row)] = true;
  return out;
}

/// Keeps the gradients of a run in the form that is asked for.
class GradientKeeper {
 public:
  GradientKeeper(TrajectoryForm form, Precision precision, std::int64_t steps, std::int64_t p) {
    if (form == TrajectoryForm::none) return;
    const bool half = form == TrajectoryForm::bfloat16;
    kept_ = at::zeros({steps, p}, half ? at::kBFloat16 : type_of(precision));
    if (half) carried_ = at::zeros({p}, at::kDouble);
  }

  void keep(std::int64_t step, const at::Tensor& g) {
    if (!kept_.defined()) return;
    at::Tensor row = kept_[step];
    if (!carried_.defined()) {
      row.copy_(g);
      return;
    }
    carried_.add_(g);
    row.copy_(carried_);
    carried_.sub_(row);
  }

  const at::Tensor& kept() const { return kept_; }

 private:
  at::Tensor kept_;
  at::Tensor carried_;  // what rounding has left out so far
};

}  // namespace

double trajectory_number_bytes(TrajectoryForm form, Precision precision) {
  if (form == TrajectoryForm::none) return 0;
  if (form == TrajectoryForm::bfloat16) return 2;
  return precision == Precision::float64 ? 8 : 4;
}

double DescentPlan::gradients() const {
  const auto n = static_cast<std::int64_t>(rows.size() - left.size() + joined.size());
  const std::int64_t epochs = steps() / steps_per_epoch(), over = steps() % steps_per_epoch();
  return static_cast<double>(epochs * n + over * (batch == 0 ? n : batch));
}

std::vector<std::int32_t> DescentPlan::live_rows() const {
  return united(without(rows, left), joined);
}

DescentPlan DescentPlan::after(const DataChange& change) const {
  DescentPlan out = *this;
  const RowList own = without(change.removed, joined);
  out.left = united(left, own);
  out.joined = united(without(joined, change.removed), change.added);
  return out;
}

// ---- batches ----

Batches::Batches(const DescentPlan& plan, const DataChange& change)
    : plan_(plan),
      change_(change),
      gone_(flags(plan.rows, {&plan.left})),
      leaves_(flags(united(plan.rows, plan.joined), {&change.removed, &change.relabelled})) {}

std::vector<std::vector<std::int32_t>> Batches::joining(const RowList& rows) const {
  const auto batches = static_cast<std::uint64_t>(plan_.steps_per_epoch());
  std::vector<RowList> out(batches);
  if (plan_.batch == 0) {
    out.front() = rows;
    return out;
  }
  const std::uint64_t seed = derive_seed(plan_.seed, "join", static_cast<std::uint64_t>(epoch_));
  for (const std::int32_t row : rows)
    out[RandomStream(seed, static_cast<std::uint64_t>(row)).below(batches)].push_back(row);
  return out;
}

void Batches::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  const auto e = static_cast<std::uint64_t>(epoch);
  joined_ = joining(plan_.joined);
  joining_ = joining(change_.added);
  if (plan_.batch == 0) {
    order_ = plan_.rows;
    return;
  }
  const auto n = static_cast<std::int64_t>(plan_.rows.size());
  order_.resize(plan_.rows.size());
  const std::vector<std::int64_t> order = RandomStream(plan_.seed, "order", e).permutation(n);
  std::transform(order.begin(), order.end(), order_.begin(),
                 [&](std::int64_t at) { return plan_.rows[static_cast<std::size_t>(at)]; });
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
  if (step != step_ && !same_batch) {
    before_.clear();
    std::copy_if(order_.begin() + static_cast<std::ptrdiff_t>(begin),
                 order_.begin() + static_cast<std::ptrdiff_t>(end), std::back_inserter(before_),
                 [&](std::int32_t row) { return !gone_[static_cast<std::size_t>(row)]; });
    const RowList& joined = joined_[static_cast<std::size_t>(batch)];
    before_.insert(before_.end(), joined.begin(), joined.end());
    removed_.clear();
    added_ = joining_[static_cast<std::size_t>(batch)];
    after_.clear();
    for (const std::int32_t row : before_)
      (leaves_[static_cast<std::size_t>(row)] ? removed_ : after_).push_back(row);
    for (const std::int32_t row : removed_) {
      if (std::binary_search(change_.relabelled.begin(), change_.relabelled.end(), row))
        added_.push_back(row);
    }
    after_.insert(after_.end(), added_.begin(), added_.end());
  }
  step_ = step;
  return {before_, removed_, added_, after_};
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
  GradientKeeper keeper(request.keep, plan.precision, plan.steps(), p);
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
      keeper.keep(t, mean);
    }
    if (request.after) request.after(t, out.w);
  }
  out.gradients = keeper.kept();
  return out;
}

// ---- what a run leaves behind ----

std::string training_set_digest(const Examples& train, const DescentPlan& plan) {
  const RowList rows = united(plan.rows, plan.joined);
  std::string text;
  const bool all = static_cast<std::int64_t>(rows.size()) == train.size();
  for (const at::Tensor* tensor : {&train.inputs, &train.targets}) {
    const at::Tensor own = all ? *tensor : rows_of(*tensor, at::tensor(rows, at::kInt));
    text += fmt::format("{} {} ", own.toString(), fmt::join(own.sizes().vec(), "x"));
    for (const at::Tensor& part : stored_parts(own))
      text += sha256({static_cast<const char*>(part.const_data_ptr()), part.nbytes()});
  }
  return sha256(text);
}

void leave_trajectory(const Trajectory& trajectory, TrainedRun& run) {
  const DescentPlan& plan = trajectory.plan;
  run.tensors["descent.initial"] = trajectory.initial;
  run.tensors["descent.rates"] = at::tensor(plan.rates, at::kDouble);
  run.tensors["descent.rows"] = at::tensor(plan.rows, at::kInt);
  if (!plan.left.empty()) run.tensors["descent.left"] = at::tensor(plan.left, at::kInt);
  if (!plan.joined.empty()) run.tensors["descent.joined"] = at::tensor(plan.joined, at::kInt);
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
  out.plan.rates.assign(rates.const_data_ptr<double>(),
                        rates.const_data_ptr<double>() + rates.numel());
  const auto rows_of = [&](const char* name) {
    const auto at = run.tensors.find(name);
    if (at == run.tensors.end()) return RowList{};
    const at::Tensor rows = at->second.contiguous();
    return RowList(rows.const_data_ptr<std::int32_t>(),
                   rows.const_data_ptr<std::int32_t>() + rows.numel());
  };
  out.plan.rows = rows_of("descent.rows");
  out.plan.left = rows_of("descent.left");
  out.plan.joined = rows_of("descent.joined");
  const auto fits = [&](const RowList& rows) { return rows.empty() || rows.back() < train.size(); };
  if (!fits(out.plan.rows) || !fits(out.plan.joined) ||
      out.data_digest != training_set_digest(train, out.plan)) {
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
  const double vectors = 8 * kVectors * static_cast<double>(predictor.model->parameters().count());
  if (facts.sparse) return vectors;  // its numbers are few, and how many is not known here
  const double width =
      std::accumulate(facts.input_shape.begin(), facts.input_shape.end(), 1.0, std::multiplies<>());
  return vectors + kBytesOfNumber * width * static_cast<double>(examples);
}

}  // namespace modeldiff
