#include "dialect/decode_anthropic.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/json_reading.hpp"
#include "dialect/server_tool_usage.hpp"
#include "dialect/upstream_error.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::string_view empty_object = "{}";

StopReason stop_of(std::string_view reason, bool calls_seen) {
  if (reason == "tool_use") return StopReason::tool_calls;
  if (reason == "max_tokens" || reason == "model_context_window_exceeded") {
    return StopReason::length;
  }
  if (reason == "refusal") return StopReason::content_filter;
  if (reason == "stop_sequence") return StopReason::stop_sequence;
  if (reason == "pause_turn") return StopReason::pause;
  // A turn that ends with calls open would end an agent's loop silently if it were called natural.
  return calls_seen ? StopReason::tool_calls : StopReason::natural;
}

}  // namespace

/// One document's worth of reading: the decoder's state, the parsed JSON and where the events go.
class AnthropicDecoder::Reader {
 public:
  Reader(AnthropicDecoder& decoder, std::string_view text, StreamEvents& events)
      : decoder_(decoder), text_(text), events_(events) {}

  void event(const JsonObject& root);
  void message(const JsonObject& message);

 private:
  void start(const JsonObject& message, bool whole);
  void block_start(std::int64_t wire_index, const JsonObject& content, const RawCursor& raw);
  void block_delta(const Block& block, const JsonObject& delta);
  void block_stop(Block& block);
  void message_delta(const JsonObject& root);
  void message_stop();
  void usage(const JsonObject& usage, bool final);
  void report(bool final);
  void server_tool_call(std::string_view name);
  void failure(const JsonObject& root);

  void text(const Block& block, std::string_view bytes);
  void opaque(const Block& block, Opaque::Form form, std::string_view bytes);
  Block* find(std::int64_t wire_index);
  std::int32_t number(const Block& block) const {
    return static_cast<std::int32_t>(&block - decoder_.blocks_.data());
  }

  AnthropicDecoder& decoder_;
  std::string_view text_;
  StreamEvents& events_;
};

void AnthropicDecoder::decode(const wire::SseEvent& event, StreamEvents& events) {
  if (!event.has_data || event.data.empty()) {
    events.emplace_back(KeepAlive{});
    return;
  }
  const auto json = parse_provider_json(event.data);
  JsonObject root;
  if (!json || json->document.root().get(root) != simdjson::SUCCESS) {
    events.emplace_back(broken_answer(candidate_, "an event that is not a JSON object"));
    return;
  }
  Reader{*this, json->text, events}.event(root);
}

void AnthropicDecoder::decode_whole(std::string_view body, StreamEvents& events) {
  const auto json = parse_provider_json(body);
  JsonObject root;
  if (!json || json->document.root().get(root) != simdjson::SUCCESS) {
    events.emplace_back(broken_answer(candidate_, "a body that is not a JSON object"));
    return;
  }
  Reader{*this, json->text, events}.message(root);
}

// Unknown events and unknown kinds of blocks are skipped: the vendor adds some every few weeks.
void AnthropicDecoder::Reader::event(const JsonObject& root) {
  const std::string_view type = text_member(root, "type");
  const std::int64_t index = integer_member(root, "index", -1);
  if (type == "content_block_delta") {
    const auto delta = object_member(root, "delta");
    const Block* block = find(index);
    if (delta && block != nullptr) block_delta(*block, *delta);
  } else if (type == "content_block_start") {
    const auto content = object_member(root, "content_block");
    if (content) block_start(index, *content, RawCursor{text_}.member("content_block"));
  } else if (type == "content_block_stop") {
    if (Block* block = find(index)) block_stop(*block);
  } else if (type == "message_start") {
    if (const auto message = object_member(root, "message")) start(*message, false);
  } else if (type == "message_delta") {
    message_delta(root);
  } else if (type == "message_stop") {
    message_stop();
  } else if (type == "error") {
    failure(root);
  } else if (type == "ping") {
    events_.emplace_back(KeepAlive{});
  }
}

