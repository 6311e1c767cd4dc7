#include "linear_model.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>

namespace turnpike::routing {
namespace {

constexpr std::size_t count_features = classify::text_feature_count;

double count_value(const Example& example, std::size_t feature) {
  return static_cast<double>(example.scan.features[feature]) / classify::feature_one;
}

double root_of(const Example& example) {
  return std::sqrt(static_cast<double>(std::max<std::size_t>(example.ngrams.size(), 1)));
}

void measure_counts(std::span<const Example* const> examples, LinearModel& model) {
  double total = 0;
  for (const auto* example : examples) total += example->weight;
  for (std::size_t i = 0; i < count_features; ++i) {
    double sum = 0;
    double squares = 0;
    for (const auto* example : examples) {
      const double value = count_value(*example, i);
      sum += value * example->weight;
      squares += value * value * example->weight;
    }
    model.means[i] = sum / total;
    model.deviations[i] =
        std::sqrt(std::max(squares / total - model.means[i] * model.means[i], 1e-6));
  }
}

/// The texts of one subject, and how many of them use each bucket.
struct SubjectUses {
  std::uint32_t texts = 0;
  std::map<std::uint32_t, std::uint32_t> uses;
};

/// A subject's template: what most of its texts say and hardly any other text. Such words tell the
/// benchmark, not the difficulty, and are not learned.
void forget_templates(const std::map<std::string, SubjectUses>& subjects, std::size_t texts,
                      const Recipe& recipe, std::vector<std::uint32_t>& uses) {
  std::vector<std::uint32_t> templates;
  for (const auto& [name, subject] : subjects) {
    if (subject.texts < recipe.template_texts_min) continue;
    const double others = static_cast<double>(texts - subject.texts);
    for (const auto& [bucket, inside] : subject.uses) {
      const double outside = static_cast<double>(uses[bucket] - inside);
      if (inside >= recipe.template_share * subject.texts &&
          outside <= recipe.template_share_elsewhere * others)
        templates.push_back(bucket);
    }
  }
  for (const auto bucket : templates) uses[bucket] = 0;
}

void measure_ngrams(std::span<const Example* const> examples, const Recipe& recipe,
                    LinearModel& model) {
  model.ngrams.assign(classify::ngram_buckets, 0);
  model.uses.assign(classify::ngram_buckets, 0);
  std::map<std::string, SubjectUses> subjects;
  std::vector<std::uint32_t> sorted;
  for (const auto* example : examples) {
    sorted = example->ngrams;
    std::ranges::sort(sorted);
    const auto repeats = std::ranges::unique(sorted);
    sorted.erase(repeats.begin(), repeats.end());
    auto& subject = subjects[example->source + '/' + example->subject];
    ++subject.texts;
    for (const auto bucket : sorted) {
      ++model.uses[bucket];
      ++subject.uses[bucket];
    }
  }
  forget_templates(subjects, examples.size(), recipe, model.uses);
}

/// What a use of the bucket is multiplied with before the penalty is taken: 1 at a hundred texts.
double scale_of(std::uint32_t uses) { return 10 / std::sqrt(static_cast<double>(uses)); }

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// The examples as a matrix: a column for the bias, one for each count, one for each n-gram that is
/// used often enough.
class Design {
 public:
  Design(std::span<const Example* const> examples, const LinearModel& model, const Recipe& recipe)
      : recipe_(recipe), columns_of_(classify::ngram_buckets, 0) {
    for (std::uint32_t bucket = 0; bucket < classify::ngram_buckets; ++bucket) {
      if (model.uses[bucket] < recipe.uses_min) continue;
      columns_of_[bucket] = static_cast<std::uint32_t>(1 + count_features + buckets_.size());
      buckets_.push_back(bucket);
    }
    double total = 0;
    for (const auto* example : examples) total += example->weight;
    for (const auto* example : examples) {
      add_row(*example, model);
      weights_.push_back(example->weight / total);
      targets_.push_back(example->target);
    }
  }

  [[nodiscard]] std::size_t columns() const { return 1 + count_features + buckets_.size(); }
  [[nodiscard]] const std::vector<std::uint32_t>& buckets() const { return buckets_; }

