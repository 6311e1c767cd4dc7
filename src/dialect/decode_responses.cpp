#include "dialect/decode_responses.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "dialect/argument_text.hpp"
#include "dialect/decode_responses_words.hpp"
#include "dialect/json_reading.hpp"
#include "dialect/server_tool_usage.hpp"
#include "dialect/upstream_error.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t items_max = 4096;
constexpr std::size_t parts_max = 4096;
constexpr std::string_view empty_object = "{}";
constexpr std::string_view paragraph = "\n\n";  // between the parts of a summary

std::uint64_t hash_of(std::uint64_t hash, std::string_view bytes) {
  for (const char character : bytes) {
    hash ^= static_cast<unsigned char>(character);
    hash *= 0x100000001b3U;
  }
  return hash;
}

}  // namespace

/// One document's worth of reading.
class ResponsesDecoder::Reader {
 public:
  Reader(ResponsesDecoder& decoder, StreamEvents& events) : decoder_(decoder), events_(events) {}

  void event(const JsonObject& root);
  void whole(const JsonObject& response);

 private:
  struct Handler;
  struct DeltaKind;
  static const Handler* handler_of(std::string_view type);
  static const DeltaKind* delta_of(std::string_view type);

  void created(const JsonObject& root);
  void item_added(const JsonObject& root);
  void item_done(const JsonObject& root);
  void delta(const JsonObject& root, const DeltaKind& kind);
  void finished(const JsonObject& root);
  void failed(const JsonObject& root);

  void start(const JsonObject& response);
  void begin(Item& item, const JsonObject& object);
  void complete(Item& item, const JsonObject& object);
  void complete_text(Item& item, const JsonObject& object);
  void complete_reasoning(Item& item, const JsonObject& object);
  void complete_call(Item& item, const JsonObject& object);
  void complete_part(Item& item, Place place, std::int64_t index, BlockKind kind,
                     std::string_view whole);
  void complete_server_tool(const JsonObject& object);
  void missing_items(const JsonObject& response);
  void report_usage(const JsonObject& usage);
  void close(Item& item);
  void response_ended(const JsonObject& response);
  void failure(const ProviderError& error);
  void fail(Failure failure);
  void broken(std::string_view what) { fail(broken_answer(decoder_.candidate_, what)); }

  void tell(Item& item, Part& part, std::string_view bytes);
  std::int32_t open_block(BlockKind kind);
  Item* item_at(std::int64_t output_index);
  Item* added_item(std::int64_t output_index, Item::Kind kind);
  static Part* part_of(Item& item, Place place, std::int64_t index, BlockKind kind);
  static Item::Kind kind_of(const JsonObject& object);

  ResponsesDecoder& decoder_;
  StreamEvents& events_;
  bool failed_ = false;
};

struct ResponsesDecoder::Reader::Handler {
  std::string_view type;
  void (Reader::*handle)(const JsonObject&);
};

struct ResponsesDecoder::Reader::DeltaKind {
  std::string_view type;
  Item::Kind item;
  Place place;
  BlockKind kind;
};

const ResponsesDecoder::Reader::Handler* ResponsesDecoder::Reader::handler_of(
    std::string_view type) {
  static constexpr std::array<Handler, 8> handlers = {{
      {"response.created", &Reader::created},
      {"response.output_item.added", &Reader::item_added},
      {"response.output_item.done", &Reader::item_done},
      {"response.completed", &Reader::finished},
      {"response.incomplete", &Reader::finished},
      {"response.failed", &Reader::failed},
      {"response.cancelled", &Reader::failed},
      {"error", &Reader::failed},
  }};
  const auto* found = std::ranges::find(handlers, type, &Handler::type);
  return found == handlers.end() ? nullptr : found;
}

