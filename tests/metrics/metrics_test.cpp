#include "metrics/metrics.hpp"

#include <catch2/catch.hpp>
#include <thread>

using namespace turnpike;
using turnpike::metrics::Family;
using turnpike::metrics::Gauge;
using turnpike::metrics::Metrics;

TEST_CASE("a scrape sums what every loop has counted", "[metrics]") {
  Metrics metrics;
  std::vector<std::thread> loops;
  for (int loop = 0; loop < 4; ++loop) {
    loops.emplace_back([&shard = metrics.add_shard()] {
      for (int i = 0; i < 10'000; ++i) {
        shard.add(Family::requests_total, {"openai-chat", "200", "human_turn"});
        shard.observe(Family::difficulty, {"human_turn"}, 0.25);
      }
    });
  }
  for (int i = 0; i < 20; ++i) CHECK_NOTHROW(text_page(metrics));
  for (auto& loop : loops) loop.join();
  const std::string page = text_page(metrics);
  CHECK(page.find(R"(turnpike_requests_total{dialect="openai-chat",status="200",step_kind="human_turn"} 40000)") !=
        std::string::npos);
  CHECK(page.find(R"(turnpike_difficulty_bucket{step_kind="human_turn",le="0.2"} 0)") != std::string::npos);
  CHECK(page.find(R"(turnpike_difficulty_bucket{step_kind="human_turn",le="0.3")") != std::string::npos);
  CHECK(page.find(R"(turnpike_difficulty_count{step_kind="human_turn"} 40000)") != std::string::npos);
}

TEST_CASE("an exchange leaves its samples under the GenAI names", "[metrics]") {
  Metrics metrics;
  auto& shard = metrics.add_shard();
  Exchange exchange;
  exchange.facts.stream = true;
  exchange.status = 200;
  exchange.end = StreamEnd::complete;
  exchange.decision.tier = "bulk";
  exchange.decision.candidates.emplace_back();
  exchange.decision.why.push_back({Reason::below_threshold, ""});
  const Monotonic start{std::chrono::seconds{10}};
  exchange.received = start;
  exchange.parsed = start + std::chrono::microseconds{7};
  exchange.first_content = start + std::chrono::milliseconds{40};
  exchange.finished = start + std::chrono::seconds{1};
  Attempt failed;
  failed.provider = "anthropic";
  failed.model = "claude-opus-5-5";
  failed.error_code = "overloaded";
  Attempt won;
  won.provider = "deepseek";
  won.model = "deepseek-flash";
  won.settlement = Settlement::settle_exact;
  won.cost = Credits::from_nano(1'500'000'000);
  won.usage.input_cache_read = 100;
  won.usage.output_text = 33;
  exchange.attempts = {failed, won};
  shard.record(exchange);
  const std::string page = text_page(metrics);
  for (const char* line :
       {R"(gen_ai_server_request_duration_seconds_count{gen_ai_provider_name="deepseek",gen_ai_request_model="deepseek-flash"} 1)",
        R"(gen_ai_server_time_to_first_token_seconds_count{gen_ai_provider_name="deepseek",gen_ai_request_model="deepseek-flash"} 1)",
        R"(gen_ai_server_time_per_output_token_seconds_count{gen_ai_provider_name="deepseek",gen_ai_request_model="deepseek-flash"} 1)",
        R"(turnpike_tokens_total{provider="deepseek",model="deepseek-flash",class="cache_read"} 100)",
        R"(turnpike_spend_credits_total{provider="deepseek",model="deepseek-flash",tier="bulk"} 1.5)",
        R"(turnpike_attempts_total{provider="anthropic",model="claude-opus-5-5",outcome="overloaded"} 1)",
        R"(turnpike_fallbacks_total{cause="overloaded"} 1)", R"(turnpike_stream_ends_total{end="complete"} 1)",
        R"(turnpike_decisions_total{tier="bulk",reason="below_threshold"} 1)"}) {
    CAPTURE(line, page);
    CHECK(page.find(line) != std::string::npos);
  }
}

TEST_CASE("gauges are asked at the moment of the scrape", "[metrics]") {
  Metrics metrics;
  double share = 0.25;
  metrics.add_gauges([&share](std::vector<Gauge>& out) {
    out.push_back({"turnpike_frontier_share", "Share of steps sent to the frontier tier.", {{"scope", "all"}}, share});
  });
  CHECK(text_page(metrics).find(R"(turnpike_frontier_share{scope="all"} 0.25)") != std::string::npos);
  share = 0.5;
  CHECK(text_page(metrics).find(R"(turnpike_frontier_share{scope="all"} 0.5)") != std::string::npos);
}
