#include "gateway/learning.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gateway/bench.hpp"
#include "gateway/confidence.hpp"

namespace turnpike::gateway {
namespace {

const classify::Classifier& built_in() { return classify::Classifier::built_in(); }

RequestFacts ask(std::string question) {
  RequestFacts facts;
  facts.question = std::move(question);
  facts.conversation = "c1";
  facts.trace.human_turns = 1;
  return facts;
}

Outcome pair(bool weak_failed) { return {.source = OutcomeSource::shadow_pair, .weak_failed = weak_failed ? 1.0F : 0.0F, .strong_right = 1.0F}; }

void teach(Learning& learning, std::string_view group, int rounds = 30) {
  for (int i = 0; i < rounds; ++i) learning.learn(group, ask("Reconcile the ledger of March."), pair(true));
}

}  // namespace

TEST_CASE("groups learn apart, by policy, team or key", "[gateway][learning]") {
  policy::Policy policy;
  policy.name = "mine";
  Account account;
  account.key_id = "k1";
  account.org = "acme";
  account.team = "search";
  CHECK(Learning::group_of(policy, account) == "policy:mine");
  policy.classifier.learn = policy::LearnPer::team;
  CHECK(Learning::group_of(policy, account) == "team:acme/search");
  policy.classifier.learn = policy::LearnPer::key;
  CHECK(Learning::group_of(policy, account) == "key:k1");
  policy.classifier.learn = policy::LearnPer::off;
  CHECK(Learning::group_of(policy, account).empty());

  Learning learning{built_in()};
  const auto facts = ask("Reconcile the ledger of March.");
  const auto frozen = built_in().classify(facts).score;
  teach(learning, "key:k1");
  CHECK(learning.classify("key:k1", facts).score > frozen + 0.05F);
  CHECK(learning.classify("key:k2", facts).score == frozen);
  CHECK(learning.classify("", facts).score == frozen);
  CHECK(learning.classify("key:k2", facts).weak_fails >= 0);
  CHECK(learning.outcomes(OutcomeSource::shadow_pair) == 30);
  learning.learn("", facts, pair(true));
  CHECK(learning.outcomes(OutcomeSource::shadow_pair) == 30);
  REQUIRE(learning.report().size() == 1);
  CHECK(learning.report()[0].learner.progress.pairs == 30);
}

TEST_CASE("beyond 64 groups the rest shares one", "[gateway][learning]") {
  Learning learning{built_in()};
  for (int i = 0; i < 80; ++i) teach(learning, "key:" + std::to_string(i), 1);
  const auto report = learning.report();
  REQUIRE(report.size() == Learning::groups_max + 1);
  const auto others = std::ranges::find(report, std::string{"others"}, &Learning::GroupReport::group);
  REQUIRE(others != report.end());
  CHECK(others->learner.lessons == 16);
  const auto facts = ask("Reconcile the ledger of March.");
  CHECK(learning.classify("key:79", facts).score > built_in().classify(facts).score);
}

TEST_CASE("state restores to the same scores, and damage is refused without a trace", "[gateway][learning]") {
  Learning learning{built_in()};
  teach(learning, "policy:a");
  teach(learning, "team:acme/b", 5);
  REQUIRE(learning.freeze("team:acme/b", true));
  const auto bytes = learning.state();
  Learning again{built_in()};
  REQUIRE(again.restore(bytes));
  CHECK(again.state() == bytes);
  const auto facts = ask("Why does the ledger differ?");
  CHECK(again.classify("policy:a", facts).score == learning.classify("policy:a", facts).score);
  CHECK(again.classify("policy:a", facts).weak_fails == learning.classify("policy:a", facts).weak_fails);
  CHECK(again.report()[1].learner.frozen);
  CHECK(again.outcomes(OutcomeSource::shadow_pair) == 35);

  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 200; ++i) {
    auto damaged = bytes;
    if (i % 2 == 0) {
      const std::size_t at = random() % damaged.size();
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    } else {
      damaged.resize(random() % damaged.size());
    }
    const auto restored = again.restore(damaged);
    REQUIRE_FALSE(restored);
    REQUIRE(restored.error().code == "classifier_state_malformed");
  }
  CHECK(again.state() == bytes);
}

TEST_CASE("what was learned of other features is refused by name", "[gateway][learning]") {
  Learning learning{built_in()};
  teach(learning, "policy:a", 1);
  auto bytes = learning.state();
  // The layout stands behind magic and format; the checksum is made to fit.
  bytes[8] = static_cast<char>(bytes[8] ^ 1);
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : std::string_view{bytes}.substr(0, bytes.size() - 8)) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  for (std::size_t i = 0; i < 8; ++i) bytes[bytes.size() - 8 + i] = static_cast<char>((hash >> (8 * i)) & 0xFFU);
  const auto restored = learning.restore(bytes);
  REQUIRE_FALSE(restored);
  CHECK(restored.error().code == "classifier_state_of_other_features");
}

