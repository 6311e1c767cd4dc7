// The sections of a policy file that say when a conversation moves and what stands behind: [escalation], [conversation],
// [order].

#include "policy/policy_file.hpp"

namespace turnpike::policy {

void PolicyLoader::read_escalation(Reader& root) {
  const auto* node = root.table("escalation");
  if (node == nullptr) return;
  Reader table{*node, "[escalation]", faults_};
  auto& e = policy_.escalation;
  const auto count = [&table](std::string_view key, std::int32_t& into) {
    into = static_cast<std::int32_t>(table.integer(key, 0, 1000).value_or(into));
  };
  count("error_streak", e.error_streak);
  count("errors_recent", e.errors_recent);
  count("repeats_recent", e.repeats_recent);
  e.unusable_answer = table.boolean("unusable_answer").value_or(e.unusable_answer);
  count("settle_steps", e.settle_steps);
  count("calm_steps", e.calm_steps);
  table.finish();
}

void PolicyLoader::read_conversation(Reader& root) {
  const auto* node = root.table("conversation");
  if (node == nullptr) return;
  Reader table{*node, "[conversation]", faults_};
  auto& s = policy_.switching;
  const auto number = [&table](std::string_view key, double most, float& into) {
    into = static_cast<float>(table.number(key, 0, most).value_or(double{into}));
  };
  s.stay_in_tool_loop = table.boolean("stay_in_tool_loop").value_or(s.stay_in_tool_loop);
  s.steps_expected = static_cast<std::int32_t>(table.integer("steps_expected", 1, 10000).value_or(s.steps_expected));
  s.rethink_tokens = table.integer("rethink_tokens", 0, 1'000'000).value_or(s.rethink_tokens);
  number("saving_min", 1, s.saving_min);
  number("climb_margin", 10, s.climb_margin);
  table.finish();
}

void PolicyLoader::read_order(Reader& root) {
  const auto* node = root.table("order");
  if (node == nullptr) return;
  Reader table{*node, "[order]", faults_};
  auto& least = policy_.order_limits.headroom_min;
  least = static_cast<float>(table.number("headroom_min", 0, 1).value_or(double{least}));
  table.finish();
}

}  // namespace turnpike::policy