const ResponsesDecoder::Reader::DeltaKind* ResponsesDecoder::Reader::delta_of(
    std::string_view type) {
  using Kind = Item::Kind;
  static constexpr std::array<DeltaKind, 6> kinds = {{
      {"response.output_text.delta", Kind::message, Place::content, BlockKind::text},
      {"response.refusal.delta", Kind::message, Place::content, BlockKind::refusal},
      {"response.reasoning_text.delta", Kind::reasoning, Place::content, BlockKind::reasoning},
      {"response.reasoning_summary_text.delta", Kind::reasoning, Place::summary,
       BlockKind::reasoning},
      {"response.function_call_arguments.delta", Kind::function, Place::arguments,
       BlockKind::tool_call},
      {"response.custom_tool_call_input.delta", Kind::custom, Place::arguments,
       BlockKind::tool_call},
  }};
  const auto* found = std::ranges::find(kinds, type, &DeltaKind::type);
  return found == kinds.end() ? nullptr : found;
}

void ResponsesDecoder::decode(const wire::SseEvent& event, StreamEvents& events) {
  const std::size_t begin = event.data.find_first_not_of(" \t\r\n");
  // Some servers end with the Chat dialect's mark, which says nothing here.
  if (begin == std::string_view::npos || event.data.substr(begin).starts_with("[DONE]")) {
    events.emplace_back(KeepAlive{});
    return;
  }
  const auto json = parse_provider_json(event.data);
  JsonObject root;
  if (!json || json->document.root().get(root) != simdjson::SUCCESS) {
    events.emplace_back(broken_answer(candidate_, "an event that is not a JSON object"));
    return;
  }
  Reader{*this, events}.event(root);
}

void ResponsesDecoder::decode_whole(std::string_view body, StreamEvents& events) {
  const auto json = parse_provider_json(body);
  JsonObject root;
  if (!json || json->document.root().get(root) != simdjson::SUCCESS) {
    events.emplace_back(broken_answer(candidate_, "a body that is not a JSON object"));
    return;
  }
  Reader{*this, events}.whole(root);
}

void ResponsesDecoder::Reader::event(const JsonObject& root) {
  const std::string_view type = text_member(root, "type");
  if (const DeltaKind* kind = delta_of(type)) return delta(root, *kind);
  if (const Handler* handler = handler_of(type)) return (this->*handler->handle)(root);
  JsonElement error;
  if (type.empty() && root.at_key("error").get(error) == simdjson::SUCCESS && !error.is_null())
    return failed(root);
  // The finished texts, which output_item.done repeats.
  if (!type.ends_with(".done") && !type.ends_with("part.added")) events_.emplace_back(KeepAlive{});
}

void ResponsesDecoder::Reader::created(const JsonObject& root) {
  if (const auto response = object_member(root, "response")) start(*response);
}

// A new beginning is possible only while nothing has been passed on.
void ResponsesDecoder::Reader::start(const JsonObject& response) {
  if (decoder_.content_seen_) {
    broken("the start of a second answer");
    return;
  }
  decoder_.items_.clear();
  decoder_.blocks_ = 0;
  decoder_.calls_ = {};
  decoder_.started_ = true;
  const std::string_view id = text_member(response, "id");
  if (!id.empty()) decoder_.response_id_ = id;
  events_.emplace_back(Start{id, text_member(response, "model")});
}

void ResponsesDecoder::Reader::item_added(const JsonObject& root) {
  const auto object = object_member(root, "item");
  if (!object) return;
  Item* item = added_item(integer_member(root, "output_index", -1), kind_of(*object));
  if (item != nullptr) begin(*item, *object);
}

void ResponsesDecoder::Reader::item_done(const JsonObject& root) {
  const auto object = object_member(root, "item");
  if (!object) return;
  const std::int64_t index = integer_member(root, "output_index", -1);
  Item* item = item_at(index);
  if (item == nullptr) item = added_item(index, kind_of(*object));
  if (item != nullptr && !item->done) complete(*item, *object);
}

// Pieces of an item that was never announced are passed on if they need no name; those of a call
// wait for it to be finished.
void ResponsesDecoder::Reader::delta(const JsonObject& root, const DeltaKind& kind) {
  const std::int64_t index = integer_member(root, "output_index", -1);
  Item* item = item_at(index);
  if (item == nullptr) item = added_item(index, kind.item);
  if (item == nullptr || item->done || item->kind != kind.item) return;
  const std::string_view bytes = text_member(root, "delta");
  const bool call = kind.kind == BlockKind::tool_call;
  if (bytes.empty() || (call && item->block < 0)) return;
  const std::string_view index_key =
      kind.place == Place::summary ? "summary_index" : "content_index";
  Part* part = part_of(*item, kind.place, call ? 0 : integer_member(root, index_key), kind.kind);
  if (part != nullptr) tell(*item, *part, bytes);
}

