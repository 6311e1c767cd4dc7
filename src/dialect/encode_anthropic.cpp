#include "dialect/encode_anthropic.hpp"

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

#include "dialect/error_body.hpp"
#include "dialect/issuer_tag.hpp"
#include "dialect/tool_ids.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

/// Arguments under way and pieces that wait, over a whole answer. More is no answer.
constexpr std::size_t kept_bytes_max = std::size_t{32} << 20U;

constexpr std::string_view blanks = " \t\r\n";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(blanks) == std::string_view::npos;
}

/// Without the parser: the events under way still point into what it parsed last.
bool is_json_object(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  return begin != std::string_view::npos && text[begin] == '{' &&
         !wire::check_json(text, wire::json_depth_max).fault;
}

Error bad_arguments(const Candidate& candidate) {
  return upstream_error(
      502, Retry::next_candidate, "bad_upstream_output",
      candidate.target() + " called a tool with arguments that are no JSON object.");
}

/// How an answer ended, in this dialect's words.
struct Ending {
  StopReason reason = StopReason::natural;
  std::string sequence;
  bool calls = false;    // shown to the client
  bool refused = false;  // in words

  [[nodiscard]] std::string_view word() const {
    switch (reason) {
      case StopReason::length:
        return "max_tokens";
      case StopReason::content_filter:
        return "refusal";
      case StopReason::pause:
        return "pause_turn";
      case StopReason::stop_sequence:
        return "stop_sequence";
      case StopReason::tool_calls:
      case StopReason::natural:
        break;
    }
    if (calls) return "tool_use";
    return refused ? "refusal" : "end_turn";
  }

  void write(JsonWriter& json) const {
    json.member("stop_reason", word()).key("stop_sequence");
    const bool told = reason == StopReason::stop_sequence && !sequence.empty();
    told ? json.value(std::string_view{sequence}) : json.null();
  }
};

/// Cached tokens are not part of input_tokens; thinking is part of output_tokens.
void write_usage(JsonWriter& json, const Usage& usage) {
  json.key("usage").begin_object();
  json.member("input_tokens", usage.input_fresh)
      .member("cache_creation_input_tokens",
              usage.input_cache_write_5m + usage.input_cache_write_1h)
      .member("cache_read_input_tokens", usage.input_cache_read);
  json.key("cache_creation").begin_object();
  json.member("ephemeral_5m_input_tokens", usage.input_cache_write_5m)
      .member("ephemeral_1h_input_tokens", usage.input_cache_write_1h)
      .end_object();
  json.member("output_tokens", usage.output()).key("output_tokens_details").begin_object();
  json.member("thinking_tokens", usage.output_reasoning).end_object().end_object();
}

/// The members of a message before its content.
void write_head(JsonWriter& json, const StreamOptions& options) {
  json.member("id", std::string_view{options.id})
      .member("type", "message")
      .member("role", "assistant")
      .member("model", std::string_view{options.model});
}

class AnthropicStreamEncoder final : public StreamEncoder {
 public:
  AnthropicStreamEncoder(const StreamOptions& options, const Candidate& candidate)
      : options_(options), candidate_(candidate) {}

  std::optional<Error> encode(const StreamEvent& event, std::string& out) override {
    std::visit(Overloaded{
                   [&](const Start&) {
                     if (!begun_) blocks_.clear();
                   },
                   [&](const BlockStart& start) { block_start(start); },
                   [&](const Delta& piece) { delta(piece, out); },
                   [&](const BlockStop& stop) { block_stop(stop, out); },
                   [&](const UsageReport& report) { usage_ = report.usage; },
                   [&](const Stop& reason) { stop(reason, out); },
                   [&](const End&) { end(out); },
                   [](const auto&) {},
               },
               event);
    return std::exchange(fault_, std::nullopt);
  }

  void heartbeat(std::string& out) override { out += "event: ping\ndata: {\"type\":\"ping\"}\n\n"; }

  void fail(const Error& error, std::string& out) override {
    append_error_event(out, Dialect::anthropic_messages, error);
  }

 private:
  struct Block {
    std::int32_t number = 0;
    BlockKind kind = BlockKind::text;
    std::string id;         // tool calls only
    std::string name;       // likewise
    std::string arguments;  // likewise: all of them so far
    std::string waiting;    // pieces that have not been shown
    bool shown = false;     // content_block_start has been appended
    bool stopped = false;   // no more pieces will come
    bool sound = true;      // may be ended; false for calls until their arguments are an object
  };

  /// Prose waits for its first piece; a call has its place from the beginning.
  void block_start(const BlockStart& start) {
    if (start.choice != 0 || start.kind != BlockKind::tool_call) return;
    Block& block = blocks_.emplace_back();
    block.number = start.block;
    block.kind = start.kind;
    block.id = wire_tool_id(start.id);
    block.name = start.name;
    block.sound = false;
  }

