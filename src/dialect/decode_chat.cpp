#include "dialect/decode_chat.hpp"

#include <algorithm>
#include <utility>

#include "dialect/json_reading.hpp"
#include "dialect/server_tool_usage.hpp"
#include "dialect/upstream_error.hpp"
#include "wire/json_splice.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t choices_max = 128;
constexpr std::size_t calls_max = 1024;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

StopReason stop_of(std::string_view reason, bool calls_seen) {
  if (reason == "length") return StopReason::length;
  if (reason == "content_filter") return StopReason::content_filter;
  if (reason == "tool_calls" || reason == "function_call") return StopReason::tool_calls;
  return calls_seen ? StopReason::tool_calls : StopReason::natural;
}

/// Neither null nor an empty string, array or object: something a client might show or act on.
bool carries_something(const JsonElement& value) {
  if (value.is_null()) return false;
  if (value.is_string()) return !text_of(value).empty();
  JsonArray array;
  if (value.get(array) == simdjson::SUCCESS) return array.size() > 0;
  JsonObject object;
  if (value.get(object) == simdjson::SUCCESS) return object.size() > 0;
  return true;
}

/// Providers disagree whether reasoning is inside completion_tokens; the total tells. DeepSeek
/// names hits and misses.
UsageReport read_usage(const JsonObject& usage) {
  UsageReport report;
  CountReader reader{report.plausible};
  std::int64_t prompt = 0;
  std::int64_t completion = 0;
  std::int64_t total = 0;
  std::int64_t reasoning = 0;
  Usage& sum = report.usage;
  reader.read(usage, "prompt_tokens", prompt);
  reader.read(usage, "completion_tokens", completion);
  reader.read(usage, "total_tokens", total);
  if (const auto details = object_member(usage, "prompt_tokens_details")) {
    reader.read(*details, "cached_tokens", sum.input_cache_read);
    reader.read(*details, "cache_write_tokens", sum.input_cache_write_5m);
  }
  reader.read(usage, "prompt_cache_hit_tokens", sum.input_cache_read);
  if (const auto details = object_member(usage, "completion_tokens_details")) {
    reader.read(*details, "reasoning_tokens", reasoning);
  }
  read_server_tool_use(usage, reader, sum.items);
  const std::int64_t cached = sum.input_cache_read + sum.input_cache_write_5m;
  if (cached > prompt) report.plausible = false;
  sum.input_fresh = std::max<std::int64_t>(prompt - cached, 0);
  const std::int64_t outside = std::max<std::int64_t>(total - prompt - completion, 0);
  sum.output_reasoning = outside > 0 ? outside : std::min(reasoning, completion);
  sum.output_text = outside > 0 ? completion : completion - sum.output_reasoning;
  return report;
}

}  // namespace

/// One document's worth of reading.
class ChatDecoder::Reader {
 public:
  Reader(ChatDecoder& decoder, StreamEvents& events) : decoder_(decoder), events_(events) {}

  /// `delta_key` is "delta" for chunks, "message" for whole answers.
  void document(const JsonObject& root, std::string_view delta_key);

 private:
  void choice(const JsonObject& object, std::string_view delta_key);
  void delta_member(Choice& choice, std::string_view key, const JsonElement& value);
  void reasoning(Choice& choice, const JsonObject& delta);
  void tool_calls(Choice& choice, const JsonElement& value);
  void piece(Choice& choice, BlockKind kind, std::string_view bytes);
  void tool_call(Choice& choice, const JsonObject& call, std::size_t position);
  Call* begun_call(Choice& choice, std::int64_t wire_index, std::string_view id);
  Call& begin_call(Choice& choice, std::int64_t wire_index, BlockStart start);
  void finish(Choice& choice, std::string_view reason);
  Choice* choice_of(std::int64_t index);
  void repair(Repair::What what, std::size_t call, std::string text);

  ChatDecoder& decoder_;
  StreamEvents& events_;
  std::size_t choice_position_ = 0;
};

void ChatDecoder::decode(const wire::SseEvent& event, StreamEvents& events) {
  chunk_ = ChatChunk{};
  repairs_.clear();
  whole_ = false;
  const std::string_view data = trimmed(event.data);
  if (data.empty()) {
    events.emplace_back(KeepAlive{});
    return;
  }
  if (data.starts_with("[DONE]")) return terminate(events);
  const auto json = parse_provider_json(data);
  JsonObject root;
  if (!json || json->document.root().get(root) != simdjson::SUCCESS) {
    JsonArray array;
    if (json && json->document.root().get(array) == simdjson::SUCCESS) {
      const ProviderError error = read_error_object(json->document.root());
      events.emplace_back(
          Failure{classify_stream_error(candidate_, error.type, error.code, error.message)});
    } else {
      events.emplace_back(broken_answer(candidate_, "an event that is not a JSON object"));
    }
    return;
  }
  Reader{*this, events}.document(root, "delta");
}