  /// Right side of the normal equations.
  [[nodiscard]] Vector towards_targets() const {
    Vector out(columns(), 0);
    for (std::size_t row = 0; row < weights_.size(); ++row)
      add_row_times(row, weights_[row] * targets_[row], out);
    return out;
  }

  /// Left side: transposed matrix times weighted matrix times `x`, and the penalties.
  [[nodiscard]] Vector normal(const Vector& x) const {
    Vector out(columns(), 0);
    for (std::size_t row = 0; row < weights_.size(); ++row)
      add_row_times(row, weights_[row] * row_dot(row, x), out);
    for (std::size_t i = 1; i < out.size(); ++i)
      out[i] += (i <= count_features ? recipe_.count_penalty : recipe_.ngram_penalty) * x[i];
    return out;
  }

 private:
  void add_row(const Example& example, const LinearModel& model) {
    for (std::size_t i = 0; i < count_features; ++i)
      counts_.push_back((count_value(example, i) - model.means[i]) / model.deviations[i]);
    for (const auto bucket : example.ngrams) {
      if (columns_of_[bucket] == 0) continue;
      ngrams_.push_back({columns_of_[bucket], scale_of(model.uses[bucket]) / root_of(example)});
    }
    row_ends_.push_back(ngrams_.size());
  }

  [[nodiscard]] std::size_t row_begin(std::size_t row) const {
    return row == 0 ? 0 : row_ends_[row - 1];
  }

  [[nodiscard]] double row_dot(std::size_t row, const Vector& x) const {
    double sum = x[0];
    for (std::size_t i = 0; i < count_features; ++i)
      sum += counts_[row * count_features + i] * x[1 + i];
    for (std::size_t i = row_begin(row); i < row_ends_[row]; ++i)
      sum += ngrams_[i].value * x[ngrams_[i].column];
    return sum;
  }

  void add_row_times(std::size_t row, double factor, Vector& out) const {
    out[0] += factor;
    for (std::size_t i = 0; i < count_features; ++i)
      out[1 + i] += factor * counts_[row * count_features + i];
    for (std::size_t i = row_begin(row); i < row_ends_[row]; ++i)
      out[ngrams_[i].column] += factor * ngrams_[i].value;
  }

  struct Cell {
    std::uint32_t column = 0;
    double value = 0;
  };

  const Recipe& recipe_;
  std::vector<std::uint32_t> columns_of_;  // by bucket; 0: not learned
  std::vector<std::uint32_t> buckets_;     // by column, from the first n-gram on
  Vector counts_, weights_, targets_;
  std::vector<Cell> ngrams_;
  std::vector<std::size_t> row_ends_;
};

Vector solve(const Design& design, int steps) {
  Vector x(design.columns(), 0);
  Vector rest = design.towards_targets();
  Vector direction = rest;
  double length = dot(rest, rest);
  for (int step = 0; step < steps && length > 1e-18; ++step) {
    const Vector bent = design.normal(direction);
    const double stride = length / dot(direction, bent);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] += stride * direction[i];
      rest[i] -= stride * bent[i];
    }
    const double left = dot(rest, rest);
    for (std::size_t i = 0; i < x.size(); ++i)
      direction[i] = rest[i] + left / length * direction[i];
    length = left;
  }
  return x;
}

}  // namespace

double LinearModel::predict(const Example& example) const {
  double sum = 0;
  for (const auto bucket : example.ngrams) sum += ngrams[bucket];
  sum = bias + sum / root_of(example);
  for (std::size_t i = 0; i < count_features; ++i)
    sum += counts[i] * (count_value(example, i) - means[i]) / deviations[i];
  return sum;
}

LinearModel fit(std::span<const Example* const> examples, const Recipe& recipe) {
  LinearModel model;
  measure_counts(examples, model);
  measure_ngrams(examples, recipe, model);
  const Design design{examples, model, recipe};
  const Vector x = solve(design, recipe.steps);
  model.bias = x[0];
  for (std::size_t i = 0; i < count_features; ++i) model.counts[i] = x[1 + i];
  for (std::size_t i = 0; i < design.buckets().size(); ++i) {
    const auto bucket = design.buckets()[i];
    model.ngrams[bucket] = x[1 + count_features + i] * scale_of(model.uses[bucket]);
  }
  return model;
}

}  // namespace turnpike::routing