// A second message_start is a harmless repetition, or a retry behind the provider's own front: a
// new beginning is possible only while nothing has been passed on.
void AnthropicDecoder::Reader::start(const JsonObject& message, bool whole) {
  if (decoder_.content_seen_) {
    events_.emplace_back(broken_answer(decoder_.candidate_, "the start of a second answer"));
    return;
  }
  decoder_.blocks_.clear();
  decoder_.counts_ = Counts{};
  decoder_.started_ = true;
  events_.emplace_back(Start{text_member(message, "id"), text_member(message, "model")});
  if (const auto counts = object_member(message, "usage")) usage(*counts, whole);
}

void AnthropicDecoder::Reader::block_start(std::int64_t wire_index, const JsonObject& content,
                                           const RawCursor& raw) {
  Block block;
  block.wire_index = wire_index;
  const std::string_view type = text_member(content, "type");
  block.shown = true;
  if (type == "tool_use") {
    block.kind = BlockKind::tool_call;
  } else if (type == "thinking" || type == "redacted_thinking") {
    block.kind = BlockKind::reasoning;
  } else {
    block.shown = type == "text";
  }
  auto& added = decoder_.blocks_.emplace_back(std::move(block));
  if (type == "server_tool_use") server_tool_call(text_member(content, "name"));
  if (!added.shown) return;
  BlockStart begin;
  begin.block = number(added);
  begin.kind = added.kind;
  if (added.kind == BlockKind::tool_call) {
    begin.id = text_member(content, "id");
    begin.name = text_member(content, "name");
    decoder_.content_seen_ = decoder_.calls_seen_ = true;
    const auto input = object_member(content, "input");
    if (input && input->size() > 0) added.first_input = raw.member("input").text();
  }
  events_.emplace_back(begin);
  if (type == "text") text(added, text_member(content, "text"));
  if (type == "thinking") text(added, text_member(content, "thinking"));
  opaque(added, Opaque::Form::signature, text_member(content, "signature"));
  if (type == "redacted_thinking") {
    opaque(added, Opaque::Form::redacted, text_member(content, "data"));
  }
}

void AnthropicDecoder::Reader::block_delta(const Block& block, const JsonObject& delta) {
  if (!block.shown) return;
  const std::string_view type = text_member(delta, "type");
  if (type == "text_delta" && block.kind == BlockKind::text) {
    text(block, text_member(delta, "text"));
  } else if (type == "thinking_delta" && block.kind == BlockKind::reasoning) {
    text(block, text_member(delta, "thinking"));
  } else if (type == "input_json_delta" && block.kind == BlockKind::tool_call) {
    text(block, text_member(delta, "partial_json"));
  } else if (type == "signature_delta") {
    opaque(block, Opaque::Form::signature, text_member(delta, "signature"));
  }
}

void AnthropicDecoder::Reader::block_stop(Block& block) {
  if (!block.shown || !std::exchange(block.open, false)) return;
  if (block.kind == BlockKind::tool_call && !block.has_arguments) {
    text(block, block.first_input.empty() ? empty_object : std::string_view{block.first_input});
  }
  events_.emplace_back(BlockStop{0, number(block)});
}

void AnthropicDecoder::Reader::message_delta(const JsonObject& root) {
  if (const auto delta = object_member(root, "delta")) {
    const std::string_view reason = text_member(*delta, "stop_reason");
    if (!reason.empty()) decoder_.stop_reason_ = reason;
    decoder_.stop_sequence_ = text_member(*delta, "stop_sequence");
  }
  if (const auto counts = object_member(root, "usage")) usage(*counts, true);
}

void AnthropicDecoder::Reader::message_stop() {
  if (!decoder_.started_) {
    events_.emplace_back(broken_answer(decoder_.candidate_, "an answer without a beginning"));
    return;
  }
  for (Block& block : decoder_.blocks_) block_stop(block);
  events_.emplace_back(
      Stop{0, stop_of(decoder_.stop_reason_, decoder_.calls_seen_), decoder_.stop_sequence_});
  events_.emplace_back(End{});
}

