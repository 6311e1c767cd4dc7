#include "dialect/splice_anthropic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/anthropic_body.hpp"
#include "dialect/anthropic_edit.hpp"
#include "dialect/anthropic_headers.hpp"
#include "dialect/anthropic_history.hpp"
#include "dialect/anthropic_thinking.hpp"
#include "dialect/losses.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

/// What shapes an answer and no token of the prompt: count_tokens refuses these.
constexpr auto answer_fields = std::to_array<std::string_view>(
    {"max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata",
     "service_tier", "inference_geo", "container", "fallbacks", "fallback_credit_token",
     "diagnostics"});

bool any_begins_with(const std::vector<std::string>& list, std::string_view prefix) {
  return std::ranges::any_of(list, [&](const auto& value) { return value.starts_with(prefix); });
}

class Splicer {
 public:
  Splicer(const std::string& body, const RequestView& view, const Candidate& candidate,
          const TranslateOptions& options)
      : view_(view),
        candidate_(candidate),
        options_(options),
        top_(JsonView{body}),
        edits_(body),
        headers_(anthropic_headers(options.client_headers, candidate)) {}

  Outgoing run() {
    edits_.set("model", quoted_json(candidate_.model));
    limit_output();
    force_tool();
    fit_history_and_thinking();
    lower_format();
    drop_sampling();
    drop_unpriced();
    drop_orphans();
    append_instructions();
    if (options_.count_only) {
      for (const auto field : answer_fields) edits_.remove(field);
    }
    Outgoing out;
    out.path = options_.count_only ? "/v1/messages/count_tokens" : "/v1/messages";
    out.body = edits_.apply(view_.object_end);
    out.headers = std::move(headers_.headers);
    losses_.add_if(!headers_.stripped.empty(), Loss::betas);
    out.losses = losses_.names();
    return out;
  }

 private:
  void limit_output() {
    limits_.client_tokens_max = view_.output_tokens_max.value_or(0);
    limits_.tokens_max = view_.output_tokens_max.value_or(candidate_.output_tokens_max);
    if (candidate_.output_tokens_max > 0)
      limits_.tokens_max = std::min(limits_.tokens_max, candidate_.output_tokens_max);
    if (options_.output_tokens_cap)
      limits_.tokens_max = std::min(limits_.tokens_max, *options_.output_tokens_cap);
    if (view_.max_tokens && limits_.tokens_max < limits_.client_tokens_max)
      edits_.set("max_tokens", std::to_string(limits_.tokens_max));
  }

  /// Families that think always refuse to be forced; older ones refuse it beside a budget.
  void force_tool() {
    const JsonFields choice{top_["tool_choice"]};
    const bool named = choice["type"].text_is("tool");
    if (!named && !choice["type"].text_is("any")) return;
    if (!candidate_.quirks.forced_tool_rejected) {
      limits_.impossible = candidate_.thinking == ThinkingStyle::claude_budget;
      return;
    }
    const std::array changes{MemberEdit{"type", R"("auto")"}, MemberEdit{"name", std::nullopt}};
    edits_.set("tool_choice", edited_object(top_["tool_choice"], changes));
    losses_.add(Loss::tool_choice);
    instructions_.push_back(named ? fmt::format("You must answer with a call of the tool \"{}\".",
                                                choice["name"].text())
                                  : "You must answer with a call of one of the tools.");
  }

  void fit_history_and_thinking() {
    auto thinking = fit_thinking(top_, candidate_, limits_, losses_);
    const bool may_bind = passes_beta(candidate_, binding_controls_beta);
    HistoryRules rules;
    rules.thinking_on = thinking.on;
    rules.opaque_state = view_.opaque_state;
    rules.restore = options_.opaque != nullptr && view_.calls_in_history &&
                    (may_bind || !candidate_.quirks.thinking_bound);
    rules.system_to_user = !candidate_.quirks.mid_system_accepted;
    rules.end_with_user = candidate_.quirks.prefill_rejected;
    rules.references_to_text = any_begins_with(headers_.stripped, "advanced-tool-use-") ||
                               any_begins_with(headers_.stripped, "tool-search-tool-");
    auto history = fit_history(top_["messages"], candidate_, options_, rules, losses_);
    // What the gateway itself has changed before a bound block, or put there, may not fit any more.
    const bool unbound = candidate_.quirks.thinking_bound && may_bind &&
                         (history.restored || (history.thinking_left && !instructions_.empty()));
    if (history.loop_gap || unbound) {
      limits_.impossible |= history.loop_gap;
      limits_.drop_unbound_blocks = unbound;
      thinking = fit_thinking(top_, candidate_, limits_, losses_);
    }
    if (unbound) {
      headers_ =
          anthropic_headers(options_.client_headers, candidate_, std::array{binding_controls_beta});
    }
    if (history.messages) edits_.set("messages", std::move(*history.messages));
    apply("thinking", std::move(thinking.thinking));
    apply("output_config", thinking.output_config);
    output_config_ = std::move(thinking.output_config);
    if (thinking.switched_off) drop_thinking_edits();
  }