void ResponsesDecoder::Reader::finished(const JsonObject& root) {
  const auto response = object_member(root, "response");
  if (!response) {
    broken("the end of an answer without the answer");
    return;
  }
  if (!decoder_.started_) start(*response);
  missing_items(*response);
  response_ended(*response);
}

// "failed" carries the response with its error, "error" the error itself, nested or flat.
void ResponsesDecoder::Reader::failed(const JsonObject& root) {
  const auto response = object_member(root, "response");
  if (!response) return failure(read_error_object(root));
  if (const auto usage = object_member(*response, "usage")) report_usage(*usage);
  failure(object_member(*response, "error") ? read_error_object(*response) : ProviderError{});
}

void ResponsesDecoder::Reader::whole(const JsonObject& response) {
  JsonElement error;
  if (response.at_key("error").get(error) == simdjson::SUCCESS && !error.is_null()) {
    if (const auto usage = object_member(response, "usage")) report_usage(*usage);
    return failure(read_error_object(response));
  }
  if (!array_member(response, "output")) {
    broken("an answer without output");
    return;
  }
  start(response);
  for_each_object(response, "output", [&](const JsonObject& object, std::size_t position) {
    Item* item = added_item(static_cast<std::int64_t>(position), kind_of(object));
    if (item != nullptr) complete(*item, object);
  });
  response_ended(response);
}

/// A call begins when its name is known; texts when there is some.
void ResponsesDecoder::Reader::begin(Item& item, const JsonObject& object) {
  const bool call = item.kind == Item::Kind::function || item.kind == Item::Kind::custom;
  if (!call || item.block >= 0) return;
  const std::string_view name = text_member(object, "name");
  if (name.empty()) return;
  BlockStart start;
  item.block = start.block = decoder_.blocks_++;
  start.kind = BlockKind::tool_call;
  item.call_id = text_member(object, "call_id");
  if (item.call_id.empty())
    item.call_id = made_up_call_id(decoder_.response_id_, 0, item.output_index);
  start.id = item.call_id;
  start.name = name;
  start.name_space = text_member(object, "namespace");
  start.free_text = item.kind == Item::Kind::custom;
  decoder_.content_seen_ = decoder_.calls_seen_ = true;
  events_.emplace_back(start);
}

void ResponsesDecoder::Reader::complete(Item& item, const JsonObject& object) {
  switch (item.kind) {
    case Item::Kind::message:
      complete_text(item, object);
      break;
    case Item::Kind::reasoning:
      complete_reasoning(item, object);
      break;
    case Item::Kind::function:
    case Item::Kind::custom:
      complete_call(item, object);
      break;
    case Item::Kind::skipped:
      complete_server_tool(object);
      break;
  }
  if (!failed_) close(item);
}

/// The usage does not count calls: the items do.
void ResponsesDecoder::Reader::complete_server_tool(const JsonObject& object) {
  const auto tool = called_by_item(object);
  if (!tool) return;
  count_call(decoder_.calls_, *tool);
  events_.emplace_back(UsageReport{{.items = decoder_.calls_}, true, false});
}

void ResponsesDecoder::Reader::report_usage(const JsonObject& usage) {
  UsageReport report = read_responses_usage(usage);
  report.usage.items = decoder_.calls_;
  events_.emplace_back(report);
}

void ResponsesDecoder::Reader::complete_text(Item& item, const JsonObject& object) {
  for_each_object(object, "content", [&](const JsonObject& part, std::size_t position) {
    const bool refusal = text_member(part, "type") == "refusal";
    complete_part(item, Place::content, static_cast<std::int64_t>(position),
                  refusal ? BlockKind::refusal : BlockKind::text,
                  text_member(part, refusal ? "refusal" : "text"));
  });
}

