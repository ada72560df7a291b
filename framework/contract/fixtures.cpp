#include "contract/fixtures.h"

#include <algorithm>
#include <cstring>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/layers.h"
#include "modeldiff/region.h"
#include "modeldiff/sparse_table.h"

namespace modeldiff::contract {
namespace {

const Region kMark{.shape = Region::Shape::corners};
constexpr float kMean = 0.4f, kDeviation = 0.3f;

class SmallModel final : public Model {
 public:
  explicit SmallModel(const Case& some) : images_(some.images()) {
    if (images_) {
      parameters_.add("first.weight", {kWidth, some.input_shape[0], 3, 3});
      add_batch_norm(parameters_, buffers_, "norm", kWidth);
    } else {
      parameters_.add("first.weight", {kWidth, some.input_shape[0]});
      parameters_.add("first.bias", {kWidth});
    }
    parameters_.add("head.weight", {some.outputs, kWidth});
    parameters_.add("head.bias", {some.outputs});
  }

  Weights initialise(RandomStream& random) const override {
    at::Tensor flat = at::empty({parameters_.count()});
    random.fill_normal(flat.mutable_data_ptr<float>(), flat.numel(), 0.5f);
    at::Tensor buffers;
    if (buffers_.count() > 0) {
      buffers = at::zeros({buffers_.count()});
      buffers_.view(buffers, "norm.mean").fill_(0.1);
      buffers_.view(buffers, "norm.variance").fill_(1.3);
    }
    return {flat, buffers};
  }

  at::Tensor forward(const Weights& weights, const at::Tensor& inputs, Pass& pass) const override {
    at::Tensor x;
    if (images_) {
      x = conv2d(pass, *this, weights, "first", inputs, 1, 1);
      x = batch_norm(pass, *this, weights, "norm", std::move(x), /*relu=*/true).mean({2, 3});
    } else {
      x = relu(pass, linear(pass, *this, weights, "first", inputs));
    }
    if (pass.want_features) pass.features = x;
    return linear(pass, *this, weights, "head", x);
  }

  std::vector<std::string> head() const override { return {"head.weight", "head.bias"}; }
  double forward_flops() const override { return 2.0 * static_cast<double>(parameters_.count()); }

 private:
  static constexpr std::int64_t kWidth = 5;
  bool images_;
};

std::vector<std::int64_t> batch_shape(const Case& some, std::int64_t rows) {
  std::vector<std::int64_t> shape = some.input_shape;
  shape.insert(shape.begin(), rows);
  return shape;
}

}  // namespace

at::Tensor normal(std::vector<std::int64_t> shape, std::uint64_t seed) {
  at::Tensor out = at::empty(shape);
  RandomStream(seed).fill_normal(out.mutable_data_ptr<float>(), out.numel(), 1.f);
  return out;
}

double largest(const at::Tensor& x) { return x.numel() == 0 ? 0 : x.abs().max().item<double>(); }

double relative_distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const std::vector<at::Tensor> x = stored_parts(a), y = stored_parts(b);
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const auto& p, const auto& q) {
    return p.nbytes() == q.nbytes() &&
           (p.numel() == 0 || std::memcmp(p.const_data_ptr(), q.const_data_ptr(), p.nbytes()) == 0);
  });
}

bool same_bytes(const TensorMap& a, const TensorMap& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && same_bytes(x.second, y.second);
  });
}

bool is_finite(const at::Tensor& x) { return x.isfinite().all().item<bool>(); }

Examples drawn_examples(const Case& some, std::int64_t rows, std::uint64_t seed) {
  Examples out;
  out.targets = at::arange(rows) % some.outputs;
  out.inputs = at::empty(batch_shape(some, rows));
  RandomStream(seed).fill_uniform(out.inputs.mutable_data_ptr<float>(), out.inputs.numel(), 0,
                                  0.5f);
  std::vector<std::int64_t> by_row(some.input_shape.size() + 1, 1);
  by_row[0] = rows;
  out.inputs += out.targets.to(at::kFloat).view(by_row) / (2 * static_cast<double>(some.outputs));
  if (some.images()) {
    out.planted = (at::arange(rows) % (2 * some.outputs)).eq(0);
    const at::Tensor mark = kMark.mask(some.input_shape[1], some.input_shape[2]);
    out.inputs.masked_fill_(out.planted.view(by_row).logical_and(mark), 1);
  }
  return out;
}

DataFacts facts_of(const Case& some) {
  const auto channels = static_cast<std::size_t>(some.input_shape[0]);
  DataFacts out;
  out.name = "contract";
  out.input_shape = some.input_shape;
  out.outputs = some.outputs;
  out.mean.assign(channels, kMean);
  out.deviation.assign(channels, kDeviation);
  out.source = "drawn for this test";
  if (some.images()) {
    out.fill.assign(channels, 0);
    out.planted = {{"class", 0},
                   {"mark", Region::schema().write(kMark)},
                   {"colour", {1.0}},
                   {"contrast", 1.0}};
  }
  return out;
}

Predictor small_predictor(const Case& some) {
  const DataFacts facts = facts_of(some);
  return {std::make_shared<SmallModel>(some),
          InputView{{}, facts.fill, facts.mean, facts.deviation}};
}

Weights drawn_weights(const Model& model, std::uint64_t seed) {
  RandomStream random(seed, "contract weights");
  return model.initialise(random);
}

void CheckedProgress::update(double share, const std::string&) {
  CHECK(share >= 0);
  CHECK(share <= 1);
}

void CheckedProgress::check_stop() const {
  if (stop_) throw Interrupted("stopped");
}

bool Kept::unchanged() const {
  return std::all_of(tensors_.begin(), tensors_.end(),
                     [](const auto& pair) { return same_bytes(pair.first, pair.second); });
}

}  // namespace modeldiff::contract
