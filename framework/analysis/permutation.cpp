#include "analysis/permutation.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>

#include "analysis/lanczos.h"
#include "analysis/residuals.h"
#include "modeldiff/core/error.h"
#include "modeldiff/core/random.h"
#include "modeldiff/tensors.h"

namespace modeldiff {
namespace {

/// Relabelled residuals that are made in one pass over the runs' scores.
constexpr std::int64_t kBatch = 8;
constexpr std::int64_t kBatchBytes = std::int64_t{64} << 20;
/// Statistics that differ by less are equal: the observed labelling, drawn again, must count as
/// reached.
constexpr double kRounding = 1e-5;

struct Labelling {
  std::vector<int> a, b;
};

/// Labelling 0 is the observed one, 1 .. P are drawn.
class Labellings {
 public:
  Labellings(int runs_a, int runs_b, const PermutationOptions& options)
      : runs_a_(runs_a), runs_b_(runs_b), seed_(options.seed), paired_(options.paired) {
    if (runs_a < 2 || runs_b < 2) {
      throw ShapeError(fmt::format("a permutation test needs at least 2 runs a side, got {} and {}",
                                   runs_a, runs_b));
    }
    if (paired_ && runs_a != runs_b) {
      throw ShapeError(fmt::format("runs cannot be paired: A has {}, B has {}", runs_a, runs_b));
    }
    if (options.permutations < 1) {
      throw ShapeError(fmt::format("the number of permutations must be at least 1, got {}",
                                   options.permutations));
    }
  }

  Labelling operator[](std::int64_t index) const {
    std::vector<int> order(runs_a_ + runs_b_);
    std::iota(order.begin(), order.end(), 0);
    if (index > 0) {
      RandomStream random(seed_, "relabelling", static_cast<std::uint64_t>(index));
      if (paired_) {
        for (int r = 0; r < runs_a_; ++r) {
          if (random.below(2) == 1) std::swap(order[r], order[r + runs_a_]);
        }
      } else {
        const std::vector<std::int64_t> drawn = random.permutation(runs_a_ + runs_b_);
        std::copy(drawn.begin(), drawn.end(), order.begin());
      }
    }
    Labelling out{{order.begin(), order.begin() + runs_a_}, {order.begin() + runs_a_, order.end()}};
    std::sort(out.a.begin(), out.a.end());
    std::sort(out.b.begin(), out.b.end());
    return out;
  }

 private:
  int runs_a_, runs_b_;
  std::uint64_t seed_;
  bool paired_;
};

/// First singular values of one residual, a direction taken out after each.
class Statistics {
 public:
  /// @param directions [J, n] or undefined
  Statistics(const at::Tensor& directions, std::int64_t columns)
      : columns_(columns), solver_(columns) {
    if (!directions.defined()) return;
    if (directions.dim() != 2 || directions.size(1) != columns || directions.size(0) < 1) {
      throw ShapeError(
          fmt::format("directions {} are not over the {} training examples of the scores",
                      shape_text(directions), columns));
    }
    count_ = directions.size(0);
    directions_ = directions.to(at::kFloat).contiguous();
  }

  std::int64_t count() const { return count_; }

  /// @param rows [count, columns], overwritten
  /// @param out  [count()]
  void operator()(float* rows, std::int64_t count, double* out) {
    subtract_column_means(rows, count, columns_);
    for (std::int64_t j = 0; j < count_; ++j) {
      out[j] = solver_.largest_singular_value(rows, count);
      if (j + 1 < count_) {
        take_out_direction(rows, count, columns_,
                           directions_.const_data_ptr<float>() + j * columns_);
      }
    }
  }

