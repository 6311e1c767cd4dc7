#include "classify/progress.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <utility>

#include "classify/state_bytes.hpp"

namespace turnpike::classify {
namespace {

struct Scored {
  double score = 0;
  double weak_failed = 0;
  double strong_right = 0;
};

/// Highest scores first; equal scores share what they gain.
double area_of_gap_recovered(std::vector<Scored>& rows) {
  std::ranges::sort(rows, std::greater{}, &Scored::score);
  const auto count = static_cast<double>(rows.size());
  double recovered = 0;
  double area = 0;
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;
    double gain = 0;
    for (; end < rows.size() && rows[end].score == rows[begin].score; ++end)
      gain += rows[end].strong_right - (1 - rows[end].weak_failed);
    area += (recovered + gain / 2) * static_cast<double>(end - begin) / count;
    recovered += gain;
    begin = end;
  }
  // A strong model that is hardly better than the weak one leaves nothing to divide by.
  return recovered > 0.01 * count ? area / recovered : -1;
}

double auc_weak_fails(std::vector<Scored>& rows) {
  std::ranges::sort(rows, std::less{}, &Scored::score);
  double ordered = 0;
  double right = 0;
  double failed = 0;
  for (std::size_t begin = 0; begin < rows.size();) {
    double tied_right = 0;
    double tied_failed = 0;
    std::size_t end = begin;
    for (; end < rows.size() && rows[end].score == rows[begin].score; ++end)
      (rows[end].weak_failed >= 0.5 ? tied_failed : tied_right) += 1;
    ordered += tied_failed * (right + tied_right / 2);
    right += tied_right;
    failed += tied_failed;
    begin = end;
  }
  return right > 0 && failed > 0 ? ordered / (right * failed) : -1;
}

Worth worth_of(std::span<const Judged> kept, float Judged::* score) {
  std::vector<Scored> all;
  std::vector<Scored> pairs;
  all.reserve(kept.size());
  pairs.reserve(kept.size());
  for (const auto& judged : kept) {
    all.push_back({judged.*score, judged.weak_failed, judged.strong_right});
    if (judged.strong_right >= 0) pairs.push_back(all.back());
  }
  return {area_of_gap_recovered(pairs), auc_weak_fails(all)};
}

double calibration_error(std::span<const Judged> kept) {
  constexpr std::size_t groups = 10;
  if (kept.size() < 2 * groups) return -1;
  // Equal ones stay in the order in which they came.
  std::vector<std::pair<float, std::size_t>> sorted;
  sorted.reserve(kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) sorted.emplace_back(kept[i].said, i);
  std::ranges::sort(sorted);
  double sum = 0;
  for (std::size_t group = 0; group < groups; ++group) {
    const std::size_t begin = group * sorted.size() / groups;
    const std::size_t end = (group + 1) * sorted.size() / groups;
    double said = 0;
    double happened = 0;
    for (std::size_t i = begin; i < end; ++i) {
      said += sorted[i].first;
      happened += kept[sorted[i].second].weak_failed;
    }
    sum += std::abs(said - happened);
  }
  return sum / static_cast<double>(sorted.size());
}

}  // namespace

void Progress::add(const Judged& judged) {
  ++outcomes_;
  if (kept_.size() < kept_max) {
    kept_.push_back(judged);
    return;
  }
  kept_[next_] = judged;
  next_ = (next_ + 1) % kept_max;
}

ProgressReport report_of(std::span<const Judged> kept, std::uint64_t outcomes) {
  ProgressReport report;
  report.outcomes = outcomes;
  report.judged = kept.size();
  for (const auto& judged : kept) {
    report.pairs += judged.strong_right >= 0 ? 1 : 0;
    report.weak_fails += judged.weak_failed;
  }
  if (!kept.empty()) report.weak_fails /= static_cast<double>(kept.size());
  report.model = worth_of(kept, &Judged::score);
  report.prior = worth_of(kept, &Judged::prior);
  report.length = worth_of(kept, &Judged::words);
  report.calibration_error = calibration_error(kept);
  if (report.judged >= Progress::verdict_from) {
    // Pairs say more than "the weak model failed"; where there are enough of them they decide.
    if (report.pairs >= Progress::verdict_from && report.model.apgr >= 0) {
      report.beats_length = report.model.apgr > report.length.apgr;
    } else if (report.model.auc >= 0) {
      report.beats_length = report.model.auc > report.length.auc;
    }
  }
  return report;
}

void Progress::write(std::string& out) const {
  put(out, outcomes_);
  put(out, static_cast<std::uint32_t>(next_));
  put(out, static_cast<std::uint32_t>(kept_.size()));
  for (const auto& judged : kept_) {
    for (const float value : {judged.score, judged.prior, judged.words, judged.said, judged.weak_failed, judged.strong_right})
      put(out, std::bit_cast<std::uint32_t>(value));
  }
}

bool Progress::read(std::span<const std::byte>& in) {
  std::uint32_t next = 0;
  std::uint32_t count = 0;
  if (!take(in, outcomes_) || !take(in, next) || !take(in, count) || count > kept_max || next >= kept_max) return false;
  if (next != 0 && count != kept_max) return false;
  next_ = next;
  kept_.assign(count, {});
  for (auto& judged : kept_) {
    for (float* value : {&judged.score, &judged.prior, &judged.words, &judged.said, &judged.weak_failed, &judged.strong_right}) {
      std::uint32_t bits = 0;
      if (!take(in, bits)) return false;
      *value = std::bit_cast<float>(bits);
      if (!std::isfinite(*value)) return false;
    }
  }
  return true;
}

}  // namespace turnpike::classify