  void delta(const Delta& delta, std::string& out) {
    if (delta.choice != 0 || delta.bytes.empty()) return;
    Block* block = find(delta.block);
    if (block == nullptr) {
      if (delta.kind == BlockKind::tool_call) return;
      block = &blocks_.emplace_back();
      block->number = delta.block;
      block->kind = delta.kind;
    }
    ending_.refused |= delta.kind == BlockKind::refusal;
    if (delta.kind == BlockKind::tool_call) {
      block->arguments += delta.bytes;
      keep(delta.bytes.size());
    }
    if (block->shown && block == &blocks_.front()) {
      append_piece(delta.bytes, out);
      return;
    }
    block->waiting += delta.bytes;
    keep(delta.bytes.size());
    advance(out);
  }

  void block_stop(const BlockStop& stop, std::string& out) {
    Block* block = stop.choice == 0 ? find(stop.block) : nullptr;
    if (block == nullptr) return;
    block->stopped = true;
    block->sound = block->sound || is_json_object(block->arguments);
    advance(out);
  }

  void stop(const Stop& stop, std::string& out) {
    if (stop.choice != 0) return;
    ending_.reason = stop.reason;
    ending_.sequence = stop.sequence;
    finish_blocks(out);
  }

  void end(std::string& out) {
    finish_blocks(out);
    if (fault_) return;
    begin(out);
    JsonWriter json{begin_event("message_delta", out)};
    json.key("delta").begin_object();
    ending_.write(json);
    json.end_object();
    write_usage(json, usage_);
    json.end_object();
    out += "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
  }

  /// Nothing more comes: what is unfinished now stays so.
  void finish_blocks(std::string& out) {
    const bool cut = ending_.reason == StopReason::length;
    for (Block& block : blocks_) {
      block.stopped = true;
      if (block.sound) continue;
      block.sound = is_json_object(block.arguments) || (is_blank(block.arguments) && !cut);
      if (!block.sound && !cut) fault_ = bad_arguments(candidate_);
    }
    if (fault_) return;
    if (cut) {
      std::erase_if(blocks_, [](const Block& block) { return !block.sound && !block.shown; });
      for (Block& block : blocks_) block.sound = true;
    }
    advance(out);
  }

  /// Shows what can be shown of the first block, and of those after it as they come to the front.
  void advance(std::string& out) {
    while (!blocks_.empty()) {
      Block& block = blocks_.front();
      if (block.stopped && !block.sound && !block.shown) return;
      if (!block.shown && !is_blank(block.waiting)) show(block, out);
      if (block.shown && !block.waiting.empty()) {
        append_piece(std::exchange(block.waiting, {}), out);
      }
      if (!block.stopped || !block.sound) return;
      close(block, out);
      blocks_.pop_front();
      // The next call is shown with its next piece: if none comes, the limit may have cut it.
      if (!blocks_.empty() && !blocks_.front().sound && !blocks_.front().stopped) return;
    }
  }

  void show(Block& block, std::string& out) {
    begin(out);
    block.shown = true;
    JsonWriter json{begin_event("content_block_start", out)};
    json.member("index", index_).key("content_block").begin_object();
    switch (block.kind) {
      case BlockKind::tool_call:
        ending_.calls = true;
        json.member("type", "tool_use").member("id", std::string_view{block.id});
        json.member("name", std::string_view{block.name}).key("input").begin_object().end_object();
        set_piece("input_json_delta", "partial_json");
        break;
      case BlockKind::reasoning:
        json.member("type", "thinking").member("thinking", "").member("signature", "");
        set_piece("thinking_delta", "thinking");
        break;
      case BlockKind::text:
      case BlockKind::refusal:
        json.member("type", "text").member("text", "");
        set_piece("text_delta", "text");
        break;
    }
    json.end_object().end_object();
    out += "\n\n";
  }

  void close(Block& block, std::string& out) {
    if (!block.shown) {
      if (block.kind != BlockKind::tool_call) return;  // nothing but blanks
      show(block, out);
      append_piece({}, out);
    }
    if (block.kind == BlockKind::reasoning) {
      set_piece("signature_delta", "signature");
      append_piece(write_issuer_tag(candidate_), out);
    }
    JsonWriter json{begin_event("content_block_stop", out)};
    json.member("index", index_++).end_object();
    out += "\n\n";
  }

  void begin(std::string& out) {
    if (std::exchange(begun_, true)) return;
    JsonWriter json{begin_event("message_start", out)};
    json.key("message").begin_object();
    write_head(json, options_);
    json.key("content").begin_array().end_array();
    json.key("stop_reason").null().key("stop_sequence").null();
    Usage known = usage_;
    known.output_text = known.output_reasoning = 0;  // told at the end
    write_usage(json, known);
    json.end_object().end_object();
    out += "\n\n";
  }

  /// `event: …`, `data: {` and the type; returns `out` for the JSON that goes on.
  static std::string& begin_event(std::string_view type, std::string& out) {
    out.append("event: ").append(type).append("\ndata: {\"type\":\"").append(type).append("\",");
    return out;
  }

