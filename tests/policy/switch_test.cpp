// Stay or switch: what a conversation loses by a change of model, against what it gains. Prices as in providers/ in late
// 2026: a cheap model whose cache costs next to nothing, a strong one that charges for writing its cache.
#include <catch2/catch.hpp>

#include "policy/switching.hpp"
#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;
using Move = SwitchVerdict::Move;

namespace {

constexpr auto providers = R"([provider]
id = "deep"
dialect = "openai-chat"
base_url = "https://deep.example"
[[model]]
id = "flash"
family = "deep"
output_tokens_max = 8000
as_of = 2026-01-01
source = "t"
context_tokens = 1000000
capabilities = ["tools", "parallel_tools", "vision", "json_schema", "reasoning"]
[[model.price]]
from = 2026-01-01
input_per_mtok = "0.15"
cached_per_mtok = "0.003"
output_per_mtok = "0.60"
)";

constexpr auto strong_provider = R"([provider]
id = "claude"
dialect = "anthropic-messages"
base_url = "https://claude.example"
[[model]]
id = "opus"
family = "claude-5"
output_tokens_max = 8000
as_of = 2026-01-01
source = "t"
context_tokens = 1000000
capabilities = ["tools", "parallel_tools", "vision", "json_schema", "reasoning"]
[[model.price]]
from = 2026-01-01
input_per_mtok = "4"
cached_per_mtok = "0.20"
cache_write_5m_per_mtok = "5"
cache_write_1h_per_mtok = "8"
output_per_mtok = "20"
)";

constexpr auto policy_text = R"([policy]
name = "s"
[frontier_share]
target = 0.3
[[tier]]
name = "bulk"
targets = ["deep/flash"]
[[tier]]
name = "frontier"
frontier = true
targets = ["claude/opus"]
[models]
"auto" = "auto"
)";

/// At a human turn of a long conversation whose cache is `alive` with that chance.
struct Turn : test::World {
  explicit Turn(const std::string& target, std::int64_t tokens = 150'000, float alive = 1) {
    const test::Folder folder;
    folder.write("deep.toml", providers);
    folder.write("claude.toml", strong_provider);
    catalog = catalog::Catalog::load(folder.path()).value();
    policy = test::load_policy(policy_text, catalog);
    facts.text_bytes = tokens * 4;
    facts.trail.head_bytes = 40'000;
    facts.trace.assistant_turns = 40;
    threshold = 0.7F;
    stay = Stay{.target = target, .tier = target == "claude/opus" ? "frontier" : "bulk", .cached_tokens = tokens};
    warm = {{target, tokens, alive}};
  }
  [[nodiscard]] SwitchVerdict verdict() const { return decide()->switching; }
};

}  // namespace

TEST_CASE("a step that is barely hard does not throw a large cache away; a hard one does", "[policy][switch]") {
  Turn turn{"deep/flash"};
  turn.steps_left = 3;  // soon over: reading all in anew is most of what the rest would cost
  turn.difficulty.score = 0.72F;
  CHECK(turn.decide()->tier == "bulk");
  CHECK(turn.detail(Reason::stayed_for_cache).starts_with("deep/flash holds the cache; 7 % into the hard share, "));
  CHECK(turn.verdict().move == Move::avoided);
  CHECK(turn.verdict().other == "claude/opus");
  CHECK(turn.verdict().saving.nano() > 0);
  turn.difficulty.score = 0.95F;
  CHECK(turn.decide()->tier == "frontier");
  CHECK(turn.detail(Reason::switched_at_human_turn) == "from deep/flash; loses 150000 cached tokens");
  CHECK(turn.verdict().move == Move::made);
  CHECK(turn.verdict().other == "deep/flash");
  CHECK(turn.verdict().saving.nano() < 0);  // the frontier is dearer: that is what the share is for
  turn.steps_left = 400;
  turn.facts.trace.assistant_turns = 400;  // turns are long here
  turn.difficulty.score = 0.72F;
  CHECK(turn.decide()->tier == "frontier");  // over a long rest the reading in is small change
}