// Counts are cumulative and may be told again in part: what is told is set, never added.
void AnthropicDecoder::Reader::usage(const JsonObject& usage, bool final) {
  Counts& counts = decoder_.counts_;
  CountReader reader{counts.plausible};
  bool told = reader.read(usage, "input_tokens", counts.input);
  told |= reader.read(usage, "output_tokens", counts.output);
  told |= reader.read(usage, "cache_read_input_tokens", counts.cache_read);
  told |= reader.read(usage, "cache_creation_input_tokens", counts.cache_write);
  if (const auto split = object_member(usage, "cache_creation")) {
    std::int64_t short_lived = 0;
    reader.read(*split, "ephemeral_1h_input_tokens", counts.cache_write_1h);
    reader.read(*split, "ephemeral_5m_input_tokens", short_lived);
    counts.cache_write = std::max(counts.cache_write, short_lived + counts.cache_write_1h);
  }
  if (const auto details = object_member(usage, "output_tokens_details")) {
    reader.read(*details, "thinking_tokens", counts.thinking);
  }
  counts.calls_told |= read_server_tool_use(usage, reader, counts.calls);
  counts.reported |= told;
  if (counts.reported) report(final);
}

void AnthropicDecoder::Reader::report(bool final) {
  const Counts& counts = decoder_.counts_;
  Usage sum;
  sum.items = counts.calls_told ? counts.calls : counts.calls_seen;
  sum.input_fresh = counts.input;
  sum.input_cache_read = counts.cache_read;
  sum.input_cache_write_1h = std::min(counts.cache_write_1h, counts.cache_write);
  sum.input_cache_write_5m = counts.cache_write - sum.input_cache_write_1h;
  sum.output_reasoning = std::min(counts.thinking, counts.output);
  sum.output_text = counts.output - sum.output_reasoning;
  events_.emplace_back(UsageReport{sum, counts.plausible, final});
}

/// Servers that do not count calls in their usage still show them; so does an answer that breaks
/// before its usage.
void AnthropicDecoder::Reader::server_tool_call(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, ServerTool>, 3> names{
      {{"web_search", ServerTool::web_search},
       {"web_fetch", ServerTool::web_fetch},
       {"code_execution", ServerTool::code_execution}}};
  for (const auto& [known, tool] : names) {
    if (name != known) continue;
    count_call(decoder_.counts_.calls_seen, tool);
    if (decoder_.counts_.reported) report(false);
  }
}

void AnthropicDecoder::Reader::message(const JsonObject& message) {
  if (text_member(message, "type") == "error" || object_member(message, "error")) {
    failure(message);
    return;
  }
  const auto content = array_member(message, "content");
  if (!content) {
    events_.emplace_back(broken_answer(decoder_.candidate_, "an answer without content"));
    return;
  }
  start(message, true);
  std::int64_t index = 0;
  decoder_.blocks_.reserve(content->size());  // events point into the blocks: they must not move
  const RawCursor raw = RawCursor{text_}.member("content");
  for (const JsonElement& element : *content) {
    JsonObject block;
    if (element.get(block) != simdjson::SUCCESS) continue;
    block_start(index, block, raw.element(static_cast<std::size_t>(index)));
    block_stop(*find(index));
    ++index;
  }
  decoder_.stop_reason_ = text_member(message, "stop_reason");
  decoder_.stop_sequence_ = text_member(message, "stop_sequence");
  message_stop();
}

void AnthropicDecoder::Reader::failure(const JsonObject& root) {
  const ProviderError error = read_error_object(root);
  events_.emplace_back(
      Failure{classify_stream_error(decoder_.candidate_, error.type, error.code, error.message)});
}

void AnthropicDecoder::Reader::text(const Block& block, std::string_view bytes) {
  if (bytes.empty()) return;
  decoder_.content_seen_ = true;
  decoder_.blocks_[static_cast<std::size_t>(number(block))].has_arguments = true;
  events_.emplace_back(Delta{0, number(block), block.kind, bytes});
}

void AnthropicDecoder::Reader::opaque(const Block& block, Opaque::Form form,
                                      std::string_view bytes) {
  if (!bytes.empty()) events_.emplace_back(Opaque{0, number(block), form, bytes});
}

/// The block that is open under this index: indexes begin anew after a second message_start.
AnthropicDecoder::Block* AnthropicDecoder::Reader::find(std::int64_t wire_index) {
  for (auto block = decoder_.blocks_.rbegin(); block != decoder_.blocks_.rend(); ++block) {
    if (block->wire_index == wire_index && block->open) return &*block;
  }
  return nullptr;
}

}  // namespace turnpike::dialect