// The encrypted state is taken from the finished item only: before, it is a different one.
void ResponsesDecoder::Reader::complete_reasoning(Item& item, const JsonObject& object) {
  const auto texts = [&](std::string_view key, Place place) {
    for_each_object(object, key, [&](const JsonObject& part, std::size_t position) {
      complete_part(item, place, static_cast<std::int64_t>(position), BlockKind::reasoning,
                    text_member(part, "text"));
    });
  };
  texts("content", Place::content);
  texts("summary", Place::summary);
  const std::string_view encrypted = text_member(object, "encrypted_content");
  if (encrypted.empty()) return;
  if (item.block < 0) item.block = open_block(BlockKind::reasoning);
  events_.emplace_back(Opaque{0, item.block, Opaque::Form::signature, encrypted});
}

// A tool must not run with other arguments than the model gave: if the pieces and the finished text
// differ, the pieces stand only if they are a call by themselves.
void ResponsesDecoder::Reader::complete_call(Item& item, const JsonObject& object) {
  begin(item, object);
  if (item.block < 0) {
    broken("a tool call without a name");
    return;
  }
  const bool free_text = item.kind == Item::Kind::custom;
  std::string_view whole = text_member(object, free_text ? "input" : "arguments");
  Part* part = part_of(item, Place::arguments, 0, BlockKind::tool_call);
  const std::string& told = part->told.text;
  if (whole.starts_with(told)) {
    whole.remove_prefix(told.size());
    tell(item, *part, whole);
  } else if (free_text || argument_object(told) != told) {
    return fail({upstream_error(502, Retry::next_candidate, "bad_upstream_output",
                                decoder_.candidate_.provider +
                                    " finished a tool call with other arguments than it began.")});
  }
  const bool cut = text_member(object, "status") == "incomplete";
  if (!free_text && told.empty() && !cut) tell(item, *part, empty_object);
}

/// What of a finished text has not been passed on: all of it, the rest, or nothing if the pieces
/// differ from it, for the client has already shown them.
void ResponsesDecoder::Reader::complete_part(Item& item, Place place, std::int64_t index,
                                             BlockKind kind, std::string_view whole) {
  if (whole.empty()) return;
  Part* part = part_of(item, place, index, kind);
  if (part == nullptr || part->told.bytes > whole.size()) return;
  const std::string_view known = whole.substr(0, part->told.bytes);
  if (hash_of(Told{}.hash, known) == part->told.hash) tell(item, *part, whole.substr(known.size()));
}

// Some servers leave out the end of items, or the items altogether, and give them with the whole
// answer. Its array may lack items that the stream had: where the numbers do not agree, the stream
// is right.
void ResponsesDecoder::Reader::missing_items(const JsonObject& response) {
  for_each_object(response, "output", [&](const JsonObject& object, std::size_t position) {
    const auto index = static_cast<std::int64_t>(position);
    const Item::Kind kind = kind_of(object);
    Item* item = item_at(index);
    if (item == nullptr && decoder_.items_.size() <= position) item = added_item(index, kind);
    if (item == nullptr || item->done || item->kind != kind) return;
    const std::string_view call_id = text_member(object, "call_id");
    if (!item->call_id.empty() && !call_id.empty() && item->call_id != call_id) return;
    complete(*item, object);
  });
}

void ResponsesDecoder::Reader::close(Item& item) {
  if (std::exchange(item.done, true)) return;
  if (item.block >= 0) events_.emplace_back(BlockStop{0, item.block});
  if (item.kind != Item::Kind::message) return;
  for (const Part& part : item.parts) {
    if (part.block >= 0) events_.emplace_back(BlockStop{0, part.block});
  }
}

