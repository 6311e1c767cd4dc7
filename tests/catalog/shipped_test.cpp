// The files in providers/ themselves.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "catalog/catalog.hpp"
#include "catalog/folder.hpp"
#include "turnpike/upstream.hpp"

using namespace turnpike;
using namespace turnpike::catalog;
using namespace std::chrono_literals;
using test::at;

namespace {

Catalog shipped() {
  auto catalog = Catalog::load(std::filesystem::path{TURNPIKE_SOURCE_DIR} / "providers");
  if (!catalog) {
    for (const auto& fault : catalog.error()) UNSCOPED_INFO(to_string(fault));
    FAIL("providers/ does not load");
  }
  return std::move(*catalog);
}

Rates rates(const Catalog& catalog, const std::string& target, const std::string& when,
            std::int64_t prompt = 1000) {
  const auto* model = catalog.find(target);
  REQUIRE(model != nullptr);
  const auto candidate = catalog.candidate(*model, at(when), 0s);
  REQUIRE(candidate);
  return candidate->quote.rates_for(prompt);
}

}  // namespace

TEST_CASE("the shipped providers load without a remark", "[catalog][shipped]") {
  const auto catalog = shipped();
  for (const auto& fault : catalog.warnings()) UNSCOPED_INFO(to_string(fault));
  CHECK(catalog.warnings().empty());
  CHECK(catalog.models().size() >= 25);
  for (const auto& model : catalog.models()) {
    CAPTURE(model.target());
    CHECK_FALSE(model.as_of.empty());
    CHECK_FALSE(model.source.empty());
    CHECK_FALSE(model.prices.empty());
  }
}

