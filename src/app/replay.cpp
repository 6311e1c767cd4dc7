#include "app/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "policy/decide.hpp"

namespace turnpike::app {
namespace {

std::string word(bool flag) { return flag ? "true" : "false"; }

std::string words(const Why& why) { return fmt::format("{} \"{}\"", to_string(why.reason), why.detail); }

std::string words(const Candidate& c) {
  const auto& rates = c.quote.tiers[0].rates;
  return fmt::format("{} (tier {}, {}, price {}: {}/{}/{} in/cached/out, window {})", c.target(), c.tier, to_string(c.dialect), c.quote.price_id, rates.input,
                     rates.cache_read, rates.output, c.context_tokens);
}

std::string words(const SwitchVerdict& verdict) {
  return fmt::format("{} {} {}", to_string(verdict.move), verdict.other, to_string(verdict.saving));
}

/// Of what the text of a record holds; the rest is the digest's to find.
bool same_in_text(const Candidate& left, const Candidate& right) {
  return left.provider == right.provider && left.model == right.model && left.family == right.family && left.tier == right.tier &&
         left.dialect == right.dialect && left.context_tokens == right.context_tokens && left.output_tokens_max == right.output_tokens_max &&
         left.quote == right.quote;
}

class Lines {
 public:
  void compare(std::string_view what, const std::string& made, const std::string& again) {
    if (made != again) lines.push_back(fmt::format("{}: made {}, again {}", what, made.empty() ? "-" : made, again.empty() ? "-" : again));
  }
  template <typename T, typename Same>
  void compare(std::string_view what, const std::vector<T>& made, const std::vector<T>& again, const Same& same) {
    for (std::size_t i = 0; i < std::max(made.size(), again.size()); ++i) {
      if (i < made.size() && i < again.size() && same(made[i], again[i])) continue;
      lines.push_back(fmt::format("{} {}: made {}, again {}", what, i + 1, i < made.size() ? words(made[i]) : "-", i < again.size() ? words(again[i]) : "-"));
    }
  }
  std::vector<std::string> lines;
};

}  // namespace

Result<RouteDecision> decide_again(const gateway::Snapshot& rules, const Exchange& exchange, const RouteInputs& inputs) {
  return policy::decide(rules.policy, rules.catalog,
                        {.facts = exchange.facts,
                         .difficulty = exchange.difficulty,
                         .allowance = exchange.allowance,
                         .account = *exchange.account,
                         .inputs = inputs,
                         .now = exchange.at});
}

std::vector<std::string> differences(const RouteDecision& made, const RouteDecision& again) {
  Lines found;
  found.compare("policy", made.policy, again.policy);
  found.compare("tier", made.tier, again.tier);
  found.compare("frontier", word(made.frontier), word(again.frontier));
  found.compare("threshold", fmt::format("{}", made.threshold), fmt::format("{}", again.threshold));
  found.compare("candidate", made.candidates, again.candidates, same_in_text);
  found.compare("reason", made.why, again.why, std::equal_to{});
  found.compare("switch loses", to_string(made.switch_cost), to_string(again.switch_cost));
  found.compare("switch", words(made.switching), words(again.switching));
  return std::move(found.lines);
}

Result<std::shared_ptr<const gateway::Snapshot>> KeptRules::of(const Exchange& exchange) {
  const auto& version = exchange.config_version;
  if (const auto found = loaded_.find(version); found != loaded_.end()) return found->second;
  return loaded_.emplace(version, archive_.rules(version, exchange.at)).first->second;
}

std::size_t KeptRules::used() const {
  return static_cast<std::size_t>(std::ranges::count_if(loaded_, [](const auto& entry) { return entry.second.has_value(); }));
}

void Replay::add(const std::string& text) {
  ++records;
  const auto read = record::from_json(text);
  if (!read) {
    ++(read.error().code == "record_too_old" ? too_old : damaged);
    return;
  }
  const Exchange& exchange = read->exchange;
  if (!first) first = exchange.at;
  last = exchange.at;
  if (!read->decided() || !exchange.account) {
    ++undecided;
    return;
  }
  const auto rules = rules_.of(exchange);
  if (!rules) {
    auto& unruled = without_rules[exchange.config_version];
    ++unruled.records;
    unruled.why = rules.error().message;
    return;
  }
  const auto again = decide_again(**rules, exchange, exchange.inputs);
  if (!again) return differs(exchange, {fmt::format("made a decision, again refused: {}", again.error().message)});
  auto lines = differences(exchange.decision, *again);
  if (lines.empty() && record::digest_of(*again) != read->digest) lines.emplace_back("the text is the same, the digest is not: something a record leaves out of its candidates");
  if (lines.empty()) {
    ++same;
  } else {
    differs(exchange, std::move(lines));
  }
}

void Replay::differs(const Exchange& exchange, std::vector<std::string> lines) {
  ++differ;
  if (shown.size() < differences_shown) shown.push_back({exchange.decision_id, exchange.at, std::move(lines)});
}

}  // namespace turnpike::app
