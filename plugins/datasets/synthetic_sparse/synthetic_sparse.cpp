// Generated rows of which most numbers are 0, like the words of texts, with two classes.

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/dataset.h"
#include "modeldiff/plugin.h"
#include "modeldiff/sparse_table.h"
#include "synthetic_sparse_params.h"

namespace modeldiff {
namespace {

/// Columns with probabilities in proportion to (k + 1)^-exponent.
class Zipf {
 public:
  Zipf(std::int64_t columns, double exponent) {
    double sum = 0;
    sums_.reserve(static_cast<std::size_t>(columns));
    for (std::int64_t k = 0; k < columns; ++k)
      sums_.push_back(sum += std::pow(static_cast<double>(k + 1), -exponent));
  }

  std::int32_t draw(RandomStream& random) const {
    const double place = random.uniform_double() * sums_.back();
    return static_cast<std::int32_t>(std::upper_bound(sums_.begin(), sums_.end() - 1, place) -
                                     sums_.begin());
  }

  /// `count` different ones, ascending.
  std::vector<std::int32_t> draw_different(std::int64_t count, RandomStream& random) const {
    std::unordered_set<std::int32_t> seen;
    std::vector<std::int32_t> out;
    while (static_cast<std::int64_t>(out.size()) < count) {
      const std::int32_t column = draw(random);
      if (seen.insert(column).second) out.push_back(column);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  std::vector<double> sums_;
};

class SyntheticSparse final : public DatasetSource {
 public:
  explicit SyntheticSparse(const SyntheticSparseParams& params) : params_(params) {
    // Columns are drawn until enough are different, which takes long when nearly all are wanted.
    const std::int64_t most = params_.columns / 2;
    if (params_.numbers > most || params_.relevant > most) {
      throw ConfigError(params_.numbers > most ? "numbers" : "relevant",
                        fmt::format("must be at most half of columns, {}, got {}", most,
                                    std::max(params_.numbers, params_.relevant)));
    }
  }

  Dataset load(const Resources&) const override {
    Dataset data;
    data.facts.name = "synthetic_sparse";
    data.facts.input_shape = {params_.columns};
    data.facts.sparse = params_.sparse;
    data.facts.outputs = 2;
    data.facts.class_names = {"-1", "1"};
    data.facts.source = fmt::format("generated, seed {}", params_.seed);
    const Zipf zipf(params_.columns, params_.exponent);
    const std::vector<double> w = draw_weights(zipf);
    data.train = draw_part("synthetic_sparse.train", params_.train, zipf, w);
    data.test = draw_part("synthetic_sparse.test", params_.test, zipf, w);
    return data;
  }

 private:
  /// Standard normal in the relevant columns, 0 elsewhere. They are drawn as those of a row are: of
  /// columns that hardly ever occur no label could depend.
  std::vector<double> draw_weights(const Zipf& zipf) const {
    std::vector<double> w(static_cast<std::size_t>(params_.columns));
    RandomStream random(params_.seed, "synthetic_sparse.weights");
    for (const std::int32_t column : zipf.draw_different(params_.relevant, random))
      w[static_cast<std::size_t>(column)] = random.normal();
    return w;
  }

  Examples draw_part(const char* role, std::int64_t n, const Zipf& zipf,
                     const std::vector<double>& w) const {
    const std::int64_t numbers = params_.numbers;
    const at::Tensor offsets = at::arange(0, (n + 1) * numbers, numbers, at::kInt);
    at::Tensor columns = at::empty({n * numbers}, at::kInt);
    at::Tensor values = at::empty({n * numbers}, at::kFloat);
    Examples out;
    out.targets = at::empty({n}, at::kLong);
    for (std::int64_t row = 0; row < n; ++row) {
      RandomStream random(params_.seed, role, static_cast<std::uint64_t>(row));
      const std::vector<std::int32_t> own = zipf.draw_different(numbers, random);
      std::copy(own.begin(), own.end(), columns.data_ptr<std::int32_t>() + row * numbers);
      out.targets.data_ptr<std::int64_t>()[row] =
          draw_row(own, w, random, values.data_ptr<float>() + row * numbers);
    }
    out.inputs = sparse_table(offsets, columns, values, params_.columns);
    if (!params_.sparse) out.inputs = dense_rows(out.inputs, 0, n);
    return out;
  }

  /// @param values [numbers], filled: |normal|, of length 1
  /// @return the class: whether w x > 0, or by chance not
  std::int64_t draw_row(const std::vector<std::int32_t>& columns, const std::vector<double>& w,
                        RandomStream& random, float* values) const {
    std::vector<double> x;
    double square = 0, score = 0;
    for (const std::int32_t column : columns) {
      x.push_back(std::abs(random.normal()));
      square += x.back() * x.back();
      score += w[static_cast<std::size_t>(column)] * x.back();
    }
    for (std::size_t i = 0; i < x.size(); ++i)
      values[i] = static_cast<float>(x[i] / std::sqrt(square));
    return (score > 0) != (random.uniform_double() < params_.flips) ? 1 : 0;
  }

  SyntheticSparseParams params_;
};

}  // namespace

MODELDIFF_PLUGIN("datasets", "synthetic_sparse", "1.0",
                 "Generated sparse rows of two classes, of the shape of RCV1", SyntheticSparse,
                 SyntheticSparseParams, "{}")

}  // namespace modeldiff