TEST_CASE("freezing and resetting reach one group or all", "[gateway][learning]") {
  Learning learning{built_in()};
  teach(learning, "policy:a");
  teach(learning, "policy:b");
  const auto facts = ask("Reconcile the ledger of March.");
  const auto taught = learning.classify("policy:a", facts).score;
  REQUIRE(learning.freeze("", true));
  teach(learning, "policy:a");
  teach(learning, "policy:new");  // comes into being frozen
  CHECK(learning.classify("policy:a", facts).score == taught);
  CHECK(learning.classify("policy:new", facts).score == built_in().classify(facts).score);
  REQUIRE(learning.freeze("", false));
  REQUIRE(learning.reset("policy:a"));
  CHECK(learning.classify("policy:a", facts).score == built_in().classify(facts).score);
  CHECK(learning.classify("policy:b", facts).score > built_in().classify(facts).score);
  CHECK(learning.reset("policy:a").error().code == "unknown_group");
  CHECK(learning.freeze("policy:a", true).error().http_status == 404);
  REQUIRE(learning.reset(""));
  CHECK(learning.report().empty());
}

TEST_CASE("loops score while others learn, save, freeze and reset", "[gateway][learning][threads]") {
  Learning learning{built_in()};
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      const auto facts = ask("Reconcile the ledger of March.");
      while (!done) {
        const auto difficulty = learning.classify("policy:a", facts);
        if (!(difficulty.score > 0 && difficulty.score < 1)) ++wrong;
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 20; ++i) {
      static_cast<void>(learning.state());
      static_cast<void>(learning.report());
      static_cast<void>(learning.freeze("", i % 2 == 0));
      if (i % 5 == 0) static_cast<void>(learning.reset(""));
    }
    static_cast<void>(learning.freeze("", false));
  });
  for (int i = 0; i < 10; ++i) teach(learning, "policy:a");
  done = true;
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

// --- Hints.

namespace {

struct Loop {
  RequestFacts facts = ask("Fix the importer.");
  WeakSignals signals;

  std::optional<WeakSignals::Hint> step(bool bulk = true, bool unusable = false, bool escalated = false) {
    return signals.observe({.owner = "k", .group = "policy:a", .facts = facts, .bulk = bulk, .unusable = unusable, .escalated = escalated},
                           built_in().footprint(facts));
  }
  /// The step's call has been answered.
  void tool_answers(bool failed) {
    facts.step = StepKind::tool_continuation;
    facts.in_tool_loop = true;
    ++facts.trace.tool_results;
    ++facts.trace.tool_results_since_human;
    facts.trace.error_streak = failed ? facts.trace.error_streak + 1 : 0;
  }
  void human_says(std::string text) {
    facts.step = StepKind::human_turn;
    facts.in_tool_loop = false;
    facts.question = std::move(text);
    facts.trace.tool_results_since_human = 0;
    facts.trace.error_streak = 0;
    ++facts.trace.human_turns;
  }
};

OutcomeSource source_of(const std::optional<WeakSignals::Hint>& hint) { return hint ? hint->outcome.source : OutcomeSource::count_; }

}  // namespace

TEST_CASE("each step is judged by the one that follows it", "[gateway][hints]") {
  Loop loop;
  CHECK_FALSE(loop.step());  // nothing stands before it
  loop.tool_answers(false);
  CHECK(source_of(loop.step()) == OutcomeSource::quiet_step);
  loop.tool_answers(true);
  const auto failed = loop.step();
  CHECK(source_of(failed) == OutcomeSource::tool_error);
  CHECK(failed->outcome.weak_failed == 1);
  CHECK_FALSE(failed->outcome.strong_right);
  loop.tool_answers(false);
  ++loop.facts.trace.repeats_exact;
  CHECK(source_of(loop.step()) == OutcomeSource::repeated_call);
  loop.tool_answers(true);
  ++loop.facts.trace.test_runs;
  CHECK(loop.step()->outcome.weak_failed == 1);
  loop.tool_answers(false);
  ++loop.facts.trace.test_runs;
  const auto passed = loop.step();
  CHECK(source_of(passed) == OutcomeSource::test_result);
  CHECK(passed->outcome.weak_failed == 0);
  loop.tool_answers(true);
  CHECK(source_of(loop.step(false, false, true)) == OutcomeSource::escalation);
  // The frontier answered that one: it is not judged.
  loop.tool_answers(true);
  CHECK_FALSE(loop.step());
  loop.human_says("No, that's not what I meant.");
  CHECK(source_of(loop.step()) == OutcomeSource::user_correction);
  loop.human_says("Thanks. Now add a test.");
  CHECK(source_of(loop.step()) == OutcomeSource::quiet_step);
}