 private:
  std::int64_t columns_;
  std::int64_t count_ = 1;
  at::Tensor directions_;
  LanczosSolver solver_;
};

/// Calls work(thread, begin, end) for consecutive ranges of at most `step` of 0 .. count - 1 until
/// all are done.
void in_parallel(std::int64_t count, std::int64_t step, int threads,
                 const std::function<void(int, std::int64_t, std::int64_t)>& work) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto loop = [&](int thread) {
    try {
      for (std::int64_t begin = next.fetch_add(step); begin < count; begin = next.fetch_add(step)) {
        work(thread, begin, std::min(begin + step, count));
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  std::vector<std::thread> helpers;
  for (int thread = 1; thread < threads; ++thread) helpers.emplace_back(loop, thread);
  loop(0);
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

/// @param values [1 + P, J], the observed first
PermutationTest concluded(const std::vector<double>& values, std::int64_t directions,
                          std::int64_t permutations) {
  PermutationTest out;
  out.null = at::empty({directions, permutations}, at::kDouble);
  double least = 0;
  for (std::int64_t j = 0; j < directions; ++j) {
    double* null = out.null.data_ptr<double>() + j * permutations;
    for (std::int64_t p = 0; p < permutations; ++p) null[p] = values[(p + 1) * directions + j];
    out.statistics.push_back(values[j]);
    least =
        std::max(least, rank_p_value(values[j], {null, static_cast<std::size_t>(permutations)}));
    out.p_values.push_back(least);
  }
  return out;
}

/// Residuals of means over any runs. Everything about a relabelling is in the inner products of the
/// runs' rows: with a = sum_r alpha_r T_r and b = sum_r beta_r T_r, lengths and cosine come from
/// the [runs, runs] Gram matrix of a query, and the residual is one combination of its rows T_r.
class MeanScores {
 public:
  MeanScores(std::span<const at::Tensor> a, std::span<const at::Tensor> b) {
    std::vector<at::Tensor> all;
    for (const std::span<const at::Tensor> side : {a, b}) {
      for (const at::Tensor& run : side) {
        if (run.dim() != 2 || run.sizes() != a.front().sizes()) {
          throw ShapeError(fmt::format("scores of run {} are {}, those of the first run {}",
                                       all.size(), shape_text(run), shape_text(a.front())));
        }
        all.push_back(run.to(at::kFloat));
      }
    }
    rows_ = at::stack(all, 1).contiguous();
    if (!at::isfinite(rows_).all().item<bool>())
      throw NumericalError("scores of a run are not finite");
    gram_ = at::empty({queries(), runs(), runs()}, at::kDouble);
    for (std::int64_t q = 0; q < queries(); ++q) {
      const at::Tensor of_query = rows_[q].to(at::kDouble);
      gram_[q].copy_(at::matmul(of_query, of_query.t()));
    }
  }

  std::int64_t queries() const { return rows_.size(0); }
  std::int64_t runs() const { return rows_.size(1); }
  std::int64_t columns() const { return rows_.size(2); }

  /// Residuals of the labellings, [queries, columns] each; of its dropped rows nothing is left.
  /// @return the numbers of rows
  std::vector<std::int64_t> residuals(std::span<const Labelling> labellings, float* out) const {
    const std::int64_t size = queries() * columns();
    std::vector<std::vector<float>> coefficients;  // [queries, runs]; empty rows are dropped
    for (const Labelling& labelling : labellings)
      coefficients.push_back(residual_coefficients(labelling));
    std::vector<std::int64_t> counts(labellings.size(), 0);
    for (std::int64_t q = 0; q < queries(); ++q) {
      for (std::size_t l = 0; l < labellings.size(); ++l) {
        const std::span<const float> of_query(coefficients[l].data() + q * runs(), runs());
        if (std::isnan(of_query.front())) continue;
        combine_rows(of_query, rows_.const_data_ptr<float>() + q * runs() * columns(), columns(),
                     out + static_cast<std::int64_t>(l) * size + counts[l]++ * columns());
      }
    }
    return counts;
  }

 private:
  struct Products {
    double aa = 0, bb = 0, ab = 0;
  };

  Products products(std::int64_t q, const std::vector<double>& alpha,
                    const std::vector<double>& beta) const {
    const double* g = gram_.const_data_ptr<double>() + q * runs() * runs();
    Products out;
    for (std::int64_t r = 0; r < runs(); ++r) {
      double with_a = 0;
      double with_b = 0;
      for (std::int64_t s = 0; s < runs(); ++s) {
        with_a += g[r * runs() + s] * alpha[s];
        with_b += g[r * runs() + s] * beta[s];
      }
      out.aa += alpha[r] * with_a;
      out.ab += alpha[r] * with_b;
      out.bb += beta[r] * with_b;
    }
    return out;
  }

  /// [queries, runs]: R_q = sum_r c_qr T_r[q]; NaN in rows that are dropped.
  std::vector<float> residual_coefficients(const Labelling& labelling) const {
    std::vector<double> alpha(runs(), 0.0);
    std::vector<double> beta(runs(), 0.0);
    for (const int r : labelling.a) alpha[r] = 1.0 / static_cast<double>(labelling.a.size());
    for (const int r : labelling.b) beta[r] = 1.0 / static_cast<double>(labelling.b.size());
    std::vector<Products> of_query;
    std::vector<double> lengths_a;
    std::vector<double> lengths_b;
    for (std::int64_t q = 0; q < queries(); ++q) {
      of_query.push_back(products(q, alpha, beta));
      lengths_a.push_back(std::sqrt(std::max(of_query.back().aa, 0.0)));
      lengths_b.push_back(std::sqrt(std::max(of_query.back().bb, 0.0)));
    }
    const double least_a = kSmallestOfMedian * median(lengths_a);
    const double least_b = kSmallestOfMedian * median(lengths_b);
    std::vector<float> out;
    out.reserve(queries() * runs());
    for (std::int64_t q = 0; q < queries(); ++q) {
      const bool kept = lengths_a[q] > 0 && lengths_b[q] > 0 && lengths_a[q] >= least_a &&
                        lengths_b[q] >= least_b;
      const double projection = of_query[q].ab / (lengths_a[q] * of_query[q].bb);
      for (std::int64_t r = 0; r < runs(); ++r) {
        out.push_back(kept ? static_cast<float>(alpha[r] / lengths_a[q] - projection * beta[r])
                           : std::numeric_limits<float>::quiet_NaN());
      }
    }
    return out;
  }

  static double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

  at::Tensor rows_;  // [queries, runs, columns] float32
  at::Tensor gram_;  // [queries, runs, runs] float64
};

int thread_count(const PermutationOptions& options, std::int64_t labellings) {
  return static_cast<int>(std::clamp<std::int64_t>(options.threads, 1, labellings));
}

}  // namespace

PermutationTest permutation_test(const CombineRuns& combine, int runs_a, int runs_b,
                                 const at::Tensor& directions, const PermutationOptions& options) {
  const Labellings labellings(runs_a, runs_b, options);
  const std::int64_t count = options.permutations + 1;
  const int threads = thread_count(options, count);
  std::mutex mutex;
  std::vector<std::unique_ptr<Statistics>> statistics(threads);
  std::vector<double> values;
  std::int64_t tests = 0;
  in_parallel(count, 1, threads, [&](int thread, std::int64_t index, std::int64_t) {
    const Labelling labelling = labellings[index];
    at::Tensor rows;
    {
      const std::lock_guard lock(mutex);
      rows = residual(unit_rows(combine(labelling.a), combine(labelling.b)))
                 .to(at::kFloat)
                 .contiguous();
      if (!statistics[thread])
        statistics[thread] = std::make_unique<Statistics>(directions, rows.size(1));
      tests = statistics[thread]->count();
      values.resize(count * tests);
    }
    std::vector<double> of_labelling(tests);
    (*statistics[thread])(rows.data_ptr<float>(), rows.size(0), of_labelling.data());
    const std::lock_guard lock(mutex);
    std::copy(of_labelling.begin(), of_labelling.end(), values.begin() + index * tests);
  });
  return concluded(values, tests, options.permutations);
}

PermutationTest permutation_test(std::span<const at::Tensor> a, std::span<const at::Tensor> b,
                                 const at::Tensor& directions, const PermutationOptions& options) {
  const Labellings labellings(static_cast<int>(a.size()), static_cast<int>(b.size()), options);
  const MeanScores scores(a, b);
  const std::int64_t size = scores.queries() * scores.columns();
  const std::int64_t batch =
      std::clamp<std::int64_t>(kBatchBytes / (4 * std::max<std::int64_t>(size, 1)), 1, kBatch);
  const std::int64_t count = options.permutations + 1;
  const int threads = thread_count(options, count);

  struct Workspace {
    Statistics statistics;
    std::vector<float> rows;
  };
  std::vector<Workspace> spaces;
  for (int thread = 0; thread < threads; ++thread) {
    spaces.push_back({Statistics(directions, scores.columns()), std::vector<float>(batch * size)});
  }
  const std::int64_t tests = spaces.front().statistics.count();
  std::vector<double> values(count * tests);
  in_parallel(count, batch, threads, [&](int thread, std::int64_t begin, std::int64_t end) {
    Workspace& space = spaces[thread];
    std::vector<Labelling> of_batch;
    for (std::int64_t index = begin; index < end; ++index) of_batch.push_back(labellings[index]);
    const std::vector<std::int64_t> counts = scores.residuals(of_batch, space.rows.data());
    for (std::int64_t index = begin; index < end; ++index) {
      if (index == 0 && counts[0] == 0)
        throw NumericalError("no query has scores other than 0 under both A and B");
      space.statistics(space.rows.data() + (index - begin) * size, counts[index - begin],
                       &values[index * tests]);
    }
  });
  return concluded(values, tests, options.permutations);
}

PermutationTest distance_test(const at::Tensor& gram, int runs_a,
                              const PermutationOptions& options) {
  if (gram.dim() != 2 || gram.size(0) != gram.size(1)) {
    throw ShapeError(
        fmt::format("inner products of runs are [runs, runs], got {}", shape_text(gram)));
  }
  const int runs = static_cast<int>(gram.size(0));
  const Labellings labellings(runs_a, runs - runs_a, options);
  std::vector<double> values;
  for (std::int64_t index = 0; index <= options.permutations; ++index) {
    const Labelling labelling = labellings[index];
    at::Tensor signs = at::full({runs}, -1.0 / (runs - runs_a), at::kDouble);
    for (const int run : labelling.a) signs[run] = 1.0 / runs_a;
    const double square = signs.dot(at::mv(gram, signs)).item<double>();
    values.push_back(std::sqrt(std::max(square, 0.0)));
  }
  return concluded(values, 1, options.permutations);
}

double rank_p_value(double statistic, std::span<const double> null) {
  const double reached = statistic * (1 - kRounding);
  const auto as_large =
      std::count_if(null.begin(), null.end(), [&](double value) { return value >= reached; });
  return static_cast<double>(1 + as_large) / static_cast<double>(null.size() + 1);
}

double first_centred_singular_value(const at::Tensor& matrix) {
  if (matrix.dim() != 2 || matrix.numel() == 0) {
    throw ShapeError(
        fmt::format("expected a matrix with rows and columns, got {}", shape_text(matrix)));
  }
  const double scale = matrix.abs().max().item<double>();
  if (!std::isfinite(scale)) throw NumericalError("a matrix is not finite");
  if (scale == 0) return 0;
  at::Tensor rows = (matrix.to(at::kDouble) / scale).to(at::kFloat).contiguous();
  subtract_column_means(rows.data_ptr<float>(), rows.size(0), rows.size(1));
  LanczosSolver solver(rows.size(1));
  return scale * solver.largest_singular_value(rows.const_data_ptr<float>(), rows.size(0));
}

}  // namespace modeldiff
