#include "dialect/decode_gemini.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/gemini_usage.hpp"
#include "dialect/json_reading.hpp"
#include "dialect/upstream_error.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t server_calls_kept_max = 1000;  // far above what an answer can make

constexpr std::array<std::string_view, 12> filter_reasons = {
    "SAFETY",       "RECITATION",  "BLOCKLIST",
    "SPII",         "LANGUAGE",    "PROHIBITED_CONTENT",
    "IMAGE_SAFETY", "IMAGE_OTHER", "IMAGE_PROHIBITED_CONTENT",
    "NO_IMAGE",     "ESCALATION",  "IMAGE_RECITATION"};

/// nullopt for reasons that are no answer: a broken call told as "stop" would end an agent's loop
/// silently.
std::optional<StopReason> stop_of(std::string_view reason) {
  if (reason == "STOP") return StopReason::natural;
  if (reason == "MAX_TOKENS") return StopReason::length;
  if (std::ranges::find(filter_reasons, reason) != filter_reasons.end()) {
    return StopReason::content_filter;
  }
  return std::nullopt;
}

}  // namespace

/// One chunk's worth of reading.
class GeminiDecoder::Reader {
 public:
  Reader(GeminiDecoder& decoder, StreamEvents& events, std::string_view text = {})
      : decoder_(decoder), events_(events), text_(text) {}

  void chunk(const JsonElement& element);
  void chunks(const JsonArray& elements);
  void finish();
  void fail(Failure failure);

 private:
  void start(const JsonObject& root);
  void candidate(const JsonObject& candidate);
  void part(Choice& choice, const JsonObject& part);
  void text_part(Choice& choice, const JsonObject& part, std::string_view text);
  void call_part(Choice& choice, const JsonObject& part, const JsonObject& call);
  [[nodiscard]] RawCursor raw_call() const;
  void begin_call(Choice& choice, const JsonObject& call);
  void arguments(Choice& choice, std::string_view text);
  void begin_block(Choice& choice, BlockStart start);
  void close_block(Choice& choice);
  void end_block(Choice& choice);
  static void signature(Choice& choice, const JsonObject& part);
  bool usage(const JsonObject& usage);
  [[nodiscard]] PerServerTool server_tool_calls(const JsonObject& root);
  void stop(Choice& choice);
  Choice& choice_of(std::int64_t index);

  GeminiDecoder& decoder_;
  StreamEvents& events_;
  std::string_view text_;
  // Where in the text we are, for cutting out a call's arguments.
  std::optional<std::size_t> chunk_position_;  // if the body is an array of chunks
  std::size_t candidate_position_ = 0;
  std::size_t part_position_ = 0;
};

void GeminiDecoder::decode(const wire::SseEvent& event, StreamEvents& events) {
  made_.clear();
  if (!event.has_data || event.data.empty()) {
    events.emplace_back(KeepAlive{});
    return;
  }
  const auto json = parse_provider_json(event.data);
  if (json) {
    Reader{*this, events, json->text}.chunk(json->document.root());
  } else {
    Reader{*this, events}.fail(broken_answer(candidate_, "an event that is not JSON"));
  }
}

void GeminiDecoder::end(StreamEvents& events) {
  made_.clear();
  if (!failed_) Reader{*this, events}.finish();
}

// Without alt=sse a stream is one array of chunks; as a whole body it is read like one.
void GeminiDecoder::decode_whole(std::string_view body, StreamEvents& events) {
  made_.clear();
  const auto json = parse_provider_json(body);
  if (!json) {
    Reader{*this, events}.fail(broken_answer(candidate_, "a body that is not JSON"));
    return;
  }
  Reader reader{*this, events, json->text};
  JsonArray chunks;
  if (json->document.root().get(chunks) == simdjson::SUCCESS) {
    reader.chunks(chunks);
  } else {
    reader.chunk(json->document.root());
  }
  if (failed_) return;
  reader.finish();
  const bool ended = !events.empty() && std::holds_alternative<End>(events.back());
  if (!ended && !failed_) {
    reader.fail(broken_answer(candidate_, "an answer without a finish reason"));
  }
}

