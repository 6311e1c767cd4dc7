#include "account/decision_record.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace turnpike::account {

namespace {

std::string_view name_of(Pressure pressure) {
  switch (pressure) {
    case Pressure::none:
      return "none";
    case Pressure::notify:
      return "notify";
    case Pressure::prefer_cheap:
      return "prefer_cheap";
    case Pressure::cheap_only:
      return "cheap_only";
  }
  return "none";
}

/// Writes members and elements in order; commas are its business.
class Json {
 public:
  explicit Json(std::string& out) : out_(out) {}

  /// Names are this file's own words: nothing in them needs escaping.
  Json& key(std::string_view name) {
    if (!fresh_) out_ += ',';
    out_ += '"';
    out_.append(name).append("\":", 2);
    fresh_ = true;
    return *this;
  }
  Json& open(char bracket) {
    separate();
    out_ += bracket;
    fresh_ = true;
    return *this;
  }
  Json& close(char bracket) {
    out_ += bracket;
    fresh_ = false;
    return *this;
  }
  Json& value(std::string_view text) {
    separate();
    quote(text);
    return *this;
  }
  Json& value(bool flag) {
    separate();
    out_ += flag ? "true" : "false";
    return *this;
  }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  Json& value(Integer number) {
    separate();
    append(number);
    return *this;
  }
  Json& value(float number) {
    separate();
    if (std::isfinite(number)) {
      append(number);
    } else {
      out_ += "null";
    }
    return *this;
  }
  Json& value(Credits amount) { return value(std::string_view{to_string(amount)}); }

  /// A counter or flag that says something: zero and false are left out.
  template <typename Value>
  Json& counted(std::string_view name, Value item) {
    return item == Value{} ? *this : member(name, item);
  }
  template <typename Value>
  Json& member(std::string_view name, const Value& item) {
    key(name);
    return value(item);
  }
  Json& member(std::string_view name, const char* text) {
    return member(name, std::string_view{text});
  }
  Json& member(std::string_view name, const std::string& text) {
    return member(name, std::string_view{text});
  }

 private:
  void separate() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
  }
  template <typename Number>
  void append(Number number) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out_.append(digits.data(), end);
  }
  void quote(std::string_view text) {
    out_ += '"';
    const auto plain = [](char c) {
      return c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
    };
    while (!text.empty()) {
      const auto end = std::find_if_not(text.begin(), text.end(), plain);
      const auto length = static_cast<std::size_t>(end - text.begin());
      out_.append(text.substr(0, length));
      if (length == text.size()) break;
      escape(text[length]);
      text.remove_prefix(length + 1);
    }
    out_ += '"';
  }
  void escape(char c) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else {
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(c));
    }
  }

  std::string& out_;
  bool fresh_ = true;
};

void write_needs(Json& json, const Needs& needs) {
  json.key("needs").open('{');
  json.counted("tools", needs.tools).counted("parallel_tools", needs.parallel_tools);
  json.counted("vision", needs.vision).counted("documents", needs.documents);
  json.counted("audio", needs.audio).counted("json_schema", needs.json_schema);
  json.counted("reasoning", needs.reasoning).counted("many_choices", needs.many_choices);
  json.counted("logprobs", needs.logprobs);
  json.close('}');
}

void write_trace(Json& json, const TraceCounters& trace) {
  json.key("trace").open('{');
  json.counted("tool_results", trace.tool_results);
  json.counted("tool_results_since_human", trace.tool_results_since_human);
  json.counted("errors_recent", trace.errors_recent);
  json.counted("error_streak", trace.error_streak);
  json.counted("error_words_recent", trace.error_words_recent);
  json.counted("repeats_exact", trace.repeats_exact);
  json.counted("repeats_recent", trace.repeats_recent);
  json.counted("edits", trace.edits).counted("test_runs", trace.test_runs);
  json.counted("human_turns", trace.human_turns);
  json.counted("assistant_turns", trace.assistant_turns);
  json.close('}');
}

/// Tools of the provider's that the request declares: the client's bound of their calls, or true.
void write_server_tools(Json& json, const RequestFacts& facts) {
  if (facts.server_calls == PerServerTool{} && facts.unpriced_tool.empty()) return;
  json.key("server_tools").open('{');
  for (std::size_t i = 0; i < server_tools; ++i) {
    const auto calls = facts.server_calls[i];
    if (calls == 0) continue;
    const auto name = to_string(static_cast<ServerTool>(i));
    if (calls == RequestFacts::server_calls_unbounded) {
      json.member(name, true);
    } else {
      json.member(name, calls);
    }
  }
  if (!facts.unpriced_tool.empty()) json.member("unpriced", facts.unpriced_tool);
  json.close('}');
}

