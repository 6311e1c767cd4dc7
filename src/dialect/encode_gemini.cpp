// stream := event* final-event      event := "data: " response CRLF CRLF
//
// Each piece of text is an event of its own; a call is one whole part; the final event has the
// finish reasons and the counters. Nothing follows it: this dialect has no terminator.
#include "dialect/encode_gemini.hpp"

#include <algorithm>
#include <list>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/error_body.hpp"
#include "dialect/issuer_tag.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

constexpr std::string_view event_begin = "data: ";
constexpr std::string_view event_end = "\r\n\r\n";

// ---- pieces of a response

/// There is no reason for tool calls: clients look at the parts.
std::string_view finish_reason(StopReason reason, bool refused) {
  if (refused || reason == StopReason::content_filter) return "SAFETY";
  return reason == StopReason::length ? "MAX_TOKENS" : "STOP";
}

void quote(std::string& out, std::string_view text) { wire::append_quoted(out, text, true); }

struct Call {
  std::string id;
  std::string name;
  std::string arguments;  // as the provider wrote them, JSON or not
};

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Without the parser: the events under way point into what it parsed last.
bool is_whole(const Call& call) {
  const std::size_t begin = call.arguments.find_first_not_of(" \t\r\n");
  return begin != std::string::npos && call.arguments[begin] == '{' &&
         !wire::check_json(call.arguments, wire::json_depth_max).fault;
}

/// A call whose arguments are empty is only known to be whole when the answer has ended for another
/// reason than these.
bool cuts_calls(StopReason reason) {
  return reason == StopReason::length || reason == StopReason::content_filter;
}

Error broken_call(const Candidate& candidate, const Call& call) {
  return upstream_error(502, Retry::next_candidate, "bad_upstream_output",
                        candidate.target() + " called " + quoted_for_message(call.name) +
                            " with arguments that are no JSON object.");
}

/// Valid JSON text on one line. A line break can only stand between its tokens, a line separator
/// only inside its strings.
void append_on_one_line(std::string& out, std::string text) {
  wire::repair_surrogate_escapes(text);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\n' || text[at] == '\r') continue;
    const std::string_view three = std::string_view{text}.substr(at, 3);
    if (three == "\xE2\x80\xA8" || three == "\xE2\x80\xA9") {
      out += three.back() == '\xA8' ? "\\u2028" : "\\u2029";
      at += 2;
    } else {
      out += text[at];
    }
  }
}

void append_text_part(std::string& out, BlockKind kind, std::string_view text) {
  out += R"({"text":)";
  quote(out, text);
  out += kind == BlockKind::reasoning ? R"(,"thought":true})" : "}";
}

/// The signature carries the call's id as well, for clients that drop functionCall.id.
void append_call_part(std::string& out, const Candidate& candidate, const Call& call) {
  out += R"({"functionCall":{"id":)";
  quote(out, call.id);
  out += R"(,"name":)";
  quote(out, call.name);
  out += R"(,"args":)";
  append_on_one_line(out, blank(call.arguments) ? "{}" : call.arguments);
  out += R"(},"thoughtSignature":)";
  quote(out, write_issuer_tag(candidate, call.id));
  out += '}';
}

void append_usage(std::string& out, const Usage& usage) {
  JsonWriter json{out};
  json.begin_object().member("promptTokenCount", usage.input());
  if (usage.input_cache_read > 0) json.member("cachedContentTokenCount", usage.input_cache_read);
  json.member("candidatesTokenCount", usage.output_text);
  if (usage.output_reasoning > 0) json.member("thoughtsTokenCount", usage.output_reasoning);
  json.member("totalTokenCount", usage.input() + usage.output()).end_object();
}

/// What stands behind the candidates and the counters, closing brace included.
std::string identity(const StreamOptions& options) {
  std::string out = R"(,"modelVersion":)";
  quote(out, options.model);
  out += R"(,"responseId":)";
  quote(out, options.id);
  out += '}';
  return out;
}

// ---- streamed

/// Text goes out as it comes. What begins after a call waits until the call is whole, so that parts
/// keep the order in which the provider began them.
class GeminiStreamEncoder final : public StreamEncoder {
 public:
  GeminiStreamEncoder(const StreamOptions& options, const Candidate& candidate)
      : options_(options), candidate_(candidate), identity_(identity(options)) {}

  std::optional<Error> encode(const StreamEvent& event, std::string& out) override {
    std::optional<Error> fault;
    std::visit(Overloaded{
                   [&](const Start&) { choices_.clear(); },
                   [&](const BlockStart& start) { begin(start); },
                   [&](const Delta& delta) { piece(delta, out); },
                   [&](const BlockStop& stop) { block_stop(stop, out); },
                   [&](const UsageReport& report) { usage_ = report.usage; },
                   [&](const Stop& reason) { fault = stop(reason, out); },
                   [&](const End&) { fault = finish(out); },
                   [](const auto&) {},
               },
               event);
    return fault;
  }

