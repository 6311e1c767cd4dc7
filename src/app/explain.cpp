// `turnpike explain`: the reasoning behind a decision, stored or made here and now from a request body.

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/config_files.hpp"
#include "app/explanation.hpp"
#include "app/operator_link.hpp"
#include "app/record_source.hpp"
#include "app/replay.hpp"
#include "app/request_shape.hpp"
#include "app/snapshots.hpp"
#include "app/table.hpp"
#include "app/verb_tools.hpp"
#include "dialect/facts.hpp"
#include "dialect/request_rules.hpp"
#include "gateway/confidence.hpp"
#include "record/record.hpp"
#include "turnpike/server_tools.hpp"
#include "wire/json_document.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

/// A decision with what it was made by.
struct Explained {
  record::Recorded recorded;
  std::shared_ptr<const gateway::Snapshot> rules;  // null: not kept
  std::string without_rules;                       // why
};

Result<RequestFacts> facts_of_file(const ExplainOptions& options, std::string body) {
  const auto document = wire::JsonDocument::parse(body);
  if (!document) return std::unexpected{document.error()};
  const auto named = parse_dialect(options.dialect);
  if (!options.dialect.empty() && !named)
    return std::unexpected{client_error("bad_dialect", "the dialects are openai-chat, openai-responses, anthropic-messages, gemini-generate")};
  const Dialect dialect = named ? *named : dialect_of_shape(*document);
  if (const auto view = dialect::read_view(dialect, body, *document); !view) return std::unexpected{view.error()};
  auto facts = dialect::read_facts(dialect, *document, RequestHead{});
  if (!facts) return facts;
  // Gemini's clients name the model in the path.
  if (!options.model.empty() || facts->model.empty()) facts->model = options.model.empty() ? "auto" : options.model;
  facts->body_bytes = static_cast<std::int64_t>(body.size());
  return facts;
}

/// As the gateway would decide for a new conversation of a key without budgets.
Result<Explained> decide_offline(const Config& config, const Clock& clock, const ExplainOptions& options, std::string body) {
  auto rules = build_snapshot(config, clock.now(), nullptr);
  if (!rules) {
    print_faults(rules.error());
    return std::unexpected{gateway_error(500, "bad_config", "the configuration has faults")};
  }
  auto facts = facts_of_file(options, std::move(body));
  if (!facts) return std::unexpected{facts.error()};
  Explained explained;
  explained.rules = *rules;
  Exchange& exchange = explained.recorded.exchange;
  exchange.at = clock.now();
  exchange.config_version = (*rules)->version;
  exchange.account = std::make_shared<Account>(Account{.key_id = "explain", .key_name = "explain", .org = "explain"});
  exchange.facts = std::move(*facts);
  exchange.difficulty = (*rules)->classifier->classify(exchange.facts);
  if (const auto& share = (*rules)->share) exchange.inputs.threshold = share->threshold(share->scope_of(*exchange.account));
  gateway::place_among_recent(exchange, **rules);
  auto decision = decide_again(**rules, exchange, exchange.inputs);
  if (!decision) return std::unexpected{decision.error()};
  exchange.decision = std::move(*decision);
  return explained;
}

Result<Explained> read_stored(const Config& config, const Clock& clock, const std::string& id, std::string* text) {
  auto source = open_records(config, clock, {.decision = id});
  if (!source) return std::unexpected{source.error()};
  auto records = (*source)->next();
  if (!records) return std::unexpected{records.error()};
  *text = records->front();
  auto recorded = record::from_json(*text);
  if (!recorded) return std::unexpected{recorded.error()};
  Explained explained{.recorded = std::move(*recorded), .rules = nullptr, .without_rules = {}};
  const auto& exchange = explained.recorded.exchange;
  const auto rules = ConfigArchive{config.data}.rules(exchange.config_version, exchange.at);
  if (rules) {
    explained.rules = *rules;
  } else {
    explained.without_rules = rules.error().message;
  }
  return explained;
}

/// What a second answer to the same step was like, where the step was sampled: by kind of answer; empty where it was not.
ordered_json shadow_of(const Config& config, const Clock& clock, const std::string& decision) {
  ordered_json shadow = ordered_json::object();
  const auto link = open_link(config, clock);
  if (!link) return shadow;
  const auto found = (*link)->ask("GET", "/admin/shadow/" + decision, "");
  if (!found || !found->contains("pairs")) return shadow;
  for (const auto& pair : found->at("pairs")) shadow[pair.value("kind", "pair")] = pair;
  return shadow;
}

