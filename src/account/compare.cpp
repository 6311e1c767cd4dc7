#include "account/compare.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace turnpike::account {

namespace {

std::optional<std::string> attempts_difference(const Balances& kept, const Balances& folded) {
  for (const auto& [seq, attempt] : kept.attempts()) {
    const auto found = folded.attempts().find(seq);
    if (found == folded.attempts().end()) {
      return fmt::format("attempt {} is open in memory only", seq);
    }
    const auto& other = found->second;
    const bool same = attempt.held == other.held && attempt.path->id == other.path->id &&
                      attempt.price->id == other.price->id && attempt.flags == other.flags &&
                      attempt.prompt_estimate == other.prompt_estimate &&
                      attempt.output_seen == other.output_seen;
    if (!same) return fmt::format("attempt {} is another in the store", seq);
  }
  if (kept.attempts().size() == folded.attempts().size()) return std::nullopt;
  return fmt::format("{} attempts are open in memory, {} in the store", kept.attempts().size(),
                     folded.attempts().size());
}

bool same_window(const Window* a, const Window* b) {
  return a->id == b->id && a->settled == b->settled && a->reserved == b->reserved;
}

bool same_rule(const Rule& a, const Rule& b) {
  return a.rule == b.rule && a.lifted == b.lifted && a.settled == b.settled &&
         a.reserved == b.reserved && a.live.size() == b.live.size() &&
         std::equal(a.live.begin(), a.live.end(), b.live.begin(), same_window);
}

/// Lifted budgets and rules bind nobody; one of the two folds may have forgotten them already.
std::map<std::string, const Budget*> in_force(const Balances& balances) {
  std::map<std::string, const Budget*> found;
  for (const auto& budget : balances.budgets()) {
    if (!budget->settings.lifted()) found.emplace(budget->name, budget.get());
  }
  return found;
}

std::optional<std::string> budgets_difference(const Balances& kept, const Balances& folded) {
  const auto ours = in_force(kept);
  const auto theirs = in_force(folded);
  if (ours.size() != theirs.size()) return "the store has other budgets";
  for (const auto& [name, budget] : ours) {
    const auto found = theirs.find(name);
    if (found == theirs.end()) return fmt::format("budget {} is in memory only", name);
    const auto& other = *found->second;
    if (budget->open != other.open || !budget->settings.same_limits(other.settings)) {
      return fmt::format("budget {} is another in the store", name);
    }
    for (const auto& rule : budget->rules) {
      const bool same =
          rule->lifted || std::any_of(other.rules.begin(), other.rules.end(),
                                      [&](const auto& its) { return same_rule(*rule, *its); });
      if (!same)
        return fmt::format("the windows of budget {} have other balances in the store", name);
    }
  }
  return std::nullopt;
}

std::optional<std::string> keys_difference(const Balances& kept, const Balances& folded) {
  const auto same = [](const KeyInfo& a, const KeyInfo& b) {
    return a.account.key_id == b.account.key_id && a.mac == b.mac && a.revoked == b.revoked;
  };
  const auto& ours = kept.keys();
  const auto& theirs = folded.keys();
  if (std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), same)) return std::nullopt;
  return "the store has other keys";
}

}  // namespace

std::optional<std::string> difference(const Balances& kept, const Balances& folded) {
  if (auto found = attempts_difference(kept, folded)) return found;
  if (auto found = budgets_difference(kept, folded)) return found;
  return keys_difference(kept, folded);
}

}  // namespace turnpike::account