void GeminiDecoder::Reader::chunks(const JsonArray& elements) {
  chunk_position_ = 0;
  for (const JsonElement& element : elements) {
    chunk(element);
    ++*chunk_position_;
  }
}

void GeminiDecoder::Reader::chunk(const JsonElement& element) {
  if (decoder_.failed_) return;
  JsonObject root;
  if (element.get(root) != simdjson::SUCCESS) {
    fail(broken_answer(decoder_.candidate_, "an event that is not a JSON object"));
    return;
  }
  if (object_member(root, "error")) {
    const ProviderError error = read_error_object(element);
    fail(
        Failure{classify_stream_error(decoder_.candidate_, error.type, error.code, error.message)});
    return;
  }
  start(root);
  if (const auto feedback = object_member(root, "promptFeedback")) {
    if (!text_member(*feedback, "blockReason").empty()) choice_of(0).finish_reason = "SAFETY";
  }
  const PerServerTool calls = server_tool_calls(root);
  const bool more_calls = calls != std::exchange(decoder_.usage_.usage.items, calls);
  const auto counts = object_member(root, "usageMetadata");
  const bool told = counts && usage(*counts);
  if (told || more_calls) events_.emplace_back(decoder_.usage_);
  for_each_object(root, "candidates", [this](const JsonObject& entry, std::size_t position) {
    candidate_position_ = position;
    if (!decoder_.failed_) candidate(entry);
  });
}

void GeminiDecoder::Reader::start(const JsonObject& root) {
  if (std::exchange(decoder_.started_, true)) return;
  const std::string_view id = text_member(root, "responseId");
  if (!id.empty()) decoder_.response_id_ = id;
  events_.emplace_back(Start{id, text_member(root, "modelVersion")});
}

// A candidate may lack content, and content may lack parts: thoughts ate the limit, or a filter
// struck.
void GeminiDecoder::Reader::candidate(const JsonObject& candidate) {
  Choice& choice = choice_of(integer_member(candidate, "index"));
  const auto content = object_member(candidate, "content");
  const auto read_part = [&](const JsonObject& entry, std::size_t position) {
    part_position_ = position;
    part(choice, entry);
  };
  if (content) for_each_object(*content, "parts", read_part);
  const std::string_view reason = text_member(candidate, "finishReason");
  if (reason.empty() || reason == "FINISH_REASON_UNSPECIFIED") return;
  choice.finish_reason = reason;
  if (stop_of(reason)) return;
  fail(Failure{upstream_error(
      502, Retry::next_candidate, "bad_upstream_output",
      fmt::format("{} could not finish its answer: {}.", decoder_.candidate_.target(), reason))});
}

void GeminiDecoder::Reader::part(Choice& choice, const JsonObject& part) {
  if (const auto call = object_member(part, "functionCall")) {
    call_part(choice, part, *call);
    return;
  }
  JsonElement text;
  if (part.at_key("text").get(text) == simdjson::SUCCESS && text.is_string()) {
    text_part(choice, part, text_of(text));
  }
}

// An empty text may carry a signature: it then belongs to the text before it. Without one it signs
// nothing.
void GeminiDecoder::Reader::text_part(Choice& choice, const JsonObject& part,
                                      std::string_view text) {
  bool thought = false;
  if (part.at_key("thought").get(thought) != simdjson::SUCCESS) thought = false;
  const BlockKind kind = thought ? BlockKind::reasoning : BlockKind::text;
  if (text.empty()) {
    if (choice.open == kind) signature(choice, part);
    return;
  }
  if (choice.open != kind) {
    BlockStart start;
    start.kind = kind;
    begin_block(choice, start);
  }
  if (kind == BlockKind::text) choice.text_seen = true;
  events_.emplace_back(Delta{choice.index, choice.blocks - 1, kind, text});
  signature(choice, part);
}