TEST_CASE("the hint is about the step before, with what it looked like then", "[gateway][hints]") {
  Loop loop;
  static_cast<void>(loop.step());
  const auto then = built_in().footprint(loop.facts);
  loop.human_says("Still fails with the same error, undo that.");
  const auto hint = loop.step();
  REQUIRE(hint);
  const auto view = hint->footprint.view();
  const auto wanted = then.view();
  CHECK(std::ranges::equal(view.ngrams, wanted.ngrams));
  CHECK(view.prior_logit == wanted.prior_logit);
  CHECK(hint->group == "policy:a");
}

TEST_CASE("an unusable answer is a hint at once, and only once", "[gateway][hints]") {
  Loop loop;
  const auto hint = loop.step(true, true);
  CHECK(source_of(hint) == OutcomeSource::unusable_answer);
  loop.tool_answers(true);
  CHECK_FALSE(loop.step());
  CHECK_FALSE(Loop{}.step(false, true));  // the frontier's are not the bulk tier's
}

TEST_CASE("side calls, repeats of one request and other histories give no hint", "[gateway][hints]") {
  Loop loop;
  static_cast<void>(loop.step());
  CHECK_FALSE(loop.step());  // the same again
  auto title = loop.facts;
  title.step = StepKind::title_or_summary;
  title.trace.tool_results = 5;
  CHECK_FALSE(loop.signals.observe({.owner = "k", .group = "policy:a", .facts = title, .bulk = true}, built_in().footprint(title)));
  loop.tool_answers(true);
  CHECK(loop.step());  // the title call took nothing away
  loop.facts.trace.tool_results = 0;  // compacted or begun anew
  CHECK_FALSE(loop.step());
}

TEST_CASE("the memory of steps is bounded", "[gateway][hints]") {
  Loop loop;
  for (std::size_t i = 0; i < WeakSignals::conversations_max + 50; ++i) {
    loop.facts.conversation = std::to_string(i);
    static_cast<void>(loop.step());
  }
  CHECK(loop.signals.size() == WeakSignals::conversations_max);
  loop.tool_answers(true);
  loop.facts.conversation = "0";
  CHECK_FALSE(loop.step());
  loop.facts.conversation = std::to_string(WeakSignals::conversations_max);
  CHECK(loop.step());
}

TEST_CASE("corrections are told from new work", "[gateway][hints]") {
  for (const auto* const text : {"No, use the other table.", "that's wrong", "It still fails.", "doesn't work", "Undo that, please",
                                 "You forgot the tests", "Nein, das ist falsch.", "WRONG!", "the button is still broken"})
    CHECK(looks_like_correction(text));
  for (const auto* const text : {"Now add a test for the importer.", "", "Explain why nobody uses this.", "Note the time.",
                                 "Thanks, that works.", "Notice how the wronged heir acts"})
    CHECK_FALSE(looks_like_correction(text));
  CHECK_FALSE(looks_like_correction("No database yet. " + std::string(500, 'x')));
}

// --- Inside the gateway.

TEST_CASE("a cut answer of the bulk tier teaches the gateway, unless the client left it little room", "[gateway][learning]") {
  testing::Bench bench;
  Learning learning{built_in()};
  const Shared shared{*bench.ledger, *bench.opaque, bench.conversations, *bench.backends, bench.tokens, bench.clock, bench.randomness, bench.learned, &learning};
  bench.gateway.emplace(shared, *bench.upstream, bench.metrics.add_shard(), bench.snapshot);
  testing::Script script;
  script.head.content_type = "application/json";
  auto cut = testing::whole_answer;
  cut.replace(cut.find("\"stop\""), 6, "\"length\"");
  script.chunks = {cut};
  bench.upstream->expect(script);
  bench.upstream->expect(script);
  const auto asked = [&](std::string_view limit) {
    std::string body{testing::whole};
    const auto place = body.find("\"max_tokens\":") + 13;
    REQUIRE(place > 13);
    return body.replace(place, body.find_first_of(",}", place) - place, limit);
  };
  CHECK(bench.ask(asked("100")).head.status == 200);
  CHECK(learning.outcomes(OutcomeSource::unusable_answer) == 0);
  CHECK(bench.ask(asked("4096")).head.status == 200);
  CHECK(learning.outcomes(OutcomeSource::unusable_answer) == 1);
  REQUIRE(learning.report().size() == 1);
  CHECK(learning.report()[0].group == "policy:test");
}

TEST_CASE("near the threshold half of the confidence is left", "[gateway][confidence]") {
  CHECK(confidence_at(0.8F, 0) == Approx(0.4));
  CHECK(confidence_at(0.8F, -0.1F) == Approx(0.6));
  CHECK(confidence_at(0.8F, 0.2F) == Approx(0.8));
  CHECK(confidence_at(0.8F, 0.9F) == Approx(0.8));
}

}  // namespace turnpike::gateway
