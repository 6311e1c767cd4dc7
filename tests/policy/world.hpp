// A small invented catalog and the pieces of a situation, so that a test states only what it is
// about.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "catalog/catalog.hpp"
#include "catalog/folder.hpp"
#include "policy/decide.hpp"
#include "policy/policy.hpp"

namespace turnpike::test {

inline std::string model_text(const std::string& id, int input, const std::string& more = "") {
  return "[[model]]\nid = \"" + id +
         "\"\noutput_tokens_max = 1000\nas_of = 2026-01-01\nsource = \"t\"\n" + more +
         "[[model.price]]\nfrom = 2026-01-01\ninput_per_mtok = " + std::to_string(input) +
         "\ncached_per_mtok = \"" + std::to_string(input) +
         ".0\"\noutput_per_mtok = " + std::to_string(input * 4) + "\n";
}

inline std::string provider_text(const std::string& id, const std::string& dialect) {
  return "[provider]\nid = \"" + id + "\"\ndialect = \"" + dialect + "\"\nbase_url = \"https://" +
         id + ".example\"\n" + "key_env = \"" + id + "_KEY\"\n";
}

constexpr auto all_can =
    "context_tokens = 1000000\ncapabilities = [\"tools\", \"parallel_tools\", \"vision\", "
    "\"json_schema\", \"reasoning\"]\n";
constexpr auto all_and_documents =
    "context_tokens = 1000000\ncapabilities = [\"tools\", \"parallel_tools\", \"vision\", "
    "\"documents\", \"json_schema\", \"reasoning\"]\n";

/// cheap/small (no tools, small window), cheap/flash, cheap/gone (retired 2026-03-01), big/opus
/// (documents), big/pro, tiny/haiku.
inline catalog::Catalog world_catalog(const catalog::LoadOptions& options = {}) {
  const Folder folder;
  folder.write(
      "cheap.toml",
      provider_text("cheap", "openai-chat") + model_text("small", 1, "context_tokens = 8000\n") +
          model_text("flash", 2, all_can) +
          model_text(
              "gone", 1,
              std::string{all_can} + "retired_at = 2026-03-01\nsuccessor = \"cheap/flash\"\n"));
  folder.write("big.toml", provider_text("big", "anthropic-messages") +
                               model_text("opus", 40, all_and_documents) +
                               model_text("pro", 20, all_can));
  folder.write("tiny.toml",
               provider_text("tiny", "gemini-generate") + model_text("haiku", 3, all_can));
  auto catalog = catalog::Catalog::load(folder.path(), options);
  if (!catalog) FAIL(to_string(catalog.error().front()));
  return std::move(*catalog);
}

constexpr auto world_policy = R"([policy]
name = "test"
client_pins = "allowed"
[frontier_share]
target = 0.3
[[tier]]
name = "bulk"
targets = ["cheap/flash"]
fallback = ["tiny/haiku"]
[[tier]]
name = "frontier"
frontier = true
targets = ["big/opus", "big/pro"]
fallback = ["tier:bulk"]
[[rule]]
name = "titles"
step = "title_or_summary"
route = "tier:bulk"
[[rule]]
name = "interns"
team = "interns"
route = "tier:bulk"
[models]
"auto" = "auto"
"claude-*haiku*" = "tier:bulk"
"claude-*" = "auto"
"claude-strong" = "tier:frontier"
"mypin" = "big/pro"
"real-*" = "asked"
)";

inline policy::Policy load_policy(const std::string& text, const catalog::Catalog& catalog,
                                  const std::string& day = "2026-06-01") {
  const Folder folder;
  auto policy = policy::Policy::load(folder.write("p.toml", text), catalog,
                                     {at(day), catalog::Severity::error});
  if (!policy) {
    for (const auto& fault : policy.error()) UNSCOPED_INFO(to_string(fault));
    FAIL("the policy does not load");
  }
  return std::move(*policy);
}

/// A situation that owns its parts. The plain one: an easy human turn of an unrestricted key, name
/// "auto".
struct World : RouteInputs {
  catalog::Catalog catalog = world_catalog();
  policy::Policy policy = load_policy(world_policy, catalog);
  RequestFacts facts;
  Difficulty difficulty;
  Allowance allowance;
  Account account;
  Instant now = at("2026-06-01");

  World() {
    facts.model = "auto";
    facts.text_bytes = 4000;
    facts.conversation = "0123456789abcdef";
    difficulty.score = 0.2F;
    difficulty.confidence = 0.9F;
    account.key_id = "k1";
    account.key_name = "dev";
    account.team = "search";
  }
  [[nodiscard]] Result<RouteDecision> decide() const {
    return policy::decide(policy, catalog,
                          {facts, difficulty, allowance, account, *this, now});
  }
  /// "tier: target target …"
  [[nodiscard]] std::string route() const {
    const auto decision = decide();
    if (!decision) return "error " + decision.error().code;
    std::string text = decision->tier + ":";
    for (const auto& candidate : decision->candidates) text += " " + candidate.target();
    return text;
  }
  /// "reason(detail)" joined by blanks.
  [[nodiscard]] std::vector<std::string> reasons() const {
    std::vector<std::string> words;
    const auto decision = decide();
    if (!decision) return {"error " + decision.error().code};
    for (const auto& why : decision->why) words.emplace_back(to_string(why.reason));
    return words;
  }
  [[nodiscard]] std::string detail(Reason reason) const {
    const auto decision = decide();
    if (!decision) return "error";
    for (const auto& why : decision->why) {
      if (why.reason == reason) return why.detail;
    }
    return "absent";
  }
};

}  // namespace turnpike::test