TEST_CASE("a percentile says better than a score how hard a step is", "[policy][switch]") {
  Turn turn{"deep/flash"};
  turn.steps_left = 3;
  turn.difficulty.score = 0.72F;
  turn.difficulty.percentile = 0.99F;
  CHECK(turn.decide()->tier == "frontier");
  turn.difficulty.percentile = 0.71F;
  CHECK(turn.decide()->tier == "bulk");
  RouteInputs inputs;
  const auto margin = [&](float threshold) { return margin_above(turn.difficulty, threshold, inputs, turn.policy); };
  CHECK(margin(0.7F) == Approx(0.0333).margin(0.001));  // the threshold's own is not known: from 1 - target
  turn.difficulty.abstained = true;
  CHECK(margin(0.7F) == 0);
}

TEST_CASE("how far a step is into the hard share is measured from where the threshold stands now", "[policy][switch]") {
  Turn turn{"deep/flash"};
  RouteInputs inputs;
  inputs.threshold = 0.6F;
  turn.difficulty.score = 0.8F;
  turn.difficulty.percentile = 0.75F;
  const auto margin = [&](float threshold) { return margin_above(turn.difficulty, threshold, inputs, turn.policy); };
  inputs.threshold_percentile = 0.5F;
  CHECK(margin(0.6F) == Approx(0.5F));
  inputs.threshold_percentile = 0.75F;
  CHECK(margin(0.6F) == 0);
  inputs.threshold_percentile = 1;
  CHECK(margin(0.6F) == 0);
  // Raised by a thin budget: half way to the step's score, so at the percentile half way.
  inputs.threshold_percentile = 0.5F;
  CHECK(margin(0.7F) == Approx(0.125F / 0.375F));
  CHECK(margin(0.8F) == 0);
}