  void apply(std::string_view key, FittedField field) {
    if (field.action == FittedField::Action::replace) edits_.set(key, std::move(field.value));
    if (field.action == FittedField::Action::remove) edits_.remove(key);
  }

  /// Clearing thinking without thinking is refused.
  void drop_thinking_edits() {
    const auto management = top_["context_management"];
    std::string rest;
    bool found = false;
    for (const auto& edit : JsonFields{management}["edits"].elements()) {
      if (JsonFields{edit}["type"].text().starts_with("clear_thinking_")) {
        found = true;
        continue;
      }
      if (!rest.empty()) rest += ',';
      rest.append(edit.raw());
    }
    if (!found) return;
    losses_.add(Loss::context_management);
    if (rest.empty()) return edits_.remove("context_management");
    const MemberEdit change{"edits", "[" + rest + "]"};
    edits_.set("context_management", edited_object(management, {&change, 1}));
  }

  void lower_format() {
    if (candidate_.quirks.json_schema_native) return;
    const JsonFields output{top_["output_config"]};
    const auto format = output["format"].is_object() ? output["format"] : top_["output_format"];
    const JsonFields fields{format};
    if (!fields["type"].text_is("json_schema")) return;
    losses_.add(Loss::response_format);
    edits_.remove("output_format");
    if (output["format"].is_object()) {
      const bool replaced = output_config_.action == FittedField::Action::replace;
      const MemberEdit change{"format", std::nullopt};
      const auto left = edited_object(
          replaced ? JsonView{output_config_.value} : top_["output_config"], {&change, 1});
      if (left == "{}") {
        edits_.remove("output_config");
      } else {
        edits_.set("output_config", left);
      }
    }
    const auto schema = fields["schema"];
    instructions_.push_back(fmt::format(
        "Answer with one JSON value that is valid under this JSON Schema and nothing else: no "
        "prose, no code fence.\n{}",
        schema.is_object() ? schema.raw() : "{}"));
  }

  void drop_sampling() {
    const bool refused =
        is_claude(candidate_) && (candidate_.quirks.sampling_rejected || headers_.sampling_refused);
    const bool both = candidate_.quirks.one_sampling_param && !top_["temperature"].none();
    for (const std::string_view field : {"temperature", "top_p", "top_k"}) {
      if (top_[field].none() || !(refused || (both && field == "top_p"))) continue;
      edits_.remove(field);
      losses_.add(Loss::sampling);
    }
  }

  /// Fast answers have a price of their own, which the catalog does not know; and a model that the provider turns to by
  /// itself has been neither priced nor allowed by anybody here.
  void drop_unpriced() {
    if (!top_["fallbacks"].none()) {
      edits_.remove("fallbacks");
      losses_.add(Loss::fallbacks);
    }
    const auto speed = top_["speed"];
    if (speed.none() || speed.text_is("standard")) return;
    edits_.remove("speed");
    losses_.add(Loss::speed);
  }

  void drop_orphans() {
    for (const auto field : headers_.orphaned_fields()) {
      if (top_[field].none()) continue;
      edits_.remove(field);
      losses_.add_if(field == "context_management", Loss::context_management);
      losses_.add_if(field == "mcp_servers", Loss::mcp_servers);
    }
  }

  /// At the end of the system prompt; what the client has put there stays as it is, and first.
  void append_instructions() {
    if (instructions_.empty()) return;
    const auto system = top_["system"];
    std::string blocks;
    if (system.is_string() && !system.text().empty()) {
      blocks = fmt::format(R"({{"type":"text","text":{}}})", system.raw());
    }
    for (const auto& block : system.elements()) {
      if (!blocks.empty()) blocks += ',';
      blocks.append(block.raw());
    }
    for (const auto& text : instructions_) {
      if (!blocks.empty()) blocks += ',';
      blocks += fmt::format(R"({{"type":"text","text":{}}})", quoted_json(text));
    }
    edits_.set("system", "[" + blocks + "]");
  }

  const RequestView& view_;
  const Candidate& candidate_;
  const TranslateOptions& options_;
  JsonFields top_;
  AnthropicBody edits_;
  AnthropicHeaders headers_;
  ThinkingLimits limits_;
  FittedField output_config_;
  std::vector<std::string> instructions_;
  Losses losses_;
};

}  // namespace

Result<Outgoing> splice_anthropic(const std::string& body, const RequestView& view,
                                  const Candidate& candidate, const TranslateOptions& options) {
  return Splicer{body, view, candidate, options}.run();
}

}  // namespace turnpike::dialect
