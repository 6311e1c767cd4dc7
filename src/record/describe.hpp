// Every member of what a decision record holds, named once for all who go over it: the writer, the reader, the digest.
//
// Each describe() takes its type apart by a structured binding, so a member added in include/turnpike does not compile
// until it stands here too, recorded or left out. A visitor has
//   always(name, value)              recorded whatever it is
//   maybe(name, value [, standard])  absent means the standard value
//   left_out(value)                  not recorded: texts, and what the configuration of that version says
//   group(name, members)             an object of its own in the text
//   since(name, begin, moment)       a moment as microseconds after another one
//   derived(name, make)              for people and for SQL; told, never read back
#pragma once

#include <concepts>
#include <type_traits>

#include "turnpike/exchange.hpp"

namespace turnpike::record {

template <typename T, typename Described>
concept Is = std::same_as<std::remove_const_t<T>, Described>;

template <typename Visitor, Is<Needs> T>
void describe(Visitor& visit, T& needs) {
  auto& [tools, parallel_tools, vision, documents, audio, json_schema, reasoning, many_choices,
         logprobs] = needs;
  visit.maybe("tools", tools);
  visit.maybe("parallel_tools", parallel_tools);
  visit.maybe("vision", vision);
  visit.maybe("documents", documents);
  visit.maybe("audio", audio);
  visit.maybe("json_schema", json_schema);
  visit.maybe("reasoning", reasoning);
  visit.maybe("many_choices", many_choices);
  visit.maybe("logprobs", logprobs);
}

template <typename Visitor, Is<TraceCounters> T>
void describe(Visitor& visit, T& trace) {
  auto& [tool_results, tool_results_since_human, errors_recent, error_streak, error_words_recent,
         repeats_exact, repeats_recent, edits, test_runs, human_turns, assistant_turns, repeats_near,
         steps_since_human, tests_passed_recent, tests_failed_recent] = trace;
  visit.maybe("tool_results", tool_results);
  visit.maybe("tool_results_since_human", tool_results_since_human);
  visit.maybe("errors_recent", errors_recent);
  visit.maybe("error_streak", error_streak);
  visit.maybe("error_words_recent", error_words_recent);
  visit.maybe("repeats_exact", repeats_exact);
  visit.maybe("repeats_recent", repeats_recent);
  visit.maybe("edits", edits);
  visit.maybe("test_runs", test_runs);
  visit.maybe("human_turns", human_turns);
  visit.maybe("assistant_turns", assistant_turns);
  visit.maybe("repeats_near", repeats_near);
  visit.maybe("steps_since_human", steps_since_human);
  visit.maybe("tests_passed_recent", tests_passed_recent);
  visit.maybe("tests_failed_recent", tests_failed_recent);
}

/// Hashes are good for one process, so they stay out; the marks are nothing without theirs.
template <typename Visitor, Is<PromptTrail> T>
void describe(Visitor& visit, T& trail) {
  auto& [head, head_bytes, marks] = trail;
  visit.left_out(head);
  visit.maybe("head_bytes", head_bytes);
  visit.left_out(marks);
}

/// Texts stay out.
template <typename Visitor, Is<RequestFacts> T>
void describe(Visitor& visit, T& facts) {
  auto& [dialect, model, stream, step, step_declared, question, tool_tail, question_bytes, context_bytes,
         fenced_code_bytes, needs, effort, server_calls, unpriced_tool, output_tokens_max, choices,
         messages, tools, images, files, text_bytes, body_bytes, hour_cache, trace, trail,
         conversation, in_tool_loop] = facts;
  visit.always("dialect", dialect);
  visit.always("model", model);
  visit.always("stream", stream);
  visit.always("step", step);
  visit.maybe("step_declared", step_declared);
  visit.left_out(question);
  visit.left_out(tool_tail);
  visit.always("question_bytes", question_bytes);
  visit.always("context_bytes", context_bytes);
  visit.always("fenced_code_bytes", fenced_code_bytes);
  visit.always("needs", needs);
  visit.always("effort", effort);
  visit.maybe("server_calls", server_calls);
  visit.maybe("unpriced_tool", unpriced_tool);
  visit.maybe("output_tokens_max", output_tokens_max);
  visit.always("choices", choices);
  visit.always("messages", messages);
  visit.always("tools", tools);
  visit.always("images", images);
  visit.maybe("files", files);
  visit.always("text_bytes", text_bytes);
  visit.always("body_bytes", body_bytes);
  visit.maybe("hour_cache", hour_cache);
  visit.always("trace", trace);
  visit.always("prompt", trail);
  visit.always("conversation", conversation);
  visit.always("in_tool_loop", in_tool_loop);
}

template <typename Visitor, Is<Signal> T>
void describe(Visitor& visit, T& signal) {
  auto& [name, weight] = signal;
  visit.always("name", name);
  visit.always("weight", weight);
}

template <typename Visitor, Is<Difficulty> T>
void describe(Visitor& visit, T& difficulty) {
  auto& [score, prior, percentile, weak_fails, confidence, abstained, step, signals] = difficulty;
  visit.always("score", score);
  visit.maybe("prior", prior);
  visit.maybe("percentile", percentile, -1.0F);
  visit.maybe("weak_fails", weak_fails, -1.0F);
  visit.always("confidence", confidence);
  visit.always("abstained", abstained);
  visit.always("step", step);
  visit.always("signals", signals);
}

template <typename Visitor, Is<Account> T>
void describe(Visitor& visit, T& account) {
  auto& [key_id, key_name, org, team, user, models_allowed, may_override_route, request_cost_max,
         concurrency_max, requests_per_minute, tokens_per_minute, priority, weight] = account;
  visit.always("key", key_id);
  visit.always("name", key_name);
  visit.always("org", org);
  visit.always("team", team);
  visit.always("user", user);
  visit.maybe("models_allowed", models_allowed);
  visit.maybe("may_override_route", may_override_route);
  visit.maybe("request_cost_max", request_cost_max);
  visit.maybe("concurrency_max", concurrency_max);
  visit.maybe("requests_per_minute", requests_per_minute);
  visit.maybe("tokens_per_minute", tokens_per_minute);
  visit.maybe("priority", priority, Priority::interactive);
  visit.maybe("weight", weight, 1);
}

template <typename Visitor, Is<Allowance> T>
void describe(Visitor& visit, T& allowance) {
  auto& [pressure, pressure_scope, remaining] = allowance;
  visit.always("pressure", pressure);
  visit.maybe("scope", pressure_scope);
  visit.maybe("remaining", remaining);
}

template <typename Visitor, Is<Stay> T>
void describe(Visitor& visit, T& stay) {
  auto& [target, tier, escalated, unusable_answer, cached_tokens, thinking_kept, answered_at,
         steps, tier_steps, calm_steps] = stay;
  visit.always("target", target);
  visit.always("tier", tier);
  visit.maybe("escalated", escalated);
  visit.maybe("unusable_answer", unusable_answer);
  visit.maybe("cached_tokens", cached_tokens);
  visit.maybe("thinking_kept", thinking_kept);
  visit.maybe("answered_at", answered_at);
  visit.maybe("steps", steps);
  visit.maybe("tier_steps", tier_steps);
  visit.maybe("calm_steps", calm_steps);
}

template <typename Visitor, Is<Warmth> T>
void describe(Visitor& visit, T& warmth) {
  auto& [target, cached_tokens, alive] = warmth;
  visit.always("target", target);
  visit.always("cached_tokens", cached_tokens);
  visit.maybe("alive", alive, 1.0F);
}

template <typename Visitor, Is<TargetPace> T>
void describe(Visitor& visit, T& pace) {
  auto& [target, first_token_ms, token_ms, headroom, tokens_per_byte, cache_hit] = pace;
  visit.always("target", target);
  visit.maybe("first_token_ms", first_token_ms);
  visit.maybe("token_ms", token_ms);
  visit.maybe("headroom", headroom, 1.0F);
  visit.maybe("tokens_per_byte", tokens_per_byte);
  visit.maybe("cache_hit", cache_hit, 1.0F);
}

template <typename Visitor, Is<RouteInputs> T>
void describe(Visitor& visit, T& inputs) {
  auto& [health, threshold, threshold_percentile, escalation_allowed, stay, override_target,
         override_tier, required_provider, warm, paces, steps_left, output_tokens] = inputs;
  visit.always("threshold", threshold);
  visit.maybe("threshold_percentile", threshold_percentile, -1.0F);
  visit.maybe("escalation_allowed", escalation_allowed, true);
  visit.maybe("health", health);
  visit.maybe("stay", stay);
  visit.maybe("override_target", override_target);
  visit.maybe("override_tier", override_tier);
  visit.maybe("required_provider", required_provider);
  visit.maybe("warm", warm);
  visit.maybe("paces", paces);
  visit.maybe("steps_left", steps_left);
  visit.maybe("output_tokens", output_tokens);
}

template <typename Visitor, Is<Usage> T>
void describe(Visitor& visit, T& usage) {
  auto& [input_fresh, input_cache_read, input_cache_write_5m, input_cache_write_1h, output_text,
         output_reasoning, items] = usage;
  visit.maybe("input_fresh", input_fresh);
  visit.maybe("input_cache_read", input_cache_read);
  visit.maybe("input_cache_write_5m", input_cache_write_5m);
  visit.maybe("input_cache_write_1h", input_cache_write_1h);
  visit.maybe("output_text", output_text);
  visit.maybe("output_reasoning", output_reasoning);
  visit.maybe("items", items);
}

template <typename Visitor, Is<Rates> T>
void describe(Visitor& visit, T& rates) {
  auto& [input, cache_read, cache_write_5m, cache_write_1h, output, per_request, items] = rates;
  visit.maybe("input", input);
  visit.maybe("cache_read", cache_read);
  visit.maybe("cache_write_5m", cache_write_5m);
  visit.maybe("cache_write_1h", cache_write_1h);
  visit.maybe("output", output);
  visit.maybe("per_request", per_request);
  visit.maybe("items", items);
}

template <typename Visitor, Is<RateTier> T>
void describe(Visitor& visit, T& tier) {
  auto& [prompt_tokens_above, rates] = tier;
  visit.always("prompt_tokens_above", prompt_tokens_above);
  visit.always("rates", rates);
}

template <typename Visitor, Is<ModelQuirks> T>
void describe(Visitor& visit, T& quirks) {
  auto& [sampling_rejected, one_sampling_param, forced_tool_rejected, prefill_rejected,
         mid_system_accepted, json_schema_native, strips_call_ids, signatures_required,
         reasoning_history, thinking_bound] = quirks;
  visit.maybe("sampling_rejected", sampling_rejected);
  visit.maybe("one_sampling_param", one_sampling_param);
  visit.maybe("forced_tool_rejected", forced_tool_rejected);
  visit.maybe("prefill_rejected", prefill_rejected);
  visit.maybe("mid_system_accepted", mid_system_accepted);
  visit.maybe("json_schema_native", json_schema_native, true);
  visit.maybe("strips_call_ids", strips_call_ids);
  visit.maybe("signatures_required", signatures_required);
  visit.maybe("reasoning_history", reasoning_history);
  visit.maybe("thinking_bound", thinking_bound);
}

/// What translation alone needs is left out of the text; the digest of the decision covers it.
template <typename Visitor, Is<Candidate> T>
void describe(Visitor& visit, T& candidate) {
  auto& [provider, model, family, tier, dialect, context_tokens, output_tokens_max,
         tokens_per_image_max, server_calls_max, server_tools_once, thinking, efforts,
         thinking_budget_min, thinking_budget_max, quirks, quote, counts_tokens, betas_passed,
         betas_excepted, cancel_stops_billing] = candidate;
  visit.derived("target", [&] { return candidate.target(); });
  visit.always("provider", provider);
  visit.always("model", model);
  visit.always("family", family);
  visit.always("tier", tier);
  visit.always("dialect", dialect);
  visit.always("context_tokens", context_tokens);
  visit.always("output_tokens_max", output_tokens_max);
  visit.left_out(tokens_per_image_max);
  visit.left_out(server_calls_max);
  visit.left_out(server_tools_once);
  visit.left_out(thinking);
  visit.left_out(efforts);
  visit.left_out(thinking_budget_min);
  visit.left_out(thinking_budget_max);
  visit.left_out(quirks);
  visit.always("quote", quote);
  visit.left_out(counts_tokens);
  visit.left_out(betas_passed);
  visit.left_out(betas_excepted);
  visit.left_out(cancel_stops_billing);
}

template <typename Visitor, Is<SwitchCost> T>
void describe(Visitor& visit, T& cost) {
  auto& [cached_tokens_lost, thinking_lost] = cost;
  visit.maybe("cached_tokens_lost", cached_tokens_lost);
  visit.maybe("thinking_lost", thinking_lost);
}

template <typename Visitor, Is<SwitchVerdict> T>
void describe(Visitor& visit, T& verdict) {
  auto& [move, other, saving] = verdict;
  visit.always("move", move);
  visit.maybe("other", other);
  visit.always("saving", saving);
}

template <typename Visitor, Is<Why> T>
void describe(Visitor& visit, T& why) {
  auto& [reason, detail] = why;
  visit.always("reason", reason);
  visit.maybe("detail", detail);
}

template <typename Visitor, Is<RouteDecision> T>
void describe(Visitor& visit, T& decision) {
  auto& [policy, tier, frontier, threshold, candidates, why, switch_cost, switching] = decision;
  visit.always("policy", policy);
  visit.always("tier", tier);
  visit.always("frontier", frontier);
  visit.always("threshold", threshold);
  visit.always("candidates", candidates);
  visit.maybe("switch_cost", switch_cost);
  visit.maybe("switching", switching);
  visit.always("why", why);
}

template <typename Visitor, Is<AnswerMeasures> T>
void describe(Visitor& visit, T& answer) {
  auto& [tool_calls, invalid_tool_json, refusal, empty, length_stop, own_limit] = answer;
  visit.maybe("tool_calls", tool_calls);
  visit.maybe("invalid_tool_json", invalid_tool_json);
  visit.maybe("refusal", refusal);
  visit.maybe("empty", empty);
  visit.maybe("length_stop", length_stop);
  visit.maybe("own_limit", own_limit);
}

template <typename Visitor, Is<Attempt> T>
void describe(Visitor& visit, T& attempt) {
  auto& [id, target, provider, model, price_id, reserved, prompt_tokens_bound, prompt_tokens_known,
         cost, settlement, cause, upstream_status, error_code, usage, upstream_request_id, started,
         head_at, first_content_at, ended] = attempt;
  visit.always("id", id);
  visit.always("target", target);
  visit.always("provider", provider);
  visit.always("model", model);
  visit.always("price", price_id);
  visit.always("reserved", reserved);
  visit.always("prompt_tokens_bound", prompt_tokens_bound);
  visit.maybe("prompt_tokens_known", prompt_tokens_known);
  visit.always("cost", cost);
  visit.always("settlement", settlement);
  visit.maybe("cause", cause);
  visit.maybe("upstream_status", upstream_status);
  visit.maybe("error", error_code);
  visit.always("usage", usage);
  visit.maybe("upstream_request_id", upstream_request_id);
  visit.group("phases_us", [&](auto& phases) {
    phases.since("head", started, head_at);
    phases.since("first_content", started, first_content_at);
    phases.since("ended", started, ended);
  });
}

/// What the client was told beside the code and the words is not kept.
template <typename Visitor, Is<Error> T>
void describe(Visitor& visit, T& error) {
  auto& [origin, http_status, retry, code, message, param, retry_after_s, should_retry,
         upstream_body] = error;
  visit.always("code", code);
  visit.always("message", message);
  visit.left_out(origin);
  visit.left_out(http_status);
  visit.left_out(retry);
  visit.left_out(param);
  visit.left_out(retry_after_s);
  visit.left_out(should_retry);
  visit.left_out(upstream_body);
}

template <typename Visitor, Is<Exchange> T>
void describe(Visitor& visit, T& exchange) {
  auto& [decision_id, at, account, facts, difficulty, allowance, inputs, decision, config_version,
         attempts, error, status, end, answer, losses, received, admitted, parsed, decided,
         reserved, sent_upstream, first_content, finished] = exchange;
  visit.always("id", decision_id);
  visit.always("at", at);
  visit.always("config_version", config_version);
  visit.maybe("account", account);
  visit.always("allowance", allowance);
  visit.always("facts", facts);
  visit.always("difficulty", difficulty);
  visit.always("inputs", inputs);
  visit.always("decision", decision);
  visit.always("attempts", attempts);
  visit.maybe("error", error);
  visit.always("status", status);
  visit.always("end", end);
  visit.maybe("answer", answer);
  visit.always("losses", losses);
  visit.group("phases_us", [&](auto& phases) {
    phases.since("admitted", received, admitted);
    phases.since("parsed", received, parsed);
    phases.since("decided", received, decided);
    phases.since("reserved", received, reserved);
    phases.since("sent_upstream", received, sent_upstream);
    phases.since("first_content", received, first_content);
    phases.since("finished", received, finished);
  });
  visit.derived("cost", [&] { return to_string(exchange.cost()); });
}

}  // namespace turnpike::record