TEST_CASE("with its cache dead in every place a conversation moves for free", "[policy][switch]") {
  Turn alive{"claude/opus", 150'000, 1};
  alive.steps_left = 1;
  alive.policy.switching.saving_min = 0.9F;
  const auto living = alive.verdict();
  Turn dead = alive;
  dead.warm.front().alive = 0;
  const auto gone = dead.verdict();
  CHECK(gone.move == Move::made);
  // What staying would cost has gone up by writing 150,000 tokens anew: 5 - 0.20 credits a million.
  CHECK(living.move == Move::avoided);
  CHECK((gone.saving.nano() + living.saving.nano()) >= 700'000'000);
}

TEST_CASE("downwards the saving must pay for the lost cache, the lost thoughts and the way back", "[policy][switch]") {
  Turn turn{"claude/opus"};
  turn.steps_left = 30;
  CHECK(turn.decide()->tier == "bulk");
  const auto far = turn.verdict();
  CHECK(far.move == Move::made);
  CHECK(far.other == "claude/opus");
  // The last step of a conversation: reading 150,000 tokens once costs more than the strong model's own cache.
  turn.steps_left = 0.4F;
  const auto near = turn.decide().value();
  const auto weighed = weigh(turn.policy, turn.catalog, {turn.facts, turn.difficulty, turn.allowance, turn.account, turn, turn.now},
                             *turn.stay, 0, 0);
  REQUIRE(weighed.possible);
  CHECK(weighed.target == "deep/flash");
  // 150,000 x 0.2 + 600 x 20 against 150,000 x 0.15 + 600 x 0.6 credits a million; the cheap one's cache was never warm.
  CHECK(weighed.staying.nano() == Approx(42'000'000).epsilon(0.01));
  CHECK(weighed.moving.nano() == Approx(22'860'000).epsilon(0.01));
  CHECK(near.tier == "bulk");
  turn.stay->thinking_kept = true;
  turn.policy.switching.rethink_tokens = 40'000;  // 0.6 a million
  CHECK(turn.decide()->tier == "frontier");
  CHECK(turn.verdict().move == Move::avoided);
  CHECK(turn.verdict().saving.nano() > 0);
}

TEST_CASE("the more likely the way back, the dearer the move", "[policy][switch]") {
  Turn turn{"claude/opus"};
  turn.facts.trace.human_turns = 40;  // a step each
  const auto lost = [&](double share, std::int64_t steps_after) {
    Turn other = turn;
    other.policy.share->target = share;
    return weigh(other.policy, other.catalog, {other.facts, other.difficulty, other.allowance, other.account, other, other.now},
                 *other.stay, 0, steps_after).lost.nano();
  };
  const double reload = 720'000'000;  // 150,000 x (5 - 0.20) credits a million to read all in again
  CHECK(lost(0.5, 1) - lost(0.1, 1) == Approx(0.4 * reload).epsilon(0.001));
  CHECK(lost(0.5, 2) - lost(0.5, 0) == Approx(0.75 * reload).epsilon(0.001));  // in one of two turns
  CHECK(lost(0.5, 100) - lost(0.5, 0) == Approx(reload).epsilon(0.001));       // almost surely
  turn.facts.trace.human_turns = 1;  // one turn so far, of forty steps: the rest lies within the next
  CHECK(lost(0.5, 10) == lost(0.5, 0));
}

TEST_CASE("two ways are compared for as long as they are apart", "[policy][switch]") {
  Turn turn{"claude/opus"};
  turn.facts.trace.human_turns = 20;  // turns of two steps
  const auto staying = [&](std::int64_t steps_after) {
    return weigh(turn.policy, turn.catalog, {turn.facts, turn.difficulty, turn.allowance, turn.account, turn, turn.now}, *turn.stay, 0, steps_after)
        .staying.nano();
  };
  turn.policy.share->target = 1;  // the next turn asks for the frontier again: one turn is all that differs
  CHECK(staying(2) == staying(100));
  turn.policy.share->target = 0;  // nobody ever will
  CHECK(staying(100) > 40 * staying(2) / 2);
}

TEST_CASE("a target that still holds an earlier part of the conversation is cheaper to go back to", "[policy][switch]") {
  Turn turn{"deep/flash"};
  const Situation cold{turn.facts, turn.difficulty, turn.allowance, turn.account, turn, turn.now};
  const auto without = weigh(turn.policy, turn.catalog, cold, *turn.stay, 1, 10);
  turn.warm.push_back({"claude/opus", 100'000, 0.5F});
  const auto with = weigh(turn.policy, turn.catalog, cold, *turn.stay, 1, 10);
  CHECK((without.lost - with.lost).nano() == Approx(50'000 * 4800).epsilon(0.001));
}

TEST_CASE("tokenizers count for their own prices", "[policy][switch]") {
  Turn turn{"deep/flash"};
  turn.warm.clear();
  turn.stay->cached_tokens = 0;
  const Situation situation{turn.facts, turn.difficulty, turn.allowance, turn.account, turn, turn.now};
  const auto plain = weigh(turn.policy, turn.catalog, situation, *turn.stay, 1, 0).moving;
  turn.paces = {{.target = "claude/opus", .tokens_per_byte = 0.375F}};  // half as many again
  const auto dense = weigh(turn.policy, turn.catalog, situation, *turn.stay, 1, 0).moving;
  const auto output = 600 * 20'000;
  CHECK((dense.nano() - output) == Approx(1.5 * static_cast<double>(plain.nano() - output)).epsilon(0.001));
}

TEST_CASE("a summary is one step: it stays where the conversation's cache makes it cheaper", "[policy][switch]") {
  Turn turn{"claude/opus"};
  turn.facts.step = StepKind::compaction;
  turn.policy.switching.saving_min = 0.6F;
  CHECK(turn.decide()->tier == "frontier");
  turn.facts.step = StepKind::title_or_summary;  // no part of the conversation: by difficulty
  CHECK(turn.decide()->tier == "bulk");
  CHECK(turn.verdict().move == Move::none);
}

TEST_CASE("what was weighed and then undone by a thin budget or a target in trouble is no verdict", "[policy][switch]") {
  Turn turn{"claude/opus"};
  turn.policy.switching.saving_min = 1;
  CHECK(turn.verdict().move == Move::avoided);
  turn.allowance.pressure = Pressure::cheap_only;
  CHECK(turn.decide()->tier == "bulk");
  CHECK(turn.verdict().move == Move::none);
  turn.allowance.pressure = Pressure::none;
  turn.policy.tiers[1].fallback = turn.policy.tiers[0].targets;
  turn.health = HealthView{{{"claude/opus", Health::ejected}}};
  CHECK(turn.decide()->candidates.front().target() == "deep/flash");
  CHECK(turn.verdict().move == Move::none);
}

TEST_CASE("inside a tool loop nothing is weighed", "[policy][switch]") {
  Turn turn{"deep/flash"};
  turn.facts.in_tool_loop = true;
  turn.facts.step = StepKind::tool_continuation;
  turn.difficulty.score = 1;
  CHECK(turn.decide()->tier == "bulk");
  CHECK(turn.verdict().move == Move::none);
}
