#include "measures.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace turnpike::bench {
namespace {

constexpr std::size_t window = 500;
constexpr std::size_t settling = 200;     // steps after a start or a shift
constexpr std::size_t recovery_window = 200;
constexpr std::size_t flip_window = 50;
constexpr double four_points = 0.04;
constexpr double rounding = 1e-9;

/// The steps of one key that ran, in the order of decisions, and where among them the workload shifts.
struct Course {
  std::vector<Ran> steps;
  std::vector<std::size_t> shifts;
};

std::vector<Course> by_key(const Scenario& scenario, const std::vector<Ran>& run) {
  std::vector<Course> courses(static_cast<std::size_t>(scenario.keys));
  std::size_t next = 0;
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (next < scenario.shifts.size() && i == static_cast<std::size_t>(scenario.shifts[next])) {
      for (auto& course : courses) course.shifts.push_back(course.steps.size());
      ++next;
    }
    if (run[i].ran) courses[static_cast<std::size_t>(run[i].key)].steps.push_back(run[i]);
  }
  return courses;
}

struct Sums {
  double all = 0;
  double frontier = 0;
  void add(const Ran& step, double sign) {
    all += sign * step.weight;
    if (step.frontier) frontier += sign * step.weight;
  }
  [[nodiscard]] double share() const { return all > 0 ? frontier / all : 0; }
};

/// use(begin, end, sums) for every window of this length.
template <class Use>
void for_windows(const Course& course, std::size_t length, Use use) {
  Sums sums;
  for (std::size_t end = 1; end <= course.steps.size(); ++end) {
    sums.add(course.steps[end - 1], 1);
    if (end > length) sums.add(course.steps[end - 1 - length], -1);
    if (end >= length) use(end - length, end, sums);
  }
}

bool spans_shift(const Course& course, std::size_t begin, std::size_t end) {
  return std::any_of(course.shifts.begin(), course.shifts.end(),
                     [&](std::size_t shift) { return begin < shift + settling && end > shift; });
}

void hold_errors(const Course& course, double target, double extra, Measures& out) {
  double mean_weight = 0;
  double largest = 0;
  for (const auto& step : course.steps) {
    mean_weight += step.weight / static_cast<double>(course.steps.size());
    largest = std::max(largest, step.weight);
  }
  // Two points of 500 steps are ten steps; a step that weighs more than the mean can be sent when none is left.
  const double two_points_worth = 10 * mean_weight + (largest - mean_weight);
  const double promised = two_points_worth + extra * mean_weight;
  for_windows(course, window, [&](std::size_t begin, std::size_t end, const Sums& sums) {
    if (begin < settling || spans_shift(course, begin, end)) return;
    const double error = std::abs(sums.share() - target);
    const double bound = promised / sums.all;
    out.windows += 1;
    out.error_max = std::max(out.error_max, error);
    out.error_mean += error;
    out.windows_beyond += error > two_points_worth / sums.all + rounding ? 1 : 0;
    out.bound = std::max(out.bound, bound);
    out.held = out.held && error <= bound + rounding;
  });
}

void hold_recovery(const Course& course, double target, Measures& out) {
  for (std::size_t i = 0; i < course.shifts.size(); ++i) {
    const auto shift = course.shifts[i];
    const auto next = i + 1 < course.shifts.size() ? course.shifts[i + 1] : course.steps.size();
    int recovered = 0;
    for_windows(course, recovery_window, [&](std::size_t begin, std::size_t end, const Sums& sums) {
      if (begin < shift || end > next) return;
      if (std::abs(sums.share() - target) > four_points + rounding) recovered = static_cast<int>(begin - shift) + 1;
    });
    out.recovery = std::max(out.recovery, recovered);
  }
}

/// How often a score between those of the stream changes sides; loops that stay are not asked, so only thresholds count.
void hold_flips(const Course& course, Measures& out) {
  std::vector<float> scores;
  for (const auto& step : course.steps) scores.push_back(step.score);
  std::sort(scores.begin(), scores.end());
  constexpr std::size_t probes = 50;
  for (std::size_t probe = 1; probe < probes; ++probe) {
    const float score = scores[scores.size() * probe / probes];
    std::size_t total = 0;
    std::size_t recent = 0;
    std::vector<char> flips(course.steps.size());
    for (std::size_t i = settling; i < course.steps.size(); ++i) {
      if (spans_shift(course, i, i + 1)) continue;
      flips[i] = (score >= course.steps[i].threshold) != (score >= course.steps[i - 1].threshold) ? 1 : 0;
      total += static_cast<std::size_t>(flips[i]);
      recent += static_cast<std::size_t>(flips[i]);
      if (i >= settling + flip_window) recent -= static_cast<std::size_t>(flips[i - flip_window]);
      out.flips_max = std::max(out.flips_max, static_cast<int>(recent));
    }
    out.flips_mean = std::max(out.flips_mean, static_cast<double>(total * flip_window) / static_cast<double>(course.steps.size()));
  }
}

void hold_ranks(const Course& course, Measures& out, double& sent) {
  std::vector<Ran> steered;
  for (const auto& step : course.steps) {
    if (step.steered) steered.push_back(step);
  }
  constexpr std::size_t around = 500;
  for (std::size_t i = settling; i + around / 2 < steered.size(); i += 7) {
    if (!steered[i].decided_frontier) continue;
    const auto begin = i < around / 2 ? 0 : i - around / 2;
    const auto below = std::count_if(steered.begin() + static_cast<std::ptrdiff_t>(begin),
                                     steered.begin() + static_cast<std::ptrdiff_t>(begin + around > steered.size() ? steered.size() : begin + around),
                                     [&](const Ran& other) { return other.score < steered[i].score; });
    out.rank_sent += static_cast<double>(below) / around;
    sent += 1;
  }
}

}  // namespace

Measures measure(const Scenario& scenario, const std::vector<Ran>& run, double extra) {
  Measures out;
  double sent = 0;
  Sums whole;
  for (const auto& step : run) {
    if (step.ran) whole.add(step, 1);
  }
  for (const auto& course : by_key(scenario, run)) {
    if (course.steps.size() <= settling + window) continue;
    hold_errors(course, scenario.target, extra, out);
    hold_recovery(course, scenario.target, out);
    hold_flips(course, out);
    hold_ranks(course, out, sent);
  }
  out.share = whole.share();
  if (out.windows > 0) {
    out.error_mean /= out.windows;
    out.windows_beyond /= out.windows;
  }
  if (sent > 0) out.rank_sent /= sent;
  return out;
}

std::vector<double> running_share(const std::vector<Ran>& run) {
  Course course;
  for (const auto& step : run) {
    if (step.ran && step.key == 0) course.steps.push_back(step);
  }
  std::vector<double> shares;
  for_windows(course, window, [&](std::size_t, std::size_t, const Sums& sums) { shares.push_back(sums.share()); });
  return shares;
}

}  // namespace turnpike::bench