void write_facts(Json& json, const RequestFacts& facts) {
  json.key("facts").open('{');
  json.member("dialect", to_string(facts.dialect)).member("model", facts.model);
  json.member("stream", facts.stream).member("step", to_string(facts.step));
  json.member("question_bytes", facts.question_bytes);
  json.member("context_bytes", facts.context_bytes);
  json.member("fenced_code_bytes", facts.fenced_code_bytes);
  write_needs(json, facts.needs);
  json.member("effort", to_string(facts.effort));
  if (facts.output_tokens_max) json.member("output_tokens_max", *facts.output_tokens_max);
  json.member("choices", facts.choices).member("messages", facts.messages);
  json.member("tools", facts.tools).member("images", facts.images);
  write_server_tools(json, facts);
  json.member("text_bytes", facts.text_bytes).member("body_bytes", facts.body_bytes);
  write_trace(json, facts.trace);
  json.member("conversation", facts.conversation);
  json.member("in_tool_loop", facts.in_tool_loop);
  json.close('}');
}

void write_difficulty(Json& json, const Difficulty& difficulty) {
  json.key("difficulty").open('{');
  json.member("score", difficulty.score).member("confidence", difficulty.confidence);
  json.member("abstained", difficulty.abstained).member("step", to_string(difficulty.step));
  json.key("signals").open('[');
  for (const auto& signal : difficulty.signals) {
    if (signal.name.empty()) break;
    json.open('{').member("name", signal.name).member("weight", signal.weight).close('}');
  }
  json.close(']').close('}');
}

/// A member for each server tool that has one.
void write_calls(Json& json, const PerServerTool& calls) {
  for (std::size_t tool = 0; tool < server_tools; ++tool)
    json.counted(to_string(static_cast<ServerTool>(tool)), calls[tool]);
}

void write_rates(Json& json, std::string_view name, const Rates& rates) {
  json.key(name).open('{');
  json.counted("input", rates.input).counted("cache_read", rates.cache_read);
  json.counted("cache_write_5m", rates.cache_write_5m);
  json.counted("cache_write_1h", rates.cache_write_1h);
  json.counted("output", rates.output).counted("per_request", rates.per_request);
  write_calls(json, rates.items);
  json.close('}');
}

void write_candidate(Json& json, const Candidate& candidate) {
  json.open('{');
  json.member("target", candidate.target()).member("provider", candidate.provider);
  json.member("model", candidate.model).member("family", candidate.family);
  json.member("tier", candidate.tier).member("dialect", to_string(candidate.dialect));
  json.member("context_tokens", candidate.context_tokens);
  json.member("output_tokens_max", candidate.output_tokens_max);
  json.key("quote").open('{').member("price", candidate.quote.price_id);
  json.key("tiers").open('[');
  for (std::size_t i = 0; i < candidate.quote.tier_count; ++i) {
    const auto& tier = candidate.quote.tiers[i];
    json.open('{').member("prompt_tokens_above", tier.prompt_tokens_above);
    write_rates(json, "rates", tier.rates);
    json.close('}');
  }
  json.close(']');
  if (candidate.quote.ceiling != candidate.quote.tiers[0].rates) {
    write_rates(json, "ceiling", candidate.quote.ceiling);
  }
  json.close('}').close('}');
}

void write_decision(Json& json, const RouteDecision& decision) {
  json.key("decision").open('{');
  json.member("policy", decision.policy).member("tier", decision.tier);
  json.member("frontier", decision.frontier).member("threshold", decision.threshold);
  json.key("candidates").open('[');
  for (const auto& candidate : decision.candidates) write_candidate(json, candidate);
  json.close(']');
  if (decision.switch_cost != SwitchCost{}) {
    json.key("switch_cost").open('{');
    json.counted("cached_tokens_lost", decision.switch_cost.cached_tokens_lost);
    json.counted("thinking_lost", decision.switch_cost.thinking_lost).close('}');
  }
  json.key("why").open('[');
  for (const auto& why : decision.why) {
    json.open('{').member("reason", to_string(why.reason));
    if (!why.detail.empty()) json.member("detail", why.detail);
    json.close('}');
  }
  json.close(']').close('}');
}

void write_usage(Json& json, const Usage& usage) {
  json.key("usage").open('{');
  json.counted("input_fresh", usage.input_fresh);
  json.counted("input_cache_read", usage.input_cache_read);
  json.counted("input_cache_write_5m", usage.input_cache_write_5m);
  json.counted("input_cache_write_1h", usage.input_cache_write_1h);
  json.counted("output_text", usage.output_text);
  json.counted("output_reasoning", usage.output_reasoning);
  write_calls(json, usage.items);
  json.close('}');
}

