// Escalation over a ladder of tiers, its hysteresis, and what it says where it is refused.
#include <catch2/catch.hpp>

#include "policy/escalation.hpp"
#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;

namespace {

constexpr auto ladder = R"([policy]
name = "ladder"
easy_tier = "low"
hard_tier = "high"
[frontier_share]
target = 0.3
[[tier]]
name = "low"
targets = ["cheap/flash"]
escalate_to = "middle"
[[tier]]
name = "middle"
targets = ["tiny/haiku"]
escalate_to = "high"
[[tier]]
name = "high"
frontier = true
targets = ["big/pro"]
escalate_to = "top"
[[tier]]
name = "top"
frontier = true
targets = ["big/opus"]
[models]
"auto" = "auto"
)";

struct Loop : test::World {
  explicit Loop(const std::string& target, const std::string& tier, std::int32_t tier_steps = 1, bool escalated = false) {
    policy = test::load_policy(ladder, catalog);
    facts.in_tool_loop = true;
    facts.step = StepKind::tool_continuation;
    facts.trace.error_streak = 3;
    stay = Stay{.target = target, .tier = tier, .escalated = escalated, .tier_steps = tier_steps};
  }
};

bool says(const test::World& world, const std::string& reason) {
  const auto all = world.reasons();
  return std::find(all.begin(), all.end(), reason) != all.end();
}

}  // namespace

TEST_CASE("a failing loop climbs one tier at a time, and only by signs of the tier it is on", "[policy][escalation]") {
  CHECK(Loop{"cheap/flash", "low"}.decide()->tier == "middle");
  // Right after the move the counters still tell of the model before.
  Loop fresh{"tiny/haiku", "middle", 1, true};
  CHECK(fresh.decide()->tier == "middle");
  CHECK(fresh.detail(Reason::escalated) == "until the loop ends");
  CHECK(Loop{"tiny/haiku", "middle", 3, true}.decide()->tier == "high");
  CHECK(Loop{"big/pro", "high", 3, true}.decide()->tier == "top");
  Loop top{"big/opus", "top", 9, true};
  CHECK(top.decide()->tier == "top");
  CHECK_FALSE(says(top, "escalation_refused"));
}

TEST_CASE("what bars an escalation is said", "[policy][escalation]") {
  Loop loop{"tiny/haiku", "middle", 9, true};
  loop.escalation_allowed = false;
  CHECK(loop.decide()->tier == "middle");
  CHECK(loop.detail(Reason::escalation_refused) == "error_streak 3; the frontier share is overdrawn");
  CHECK(says(loop, "escalated"));  // where it already is it stays
  loop.escalation_allowed = true;
  loop.allowance.pressure = Pressure::cheap_only;
  loop.allowance.pressure_scope = "team:search";
  CHECK(loop.decide()->tier == "middle");
  CHECK(loop.detail(Reason::escalation_refused) == "error_streak 3; team:search:cheap_only");
  loop.allowance.pressure = Pressure::none;
  loop.account.models_allowed = {"tiny/*", "cheap/*"};
  CHECK(loop.decide()->tier == "middle");
  CHECK(loop.detail(Reason::escalation_refused) == "error_streak 3; no target of tier high can serve this request");
  loop.account.models_allowed.clear();
  loop.policy.tiers[1].escalate_to.reset();
  loop.stay->escalated = false;
  CHECK(loop.detail(Reason::escalation_refused) == "error_streak 3; tier middle has none above it");
}

TEST_CASE("an overdrawn share holds nobody who is on the frontier already, nor the steps below it", "[policy][escalation]") {
  Loop loop{"big/pro", "high", 9};
  loop.escalation_allowed = false;
  CHECK(loop.decide()->tier == "top");
  Loop below{"cheap/flash", "low"};
  below.escalation_allowed = false;
  CHECK(below.decide()->tier == "middle");
}

TEST_CASE("every sign of trouble has its name", "[policy][escalation]") {
  const Escalation limits;
  TraceCounters trace;
  CHECK(trouble(limits, trace, false).empty());
  CHECK(trouble(limits, trace, true) == "unusable_answer");
  trace.repeats_recent = 3;
  CHECK(trouble(limits, trace, true) == "repeats_recent 3");
  trace.errors_recent = 4;
  CHECK(trouble(limits, trace, false) == "errors_recent 4");
  trace.error_streak = 3;
  CHECK(trouble(limits, trace, false) == "error_streak 3");
  CHECK(trouble({.error_streak = 0, .errors_recent = 0, .repeats_recent = 0, .unusable_answer = false}, trace, true).empty());
}

TEST_CASE("after its loop a conversation goes down again once it is calm, if that pays", "[policy][escalation]") {
  Loop turn{"big/pro", "high", 5, true};
  turn.facts = test::World{}.facts;  // a human turn, an easy one
  turn.stay->calm_steps = 1;
  CHECK(turn.decide()->tier == "high");
  CHECK(turn.detail(Reason::escalated) == "1 of 2 calm steps");
  turn.stay->calm_steps = 2;
  CHECK(turn.decide()->tier == "low");
  CHECK(turn.detail(Reason::deescalated) == "from big/pro");
  CHECK(turn.decide()->switching.move == SwitchVerdict::Move::made);
  turn.policy.switching.saving_min = 0.95F;
  CHECK(turn.decide()->tier == "high");
  CHECK(says(turn, "stayed_for_cache"));
  turn.difficulty.score = 0.9F;  // hard enough to stay without any reckoning
  CHECK(turn.decide()->tier == "high");
  CHECK(turn.decide()->switching.move == SwitchVerdict::Move::none);
}

TEST_CASE("checks are never escalated", "[policy][escalation]") {
  Loop loop{"cheap/flash", "low"};
  loop.facts.step = StepKind::permission_check;
  loop.facts.model = "cheap/flash";
  CHECK(loop.decide()->candidates.front().target() == "cheap/flash");
  CHECK_FALSE(says(loop, "escalated"));
}