  /// Everything of the open block's deltas that stands before the piece.
  void set_piece(std::string_view type, std::string_view key) {
    piece_head_.clear();
    begin_event("content_block_delta", piece_head_);
    piece_head_.append("\"index\":").append(std::to_string(index_));
    piece_head_.append(",\"delta\":{\"type\":\"").append(type);
    piece_head_.append("\",\"").append(key).append("\":");
  }

  void append_piece(std::string_view piece, std::string& out) const {
    out += piece_head_;
    wire::append_quoted(out, piece);
    out += "}}\n\n";
  }

  void keep(std::size_t bytes) {
    kept_bytes_ += bytes;
    if (kept_bytes_ <= kept_bytes_max) return;
    fault_ = upstream_error(502, Retry::never, "bad_upstream_output",
                            candidate_.target() + " sent more than a client can be given.");
  }

  Block* find(std::int32_t number) {
    const auto found = std::ranges::find(blocks_, number, &Block::number);
    return found == blocks_.end() ? nullptr : &*found;
  }

  const StreamOptions& options_;
  const Candidate& candidate_;
  std::list<Block>
      blocks_;  // begun and not yet ended, in the client's order; the first may be open
  std::string piece_head_;
  std::int64_t index_ = 0;  // of the open block, or of the next
  Usage usage_;
  Ending ending_;
  std::size_t kept_bytes_ = 0;
  std::optional<Error> fault_;
  bool begun_ = false;
};

class AnthropicBodyEncoder final : public BodyEncoder {
 public:
  AnthropicBodyEncoder(const StreamOptions& options, const Candidate& candidate)
      : options_(options), candidate_(candidate) {}

  void encode(const StreamEvent& event) override {
    std::visit(
        Overloaded{
            [this](const BlockStart& start) {
              if (start.choice != 0) return;
              blocks_.push_back(
                  {start.block, start.kind, wire_tool_id(start.id), std::string{start.name}, {}});
            },
            [this](const Delta& delta) {
              const auto block = std::ranges::find(blocks_, delta.block, &Block::number);
              if (delta.choice == 0 && block != blocks_.end()) block->text += delta.bytes;
            },
            [this](const Stop& stop) {
              if (stop.choice != 0) return;
              ending_.reason = stop.reason;
              ending_.sequence = stop.sequence;
            },
            [this](const UsageReport& report) { usage_ = report.usage; },
            [](const auto&) {},
        },
        event);
  }

  [[nodiscard]] Result<std::string> body() const override {
    std::string out;
    JsonWriter json{out};
    json.begin_object();
    write_head(json, options_);
    json.key("content").begin_array();
    Ending ending = ending_;
    for (const Block& block : blocks_) {
      if (!write_block(json, block, ending)) return std::unexpected{bad_arguments(candidate_)};
    }
    json.end_array();
    ending.write(json);
    write_usage(json, usage_);
    json.end_object();
    return out;
  }

 private:
  struct Block {
    std::int32_t number = 0;
    BlockKind kind = BlockKind::text;
    std::string id;
    std::string name;
    std::string text;
  };

  /// False for a call that must not reach a client. One that was cut by the limit is left out.
  bool write_block(JsonWriter& json, const Block& block, Ending& ending) const {
    if (block.kind == BlockKind::tool_call) return write_call(json, block, ending);
    if (is_blank(block.text)) return true;
    json.begin_object();
    if (block.kind == BlockKind::reasoning) {
      json.member("type", "thinking").member("thinking", std::string_view{block.text});
      json.member("signature", std::string_view{write_issuer_tag(candidate_)});
    } else {
      ending.refused |= block.kind == BlockKind::refusal;
      json.member("type", "text").member("text", std::string_view{block.text});
    }
    json.end_object();
    return true;
  }

  static bool write_call(JsonWriter& json, const Block& block, Ending& ending) {
    const bool cut = ending.reason == StopReason::length;
    const bool none = is_blank(block.text);
    if (!is_json_object(block.text) && (cut || !none)) return cut;
    ending.calls = true;
    json.begin_object().member("type", "tool_use").member("id", std::string_view{block.id});
    json.member("name", std::string_view{block.name}).key("input");
    none ? json.begin_object().end_object() : json.raw(block.text);
    json.end_object();
    return true;
  }

  const StreamOptions& options_;
  const Candidate& candidate_;
  std::vector<Block> blocks_;
  Usage usage_;
  Ending ending_;
};

}  // namespace

std::unique_ptr<StreamEncoder> make_anthropic_stream_encoder(const StreamOptions& options,
                                                             const Candidate& candidate) {
  return std::make_unique<AnthropicStreamEncoder>(options, candidate);
}

std::unique_ptr<BodyEncoder> make_anthropic_body_encoder(const StreamOptions& options,
                                                         const Candidate& candidate) {
  return std::make_unique<AnthropicBodyEncoder>(options, candidate);
}

}  // namespace turnpike::dialect