// Either whole ({name, args}) or in pieces: {name, willContinue}, {partialArgs, willContinue}…, {}
// or the next call.
void GeminiDecoder::Reader::call_part(Choice& choice, const JsonObject& part,
                                      const JsonObject& call) {
  bool continues = false;
  if (call.at_key("willContinue").get(continues) != simdjson::SUCCESS) continues = false;
  const RawCursor raw = raw_call();
  const RawCursor pieces = raw.member("partialArgs");
  if (!text_member(call, "name").empty()) {
    begin_call(choice, call);
    if (continues || !pieces.text().empty()) choice.args.emplace();
  } else if (choice.open != BlockKind::tool_call) {
    return;  // the end of a call that has already ended
  }
  signature(choice, part);
  if (choice.args && !pieces.text().empty() && !choice.args->add(pieces.text())) {
    fail(broken_answer(decoder_.candidate_, "arguments that do not fit together"));
    return;
  }
  if (object_member(call, "args")) {
    choice.args.reset();
    arguments(choice, raw.member("args").text());
  }
  if (!continues) close_block(choice);
}

RawCursor GeminiDecoder::Reader::raw_call() const {
  RawCursor chunk{text_};
  if (chunk_position_) chunk = chunk.element(*chunk_position_);
  const RawCursor candidate = chunk.member("candidates").element(candidate_position_);
  return candidate.member("content").member("parts").element(part_position_).member("functionCall");
}

void GeminiDecoder::Reader::begin_call(Choice& choice, const JsonObject& call) {
  BlockStart start;
  start.kind = BlockKind::tool_call;
  start.name = text_member(call, "name");
  start.id = text_member(call, "id");
  if (start.id.empty()) {
    start.id = decoder_.made_.emplace_back(
        made_up_call_id(decoder_.response_id_, choice.index, choice.calls));
  }
  ++choice.calls;
  begin_block(choice, start);
}

void GeminiDecoder::Reader::arguments(Choice& choice, std::string_view text) {
  const std::string& kept = decoder_.made_.emplace_back(text);
  events_.emplace_back(Delta{choice.index, choice.blocks - 1, BlockKind::tool_call, kept});
  end_block(choice);
}

void GeminiDecoder::Reader::begin_block(Choice& choice, BlockStart start) {
  close_block(choice);
  start.choice = choice.index;
  start.block = choice.blocks++;
  choice.open = start.kind;
  events_.emplace_back(start);
}

void GeminiDecoder::Reader::close_block(Choice& choice) {
  if (!choice.open) return;
  if (*choice.open == BlockKind::tool_call) {
    const std::string text = choice.args ? choice.args->text() : "{}";
    choice.args.reset();
    arguments(choice, text);
    return;
  }
  end_block(choice);
}

void GeminiDecoder::Reader::end_block(Choice& choice) {
  const std::int32_t block = choice.blocks - 1;
  if (!choice.signature.empty()) {
    const std::string& kept = decoder_.made_.emplace_back(std::exchange(choice.signature, {}));
    events_.emplace_back(Opaque{choice.index, block, Opaque::Form::signature, kept});
  }
  choice.open.reset();
  events_.emplace_back(BlockStop{choice.index, block});
}

// Signatures do not come in pieces: of several parts that make one block the last one signs it.
void GeminiDecoder::Reader::signature(Choice& choice, const JsonObject& part) {
  const std::string_view bytes = text_member(part, "thoughtSignature");
  if (!bytes.empty()) choice.signature = bytes;
}