  void heartbeat(std::string& out) override {
    out += event_begin;
    out += R"({"candidates":[])";
    out += identity_;
    out += event_end;
  }

  void fail(const Error& error, std::string& out) override {
    out += event_begin;
    out += error_body(Dialect::gemini_generate, error);
    out += event_end;
  }

 private:
  /// A call that is not whole yet, or what began after one.
  struct Waiting {
    std::int32_t block = 0;
    BlockKind kind = BlockKind::text;
    std::string text;
    Call call;
    bool ended = false;
  };
  struct Choice {
    std::int32_t index = 0;
    std::list<Waiting> waiting;  // in the order in which they began; a call at the front, or empty
    StopReason reason = StopReason::natural;
    bool refused = false;
  };

  void begin(const BlockStart& start) {
    Choice& choice = choice_of(start.choice);
    if (start.kind == BlockKind::refusal) choice.refused = true;
    if (start.kind != BlockKind::tool_call && choice.waiting.empty()) return;
    Waiting& added = choice.waiting.emplace_back();
    added.block = start.block;
    added.kind = start.kind;
    added.call.id = start.id;
    added.call.name = start.name;
  }

  void piece(const Delta& delta, std::string& out) {
    Choice& choice = choice_of(delta.choice);
    const auto waiting = std::ranges::find(choice.waiting, delta.block, &Waiting::block);
    if (waiting == choice.waiting.end()) {
      text(choice, delta.kind, delta.bytes, out);
    } else if (waiting->kind == BlockKind::tool_call) {
      waiting->call.arguments += delta.bytes;
    } else {
      waiting->text += delta.bytes;
    }
  }

  void block_stop(const BlockStop& stop, std::string& out) {
    Choice& choice = choice_of(stop.choice);
    const auto waiting = std::ranges::find(choice.waiting, stop.block, &Waiting::block);
    if (waiting == choice.waiting.end()) return;
    waiting->ended = true;
    release(choice, out);
  }

  /// Lets go of what no call holds back any more.
  void release(Choice& choice, std::string& out) {
    while (!choice.waiting.empty()) {
      const Waiting& front = choice.waiting.front();
      if (front.kind != BlockKind::tool_call) {
        text(choice, front.kind, front.text, out);
      } else if (front.ended && is_whole(front.call)) {
        call(choice, front.call, out);
      } else {
        return;
      }
      choice.waiting.pop_front();
    }
  }

  /// A call that the limit has cut never reaches the client: it would be run with half its
  /// arguments.
  std::optional<Error> stop(const Stop& stop, std::string& out) {
    Choice& choice = choice_of(stop.choice);
    choice.reason = stop.reason;
    for (const Waiting& waiting : choice.waiting) {
      if (waiting.kind != BlockKind::tool_call) {
        text(choice, waiting.kind, waiting.text, out);
        continue;
      }
      if (!is_whole(waiting.call)) {
        if (cuts_calls(stop.reason)) continue;
        if (!blank(waiting.call.arguments)) return broken_call(candidate_, waiting.call);
      }
      call(choice, waiting.call, out);
    }
    choice.waiting.clear();
    return std::nullopt;
  }

  void text(const Choice& choice, BlockKind kind, std::string_view bytes, std::string& out) const {
    if (bytes.empty() || (kind == BlockKind::reasoning && !options_.include_reasoning)) return;
    begin_event(out);
    append_text_part(out, kind, bytes);
    end_event(choice, out);
  }

  void call(const Choice& choice, const Call& call, std::string& out) const {
    begin_event(out);
    append_call_part(out, candidate_, call);
    end_event(choice, out);
  }

  static void begin_event(std::string& out) {
    out += event_begin;
    out += R"({"candidates":[{"content":{"parts":[)";
  }

  void end_event(const Choice& choice, std::string& out) const {
    out += R"(],"role":"model"},"index":)";
    out += std::to_string(choice.index);
    out += "}]";
    out += identity_;
    out += event_end;
  }

  /// Some providers go on behind their finish reason, or have none: what waits then is let go here.
  std::optional<Error> finish(std::string& out) {
    for (const Choice& choice : choices_) {
      if (choice.waiting.empty()) continue;
      if (auto fault = stop(Stop{choice.index, choice.reason, {}}, out)) return fault;
    }
    final_event(out);
    return std::nullopt;
  }

