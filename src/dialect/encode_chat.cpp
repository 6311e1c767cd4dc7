#include "dialect/encode_chat.hpp"

#include <algorithm>

#include "dialect/answer_recorder.hpp"
#include "dialect/argument_text.hpp"
#include "dialect/error_body.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

/// Arguments under way, over a whole answer. More is no answer.
constexpr std::size_t kept_bytes_max = std::size_t{32} << 20U;

/// A call that the limit or a filter has cut is not run by any client.
bool cuts_calls(StopReason reason) {
  return reason == StopReason::length || reason == StopReason::content_filter;
}

/// Only Responses has calls whose input is a bare text; elsewhere it comes inside of an object.
bool takes_text(const BlockStart& call, const Candidate& candidate) {
  return call.free_text && candidate.dialect == Dialect::openai_responses;
}

Error broken_call(const Candidate& candidate) {
  return upstream_error(
      502, Retry::next_candidate, "bad_upstream_output",
      candidate.target() + " called a tool with arguments that are no JSON object.");
}

/// Reasoning and cached tokens are parts of the sums, as clients of this dialect expect.
void write_usage(JsonWriter& json, const Usage& usage) {
  json.begin_object()
      .member("prompt_tokens", usage.input())
      .member("completion_tokens", usage.output())
      .member("total_tokens", usage.input() + usage.output())
      .key("prompt_tokens_details")
      .begin_object()
      .member("cached_tokens", usage.input_cache_read)
      .member("cache_write_tokens", usage.input_cache_write_5m + usage.input_cache_write_1h)
      .end_object()
      .key("completion_tokens_details")
      .begin_object()
      .member("reasoning_tokens", usage.output_reasoning)
      .end_object()
      .end_object();
}

/// The members that stand before `choices`.
void write_head(JsonWriter& json, const StreamOptions& options, std::string_view id,
                std::string_view object) {
  json.member("id", id)
      .member("object", object)
      .member("created", options.created)
      .member("model", std::string_view{options.model});
}

std::string_view delta_key(BlockKind kind) {
  switch (kind) {
    case BlockKind::reasoning:
      return R"("reasoning_content":)";
    case BlockKind::refusal:
      return R"("refusal":)";
    case BlockKind::text:
    case BlockKind::tool_call:
      break;
  }
  return R"("content":)";
}

}  // namespace

ChatStreamEncoder::ChatStreamEncoder(const StreamOptions& options, const Candidate& candidate)
    : options_(options),
      candidate_(candidate),
      prefix_("data: "),
      include_usage_(options.include_usage) {
  JsonWriter json{prefix_};
  json.begin_object();
  write_head(json, options, options.id, "chat.completion.chunk");
  json.key("choices").begin_array();
}

std::optional<Error> ChatStreamEncoder::encode(const StreamEvent& event, std::string& out) {
  std::optional<Error> fault;
  std::visit(Overloaded{
                 [&](const BlockStart& start) { block_start(start, out); },
                 [&](const Delta& piece) { fault = delta(piece, out); },
                 [&](const Stop& reason) { fault = stop(reason, out); },
                 [&](const UsageReport& report) {
                   usage_ = report;
                   usage_known_ = true;
                 },
                 [&](const End&) { done(out); },
                 [](const auto&) {},
             },
             event);
  return fault;
}

void ChatStreamEncoder::heartbeat(std::string& out) {
  append_chat_heartbeat(out, options_, options_.id);
}

void ChatStreamEncoder::fail(const Error& error, std::string& out) {
  append_error_event(out, Dialect::openai_chat, error);
}

void ChatStreamEncoder::block_start(const BlockStart& start, std::string& out) {
  if (start.kind != BlockKind::tool_call) return;
  Choice& choice = open_choice(start.choice, out);
  const auto ordinal = static_cast<std::int64_t>(choice.calls.size());
  choice.calls.push_back({start.block, takes_text(start, candidate_), {}});
  begin_chunk(start.choice, out);
  out += R"("tool_calls":[)";
  JsonWriter{out}
      .begin_object()
      .member("index", ordinal)
      .member("id", start.id)
      .member("type", "function")
      .key("function")
      .begin_object()
      .member("name", start.name)
      .member("arguments", "")
      .end_object()
      .end_object();
  out += ']';
  end_chunk(out);
}

std::optional<Error> ChatStreamEncoder::delta(const Delta& delta, std::string& out) {
  if (delta.bytes.empty()) return std::nullopt;
  Choice& choice = open_choice(delta.choice, out);
  begin_chunk(delta.choice, out);
  if (delta.kind != BlockKind::tool_call) {
    out += delta_key(delta.kind);
    wire::append_quoted(out, delta.bytes);
  } else {
    call_delta(choice, delta, out);
  }
  end_chunk(out);
  if (kept_bytes_ <= kept_bytes_max) return std::nullopt;
  return upstream_error(502, Retry::never, "bad_upstream_output",
                        candidate_.target() + " sent more than a client can be given.");
}

void ChatStreamEncoder::call_delta(Choice& choice, const Delta& delta, std::string& out) {
  const auto call = std::ranges::find(choice.calls, delta.block, &Call::block);
  out += R"("tool_calls":[)";
  JsonWriter{out}
      .begin_object()
      .member("index", static_cast<std::int64_t>(call - choice.calls.begin()))
      .key("function")
      .begin_object()
      .member("arguments", delta.bytes)
      .end_object()
      .end_object();
  out += ']';
  if (call == choice.calls.end()) return;
  call->arguments += delta.bytes;
  kept_bytes_ += delta.bytes.size();
}