// Cumulative, and some chunks carry only the kind of traffic: the last one that counts is the one
// that counts.
bool GeminiDecoder::Reader::usage(const JsonObject& usage) {
  bool plausible = true;
  bool told = false;
  CountReader reader{plausible};
  GeminiCounts counts;
  for (const auto& counter : gemini_counters) {
    const bool there = reader.read(usage, counter.name, counts.*counter.count);
    told |= there && counter.decisive;
  }
  if (!told) return false;
  const PerServerTool items = decoder_.usage_.usage.items;
  decoder_.usage_ = usage_report_of(counts, plausible);
  decoder_.usage_.usage.items = items;
  return true;
}

/// Calls so far, this chunk's included. Chunks may repeat what earlier ones have told: queries and
/// pages are told apart by their text, and an empty query is not sent. Runs of code are parts of
/// the answer and come once.
PerServerTool GeminiDecoder::Reader::server_tool_calls(const JsonObject& root) {
  const auto note_texts = [](const JsonObject& object, std::string_view key, auto& known) {
    const auto list = array_member(object, key);
    if (!list) return;
    for (const JsonElement& entry : *list) {
      const auto text = text_of(entry);
      if (!text.empty() && known.size() < server_calls_kept_max) known.emplace(text);
    }
  };
  for_each_object(root, "candidates", [&](const JsonObject& candidate, std::size_t) {
    if (const auto grounding = object_member(candidate, "groundingMetadata"))
      note_texts(*grounding, "webSearchQueries", decoder_.searches_);
    if (const auto pages = object_member(candidate, "urlContextMetadata")) {
      for_each_object(*pages, "urlMetadata", [&](const JsonObject& page, std::size_t) {
        const auto url = text_member(page, "retrievedUrl");
        if (!url.empty() && decoder_.fetches_.size() < server_calls_kept_max)
          decoder_.fetches_.emplace(url);
      });
    }
    const auto content = object_member(candidate, "content");
    if (!content) return;
    for_each_object(*content, "parts", [&](const JsonObject& part, std::size_t) {
      if (object_member(part, "executableCode")) ++decoder_.code_runs_;
    });
  });
  PerServerTool calls{};
  calls[static_cast<std::size_t>(ServerTool::web_search)] =
      static_cast<std::int64_t>(decoder_.searches_.size());
  calls[static_cast<std::size_t>(ServerTool::web_fetch)] =
      static_cast<std::int64_t>(decoder_.fetches_.size());
  calls[static_cast<std::size_t>(ServerTool::code_execution)] = decoder_.code_runs_;
  return calls;
}

void GeminiDecoder::Reader::finish() {
  if (decoder_.choices_.empty()) return;
  for (const Choice& choice : decoder_.choices_) {
    if (choice.finish_reason.empty()) return;
  }
  for (Choice& choice : decoder_.choices_) {
    if (!decoder_.failed_) stop(choice);
  }
  if (!decoder_.failed_) events_.emplace_back(End{});
}

void GeminiDecoder::Reader::stop(Choice& choice) {
  close_block(choice);
  StopReason reason = stop_of(choice.finish_reason).value_or(StopReason::natural);
  if (reason == StopReason::natural && choice.calls > 0) reason = StopReason::tool_calls;
  if (reason == StopReason::natural && !choice.text_seen) {
    fail(Failure{upstream_error(502, Retry::next_candidate, "bad_upstream_output",
                                decoder_.candidate_.target() + " stopped without an answer.")});
    return;
  }
  events_.emplace_back(Stop{choice.index, reason});
}

void GeminiDecoder::Reader::fail(Failure failure) {
  decoder_.failed_ = true;
  events_.emplace_back(std::move(failure));
}

GeminiDecoder::Choice& GeminiDecoder::Reader::choice_of(std::int64_t index) {
  const auto bounded = static_cast<std::int32_t>(std::clamp<std::int64_t>(index, 0, 127));
  for (Choice& choice : decoder_.choices_) {
    if (choice.index == bounded) return choice;
  }
  Choice& added = decoder_.choices_.emplace_back();
  added.index = bounded;
  return added;
}

}  // namespace turnpike::dialect