std::string reserve_of(const Exchange& exchange, const Candidate& candidate) {
  const auto& facts = exchange.facts;
  const auto bound = charge_bound(candidate.quote, facts.prompt_tokens_bound(), facts.output_tokens_max.value_or(candidate.output_tokens_max),
                                  server_calls_bound(facts, candidate));
  return bound ? turnpike::to_string(*bound) : "-";
}

ordered_json offline_json(const Explained& explained) {
  const Exchange& exchange = explained.recorded.exchange;
  const RouteDecision& decision = exchange.decision;
  ordered_json json;
  json["policy"] = decision.policy;
  json["config_version"] = exchange.config_version;
  json["dialect"] = to_string(exchange.facts.dialect);
  json["asked_model"] = exchange.facts.model;
  json["step_kind"] = to_string(exchange.facts.step);
  json["difficulty"] = {{"score", exchange.difficulty.score}, {"confidence", exchange.difficulty.confidence}, {"abstained", exchange.difficulty.abstained}};
  json["difficulty"]["signals"] = ordered_json::array();
  for (const auto& signal : exchange.difficulty.signals) {
    if (!signal.name.empty()) json["difficulty"]["signals"].push_back({{"name", signal.name}, {"weight", signal.weight}});
  }
  json["threshold"] = decision.threshold;
  json["tier"] = decision.tier;
  json["frontier"] = decision.frontier;
  json["why"] = ordered_json::array();
  for (const auto& why : decision.why) json["why"].push_back({{"reason", to_string(why.reason)}, {"detail", why.detail}});
  json["candidates"] = ordered_json::array();
  for (const auto& candidate : decision.candidates) {
    json["candidates"].push_back({{"target", candidate.target()}, {"tier", candidate.tier}, {"dialect", to_string(candidate.dialect)},
                                  {"price_id", candidate.quote.price_id}, {"reserve", reserve_of(exchange, candidate)}});
  }
  return json;
}

ordered_json to_json(const Explanation& explanation) {
  const auto credits = [](const std::optional<Credits>& amount) { return amount ? ordered_json(turnpike::to_string(*amount)) : ordered_json(nullptr); };
  ordered_json json;
  json["text"] = explanation.sentences;
  json["choices"] = ordered_json::array();
  for (const auto& choice : explanation.choices) {
    json["choices"].push_back({{"target", choice.target}, {"tier", choice.tier}, {"price", choice.price_id}, {"place", choice.place}, {"why_not", choice.why_not},
                               {"cached_tokens", choice.cached}, {"expected", credits(choice.expected)}, {"as_used", credits(choice.as_used)}});
  }
  json["what_if"] = ordered_json::array();
  for (const auto& answer : explanation.what_ifs) {
    json["what_if"].push_back({{"change", answer.change}, {"target", answer.target}, {"tier", answer.tier}, {"moved", answer.moved}, {"refusal", answer.refusal}});
  }
  return json;
}

/// Lines of at most about 100 columns.
void print_wrapped(const std::vector<std::string>& sentences) {
  constexpr std::size_t columns = 100;
  std::size_t column = 0;
  std::string_view rest;
  for (const auto& sentence : sentences) {
    rest = sentence;
    while (!rest.empty()) {
      const auto word = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      if (column > 0 && column + 1 + word.size() > columns) {
        std::cout << '\n';
        column = 0;
      }
      std::cout << (column > 0 ? " " : "") << word;
      column += word.size() + (column > 0 ? 1 : 0);
    }
  }
  std::cout << "\n\n";
}

void print_choices(const Explanation& explanation) {
  Table table{{{"choice"}, {"target"}, {"tier"}, {"price"}, {"cached", Align::right}, {"expected", Align::right}, {"as used", Align::right}, {"remark"}}};
  const auto credits = [](const std::optional<Credits>& amount) { return amount ? turnpike::to_string(*amount) : std::string{"-"}; };
  for (const auto& choice : explanation.choices) {
    table.add({choice.place > 0 ? std::to_string(choice.place) : "-", choice.target, choice.tier, choice.price_id.empty() ? "-" : choice.price_id,
               std::to_string(choice.cached), credits(choice.expected), credits(choice.as_used), choice.why_not});
  }
  table.print(std::cout);
}

void print_what_ifs(const Explained& explained, const Explanation& explanation) {
  if (!explained.rules) {
    std::cout << fmt::format("\nWhat it would have taken cannot be told: {}.\n", explained.without_rules);
    return;
  }
  std::cout << "\nIf\n";
  for (const auto& answer : explanation.what_ifs) {
    const auto outcome = !answer.refusal.empty() ? "it would have been refused: " + answer.refusal
                         : answer.moved          ? fmt::format("{} of tier {} would have come first", answer.target, answer.tier)
                                                 : "the same target would have come first";
    std::cout << fmt::format("  {}: {}\n", answer.change, outcome);
  }
}

