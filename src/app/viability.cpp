#include "app/viability.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <tuple>

namespace turnpike::app {
namespace {

constexpr int bands = 5;
constexpr std::array<StepKind, 5> kinds{StepKind::human_turn, StepKind::tool_continuation, StepKind::subagent, StepKind::title_or_summary,
                                        StepKind::compaction};

using Pairs = std::vector<const ShadowPair*>;

int band_of(float percentile) { return std::clamp(static_cast<int>(percentile * bands), 0, bands - 1); }

std::string band_name(int band) { return fmt::format("{:.1f}-{:.1f}", static_cast<double>(band) / bands, static_cast<double>(band + 1) / bands); }

std::vector<Observation> observe(const Pairs& pairs, const std::function<double(const ShadowPair&)>& value) {
  std::vector<Observation> observations;
  observations.reserve(pairs.size());
  for (const ShadowPair* pair : pairs) observations.push_back({value(*pair), pair->weight, pair->conversation});
  return observations;
}

/// Number of equal, independent observations that would know the share as well.
double effective_number(const Mean& mean) {
  const double spread = mean.value * (1 - mean.value);
  if (mean.variance <= 0 || spread <= 0) return static_cast<double>(mean.conversations);
  return spread / mean.variance;
}

Gap gap_of(double value, double variance, std::int64_t parts, double confidence) {
  const double half = std::sqrt(variance) * sequence_width(parts, confidence);
  return {value, {std::max(-1.0, value - half), std::min(1.0, value + half)}};
}

class Judge {
 public:
  Judge(const std::vector<ShadowPair>& pairs, const ViabilityQuestion& question) : question_(question) {
    for (const auto& pair : pairs) {
      if (pair.kind == ShadowKind::self) {
        if (pair.live.target != question.candidate) self_.push_back(&pair);
      } else if (pair.shadow.target == question.candidate) {
        candidate_.push_back(&pair);
      }
    }
  }

  Viability run() {
    Viability result;
    const auto moves = [this](const ShadowPair& pair) { return static_cast<double>(pair.percentile) <= question_.share; };
    // All answers beside the overall one are right together: each gets its part of the doubt.
    const double each = 1 - (1 - question_.confidence) / cells();
    for (const StepKind kind : kinds) {
      add(result.by_step, std::string{to_string(kind)}, each, [&](const ShadowPair& pair) { return moves(pair) && pair.step == kind; });
    }
    for (int band = 0; band < bands; ++band) {
      add(result.by_band, band_name(band), each, [&](const ShadowPair& pair) { return band_of(pair.percentile) == band; });
    }
    result.overall = cell("overall", question_.confidence, moves, ViabilityFloor::pairs_overall, ViabilityFloor::conversations_overall);
    object(result);
    result.worst = worst(moves);
    return result;
  }

 private:
  using Filter = std::function<bool(const ShadowPair&)>;

  static Pairs filtered(const Pairs& pairs, const Filter& wanted) {
    Pairs kept;
    std::ranges::copy_if(pairs, std::back_inserter(kept), [&](const ShadowPair* pair) { return wanted(*pair); });
    return kept;
  }

  [[nodiscard]] double cells() const {
    const auto of_kind = [this](StepKind kind) { return std::ranges::any_of(candidate_, [&](const auto* pair) { return pair->step == kind; }); };
    return bands + static_cast<double>(std::ranges::count_if(kinds, of_kind));
  }

  void add(std::vector<ViabilityCell>& into, std::string name, double confidence, const Filter& wanted) const {
    if (filtered(candidate_, wanted).empty()) return;
    into.push_back(cell(std::move(name), confidence, wanted, ViabilityFloor::pairs_cell, ViabilityFloor::conversations_cell));
  }

  [[nodiscard]] ViabilityCell cell(std::string name, double confidence, const Filter& wanted, std::int64_t pairs_min,
                                   std::int64_t conversations_min) const {
    const Pairs pairs = filtered(candidate_, wanted);
    const Baseline baseline = baseline_of(filtered(self_, wanted));
    const Mean live = mean_of(observe(pairs, [](const ShadowPair& pair) { return pair.live.usable() ? 1.0 : 0.0; }));
    const Mean usable = mean_of(observe(pairs, [](const ShadowPair& pair) { return pair.shadow.usable() ? 1.0 : 0.0; }));
    const auto good = baseline.from == BaselineFrom::self_pairs ? acts_alike : as_good;
    const Mean agreeing = mean_of(observe(pairs, [good](const ShadowPair& pair) { return good(pair) ? 1.0 : 0.0; }));
    ViabilityCell made;
    made.name = std::move(name);
    made.pairs = agreeing.pairs;
    made.conversations = agreeing.conversations;
    for (const auto* pair : pairs) made.steps += pair->weight;
    made.live_usable = live.value;
    made.candidate_usable = usable.value;
    made.agreement = agreeing.value;
    made.agreement_once = wilson(agreeing.value, effective_number(agreeing), confidence);
    compare(made, confidence, pairs, agreeing, baseline);
    answer(made, pairs_min, conversations_min);
    return made;
  }

