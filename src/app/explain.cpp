// `turnpike explain`: the reasoning behind a decision, stored or made here and now from a request body.

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/operator_link.hpp"
#include "app/snapshots.hpp"
#include "dialect/facts.hpp"
#include "dialect/request_rules.hpp"
#include "policy/decide.hpp"
#include "turnpike/server_tools.hpp"
#include "wire/json_document.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

ordered_json explain_decision(const gateway::Snapshot& snapshot, const RequestFacts& facts, const Difficulty& difficulty,
                              const RouteDecision& decision) {
  ordered_json json;
  json["policy"] = decision.policy;
  json["config_version"] = snapshot.version;
  json["asked_model"] = facts.model;
  json["step_kind"] = to_string(facts.step);
  json["difficulty"] = {{"score", difficulty.score}, {"confidence", difficulty.confidence}, {"abstained", difficulty.abstained}};
  json["difficulty"]["signals"] = ordered_json::array();
  for (const auto& signal : difficulty.signals) {
    if (!signal.name.empty()) json["difficulty"]["signals"].push_back({{"name", signal.name}, {"weight", signal.weight}});
  }
  json["threshold"] = decision.threshold;
  json["tier"] = decision.tier;
  json["frontier"] = decision.frontier;
  json["why"] = ordered_json::array();
  for (const auto& why : decision.why) json["why"].push_back({{"reason", to_string(why.reason)}, {"detail", why.detail}});
  if (const auto lost = to_string(decision.switch_cost); !lost.empty()) json["switch_loses"] = lost;
  json["candidates"] = ordered_json::array();
  for (const auto& candidate : decision.candidates) {
    const auto bound = charge_bound(candidate.quote, facts.prompt_tokens_bound(), facts.output_tokens_max.value_or(candidate.output_tokens_max),
                                    server_calls_bound(facts, candidate));
    json["candidates"].push_back({{"target", candidate.target()}, {"tier", candidate.tier}, {"dialect", to_string(candidate.dialect)},
                                  {"price_id", candidate.quote.price_id}, {"reserve", bound ? turnpike::to_string(*bound) : "-"}});
  }
  return json;
}

Result<ordered_json> decide_offline(const Config& config, const Clock& clock, std::string body) {
  auto snapshot = build_snapshot(config, clock.now(), nullptr);
  if (!snapshot) {
    print_faults(snapshot.error());
    return std::unexpected{gateway_error(500, "bad_config", "the configuration has faults")};
  }
  const auto document = wire::JsonDocument::parse(body);
  if (!document) return std::unexpected{document.error()};
  if (const auto view = dialect::read_view(Dialect::openai_chat, body, *document); !view) return std::unexpected{view.error()};
  auto facts = dialect::read_facts(Dialect::openai_chat, *document, RequestHead{});
  if (!facts) return std::unexpected{facts.error()};
  const Difficulty difficulty = (*snapshot)->classifier->classify(*facts);
  const Account account{.key_id = "explain", .key_name = "explain", .org = "explain"};
  const Allowance allowance;
  RouteInputs inputs;
  if ((*snapshot)->share) inputs.threshold = (*snapshot)->share->threshold("explain");
  const policy::Situation situation{
      .facts = *facts, .difficulty = difficulty, .allowance = allowance, .account = account, .inputs = inputs, .now = clock.now()};
  auto decision = policy::decide((*snapshot)->policy, (*snapshot)->catalog, situation);
  if (!decision) return std::unexpected{decision.error()};
  return explain_decision(**snapshot, *facts, difficulty, *decision);
}

/// What a second answer to the same step was like, where the step was sampled.
void add_shadow(OperatorLink& link, const std::string& decision, ordered_json& answer) {
  const auto found = link.ask("GET", "/admin/shadow/" + decision, "");
  if (!found || (*found)["pairs"].empty()) return;
  for (const auto& pair : (*found)["pairs"]) answer["shadow"][pair["kind"].get<std::string>()] = pair;
}

std::string line_of(const ordered_json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// Nested objects indented, lists one item a line: readable without knowing JSON.
void print_outline(const ordered_json& value, const std::string& indent) {
  for (const auto& [key, item] : value.items()) {
    if (item.is_object()) {
      std::cout << indent << key << ":\n";
      print_outline(item, indent + "  ");
    } else if (item.is_array()) {
      std::cout << indent << key << ":\n";
      for (const auto& element : item) {
        std::string text;
        if (element.is_object()) {
          for (const auto& [name, field] : element.items()) {
            if (!field.is_object() && !field.is_array() && !line_of(field).empty()) text += fmt::format("{}{}={}", text.empty() ? "" : "  ", name, line_of(field));
          }
        } else {
          text = line_of(element);
        }
        std::cout << indent << "  - " << text << '\n';
      }
    } else {
      std::cout << indent << key << ": " << line_of(item) << '\n';
    }
  }
}

}  // namespace

int run_explain(const Config& config, const Clock& clock, const std::string& what, Output output) {
  Result<ordered_json> answer;
  if (std::ifstream file{what, std::ios::binary}; file && std::filesystem::is_regular_file(what)) {
    answer = decide_offline(config, clock, std::string{std::istreambuf_iterator<char>{file}, {}});
  } else {
    auto link = open_link(config, clock);
    if (!link) return fail(link.error());
    answer = (*link)->ask("GET", "/admin/decisions/" + what, "");
    if (answer) add_shadow(**link, what, *answer);
  }
  if (!answer) return fail(answer.error());
  if (output.json) {
    std::cout << answer->dump(2) << '\n';
  } else {
    print_outline(*answer, "");
  }
  return 0;
}

}  // namespace turnpike::app
