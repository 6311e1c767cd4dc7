#include "dialect/encode_responses.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "dialect/responses_items_kept.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

/// Names of the events of one kind of item; a call has no parts.
struct EventNames {
  std::string_view part_added;
  std::string_view delta;
  std::string_view text_done;
  std::string_view part_done;
  std::string_view text_key;  // of text_done
};

const EventNames& names_of(const OutputItem& item) {
  static constexpr EventNames text{"response.content_part.added", "response.output_text.delta",
                                   "response.output_text.done", "response.content_part.done",
                                   "text"};
  static constexpr EventNames refusal{"response.content_part.added", "response.refusal.delta",
                                      "response.refusal.done", "response.content_part.done",
                                      "refusal"};
  static constexpr EventNames reasoning{
      "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done", "response.reasoning_summary_part.done", "text"};
  static constexpr EventNames function{{},
                                       "response.function_call_arguments.delta",
                                       "response.function_call_arguments.done",
                                       {},
                                       "arguments"};
  static constexpr EventNames custom{{},
                                     "response.custom_tool_call_input.delta",
                                     "response.custom_tool_call_input.done",
                                     {},
                                     "input"};
  switch (item.kind) {
    case BlockKind::text:
      break;
    case BlockKind::refusal:
      return refusal;
    case BlockKind::reasoning:
      return reasoning;
    case BlockKind::tool_call:
      return item.free_text ? custom : function;
  }
  return text;
}

/// How an answer that has stopped is called. A refusal that the client can read is an answer.
ResponseState ending_of(StopReason reason, bool refusal_seen) {
  ResponseState state;
  state.status = "completed";
  if (reason == StopReason::length) state.incomplete_reason = "max_output_tokens";
  if (reason == StopReason::content_filter && !refusal_seen)
    state.incomplete_reason = "content_filter";
  if (!state.incomplete_reason.empty()) state.status = "incomplete";
  return state;
}

}  // namespace

// The dialect knows one choice only.
std::optional<Error> ResponsesStreamEncoder::encode(const StreamEvent& event, std::string& out) {
  return std::visit(
      Overloaded{
          [&](const Start&) -> std::optional<Error> {
            if (items_ == 0) blocks_.clear();
            return std::nullopt;
          },
          [&](const BlockStart& start) -> std::optional<Error> {
            if (start.choice != 0) return std::nullopt;
            block_start(start);
            if (start.kind != BlockKind::tool_call) return std::nullopt;
            if (start.name.empty()) return broken_call(candidate_);
            return piece(blocks_.back(), out);
          },
          [&](const Delta& delta) -> std::optional<Error> {
            Block* block = delta.choice == 0 && !delta.bytes.empty() ? find(delta.block) : nullptr;
            if (block == nullptr) return std::nullopt;
            block->held += delta.bytes;
            return piece(*block, out);
          },
          [&](const BlockStop& end) { return block_stop(end, out); },
          [&](const UsageReport& report) -> std::optional<Error> {
            usage_ = report.usage;
            return std::nullopt;
          },
          [&](const Stop& reason) { return stop(reason, out); },
          [&](const End&) -> std::optional<Error> {
            // Some providers go on behind their finish reason, or have none.
            auto fault = stop(Stop{0, reason_, {}}, out);
            if (!fault) done(out);
            return fault;
          },
          [](const auto&) -> std::optional<Error> { return std::nullopt; },
      },
      event);
}

void ResponsesStreamEncoder::heartbeat(std::string& out) {
  begun_ ? progress("response.in_progress", out) : begin(out);
}

void ResponsesStreamEncoder::fail(const Error& error, std::string& out) {
  begin(out);
  append_responses_error(out, error, sequence_++);
  const ResponsesError told = responses_error(error);
  ResponseState state;
  state.status = "failed";
  state.error = &told;
  state.output = output_;
  JsonWriter json = begin_event(out, "response.failed");
  json.key("response");
  response_.write(json, state);
  end_event(json, out);
}

void ResponsesStreamEncoder::block_start(const BlockStart& start) {
  Block& block = blocks_.emplace_back();
  block.id = start.id;
  block.name = start.name;
  block.name_space = start.name_space;
  block.start = start;
  block.start.id = block.id;
  block.start.name = block.name;
  block.start.name_space = block.name_space;
}

/// A call that has begun, or a block that has something to say.
std::optional<Error> ResponsesStreamEncoder::piece(Block& block, std::string& out) {
  if (open_ == &block) {
    write_held(block, out);
    return std::nullopt;
  }
  if (std::exchange(block.waiting, true)) return std::nullopt;
  waiting_.push_back(&block);
  return advance(out);
}

// A call stays open until another block begins or the answer stops: only then it is known whether
// it was cut.
std::optional<Error> ResponsesStreamEncoder::block_stop(const BlockStop& stop, std::string& out) {
  Block* block = stop.choice == 0 ? find(stop.block) : nullptr;
  if (block == nullptr) return std::nullopt;
  block->ended = true;
  if (block != open_) return std::nullopt;
  if (!is_call(item_)) return close(out);
  return waiting_.empty() ? std::nullopt : advance(out);
}