void ResponsesDecoder::Reader::response_ended(const JsonObject& response) {
  if (failed_) return;
  const std::string_view status = text_member(response, "status");
  const auto usage = object_member(response, "usage");
  if (usage) report_usage(*usage);
  if (!status.empty() && status != "completed" && status != "incomplete") {
    const bool failed = status == "failed" || status == "cancelled";
    if (failed) return failure(read_error_object(response));
    broken("an answer that is not finished");
    return;
  }
  for (Item& item : decoder_.items_) close(item);
  StopReason reason = decoder_.calls_seen_ ? StopReason::tool_calls : StopReason::natural;
  const auto details = object_member(response, "incomplete_details");
  const std::string_view why = details ? text_member(*details, "reason") : std::string_view{};
  if (status == "incomplete" || !why.empty()) {
    reason = why == "content_filter" ? StopReason::content_filter : StopReason::length;
  } else if (decoder_.refusal_seen_ && !decoder_.calls_seen_) {
    reason = StopReason::content_filter;
  }
  events_.emplace_back(Stop{0, reason, {}});
  events_.emplace_back(End{});
}

void ResponsesDecoder::Reader::failure(const ProviderError& error) {
  fail({classify_responses_error(decoder_.candidate_, error)});
}

void ResponsesDecoder::Reader::fail(Failure failure) {
  if (!std::exchange(failed_, true)) events_.emplace_back(std::move(failure));
}

/// Passes a piece on. Reasoning is one block whatever its number of parts.
void ResponsesDecoder::Reader::tell(Item& item, Part& part, std::string_view bytes) {
  if (bytes.empty()) return;
  if (part.kind == BlockKind::reasoning) {
    if (!std::exchange(item.has_thinking, true)) item.thinking = part.place;
    if (item.thinking != part.place) return;
    if (item.block < 0) {
      item.block = open_block(part.kind);
    } else if (part.block < 0) {
      events_.emplace_back(Delta{0, item.block, part.kind, paragraph});
    }
    part.block = item.block;
  } else if (part.kind == BlockKind::tool_call) {
    part.block = item.block;
    part.told.text += bytes;
  } else if (part.block < 0) {
    part.block = open_block(part.kind);
  }
  if (part.kind == BlockKind::refusal) decoder_.refusal_seen_ = true;
  part.told.bytes += bytes.size();
  part.told.hash = hash_of(part.told.hash, bytes);
  decoder_.content_seen_ = true;
  events_.emplace_back(Delta{0, part.block, part.kind, bytes});
}

std::int32_t ResponsesDecoder::Reader::open_block(BlockKind kind) {
  BlockStart start;
  start.block = decoder_.blocks_++;
  start.kind = kind;
  events_.emplace_back(start);
  return start.block;
}

ResponsesDecoder::Item* ResponsesDecoder::Reader::item_at(std::int64_t output_index) {
  const auto found = std::ranges::find(decoder_.items_, output_index, &Item::output_index);
  return found == decoder_.items_.end() ? nullptr : &*found;
}

/// Null for an index that cannot be, is taken or is one too many.
ResponsesDecoder::Item* ResponsesDecoder::Reader::added_item(std::int64_t output_index,
                                                             Item::Kind kind) {
  if (output_index < 0 || decoder_.items_.size() == items_max || item_at(output_index) != nullptr)
    return nullptr;
  Item& added = decoder_.items_.emplace_back();
  added.output_index = output_index;
  added.kind = kind;
  return &added;
}

ResponsesDecoder::Part* ResponsesDecoder::Reader::part_of(Item& item, Place place,
                                                          std::int64_t index, BlockKind kind) {
  for (Part& part : item.parts) {
    if (part.place == place && part.index == index && part.kind == kind) return &part;
  }
  if (item.parts.size() == parts_max) return nullptr;
  Part& added = item.parts.emplace_back();
  added.place = place;
  added.index = index;
  added.kind = kind;
  return &added;
}

ResponsesDecoder::Item::Kind ResponsesDecoder::Reader::kind_of(const JsonObject& object) {
  const std::string_view type = text_member(object, "type");
  if (type == "message") return Item::Kind::message;
  if (type == "reasoning") return Item::Kind::reasoning;
  if (type == "function_call") return Item::Kind::function;
  if (type == "custom_tool_call") return Item::Kind::custom;
  return Item::Kind::skipped;
}

std::unique_ptr<Decoder> make_responses_decoder(const Candidate& candidate,
                                                std::string fallback_id) {
  return std::make_unique<ResponsesDecoder>(candidate, std::move(fallback_id));
}

}  // namespace turnpike::dialect