  /// The text is there, though empty, because clients look into the content of every candidate.
  void final_event(std::string& out) const {
    out += event_begin;
    out += R"({"candidates":[)";
    std::string_view comma;
    for (const Choice& choice : choices_) {
      out += comma;
      comma = ",";
      out += R"({"content":{"parts":[{"text":""}],"role":"model"},"finishReason":")";
      out += finish_reason(choice.reason, choice.refused);
      out += R"(","index":)";
      out += std::to_string(choice.index);
      out += '}';
    }
    out += ']';
    if (usage_) {
      out += R"(,"usageMetadata":)";
      append_usage(out, *usage_);
    }
    out += identity_;
    out += event_end;
  }

  Choice& choice_of(std::int32_t index) {
    const auto known = std::ranges::find(choices_, index, &Choice::index);
    if (known != choices_.end()) return *known;
    Choice& added = choices_.emplace_back();
    added.index = index;
    return added;
  }

  const StreamOptions& options_;
  const Candidate& candidate_;
  std::string identity_;
  std::list<Choice> choices_;
  std::optional<Usage> usage_;
};

// ---- whole

/// Collects a whole answer.
class GeminiBodyEncoder final : public BodyEncoder {
 public:
  GeminiBodyEncoder(const StreamOptions& options, const Candidate& candidate)
      : options_(options), candidate_(candidate) {}

  void encode(const StreamEvent& event) override {
    std::visit(Overloaded{
                   [&](const Start&) { choices_.clear(); },
                   [&](const BlockStart& start) { begin(start); },
                   [&](const Delta& delta) { piece(delta); },
                   [&](const UsageReport& report) { usage_ = report.usage; },
                   [&](const Stop& stop) { choice_of(stop.choice).reason = stop.reason; },
                   [](const auto&) {},
               },
               event);
  }

  [[nodiscard]] Result<std::string> body() const override {
    std::string out = R"({"candidates":[)";
    std::string_view comma;
    for (const Choice& choice : choices_) {
      out += comma;
      comma = ",";
      if (auto fault = append_candidate(out, choice)) return std::unexpected{std::move(*fault)};
    }
    out += ']';
    if (usage_) {
      out += R"(,"usageMetadata":)";
      append_usage(out, *usage_);
    }
    out += identity(options_);
    return out;
  }

 private:
  struct Block {
    std::int32_t number = 0;
    BlockKind kind = BlockKind::text;
    std::string text;
    Call call;
  };
  struct Choice {
    std::int32_t index = 0;
    std::vector<Block> blocks;
    StopReason reason = StopReason::natural;
    bool refused = false;
  };

  void begin(const BlockStart& start) {
    Choice& choice = choice_of(start.choice);
    if (start.kind == BlockKind::refusal) choice.refused = true;
    Block& block = choice.blocks.emplace_back();
    block.number = start.block;
    block.kind = start.kind;
    block.call.id = start.id;
    block.call.name = start.name;
  }

  void piece(const Delta& delta) {
    auto& blocks = choice_of(delta.choice).blocks;
    const auto block = std::ranges::find(blocks, delta.block, &Block::number);
    if (block == blocks.end()) return;
    (block->kind == BlockKind::tool_call ? block->call.arguments : block->text) += delta.bytes;
  }

  std::optional<Error> append_candidate(std::string& out, const Choice& choice) const {
    out += R"({"content":{"parts":[)";
    const std::size_t empty = out.size();
    for (const Block& block : choice.blocks) {
      if (!shown(choice, block)) continue;
      if (out.size() > empty) out += ',';
      if (block.kind != BlockKind::tool_call) {
        append_text_part(out, block.kind, block.text);
        continue;
      }
      if (!blank(block.call.arguments) && !is_whole(block.call))
        return broken_call(candidate_, block.call);
      append_call_part(out, candidate_, block.call);
    }
    if (out.size() == empty) append_text_part(out, BlockKind::text, {});
    out += R"(],"role":"model"},"finishReason":")";
    out += finish_reason(choice.reason, choice.refused);
    out += R"(","index":)";
    out += std::to_string(choice.index);
    out += '}';
    return std::nullopt;
  }

  [[nodiscard]] bool shown(const Choice& choice, const Block& block) const {
    if (block.kind == BlockKind::tool_call)
      return !cuts_calls(choice.reason) || is_whole(block.call);
    if (block.kind == BlockKind::reasoning && !options_.include_reasoning) return false;
    return !block.text.empty();
  }

  Choice& choice_of(std::int32_t index) {
    const auto known = std::ranges::find(choices_, index, &Choice::index);
    if (known != choices_.end()) return *known;
    Choice& added = choices_.emplace_back();
    added.index = index;
    return added;
  }

  const StreamOptions& options_;
  const Candidate& candidate_;
  std::list<Choice> choices_;
  std::optional<Usage> usage_;
};

}  // namespace

std::unique_ptr<StreamEncoder> make_gemini_stream_encoder(const StreamOptions& options,
                                                          const Candidate& candidate) {
  return std::make_unique<GeminiStreamEncoder>(options, candidate);
}

std::unique_ptr<BodyEncoder> make_gemini_body_encoder(const StreamOptions& options,
                                                      const Candidate& candidate) {
  return std::make_unique<GeminiBodyEncoder>(options, candidate);
}

}  // namespace turnpike::dialect