std::optional<Error> ResponsesStreamEncoder::stop(const Stop& stop, std::string& out) {
  if (stop.choice != 0) return std::nullopt;
  reason_ = stop.reason;
  stopped_ = true;
  for (Block& block : blocks_) block.ended = true;
  if (auto fault = advance(out)) return fault;
  return open_ == nullptr ? std::nullopt : close(out);
}

void ResponsesStreamEncoder::done(std::string& out) {
  begin(out);
  ResponseState state = ending_of(reason_, refusal_seen_);
  state.usage = &usage_;
  state.output = output_;
  JsonWriter json = begin_event(
      out, state.incomplete_reason.empty() ? "response.completed" : "response.incomplete");
  json.key("response");
  response_.write(json, state);
  end_event(json, out);
}

std::optional<Error> ResponsesStreamEncoder::advance(std::string& out) {
  while (!waiting_.empty()) {
    if (open_ != nullptr) {
      if (!may_close()) return std::nullopt;
      if (auto fault = close(out)) return fault;
    }
    Block& next = *waiting_.front();
    waiting_.pop_front();
    next.waiting = false;
    if (stopped_ && is_cut(next)) continue;
    open(next, out);
    write_held(next, out);
    if (next.ended && !is_call(item_)) {
      if (auto fault = close(out)) return fault;
    }
  }
  return std::nullopt;
}

/// Another block wants to begin. Texts give way at once; a call whose arguments form an object has
/// nothing to add.
bool ResponsesStreamEncoder::may_close() const {
  return !is_call(item_) || open_->ended || (!item_.free_text && is_json_object(item_.text));
}

void ResponsesStreamEncoder::open(Block& block, std::string& out) {
  begin(out);
  open_ = &block;
  item_ = item_of(block.start, items_, options_, candidate_);
  const EventNames& names = names_of(item_);
  JsonWriter added = begin_event(out, "response.output_item.added");
  added.member("output_index", static_cast<std::int64_t>(items_++)).key("item");
  write_begun_item(added, item_);
  end_event(added, out);
  if (!names.part_added.empty()) {
    JsonWriter part = begin_item_event(out, names.part_added);
    part.key("part");
    write_part(part, item_, {});
    end_event(part, out);
  }
  delta_head_ = "event: ";
  delta_head_.append(names.delta).append("\ndata: {\"type\":\"").append(names.delta);
  delta_head_ += "\",\"sequence_number\":";
  delta_place_.clear();
  JsonWriter place{delta_place_};
  write_place(place);
  delta_place_.insert(0, ",");
  delta_place_ += ",\"delta\":";
}

// Free text is inside JSON and comes out when that is whole; blank arguments may still turn out to
// be none.
void ResponsesStreamEncoder::write_held(Block& block, std::string& out) {
  const bool wait =
      item_.free_text || (is_call(item_) && item_.text.empty() && is_blank(block.held));
  if (item_.free_text) {
    item_.text += std::exchange(block.held, {});
  } else if (!wait && !block.held.empty()) {
    item_.text += block.held;
    write_delta(block.held, out);
    block.held.clear();
  }
}

std::optional<Error> ResponsesStreamEncoder::close(std::string& out) {
  open_ = nullptr;
  if (!is_call(item_)) {
    close_text(out);
    return std::nullopt;
  }
  const CallText worth = judge_call(item_, reason_, stopped_ && waiting_.empty());
  if (worth == CallText::broken) return broken_call(candidate_);
  if (worth == CallText::whole) close_call(out);
  return std::nullopt;
}

void ResponsesStreamEncoder::close_text(std::string& out) {
  const EventNames& names = names_of(item_);
  refusal_seen_ = refusal_seen_ || item_.kind == BlockKind::refusal;
  JsonWriter text = begin_item_event(out, names.text_done);
  text.member(names.text_key, std::string_view{item_.text});
  if (item_.kind == BlockKind::text) text.key("logprobs").begin_array().end_array();
  end_event(text, out);
  JsonWriter part = begin_item_event(out, names.part_done);
  part.key("part");
  write_part(part, item_, item_.text);
  end_event(part, out);
  item_done(out);
}

void ResponsesStreamEncoder::close_call(std::string& out) {
  const EventNames& names = names_of(item_);
  const bool unwritten = item_.free_text || item_.text.empty();
  finish_call(item_);
  if (unwritten && !item_.text.empty()) write_delta(item_.text, out);
  JsonWriter text = begin_item_event(out, names.text_done);
  if (!item_.free_text) text.member("name", std::string_view{item_.name});
  text.member(names.text_key, std::string_view{item_.text});
  end_event(text, out);
  item_done(out);
}