std::optional<Error> ChatStreamEncoder::stop(const Stop& stop, std::string& out) {
  const Choice& choice = open_choice(stop.choice, out);
  for (const Call& call : choice.calls) {
    if (!cuts_calls(stop.reason) && !call.is_text && !are_arguments(call.arguments))
      return broken_call(candidate_);
  }
  begin_chunk(stop.choice, out);
  out += R"(},"finish_reason":")";
  out += chat_finish_reason(stop.reason);
  out += include_usage_ ? "\"}],\"usage\":null}\n\n" : "\"}]}\n\n";
  return std::nullopt;
}

void ChatStreamEncoder::done(std::string& out) const {
  if (include_usage_ && usage_known_) {
    out += prefix_;
    out += R"(],"usage":)";
    JsonWriter json{out};
    write_usage(json, usage_.usage);
    out += "}\n\n";
  }
  out += "data: [DONE]\n\n";
}

ChatStreamEncoder::Choice& ChatStreamEncoder::open_choice(std::int32_t index, std::string& out) {
  for (Choice& choice : choices_) {
    if (choice.index == index) return choice;
  }
  Choice& choice = choices_.emplace_back();
  choice.index = index;
  begin_chunk(index, out);
  out += R"("role":"assistant","content":"")";
  end_chunk(out);
  return choice;
}

void ChatStreamEncoder::begin_chunk(std::int32_t choice, std::string& out) const {
  out += prefix_;
  out += R"({"index":)";
  out += std::to_string(choice);
  out += R"(,"delta":{)";
}

void ChatStreamEncoder::end_chunk(std::string& out) const {
  out += include_usage_ ? "},\"finish_reason\":null}],\"usage\":null}\n\n"
                        : "},\"finish_reason\":null}]}\n\n";
}

void append_chat_heartbeat(std::string& out, const StreamOptions& options, std::string_view id) {
  out += "data: ";
  JsonWriter json{out};
  json.begin_object();
  write_head(json, options, id, "chat.completion.chunk");
  json.key("choices").begin_array().end_array();
  if (options.include_usage) json.key("usage").null();
  json.end_object();
  out += "\n\n";
}

void ChatBodyEncoder::encode(const StreamEvent& event) {
  std::visit(Overloaded{
                 [this](const BlockStart& start) {
                   Choice& choice = choice_of(start.choice);
                   if (start.kind != BlockKind::tool_call) return;
                   choice.calls.push_back({start.block,
                                           std::string{start.id},
                                           std::string{start.name},
                                           {},
                                           takes_text(start, candidate_)});
                 },
                 [this](const Delta& piece) { delta(piece); },
                 [this](const Stop& stop) { choice_of(stop.choice).reason = stop.reason; },
                 [this](const UsageReport& report) {
                   usage_ = report;
                   usage_known_ = true;
                 },
                 [](const auto&) {},
             },
             event);
}

void ChatBodyEncoder::delta(const Delta& delta) {
  Choice& choice = choice_of(delta.choice);
  switch (delta.kind) {
    case BlockKind::text:
      choice.content += delta.bytes;
      return;
    case BlockKind::reasoning:
      choice.reasoning += delta.bytes;
      return;
    case BlockKind::refusal:
      choice.refusal += delta.bytes;
      return;
    case BlockKind::tool_call:
      break;
  }
  for (Call& call : choice.calls) {
    if (call.block == delta.block) call.arguments += delta.bytes;
  }
}

Result<std::string> ChatBodyEncoder::body() const {
  std::string out;
  JsonWriter json{out};
  json.begin_object();
  write_head(json, options_, options_.id, "chat.completion");
  json.key("choices").begin_array();
  for (const Choice& choice : choices_) {
    json.begin_object().member("index", std::int64_t{choice.index}).key("message").begin_object();
    json.member("role", "assistant").key("content");
    const bool silent = choice.content.empty() && !choice.calls.empty();
    silent ? json.null() : json.value(std::string_view{choice.content});
    if (!choice.reasoning.empty()) {
      json.member("reasoning_content", std::string_view{choice.reasoning});
    }
    json.key("refusal");
    choice.refusal.empty() ? json.null() : json.value(std::string_view{choice.refusal});
    if (!choice.calls.empty()) json.key("tool_calls").begin_array();
    for (const Call& call : choice.calls) {
      if (!cuts_calls(choice.reason) && !call.is_text && !are_arguments(call.arguments))
        return std::unexpected{broken_call(candidate_)};
      json.begin_object().member("id", std::string_view{call.id}).member("type", "function");
      json.key("function").begin_object().member("name", std::string_view{call.name});
      json.member("arguments", std::string_view{call.arguments}).end_object().end_object();
    }
    if (!choice.calls.empty()) json.end_array();
    json.end_object().key("logprobs").null();
    json.member("finish_reason", chat_finish_reason(choice.reason)).end_object();
  }
  json.end_array();
  if (usage_known_) {
    json.key("usage");
    write_usage(json, usage_.usage);
  }
  json.end_object();
  return out;
}

ChatBodyEncoder::Choice& ChatBodyEncoder::choice_of(std::int32_t index) {
  for (Choice& choice : choices_) {
    if (choice.index == index) return choice;
  }
  Choice& added = choices_.emplace_back();
  added.index = index;
  return added;
}

}  // namespace turnpike::dialect