/// A phase that was reached, in microseconds since the request was received.
void write_phase(Json& json, std::string_view name, Monotonic from, Monotonic to) {
  if (to == Monotonic{} || from == Monotonic{}) return;
  json.member(name, std::chrono::duration_cast<std::chrono::microseconds>(to - from).count());
}

void write_attempt(Json& json, const Attempt& attempt) {
  json.open('{').member("id", attempt.id).member("target", attempt.target);
  json.member("provider", attempt.provider).member("model", attempt.model);
  json.member("price", attempt.price_id).member("reserved", attempt.reserved);
  json.member("prompt_tokens_bound", attempt.prompt_tokens_bound);
  json.counted("prompt_tokens_known", attempt.prompt_tokens_known);
  json.member("cost", attempt.cost).member("settlement", to_string(attempt.settlement));
  if (!attempt.cause.empty()) json.member("cause", attempt.cause);
  if (attempt.upstream_status != 0) json.member("upstream_status", attempt.upstream_status);
  if (!attempt.error_code.empty()) json.member("error", attempt.error_code);
  write_usage(json, attempt.usage);
  if (!attempt.upstream_request_id.empty())
    json.member("upstream_request_id", attempt.upstream_request_id);
  json.key("phases_us").open('{');
  write_phase(json, "head", attempt.started, attempt.head_at);
  write_phase(json, "first_content", attempt.started, attempt.first_content_at);
  write_phase(json, "ended", attempt.started, attempt.ended);
  json.close('}').close('}');
}

void write_outcome(Json& json, const Exchange& exchange) {
  json.key("attempts").open('[');
  for (const auto& attempt : exchange.attempts) write_attempt(json, attempt);
  json.close(']');
  if (exchange.error) {
    json.key("error").open('{').member("code", exchange.error->code);
    json.member("message", exchange.error->message).close('}');
  }
  json.member("status", exchange.status).member("end", to_string(exchange.end));
  json.key("losses").open('[');
  for (const auto& loss : exchange.losses) json.value(std::string_view{loss});
  json.close(']');
  json.key("phases_us").open('{');
  write_phase(json, "parsed", exchange.received, exchange.parsed);
  write_phase(json, "decided", exchange.received, exchange.decided);
  write_phase(json, "reserved", exchange.received, exchange.reserved);
  write_phase(json, "sent_upstream", exchange.received, exchange.sent_upstream);
  write_phase(json, "first_content", exchange.received, exchange.first_content);
  write_phase(json, "finished", exchange.received, exchange.finished);
  json.close('}');
}

/// The target that answered, or was to answer if nothing did.
std::string target_of(const Exchange& exchange) {
  if (!exchange.attempts.empty()) return exchange.attempts.back().target;
  return exchange.decision.candidates.empty() ? std::string{}
                                              : exchange.decision.candidates.front().target();
}

}  // namespace

std::string decision_json(const Exchange& exchange) {
  std::string text;
  text.reserve(4096);
  Json json{text};
  json.open('{').member("id", exchange.decision_id).member("at", to_rfc3339(exchange.at));
  json.member("config_version", exchange.config_version);
  if (exchange.account) {
    const auto& account = *exchange.account;
    json.key("account").open('{').member("key", account.key_id).member("name", account.key_name);
    json.member("org", account.org).member("team", account.team).member("user", account.user);
    json.close('}');
  }
  json.key("allowance").open('{').member("pressure", name_of(exchange.allowance.pressure));
  if (!exchange.allowance.pressure_scope.empty())
    json.member("scope", exchange.allowance.pressure_scope);
  if (exchange.allowance.remaining) json.member("remaining", *exchange.allowance.remaining);
  json.close('}');
  write_facts(json, exchange.facts);
  write_difficulty(json, exchange.difficulty);
  write_decision(json, exchange.decision);
  write_outcome(json, exchange);
  json.member("cost", exchange.cost()).close('}');
  return text;
}

DecisionRow decision_row(const Exchange& exchange) {
  DecisionRow row;
  row.id = exchange.decision_id;
  row.at = exchange.at.time_since_epoch().count();
  if (exchange.account) row.key = exchange.account->key_id;
  row.tier = exchange.decision.tier;
  row.target = target_of(exchange);
  row.cost = exchange.cost().nano();
  row.record = decision_json(exchange);
  return row;
}

}  // namespace turnpike::account