// The terminator alone is no answer. Behind content it closes what has no finish reason of its own.
void ChatDecoder::terminate(StreamEvents& events) {
  if (std::ranges::none_of(choices_, &Choice::has_content_or_end)) {
    events.emplace_back(broken_answer(candidate_, "an empty stream"));
    return;
  }
  for (Choice& choice : choices_) {
    if (choice.has_content_or_end() && !choice.finished) close(choice, {}, events);
  }
  ended_ = true;
  events.emplace_back(End{});
}

void ChatDecoder::close(Choice& choice, std::string_view reason, StreamEvents& events) {
  choice.finished = true;
  close_prose(choice, events);
  for (const Call& call : choice.calls) events.emplace_back(BlockStop{choice.index, call.block});
  events.emplace_back(Stop{choice.index, stop_of(reason, !choice.calls.empty())});
}

void ChatDecoder::close_prose(Choice& choice, StreamEvents& events) {
  if (choice.prose < 0) return;
  events.emplace_back(BlockStop{choice.index, std::exchange(choice.prose, -1)});
}

// Some servers end with the finish chunk and no [DONE]: that is whole, too, if every choice has
// finished.
void ChatDecoder::end(StreamEvents& events) {
  const auto finished = [](const Choice& choice) { return choice.finished; };
  if (ended_ || choices_.empty() || !std::ranges::all_of(choices_, finished)) return;
  ended_ = true;
  events.emplace_back(End{});
}

void ChatDecoder::decode_whole(std::string_view body, StreamEvents& events) {
  chunk_ = ChatChunk{};
  repairs_.clear();
  whole_ = true;
  const auto json = parse_provider_json(body);
  JsonObject root;
  if (!json || json->document.root().get(root) != simdjson::SUCCESS) {
    events.emplace_back(broken_answer(candidate_, "a body that is not a JSON object"));
    return;
  }
  Reader{*this, events}.document(root, "message");
  if (!events.empty() && std::holds_alternative<Failure>(events.back())) return;
  if (choices_.empty()) {
    events.emplace_back(broken_answer(candidate_, "an answer without choices"));
    return;
  }
  events.emplace_back(End{});
}

void ChatDecoder::Reader::document(const JsonObject& root, std::string_view delta_key) {
  JsonElement error;
  if (root.at_key("error").get(error) == simdjson::SUCCESS && carries_something(error)) {
    if (const auto usage = object_member(root, "usage")) events_.emplace_back(read_usage(*usage));
    const ProviderError told = read_error_object(root);
    events_.emplace_back(
        Failure{classify_stream_error(decoder_.candidate_, told.type, told.code, told.message)});
    return;
  }
  // What is known of the answer begins anew with Start: it never follows a choice.
  const std::string_view id = text_member(root, "id");
  if (!id.empty() && decoder_.choices_.empty() && !std::exchange(decoder_.started_, true)) {
    decoder_.response_id_ = id;
    events_.emplace_back(Start{id, text_member(root, "model")});
  }
  const auto usage = object_member(root, "usage");
  if (usage) events_.emplace_back(read_usage(*usage));
  const auto choices = array_member(root, "choices");
  decoder_.chunk_.usage_only = usage && (!choices || choices->size() == 0);
  for_each_object(root, "choices", [&](const JsonObject& object, std::size_t position) {
    choice_position_ = position;
    choice(object, delta_key);
  });
}

void ChatDecoder::Reader::choice(const JsonObject& object, std::string_view delta_key) {
  Choice* choice = choice_of(integer_member(object, "index"));
  if (choice == nullptr) return;
  if (const auto delta = object_member(object, delta_key)) {
    reasoning(*choice, *delta);
    for (const auto& [key, value] : *delta) delta_member(*choice, key, value);
  }
  const std::string_view reason = text_member(object, "finish_reason");
  if (!reason.empty() && !choice->finished) finish(*choice, reason);
}

// "reasoning" mirrors "reasoning_content" where both come: only one of them is counted.
void ChatDecoder::Reader::reasoning(Choice& choice, const JsonObject& delta) {
  std::string_view text = text_member(delta, "reasoning_content");
  if (text.empty()) text = text_member(delta, "reasoning");
  piece(choice, BlockKind::reasoning, text);
}

void ChatDecoder::Reader::delta_member(Choice& choice, std::string_view key,
                                       const JsonElement& value) {
  if (key == "content") {
    piece(choice, BlockKind::text, text_of(value));
  } else if (key == "refusal") {
    piece(choice, BlockKind::refusal, text_of(value));
  } else if (key == "tool_calls") {
    tool_calls(choice, value);
  }
  if (key != "role" && carries_something(value)) decoder_.chunk_.content = true;
}

void ChatDecoder::Reader::tool_calls(Choice& choice, const JsonElement& value) {
  JsonArray calls;
  if (value.get(calls) != simdjson::SUCCESS) return;
  std::size_t position = 0;
  for (const JsonElement& element : calls) {
    JsonObject call;
    if (element.get(call) == simdjson::SUCCESS) tool_call(choice, call, position);
    ++position;
  }
}

