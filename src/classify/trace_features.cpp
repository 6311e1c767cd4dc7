#include "classify/trace_features.hpp"

#include <algorithm>

#include "classify/text_features.hpp"

namespace turnpike::classify {
namespace {

std::int32_t effort_level(Effort effort) {
  switch (effort) {
    case Effort::none:
    case Effort::minimal:
      return -2;
    case Effort::low:
      return -1;
    case Effort::unset:
    case Effort::medium:
      return 0;
    case Effort::high:
      return 1;
    case Effort::xhigh:
    case Effort::max:
      return 2;
  }
  return 0;
}

std::int32_t flag(bool value) { return value ? feature_one : 0; }
std::int32_t number(std::int32_t value, std::int32_t most) {
  return std::clamp(value, 0, most) * feature_one;
}
std::int32_t log_number(std::int32_t value) {
  return log2_plus_one(static_cast<std::uint64_t>(std::max(value, 0)));
}

constexpr std::array<std::string_view, trace_feature_count> names{
    "continuation",  "side_call",    "compaction",  "subagent",       "last_result_failed",
    "errors_recent", "error_streak", "error_words", "repeats_recent", "repeats_exact",
    "editing",       "loop_depth",   "effort",      "tiny_answer",    "images"};

}  // namespace

std::string_view to_string(TraceFeature feature) {
  return names[static_cast<std::size_t>(feature)];
}

std::array<std::int32_t, trace_feature_count> trace_features(const RequestFacts& facts) {
  std::array<std::int32_t, trace_feature_count> values{};
  const auto set = [&values](TraceFeature feature, std::int32_t value) {
    values[static_cast<std::size_t>(feature)] = value;
  };
  const auto& trace = facts.trace;
  set(TraceFeature::continuation, flag(facts.in_tool_loop));
  set(TraceFeature::side_call, flag(facts.step == StepKind::title_or_summary));
  set(TraceFeature::compaction, flag(facts.step == StepKind::compaction));
  set(TraceFeature::subagent, flag(facts.step == StepKind::subagent));
  set(TraceFeature::last_result_failed, flag(trace.error_streak > 0));
  set(TraceFeature::errors_recent, number(trace.errors_recent, 6));
  set(TraceFeature::error_streak, number(trace.error_streak, 4));
  set(TraceFeature::error_words, log_number(std::min(trace.error_words_recent, 63)));
  set(TraceFeature::repeats_recent, number(trace.repeats_recent, 6));
  set(TraceFeature::repeats_exact, log_number(std::min(trace.repeats_exact, 15)));
  set(TraceFeature::editing, flag(facts.in_tool_loop && trace.edits + trace.test_runs > 0));
  set(TraceFeature::loop_depth, log_number(std::min(trace.tool_results_since_human, 63)));
  set(TraceFeature::effort, effort_level(facts.effort) * feature_one);
  set(TraceFeature::tiny_answer,
      flag(facts.output_tokens_max.has_value() && *facts.output_tokens_max <= 64));
  set(TraceFeature::images, flag(facts.images > 0));
  return values;
}

}  // namespace turnpike::classify
