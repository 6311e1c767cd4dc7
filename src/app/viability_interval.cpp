#include "app/viability_interval.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

namespace turnpike::app {
namespace {

/// Quantile of the normal distribution by bisection of its distribution function: exact to far more than is printed.
double normal_quantile(double probability) {
  double low = -10;
  double high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

Mean mean_of(const std::vector<Observation>& observations) {
  Mean mean;
  mean.pairs = static_cast<std::int64_t>(observations.size());
  double weights = 0;
  double sum = 0;
  for (const auto& one : observations) {
    weights += one.weight;
    sum += one.weight * one.value;
  }
  if (weights <= 0) return mean;
  mean.value = sum / weights;
  std::unordered_map<std::string_view, double> residuals;
  double alone = 0;  // steps of no known conversation stand for themselves
  std::int64_t singles = 0;
  for (const auto& one : observations) {
    const double residual = one.weight * (one.value - mean.value);
    if (one.conversation.empty()) {
      alone += residual * residual;
      ++singles;
    } else {
      residuals[one.conversation] += residual;
    }
  }
  double squares = alone;
  for (const auto& [name, residual] : residuals) squares += residual * residual;
  mean.conversations = singles + static_cast<std::int64_t>(residuals.size());
  const auto parts = static_cast<double>(mean.conversations);
  const double average_weight = weights / parts;
  squares = squares * parts / std::max(1.0, parts - 1) + average_weight * average_weight;
  mean.variance = squares / (weights * weights);
  return mean;
}

double sequence_width(std::int64_t parts, double confidence) {
  constexpr double tightest_at = 500;
  const double alpha = 1 - confidence;
  const double tuning = -2 * std::log(alpha);
  const double rho_squared = (tuning + std::log(tuning + 1)) / tightest_at;
  const double t = static_cast<double>(std::max<std::int64_t>(1, parts)) * rho_squared;
  return std::sqrt(2 * (t + 1) / t * std::log(std::sqrt(t + 1) / alpha));
}

Interval wilson(double share, double n, double confidence) {
  if (n <= 0) return {0, 1};
  const double z = normal_quantile(0.5 + confidence / 2);
  const double denominator = 1 + z * z / n;
  const double middle = (share + z * z / (2 * n)) / denominator;
  const double half = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / denominator;
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace turnpike::app