// The dialect has no marks between blocks: a block of prose ends where another kind begins.
void ChatDecoder::Reader::piece(Choice& choice, BlockKind kind, std::string_view bytes) {
  if (bytes.empty()) return;
  if (choice.prose < 0 || choice.prose_kind != kind) {
    close_prose(choice, events_);
    choice.prose = choice.blocks++;
    choice.prose_kind = kind;
    events_.emplace_back(BlockStart{choice.index, choice.prose, kind, {}, {}});
  }
  events_.emplace_back(Delta{choice.index, choice.prose, kind, bytes});
}

void ChatDecoder::Reader::tool_call(Choice& choice, const JsonObject& call, std::size_t position) {
  const auto custom = object_member(call, "custom");
  const auto function = custom ? custom : object_member(call, "function");
  BlockStart start;
  start.id = text_member(call, "id");
  start.name = function ? text_member(*function, "name") : std::string_view{};
  start.free_text = custom.has_value();
  const auto wire_index = integer_member(call, "index", static_cast<std::int64_t>(position));
  Call* begun = begun_call(choice, wire_index, start.id);
  if (begun == nullptr) {
    if (choice.calls.size() == calls_max) return;
    begun = &begin_call(choice, wire_index, start);
    if (start.id.empty()) repair(Repair::What::call_id, position, begun->id);
  }
  const std::string_view pieces =
      function ? text_member(*function, custom ? "input" : "arguments") : std::string_view{};
  if (!pieces.empty()) {
    events_.emplace_back(Delta{choice.index, begun->block, BlockKind::tool_call, pieces});
  }
}

/// The call that a piece belongs to; null if it begins one. A new id under an old index begins
/// another call.
ChatDecoder::Call* ChatDecoder::Reader::begun_call(Choice& choice, std::int64_t wire_index,
                                                   std::string_view id) {
  for (auto call = choice.calls.rbegin(); call != choice.calls.rend(); ++call) {
    if (call->wire_index == wire_index) return id.empty() || id == call->id ? &*call : nullptr;
  }
  return nullptr;
}

ChatDecoder::Call& ChatDecoder::Reader::begin_call(Choice& choice, std::int64_t wire_index,
                                                   BlockStart start) {
  close_prose(choice, events_);
  const auto ordinal = static_cast<std::int64_t>(choice.calls.size());
  Call& call = choice.calls.emplace_back();
  call.wire_index = wire_index;
  call.block = choice.blocks++;
  call.id = start.id.empty() ? made_up_call_id(decoder_.response_id_, choice.index, ordinal)
                             : std::string{start.id};
  start.choice = choice.index;
  start.block = call.block;
  start.kind = BlockKind::tool_call;
  start.id = call.id;
  events_.emplace_back(start);
  return call;
}

// DeepSeek ends an answer it has no capacity for with a finish reason of its own: that is no
// answer.
void ChatDecoder::Reader::finish(Choice& choice, std::string_view reason) {
  if (reason == "insufficient_system_resource" || reason == "error") {
    events_.emplace_back(
        Failure{classify_stream_error(decoder_.candidate_, "overloaded_error", reason, {})});
    return;
  }
  if (reason == "stop" && !choice.calls.empty()) {
    repair(Repair::What::finish_reason, 0, "tool_calls");
  }
  decoder_.close(choice, reason, events_);
}

ChatDecoder::Choice* ChatDecoder::Reader::choice_of(std::int64_t index) {
  for (Choice& choice : decoder_.choices_) {
    if (choice.index == index) return &choice;
  }
  if (index < 0 || decoder_.choices_.size() == choices_max) return nullptr;
  Choice& added = decoder_.choices_.emplace_back();
  added.index = static_cast<std::int32_t>(std::min<std::int64_t>(index, INT32_MAX));
  return &added;
}

void ChatDecoder::Reader::repair(Repair::What what, std::size_t call, std::string text) {
  decoder_.chunk_.repairs = true;
  decoder_.repairs_.push_back({what, choice_position_, call, std::move(text)});
}

std::string ChatDecoder::repaired_chat_json(std::string_view json) const {
  std::vector<wire::Splice> splices;
  const RawCursor choices = RawCursor{json}.member("choices");
  for (const Repair& repair : repairs_) {
    const RawCursor choice = choices.element(repair.choice);
    std::string text;
    wire::append_quoted(text, repair.text);
    if (repair.what == Repair::What::finish_reason) {
      const RawCursor reason = choice.member("finish_reason");
      splices.push_back({reason.begin(), reason.end(), std::move(text)});
      continue;
    }
    const RawCursor call = choice.member(whole_ ? "message" : "delta").member("tool_calls");
    const RawCursor object = call.element(repair.call);
    const RawCursor id = object.member("id");
    if (!id.text().empty()) {
      splices.push_back({id.begin(), id.end(), std::move(text)});
    } else {
      const bool alone = object.text().find_first_not_of(" \t\r\n", 1) == object.text().size() - 1;
      splices.push_back(
          {object.begin() + 1, object.begin() + 1, "\"id\":" + text + (alone ? "" : ",")});
    }
  }
  return wire::apply(json, std::move(splices));
}

}  // namespace turnpike::dialect
