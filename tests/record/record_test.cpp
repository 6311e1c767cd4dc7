#include <catch2/catch.hpp>

#include <algorithm>
#include <random>

#include "record/any_exchange.hpp"
#include "record/record.hpp"

namespace turnpike::record {
namespace {

/// A different value in every member, by name: a member told under another one's name shows.
Exchange example() {
  Exchange exchange;
  exchange.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAB";
  exchange.at = *parse_instant("2026-11-23T01:02:03.000004Z");
  exchange.config_version = "0123456789abcdef";
  exchange.account = std::make_shared<Account>(Account{.key_id = "k1",
                                                       .key_name = "laptop",
                                                       .org = "acme",
                                                       .team = "search",
                                                       .user = "ada",
                                                       .models_allowed = {"deepseek/*"},
                                                       .may_override_route = true,
                                                       .request_cost_max = Credits::from_nano(1),
                                                       .concurrency_max = 2,
                                                       .requests_per_minute = 60,
                                                       .tokens_per_minute = 70,
                                                       .priority = Priority::batch,
                                                       .weight = 3});
  exchange.allowance = {.pressure = Pressure::prefer_cheap,
                        .pressure_scope = "team:search",
                        .remaining = Credits::from_nano(3)};
  auto& facts = exchange.facts;
  facts = {.dialect = Dialect::gemini_generate,
           .model = "auto",
           .stream = true,
           .step = StepKind::subagent,
           .question = "a secret prompt",
           .tool_tail = "a secret result",
           .question_bytes = 11,
           .context_bytes = 12,
           .fenced_code_bytes = 13,
           .needs = {.vision = true, .logprobs = true},
           .effort = Effort::xhigh,
           .server_calls = {RequestFacts::server_calls_unbounded, 0, 4, 0},
           .unpriced_tool = "googleMaps",
           .output_tokens_max = 14,
           .choices = 15,
           .messages = 16,
           .tools = 17,
           .images = 18,
           .files = 19,
           .text_bytes = 20,
           .body_bytes = 21,
           .hour_cache = true,
           .trace = {.tool_results = 22, .errors_recent = 23, .repeats_recent = 24, .assistant_turns = 25},
           .trail = {.head = {1, 2}, .head_bytes = 3, .marks = {}},
           .conversation = "feed",
           .in_tool_loop = true};
  exchange.difficulty = {.score = 0.1F,
                         .prior = 0.2F,
                         .percentile = 0.3F,
                         .weak_fails = 0.4F,
                         .confidence = 0.5F,
                         .abstained = true,
                         .step = StepKind::compaction,
                         .signals = {{{"length", 0.6F}}}};
  exchange.inputs.health = HealthView{{{"acme/plain", Health::ejected}}};
  exchange.inputs.threshold = 0.71F;
  exchange.inputs.threshold_percentile = 0.625F;
  exchange.inputs.escalation_allowed = false;
  exchange.inputs.stay = Stay{.target = "acme/strong",
                              .tier = "frontier",
                              .escalated = true,
                              .unusable_answer = true,
                              .cached_tokens = 31,
                              .thinking_kept = true,
                              .answered_at = exchange.at,
                              .steps = 32,
                              .tier_steps = 37,
                              .calm_steps = 38};
  exchange.inputs.override_target = "acme/other";
  exchange.inputs.override_tier = "bulk";
  exchange.inputs.required_provider = "acme";
  exchange.inputs.warm = {{.target = "acme/strong", .cached_tokens = 33, .alive = 0.25F}};
  exchange.inputs.paces = {{.target = "acme/plain",
                            .first_token_ms = 34,
                            .token_ms = 35,
                            .headroom = 0.75F,
                            .tokens_per_byte = 0.28F,
                            .cache_hit = 0.5F}};
  exchange.inputs.steps_left = 36;
  exchange.inputs.output_tokens = 39;
  exchange.decision.policy = "p";
  exchange.decision.candidates.push_back({.provider = "acme", .model = "plain"});
  return exchange;
}

std::string first_difference(const Flat& left, const Flat& right) {
  const auto [a, b] = std::ranges::mismatch(left.lines(), right.lines());
  if (a == left.lines().end() && b == right.lines().end()) return "";
  return (a == left.lines().end() ? "end" : *a) + " | " + (b == right.lines().end() ? "end" : *b);
}

TEST_CASE("a record reads back as what was recorded", "[record][property]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Exchange original;
    Fill{seed + i}.put(original);
    const auto text = to_json(original);
    const auto read = from_json(text);
    INFO("exchange " << i);
    REQUIRE(read);
    REQUIRE(first_difference(Flat{read->exchange}, Flat{original}) == "");
    REQUIRE(read->digest == (read->decided() ? digest_of(original.decision) : ""));
  }
}

TEST_CASE("every member is told under its own name", "[record]") {
  const auto text = to_json(example());
  INFO(text);
  for (const auto* part : {
           R"({"form":2,"id":"01JDAAAAAAAAAAAAAAAAAAAAAB","at":"2026-11-23T01:02:03.000004Z","config_version":"0123456789abcdef",)",
           R"("account":{"key":"k1","name":"laptop","org":"acme","team":"search","user":"ada","models_allowed":["deepseek/*"],"may_override_route":true,"request_cost_max":"0.000000001","concurrency_max":2,"requests_per_minute":60,"tokens_per_minute":70,"priority":"batch","weight":3},)",
           R"("allowance":{"pressure":"prefer_cheap","scope":"team:search","remaining":"0.000000003"},)",
           R"("facts":{"dialect":"gemini-generate","model":"auto","stream":true,"step":"subagent","question_bytes":11,"context_bytes":12,"fenced_code_bytes":13,"needs":{"vision":true,"logprobs":true},"effort":"xhigh","server_calls":{"web_search":true,"code_execution":4},"unpriced_tool":"googleMaps","output_tokens_max":14,"choices":15,"messages":16,"tools":17,"images":18,"files":19,"text_bytes":20,"body_bytes":21,"hour_cache":true,"trace":{"tool_results":22,"errors_recent":23,"repeats_recent":24,"assistant_turns":25},"prompt":{"head_bytes":3},"conversation":"feed","in_tool_loop":true},)",
           R"("difficulty":{"score":0.1,"prior":0.2,"percentile":0.3,"weak_fails":0.4,"confidence":0.5,"abstained":true,"step":"compaction","signals":[{"name":"length","weight":0.6}]},)",
           R"("inputs":{"threshold":0.71,"threshold_percentile":0.625,"escalation_allowed":false,"health":[{"target":"acme/plain","state":"ejected"}],)",
           R"("stay":{"target":"acme/strong","tier":"frontier","escalated":true,"unusable_answer":true,"cached_tokens":31,"thinking_kept":true,"answered_at":"2026-11-23T01:02:03.000004Z","steps":32,"tier_steps":37,"calm_steps":38},)",
           R"("override_target":"acme/other","override_tier":"bulk","required_provider":"acme","warm":[{"target":"acme/strong","cached_tokens":33,"alive":0.25}],)",
           R"("paces":[{"target":"acme/plain","first_token_ms":34,"token_ms":35,"headroom":0.75,"tokens_per_byte":0.28,"cache_hit":0.5}],"steps_left":36,"output_tokens":39},)",
       }) {
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find("secret") == std::string::npos);
}

TEST_CASE("the digest of a decision covers what the text leaves out", "[record]") {
  auto exchange = example();
  const auto text = to_json(exchange);
  const auto before = digest_of(exchange.decision);
  exchange.decision.candidates.front().quirks.thinking_bound = true;
  CHECK(digest_of(exchange.decision) != before);
  exchange.decision.candidates.front().quirks.thinking_bound = false;
  exchange.decision.candidates.front().betas_excepted = {"x"};
  CHECK(digest_of(exchange.decision) != before);
  CHECK(from_json(text)->digest == before);
}

TEST_CASE("the digest of a decision is the same in every build", "[record]") {
  CHECK(digest_of({}) == "af60304232a17df2");
  CHECK(digest_of(example().decision) == "ebe1e2b8a9102fe5");
}

TEST_CASE("a record of another form, and a damaged one, are told apart", "[record]") {
  CHECK(from_json(R"({"id":"x"})").error().code == "record_too_old");
  CHECK(from_json("{").error().code == "record_damaged");
  auto text = to_json(example());
  text.replace(text.find("\"xhigh\""), 7, "\"hurry\"");
  const auto read = from_json(text);
  REQUIRE_FALSE(read);
  CHECK(read.error().message.find("effort") != std::string::npos);
}

TEST_CASE("bytes that are not UTF-8 are told as Latin-1", "[record]") {
  auto exchange = example();
  exchange.inputs.override_target = "caf\xe9 \xc3\xa9 \xff";
  const auto read = from_json(to_json(exchange));
  REQUIRE(read);
  CHECK(read->exchange.inputs.override_target == "caf\xc3\xa9 \xc3\xa9 \xc3\xbf");
}

}  // namespace
}  // namespace turnpike::record