  struct Baseline {
    Mean standard;
    BaselineFrom from = BaselineFrom::unknown;
  };

  /// No judge sees self pairs: what they measure is plain agreement, and only that can be held against them.
  [[nodiscard]] Baseline baseline_of(const Pairs& self) const {
    Baseline baseline;
    baseline.standard.value = question_.baseline_agreement.value_or(1);  // unknown: perfect agreement, the strictest there is
    if (question_.baseline_agreement) {
      baseline.from = BaselineFrom::given;
      return baseline;
    }
    const Mean again = mean_of(observe(self, [](const ShadowPair& pair) { return acts_alike(pair) ? 1.0 : 0.0; }));
    if (again.pairs >= ViabilityFloor::pairs_cell && again.conversations >= ViabilityFloor::conversations_cell) {
      baseline = {again, BaselineFrom::self_pairs};
    }
    return baseline;
  }

  void compare(ViabilityCell& made, double confidence, const Pairs& pairs, const Mean& agreeing, const Baseline& baseline) const {
    const auto paired = [](const ShadowPair& pair) { return (pair.shadow.usable() ? 1.0 : 0.0) - (pair.live.usable() ? 1.0 : 0.0); };
    const Mean usable_gap = mean_of(observe(pairs, paired));
    made.usable_gap = gap_of(usable_gap.value, usable_gap.variance, usable_gap.conversations, confidence);
    const Mean& standard = baseline.standard;
    std::int64_t parts = agreeing.conversations;
    if (baseline.from == BaselineFrom::self_pairs) parts = std::min(parts, standard.conversations);
    made.baseline = standard.value;
    made.baseline_from = baseline.from;
    // Two samples of the same steps: that they vary together is not counted on.
    made.agreement_gap = gap_of(agreeing.value - standard.value, agreeing.variance + standard.variance, parts, confidence);
  }

  void answer(ViabilityCell& made, std::int64_t pairs_min, std::int64_t conversations_min) const {
    const double least = -question_.margin;
    if (made.pairs < pairs_min || made.conversations < conversations_min) {
      made.because = fmt::format("{} pairs of {} conversations; {} of {} are the least", made.pairs, made.conversations, pairs_min, conversations_min);
    } else if (made.usable_gap.interval.high < least) {
      made.answer = Viable::no;
      made.because = fmt::format("its answers are usable {:.1f} points less often", -100 * made.usable_gap.value);
    } else if (made.baseline_from != BaselineFrom::unknown && made.agreement_gap.interval.high < least) {
      made.answer = Viable::no;
      made.because = fmt::format("it does as the live model would {:.1f} points less often than that model itself", -100 * made.agreement_gap.value);
    } else if (made.usable_gap.interval.low >= least && made.agreement_gap.interval.low >= least) {
      made.answer = Viable::yes;
      made.because = "both gaps are within the margin";
    } else if (made.baseline_from == BaselineFrom::unknown && made.agreement_gap.interval.high < least) {
      made.because = "it often does something else, and how often the live model would do so itself is not known: set self_sample, or give --baseline-agreement";
    } else {
      made.because = "an interval still holds both sides of the margin";
    }
  }

  /// A share is not moved on its average alone: a moved band that is proven worse says no.
  void object(Viability& result) const {
    if (result.overall.answer == Viable::no) return;
    for (int band = 0; band < bands; ++band) {
      if (static_cast<double>(band + 1) / bands > question_.share + 1e-9) continue;  // not moved as a whole
      const auto found = std::ranges::find(result.by_band, band_name(band), &ViabilityCell::name);
      if (found == result.by_band.end() || found->answer != Viable::no) continue;
      result.overall.answer = Viable::no;
      result.overall.because = fmt::format("band {}: {}", found->name, found->because);
      return;
    }
  }

