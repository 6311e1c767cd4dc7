// What a score is worth on a weak/strong pair of models: the published measures, for programs and
// tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace turnpike::routing {

struct PairRow {
  double score = 0;
  double weak = 0;  // outcome of the weak model, 0..1
  double strong = 0;
  double weight = 1;
};

/// Area under "share of the gap recovered" against "share of calls sent to the strong model",
/// highest scores first; equal scores share their gain. Random is 0.5.
inline double area_of_gap_recovered(std::vector<PairRow> rows) {
  std::ranges::sort(rows, [](const PairRow& a, const PairRow& b) { return a.score > b.score; });
  double total = 0;
  for (const auto& row : rows) total += row.weight;
  double recovered = 0;
  double area = 0;
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;
    double gain = 0;
    double share = 0;
    for (; end < rows.size() && rows[end].score == rows[begin].score; ++end) {
      gain += (rows[end].strong - rows[end].weak) * rows[end].weight / total;
      share += rows[end].weight / total;
    }
    area += (recovered + gain / 2) * share;
    recovered += gain;
    begin = end;
  }
  return area / recovered;
}

/// Probability that a row on which the weak model fails scores above one on which it does not.
inline double auc_weak_fails(std::vector<PairRow> rows) {
  std::ranges::sort(rows, [](const PairRow& a, const PairRow& b) { return a.score < b.score; });
  double right = 0;
  double pairs = 0;
  double fails = 0;
  for (std::size_t begin = 0; begin < rows.size();) {
    double tied_right = 0;
    double tied_fails = 0;
    std::size_t end = begin;
    for (; end < rows.size() && rows[end].score == rows[begin].score; ++end) {
      (rows[end].weak < 0.5 ? tied_fails : tied_right) += rows[end].weight;
    }
    pairs += tied_fails * (right + tied_right / 2);
    right += tied_right;
    fails += tied_fails;
    begin = end;
  }
  return pairs / (right * fails);
}

}  // namespace turnpike::routing
