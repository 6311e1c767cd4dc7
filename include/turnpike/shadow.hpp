// A step that was asked twice: what the model that served the client proposed to do next, and what another one would
// have done. Measures of both sides; no prompt and no answer, unless a policy has opted in to short extracts.
// Source: product specification, "Characterise, then decide".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/exchange.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/usage.hpp"

namespace turnpike {

/// Against whom the serving model is compared: the policy's candidate, or itself once more. The latter tells how often
/// two answers of one model agree, which is the most that can be asked of another model.
enum class ShadowKind : std::uint8_t { candidate, self };
std::string_view to_string(ShadowKind kind);
std::optional<ShadowKind> parse_shadow_kind(std::string_view name);

/// Why a sampled step was not asked a second time. Closed list: a metric's label.
enum class ShadowSkip : std::uint8_t {
  live_failed,      // the client got no whole answer: there is nothing to compare with
  served_by_it,     // the candidate itself served the client
  stored_state,     // only one provider can go on with this request
  provider_tools,   // the provider would run tools of its own
  not_allowed,      // the key's allow-list
  capability,       // the candidate lacks something, or a data tag
  context,          // the prompt is larger than its window
  unpriced,         // not on sale now, or no key for its provider
  untranslatable,   // translation into its dialect refuses the request
  budget,           // the daily cap, another budget on its path, or a freeze
  queue_full,       // too many wait already
  backing_off,      // the provider has just refused for overload
  unhealthy,        // the live traffic's health board has ejected it
  count_,           // number of causes; not a cause
};
std::string_view to_string(ShadowSkip skip);

/// One of the two answers.
struct ShadowSide {
  std::string target;      // provider/model
  std::string error_code;  // empty: a whole answer came
  AnswerMeasures answer;   // of a whole answer
  /// Every call names a declared tool and its arguments fit the declared schema. True without calls.
  bool calls_fit = true;
  Usage usage;
  Credits cost;
  std::string price_id;
  /// From sending the request to the first content, and to the end; negative: not known.
  std::int64_t first_token_us = -1;
  std::int64_t total_us = -1;

  [[nodiscard]] bool usable() const { return error_code.empty() && !answer.unusable() && calls_fit; }
  bool operator==(const ShadowSide&) const = default;
};

/// A judge model's opinion of the two answers, which it saw unnamed and in random order.
enum class JudgeVerdict : std::uint8_t { shadow_better, equal, live_better, unclear };
std::string_view to_string(JudgeVerdict verdict);
std::optional<JudgeVerdict> parse_judge_verdict(std::string_view name);

struct ShadowJudgement {
  std::string target;
  JudgeVerdict verdict = JudgeVerdict::unclear;
  Credits cost;
  bool operator==(const ShadowJudgement&) const = default;
};

/// Opt-in extracts: the proposed action of each side, cut.
struct ShadowTexts {
  std::string live;
  std::string shadow;
  bool operator==(const ShadowTexts&) const = default;
};

struct ShadowPair {
  Instant at{};
  std::string decision_id;   // of the client's step
  std::string policy;
  ShadowKind kind = ShadowKind::candidate;
  std::string conversation;  // RequestFacts::conversation: steps of one are not independent
  StepKind step = StepKind::human_turn;
  float score = 0;           // difficulty
  float percentile = 0;      // 0..1: share of recent steps that were easier
  double weight = 1;         // one over the chance with which a step like this is sampled
  ShadowSide live;
  ShadowSide shadow;
  bool same_tools = false;   // both call the same tools, in any order; or both call none
  bool same_action = false;  // and with the same arguments, normalised
  std::optional<ShadowJudgement> judgement;
  std::optional<ShadowTexts> texts;
  bool operator==(const ShadowPair&) const = default;
};

}  // namespace turnpike