void ResponsesStreamEncoder::item_done(std::string& out) {
  std::string item;
  JsonWriter writer{item};
  write_item(writer, item_);
  JsonWriter json = begin_event(out, "response.output_item.done");
  json.member("output_index", static_cast<std::int64_t>(items_) - 1).key("item").raw(item);
  end_event(json, out);
  keep_response_item(options_, item);
  if (!output_.empty()) output_ += ',';
  output_ += item;
}

/// A waiting call that the end of the answer has cut never becomes an item.
bool ResponsesStreamEncoder::is_cut(const Block& block) const {
  OutputItem item = item_of(block.start, items_, options_, candidate_);
  item.text = block.held;
  return is_call(item) && judge_call(item, reason_, waiting_.empty()) == CallText::cut;
}

void ResponsesStreamEncoder::begin(std::string& out) {
  if (std::exchange(begun_, true)) return;
  progress("response.created", out);
  progress("response.in_progress", out);
}

void ResponsesStreamEncoder::progress(std::string_view type, std::string& out) {
  JsonWriter json = begin_event(out, type);
  json.key("response");
  response_.write(json, ResponseState{});
  end_event(json, out);
}

void ResponsesStreamEncoder::write_delta(std::string_view bytes, std::string& out) {
  out.append(delta_head_).append(std::to_string(sequence_++)).append(delta_place_);
  wire::append_quoted(out, bytes);
  out += item_.kind == BlockKind::text ? ",\"logprobs\":[]}\n\n" : "}\n\n";
}

JsonWriter ResponsesStreamEncoder::begin_event(std::string& out, std::string_view type) {
  out.append("event: ").append(type).append("\ndata: ");
  JsonWriter json{out};
  json.begin_object().member("type", type).member("sequence_number", sequence_++);
  return json;
}

JsonWriter ResponsesStreamEncoder::begin_item_event(std::string& out, std::string_view type) {
  JsonWriter json = begin_event(out, type);
  write_place(json);
  return json;
}

void ResponsesStreamEncoder::write_place(JsonWriter& json) const {
  json.member("item_id", std::string_view{item_.id});
  json.member("output_index", static_cast<std::int64_t>(items_) - 1);
  if (is_call(item_)) return;
  json.member(item_.kind == BlockKind::reasoning ? "summary_index" : "content_index", 0);
}

void ResponsesStreamEncoder::end_event(JsonWriter& json, std::string& out) {
  json.end_object();
  out += "\n\n";
}

ResponsesStreamEncoder::Block* ResponsesStreamEncoder::find(std::int32_t number) {
  const auto found =
      std::ranges::find(blocks_, number, [](const Block& block) { return block.start.block; });
  return found == blocks_.end() ? nullptr : &*found;
}

void ResponsesBodyEncoder::encode(const StreamEvent& event) {
  std::visit(
      Overloaded{
          [this](const BlockStart& start) {
            if (start.choice != 0) return;
            blocks_.push_back({start.block, item_of(start, blocks_.size(), options_, candidate_)});
          },
          [this](const Delta& delta) {
            const auto block = std::ranges::find(blocks_, delta.block, &Block::number);
            if (delta.choice == 0 && block != blocks_.end()) block->item.text += delta.bytes;
          },
          [this](const UsageReport& report) { usage_ = report.usage; },
          [this](const Stop& stop) {
            if (stop.choice == 0) reason_ = stop.reason;
          },
          [](const auto&) {},
      },
      event);
}

Result<std::string> ResponsesBodyEncoder::body() const {
  std::vector<OutputItem> items;
  for (const Block& block : blocks_) {
    if (is_call(block.item) || !block.item.text.empty()) items.push_back(block.item);
  }
  std::string output;
  bool refusal_seen = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    OutputItem& item = items[i];
    refusal_seen = refusal_seen || item.kind == BlockKind::refusal;
    if (is_call(item)) {
      const CallText worth = judge_call(item, reason_, i + 1 == items.size());
      if (worth == CallText::broken) return std::unexpected{broken_call(candidate_)};
      if (worth == CallText::cut) continue;
      finish_call(item);
    }
    if (!output.empty()) output += ',';
    JsonWriter json{output};
    write_item(json, item);
  }
  ResponseState state = ending_of(reason_, refusal_seen);
  state.usage = &usage_;
  state.output = output;
  std::string body;
  JsonWriter json{body};
  ResponseWriter{options_}.write(json, state);
  return body;
}

std::unique_ptr<StreamEncoder> make_responses_stream_encoder(const StreamOptions& options,
                                                             const Candidate& candidate) {
  return std::make_unique<ResponsesStreamEncoder>(options, candidate);
}

std::unique_ptr<BodyEncoder> make_responses_body_encoder(const StreamOptions& options,
                                                         const Candidate& candidate) {
  return std::make_unique<ResponsesBodyEncoder>(options, candidate);
}

}  // namespace turnpike::dialect