  [[nodiscard]] std::vector<WorstExample> worst(const Filter& moves) const {
    struct Ranked {
      int rank;
      const ShadowPair* pair;
      std::string what;
    };
    std::vector<Ranked> all;
    for (const auto* pair : filtered(candidate_, moves)) {
      if (as_good(*pair)) continue;
      const auto& side = pair->shadow;
      if (!side.error_code.empty()) all.push_back({1, pair, "failed: " + side.error_code});
      else if (!side.calls_fit) all.push_back({0, pair, "arguments do not fit the declared schema"});
      else if (side.answer.invalid_tool_json) all.push_back({0, pair, "tool arguments are no JSON object"});
      else if (side.answer.refusal) all.push_back({0, pair, "refused"});
      else if (side.answer.empty) all.push_back({0, pair, "empty"});
      else if (side.answer.length_stop) all.push_back({0, pair, "cut at the output limit"});
      else if (pair->judgement && pair->judgement->verdict == JudgeVerdict::live_better) all.push_back({2, pair, "judged worse"});
      else all.push_back({pair->same_tools ? 4 : 3, pair, pair->same_tools ? "other arguments" : "another tool"});
    }
    // The easiest of each sort first: those it should have managed.
    std::ranges::sort(all, [](const Ranked& a, const Ranked& b) {
      return std::tie(a.rank, a.pair->percentile, a.pair->decision_id) < std::tie(b.rank, b.pair->percentile, b.pair->decision_id);
    });
    std::vector<WorstExample> examples;
    for (const auto& one : all) {
      if (examples.size() == Viability::worst_max) break;
      examples.push_back({one.pair->decision_id, one.what, one.pair->step, one.pair->percentile});
    }
    return examples;
  }

  const ViabilityQuestion& question_;
  Pairs candidate_;
  Pairs self_;
};

}  // namespace

std::string_view to_string(Viable answer) {
  switch (answer) {
    case Viable::yes:
      return "yes";
    case Viable::no:
      return "no";
    case Viable::not_enough_data:
      break;
  }
  return "not enough data";
}

std::string_view to_string(BaselineFrom from) {
  switch (from) {
    case BaselineFrom::self_pairs:
      return "self_pairs";
    case BaselineFrom::given:
      return "given";
    case BaselineFrom::unknown:
      break;
  }
  return "unknown";
}

bool acts_alike(const ShadowPair& pair) { return pair.shadow.usable() && (pair.same_action || !pair.live.usable()); }

bool as_good(const ShadowPair& pair) {
  if (!pair.shadow.usable()) return false;
  if (acts_alike(pair)) return true;
  return pair.judgement && (pair.judgement->verdict == JudgeVerdict::equal || pair.judgement->verdict == JudgeVerdict::shadow_better);
}

void rank_by_difficulty(std::vector<ShadowPair>& pairs, std::string_view candidate) {
  std::map<float, double> weights;  // of each score
  double total = 0;
  for (const auto& pair : pairs) {
    if (pair.kind != ShadowKind::candidate || pair.shadow.target != candidate) continue;
    weights[pair.score] += pair.weight;
    total += pair.weight;
  }
  if (total <= 0) return;
  std::map<float, double> below;
  double sum = 0;
  for (const auto& [score, weight] : weights) {
    below[score] = (sum + weight / 2) / total;  // equals share one place
    sum += weight;
  }
  for (auto& pair : pairs) {
    const auto at = below.lower_bound(pair.score);
    pair.percentile = at == below.end() ? 1.0F : static_cast<float>(at->second);
  }
}

Viability judge_viability(const std::vector<ShadowPair>& pairs, const ViabilityQuestion& question) { return Judge{pairs, question}.run(); }

std::vector<std::string> viability_rule(const ViabilityQuestion& question) {
  const double points = 100 * question.margin;
  return {
      fmt::format("yes: over the easiest {:.0f} % of the steps, the {:g} % intervals of both gaps lie above -{:g} points: usable answers against the live "
                  "model's, and usable answers with the same next action against the baseline; and no fifth of difficulty that would move says no.",
                  100 * question.share, 100 * question.confidence, points),
      fmt::format("no: one of the two intervals lies below -{:g} points, there or in a fifth of difficulty that would move whole (the second gap only "
                  "with a known baseline).",
                  points),
      fmt::format("not enough data: neither, or fewer than {} pairs or {} conversations.", ViabilityFloor::pairs_overall,
                  ViabilityFloor::conversations_overall),
      "baseline: how often a second answer of the live model does as its first. From self_sample pairs: the same action, on both sides; a judge's word "
      "does not count, since no judge sees those pairs. --baseline-agreement: how often the same action or, if the policy has a judge, judged equal or "
      "better; the candidate is measured in that way, too. Unknown: 100 %, which can prove a yes but no no.",
      "looks: the intervals are confidence sequences over conversations and hold at every look together; the answers per kind and fifth share one part of "
      "doubt. A --since that moves along begins a new sequence each time."};
}

}  // namespace turnpike::app