std::string milliseconds(Monotonic from, Monotonic to) {
  if (from == Monotonic{} || to == Monotonic{}) return "-";
  return fmt::format("{:.1f}", std::chrono::duration<double, std::milli>(to - from).count());
}

void print_attempts(const Exchange& exchange) {
  if (exchange.attempts.empty()) return;
  std::cout << '\n';
  Table table{{{"attempt"}, {"target"}, {"ended"}, {"status", Align::right}, {"reserved", Align::right}, {"cost", Align::right}, {"head ms", Align::right},
               {"content ms", Align::right}, {"end ms", Align::right}}};
  for (const auto& attempt : exchange.attempts) {
    auto end = std::string{to_string(attempt.settlement)};
    for (const auto* more : {&attempt.cause, &attempt.error_code}) end += more->empty() ? "" : ", " + *more;
    table.add({attempt.id, attempt.target, end, attempt.upstream_status == 0 ? "-" : std::to_string(attempt.upstream_status), turnpike::to_string(attempt.reserved),
               turnpike::to_string(attempt.cost), milliseconds(attempt.started, attempt.head_at), milliseconds(attempt.started, attempt.first_content_at),
               milliseconds(attempt.started, attempt.ended)});
  }
  table.print(std::cout);
  const auto& e = exchange;
  std::cout << fmt::format("\nms after the request was read: parsed {}, decided {}, reserved {}, sent {}, first content {}, finished {}\n", milliseconds(e.received, e.parsed),
                           milliseconds(e.received, e.decided), milliseconds(e.received, e.reserved), milliseconds(e.received, e.sent_upstream),
                           milliseconds(e.received, e.first_content), milliseconds(e.received, e.finished));
}

void print_members(const ordered_json& object, const std::string& indent) {
  for (const auto& [name, value] : object.items()) {
    std::cout << indent << name << ':' << (value.is_object() ? "" : " " + cell(value)) << '\n';
    if (value.is_object()) print_members(value, indent + "  ");
  }
}

void print_shadow(const ordered_json& shadow) {
  if (shadow.empty()) return;
  std::cout << "\nasked a second time, off the client's path\n";
  print_members(shadow, "  ");
}

void print(const Explained& explained, const Explanation& explanation) {
  const Exchange& exchange = explained.recorded.exchange;
  if (!exchange.decision_id.empty()) std::cout << fmt::format("decision {} at {}, configuration {}\n\n", exchange.decision_id, turnpike::to_rfc3339(exchange.at), exchange.config_version);
  print_wrapped(explanation.sentences);
  if (!explanation.choices.empty()) print_choices(explanation);
  print_what_ifs(explained, explanation);
  print_attempts(exchange);
}

/// What is wrong in a file's body is told with its path in the body.
Error with_field(Error error) {
  if (!error.param.empty()) error.message = fmt::format("{}: {}", error.param, error.message);
  return error;
}

}  // namespace

int run_explain(const Config& config, const Clock& clock, const ExplainOptions& options, Output output) {
  std::error_code unreadable;
  if (options.what.empty()) return fail(client_error("missing_field", "explain what? Name a decision or a file with a request body"));
  if (std::filesystem::is_directory(options.what, unreadable))
    return fail(client_error("invalid_value", fmt::format("{} is a folder; explain takes a decision or a file with a request body", quoted_for_message(options.what))));
  std::ifstream file{options.what, std::ios::binary};
  const bool stored = !file || !std::filesystem::is_regular_file(options.what);
  std::string text;
  const auto explained = stored ? read_stored(config, clock, options.what, &text)
                                : decide_offline(config, clock, options, std::string{std::istreambuf_iterator<char>{file}, {}});
  // A record of an older form can be shown, if not explained.
  if (!explained && output.json && explained.error().code == "record_too_old") return print_json(ordered_json::parse(text));
  if (!explained) return fail(with_field(explained.error()));
  const auto explanation = explain(explained->recorded.exchange, explained->rules.get());
  const auto shadow = stored ? shadow_of(config, clock, options.what) : ordered_json::object();
  if (output.json) {
    auto json = stored ? ordered_json::parse(text) : offline_json(*explained);
    json["explanation"] = to_json(explanation);
    if (!shadow.empty()) json["shadow"] = shadow;
    print_json(json);
  } else {
    print(*explained, explanation);
    print_shadow(shadow);
  }
  return 0;
}

}  // namespace turnpike::app
