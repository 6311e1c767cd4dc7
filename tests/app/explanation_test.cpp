#include "app/explanation.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "app/replay_bench.hpp"
#include "app/request_shape.hpp"

using namespace turnpike;
using namespace turnpike::app;
using app::test::ReplayBench;

namespace {

bool says(const Explanation& explanation, std::string_view words) {
  return std::ranges::any_of(explanation.sentences, [&](const auto& sentence) { return sentence.find(words) != std::string::npos; });
}

const WhatIf* what_if(const Explanation& explanation, std::string_view words) {
  const auto found = std::ranges::find_if(explanation.what_ifs, [&](const auto& answer) { return answer.change.find(words) != std::string::npos; });
  return found == explanation.what_ifs.end() ? nullptr : &*found;
}

const Choice& choice(const Explanation& explanation, std::string_view target) {
  const auto found = std::ranges::find(explanation.choices, target, &Choice::target);
  REQUIRE(found != explanation.choices.end());
  return *found;
}

Dialect shape(std::string body) {
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  return dialect_of_shape(*document);
}

}  // namespace

TEST_CASE("an explanation says what was asked, how hard it is, and what was chosen") {
  ReplayBench bench;
  auto exchange = bench.exchange(0.31F);
  exchange.difficulty.signals[0] = {"length", -0.4F};
  const auto explanation = explain(exchange, bench.rules.get());
  CHECK(says(explanation, "A human turn asked for \"auto\" over openai-chat, with key laptop: 39.1 KiB of text in 1 message"));
  CHECK(says(explanation, "Its difficulty was put at 0.310 of 1 (confidence 0.90), mostly for length (easier 0.40)"));
  CHECK(says(explanation, "the frontier began at 0.500, and the first choice was deepseek/deepseek-flash of tier bulk"));
  CHECK(says(explanation, "score 0.310, threshold 0.500"));
}

TEST_CASE("what it would have taken is found by deciding again") {
  ReplayBench bench;
  const auto easy = explain(bench.exchange(0.31F), bench.rules.get());
  const auto* harder = what_if(easy, "the score had been 0.500, 0.190 higher");
  REQUIRE(harder != nullptr);
  CHECK(harder->moved);
  CHECK(harder->target == "anthropic/claude-opus-5-5");
  CHECK(harder->tier == "frontier");
  const auto* thin = what_if(easy, "cheap_only");
  REQUIRE(thin != nullptr);
  CHECK_FALSE(thin->moved);

  const auto hard = explain(bench.exchange(0.9F), bench.rules.get());
  const auto* easier = what_if(hard, "the score had been below 0.500");
  REQUIRE(easier != nullptr);
  CHECK(easier->target == "deepseek/deepseek-flash");
  CHECK(what_if(hard, "cheap_only")->target == "deepseek/deepseek-flash");
}

TEST_CASE("other choices are priced at that instant, with the tokens that were used") {
  ReplayBench bench;
  auto exchange = bench.exchange(0.1F);
  exchange.inputs.stay = Stay{.target = "anthropic/claude-opus-5-5", .tier = "frontier", .cached_tokens = 8000};
  bench.decide(exchange);
  exchange.decision.candidates.erase(exchange.decision.candidates.begin() + 1, exchange.decision.candidates.end());
  Attempt attempt;
  attempt.target = exchange.decision.candidates.front().target();
  attempt.settlement = Settlement::settle_exact;
  attempt.usage = {.input_fresh = 10'000, .output_text = 500};
  attempt.cost = *charge(exchange.decision.candidates.front().quote, attempt.usage);
  exchange.attempts = {attempt};
  const auto explanation = explain(exchange, bench.rules.get());
  CHECK(choice(explanation, attempt.target).as_used == attempt.cost);
  const auto other_target = attempt.target == "deepseek/deepseek-flash" ? "anthropic/claude-opus-5-5" : "deepseek/deepseek-flash";
  const auto& other = choice(explanation, other_target);
  CHECK(other.place == 0);
  const auto candidate = bench.rules->catalog.candidate(*bench.rules->catalog.find(other_target), exchange.at, std::chrono::seconds{600}, exchange.facts.dialect);
  const bool marks = candidate->quote.tiers[0].rates.cache_write_5m != candidate->quote.tiers[0].rates.input;
  const std::int64_t cached = std::string_view{other_target}.starts_with("anthropic") ? 8000 : 0;
  Usage usage{.input_cache_read = cached, .output_text = 500};
  (marks ? usage.input_cache_write_5m : usage.input_fresh) = 10'000 - cached;
  CHECK(other.as_used == *charge(candidate->quote, usage));
}

TEST_CASE("without its configuration a decision is still explained, without what-ifs") {
  ReplayBench bench;
  const auto explanation = explain(bench.exchange(0.1F), nullptr);
  CHECK(explanation.what_ifs.empty());
  CHECK_FALSE(explanation.choices.empty());
  CHECK(explanation.sentences.size() > 3);
}

TEST_CASE("the dialect of a request body is told by its shape") {
  CHECK(shape(R"({"model":"auto","messages":[{"role":"user","content":"hi"}]})") == Dialect::openai_chat);
  CHECK(shape(R"({"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{}}]}]})") == Dialect::openai_chat);
  CHECK(shape(R"({"messages":[],"tools":[{"type":"function","function":{"name":"a","parameters":{}}}]})") == Dialect::openai_chat);
  CHECK(shape(R"({"model":"auto","system":"s","messages":[]})") == Dialect::anthropic_messages);
  CHECK(shape(R"({"max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x"}]}]})") == Dialect::anthropic_messages);
  CHECK(shape(R"({"messages":[],"tools":[{"name":"a","input_schema":{}}]})") == Dialect::anthropic_messages);
  CHECK(shape(R"({"model":"auto","input":"hi"})") == Dialect::openai_responses);
  CHECK(shape(R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})") == Dialect::gemini_generate);
}