TEST_CASE("the shipped prices are those of the price lists", "[catalog][shipped]") {
  const auto catalog = shipped();
  // Pico-credits for a search, a page, a run of code, a search in files.
  constexpr PerServerTool claude_calls{10'000'000'000, 0, 10'000'000'000};
  constexpr PerServerTool deepseek_calls{750'000'000, 750'000'000};
  // A Monday off-peak, at peak, and a Monday inside the holidays of National Day.
  CHECK(rates(catalog, "deepseek/deepseek-flash", "2026-11-23T05:00:00Z") ==
        Rates{150'000, 3'000, 150'000, 150'000, 600'000, 0, deepseek_calls});
  CHECK(rates(catalog, "deepseek/deepseek-flash", "2026-11-23T06:00:00Z") ==
        Rates{300'000, 6'000, 300'000, 300'000, 1'200'000, 0, deepseek_calls});
  CHECK(rates(catalog, "deepseek/deepseek-flash", "2026-10-05T06:00:00Z").input == 150'000);
  CHECK(rates(catalog, "deepseek-v4-pro", "2026-11-23T06:00:00Z").output == 3'960'000);
  CHECK(rates(catalog, "claude-opus-5-5", "2026-11-22") ==
        Rates{4'000'000, 200'000, 5'000'000, 8'000'000, 20'000'000, 0, claude_calls});
  CHECK(rates(catalog, "claude-fable-5-1", "2026-11-22") ==
        Rates{10'000'000, 250'000, 12'500'000, 20'000'000, 50'000'000, 0, claude_calls});
  CHECK(rates(catalog, "claude-sonnet-5-5", "2026-10-06").cache_read == 200'000);
  CHECK(rates(catalog, "claude-sonnet-5-5", "2026-10-07").cache_read == 100'000);
  CHECK(rates(catalog, "claude-haiku-5-5", "2026-11-22", 100'000) ==
        Rates{100'000, 10'000, 125'000, 200'000, 500'000, 0, claude_calls});
  CHECK(rates(catalog, "claude-haiku-5-5", "2026-11-22", 100'001) ==
        Rates{500'000, 50'000, 625'000, 1'000'000, 2'500'000, 0, claude_calls});
  CHECK(rates(catalog, "gemini-3.1-pro-preview", "2026-11-22", 200'000).output == 12'000'000);
  CHECK(rates(catalog, "gemini-3.1-pro-preview", "2026-11-22", 200'001).output == 18'000'000);
  CHECK(rates(catalog, "gemini-3.8-flash", "2026-12-31T23:59:59Z").input == 750'000);
  CHECK(rates(catalog, "gemini-3.8-flash", "2027-01-01").input == 1'500'000);
  CHECK(rates(catalog, "claude-opus-4-5", "2025-12-01").input == 5'000'000);
  CHECK(rates(catalog, "deepseek-v3.2-speciale", "2025-12-15T15:58:59Z").output == 420'000);
}

TEST_CASE("the shipped models price their vendor's tools, free ones explicitly",
          "[catalog][shipped]") {
  const auto catalog = shipped();
  const auto priced = [&](const std::string& target, ServerTool tool, const std::string& when) {
    return price_at(catalog.find(target)->prices, at(when))->rates->prices(tool);
  };
  const auto search = [&](const std::string& target, const std::string& when) {
    return rates(catalog, target, when).items[0];
  };
  CHECK(search("deepseek/deepseek-flash", "2026-10-31T23:59:59Z") == 0);
  CHECK(search("deepseek/deepseek-flash", "2026-11-01") == 750'000'000);
  CHECK(search("deepseek/deepseek-flash", "2026-11-23T06:30:00Z") ==
        750'000'000);  // at peak likewise
  CHECK(search("gemini-3.8-flash", "2026-11-22") == 14'000'000'000);
  CHECK(search("gemini-2.5-pro", "2026-11-22") == 35'000'000'000);
  CHECK(catalog.find("gemini-2.5-pro")->server_tools_once == 1);
  CHECK(catalog.find("gemini-3.8-flash")->server_tools_once == 0);
  CHECK(catalog.find("claude-opus-5-5")->server_calls_max == 16);
  for (const auto& model : catalog.models()) {
    if (catalog.unusable(model, at("2026-11-22"))) continue;
    CAPTURE(model.target());
    CHECK(priced(model.target(), ServerTool::web_search, "2026-11-22"));
    CHECK(priced(model.target(), ServerTool::web_fetch, "2026-11-22"));
  }
  CHECK_FALSE(priced("deepseek/deepseek-flash", ServerTool::code_execution, "2026-11-22"));
}

TEST_CASE("names that have gone answer with their successor", "[catalog][shipped]") {
  const auto catalog = shipped();
  const auto gone = [&](const std::string& target, const std::string& when) {
    const auto candidate = catalog.candidate(*catalog.find(target), at(when), 0s);
    REQUIRE_FALSE(candidate);
    CHECK(candidate.error().http_status == 410);
    return candidate.error().message;
  };
  CHECK(gone("gemini-3-pro-preview", "2026-03-09").find("use gemini/gemini-3.1-pro-preview") !=
        std::string::npos);
  CHECK(
      gone("deepseek-v3.2-speciale", "2025-12-15T15:59:00Z").find("use deepseek/deepseek-flash") !=
      std::string::npos);
  CHECK(gone("deepseek-chat", "2026-11-22").find("since 2026-07-24T15:59:00Z") !=
        std::string::npos);
  CHECK(gone("gemini-2.5-pro", "2026-12-01").find("use gemini/gemini-3.1-pro-preview") !=
        std::string::npos);
  CHECK_FALSE(catalog.find("deepseek-v3.2-speciale")->can.tools);
}

TEST_CASE("quirks follow the model families", "[catalog][shipped]") {
  const auto catalog = shipped();
  CHECK(catalog.find("claude-opus-5-5")->thinking == ThinkingStyle::claude_always);
  CHECK(catalog.find("claude-opus-5-5")->quirks.forced_tool_rejected);
  CHECK(catalog.find("claude-haiku-4-5")->thinking == ThinkingStyle::claude_budget);
  CHECK(catalog.find("claude-opus-4-5")->efforts ==
        std::vector<std::string>{"low", "medium", "high"});
  CHECK_FALSE(catalog.find("claude-sonnet-4-6")->quirks.mid_system_accepted);
  CHECK(catalog.find("claude-opus-4-8")->quirks.mid_system_accepted);
  CHECK(catalog.find("deepseek-flash")->quirks.reasoning_history);
  CHECK(catalog.find("deepseek-flash")->can.vision);
  CHECK_FALSE(catalog.find("deepseek-v4-pro")->can.vision);
  CHECK(catalog.find("gemini-3.1-pro-preview")->quirks.signatures_required);
  CHECK(catalog.find("gemini-3.1-pro-preview")->efforts ==
        std::vector<std::string>{"low", "medium", "high"});
  CHECK(catalog.find("gemini-2.5-pro")->thinking_budget_min == 128);
  CHECK(catalog.find("gemini-2.5-flash")->thinking == ThinkingStyle::gemini_budget);
}

TEST_CASE("DeepSeek is reached in the client's words where it has them", "[catalog][shipped]") {
  const auto catalog = shipped();
  const auto reached = [&](Dialect client) {
    return catalog.candidate(*catalog.find("deepseek-flash"), at("2026-11-22"), 0s, client).value();
  };
  CHECK(reached(Dialect::openai_chat).dialect == Dialect::openai_chat);
  CHECK(reached(Dialect::gemini_generate).dialect == Dialect::openai_chat);
  const auto messages = reached(Dialect::anthropic_messages);
  CHECK(messages.dialect == Dialect::anthropic_messages);
  CHECK_FALSE(messages.betas_passed);
  CHECK(reached(Dialect::openai_responses).dialect == Dialect::openai_responses);
  CHECK(reached(Dialect::openai_responses).quirks.json_schema_native);
  CHECK_FALSE(reached(Dialect::openai_chat).quirks.json_schema_native);
  const auto endpoint = catalog.endpoint("deepseek", Dialect::anthropic_messages);
  CHECK(endpoint->base_url == "https://api.deepseek.com/anthropic");
  CHECK(endpoint->auth_header == "x-api-key");
  const auto* claude = catalog.find("claude-opus-5-5");
  const auto native =
      catalog.candidate(*claude, at("2026-11-22"), 0s, Dialect::openai_responses).value();
  CHECK(native.dialect == Dialect::anthropic_messages);
  CHECK(native.betas_passed);
}

TEST_CASE("the example of a local server works as it stands and is not read by itself",
          "[catalog][shipped]") {
  CHECK(shipped().provider("local") == nullptr);
  const auto examples = std::filesystem::path{TURNPIKE_SOURCE_DIR} / "providers" / "examples";
  const auto catalog = Catalog::load(examples);
  REQUIRE(catalog);
  CHECK(catalog->warnings().empty());
  for (const auto client :
       {Dialect::openai_chat, Dialect::anthropic_messages, Dialect::openai_responses}) {
    const auto candidate =
        catalog->candidate(*catalog->find("local/qwen3-coder"), at("2026-11-22"), 0s, client);
    REQUIRE(candidate);
    CHECK(candidate->dialect == client);
    CHECK(catalog->endpoint("local", client)->auth_header.empty());
  }
  CHECK(catalog->endpoint("local", Dialect::anthropic_messages)->base_url ==
        "http://127.0.0.1:8000");
}
