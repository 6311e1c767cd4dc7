// A strict reader of Anthropic Messages as clients get them: knows the order of events, the shape
// of each, and says what is wrong instead of putting up with it. Source: wire-formats specification
// §1.4, client notes §5.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answer_reading.hpp"

namespace turnpike::dialect::test {

struct CheckedMessage {
  std::vector<std::string> faults;  // empty: every rule has been kept
  std::string kinds;                // of the blocks, in order: "thinking text tool_use"
  Reading reading;
  std::string stop_reason;
  std::string stop_sequence;
  std::vector<std::string> signatures;
  Json usage;  // as told last
  int pings = 0;
  bool started = false;  // message_start has come
};

/// Feeds one stream, event by event.
class AnthropicStreamChecker {
 public:
  static CheckedMessage check(std::string_view stream) {
    AnthropicStreamChecker checker;
    while (!stream.empty()) {
      const std::size_t end = stream.find("\n\n");
      if (end == std::string_view::npos) {
        checker.fault("the stream ends inside an event");
        break;
      }
      checker.frame(stream.substr(0, end));
      stream.remove_prefix(end + 2);
    }
    checker.finish();
    return std::move(checker.result_);
  }

 private:
  struct Block {
    std::string type;
    std::string text;  // or the arguments
    bool signed_off = false;
  };

  void fault(std::string what) { result_.faults.push_back(std::move(what)); }
  void expect(bool kept, const std::string& rule) {
    if (!kept) fault(rule);
  }

  /// Two lines, in this order; clients go by the first and read the second.
  void frame(std::string_view frame) {
    const std::size_t line = frame.find('\n');
    if (!frame.starts_with("event: ") || line == std::string_view::npos ||
        !frame.substr(line + 1).starts_with("data: ")) {
      return fault("not an event and its data: " + std::string{frame});
    }
    const std::string_view data = frame.substr(line + 7);
    expect(data.find('\n') == std::string_view::npos, "data in several lines");
    const Json event = Json::parse(data, nullptr, false);
    if (!event.is_object()) return fault("data that is no object");
    const std::string name{frame.substr(7, line - 7)};
    expect(text_at(event, "type") == name, "event name and type differ: " + name);
    expect(!over_, "something after the end: " + name);
    take(name, event);
  }

  void take(const std::string& name, const Json& event) {
    if (name == "ping") {
      ++result_.pings;
    } else if (name == "error") {
      over_ = result_.reading.error = true;
      expect(!text_at(at_or_null(event, "error"), "type").empty(), "an error without a type");
      expect(!text_at(at_or_null(event, "error"), "message").empty(), "an error without a message");
    } else if (name == "message_start") {
      message_start(at_or_null(event, "message"));
    } else if (!result_.started) {
      fault(name + " before message_start");
    } else if (name == "content_block_start") {
      block_start(event);
    } else if (name == "content_block_delta") {
      block_delta(event);
    } else if (name == "content_block_stop") {
      block_stop(event);
    } else if (name == "message_delta") {
      message_delta(event);
    } else if (name == "message_stop") {
      expect(!result_.stop_reason.empty(), "message_stop before message_delta");
      over_ = result_.reading.terminated = true;
    } else {
      fault("an event that nobody knows: " + name);
    }
  }

  void message_start(const Json& message) {
    expect(!result_.started, "a second message_start");
    result_.started = true;
    expect(text_at(message, "id").starts_with("msg_"), "no message id");
    expect(text_at(message, "type") == "message", "no message type");
    expect(text_at(message, "role") == "assistant", "no role");
    expect(!text_at(message, "model").empty(), "no model");
    expect(at_or_null(message, "content") == Json::array(), "content at the start");
    expect(message.contains("stop_reason") && message.at("stop_reason").is_null(),
           "a stop reason at the start");
    check_usage(at_or_null(message, "usage"));
    expect(count_at(at_or_null(message, "usage"), "output_tokens") == 0, "output at the start");
  }

  void check_usage(const Json& usage) {
    for (const char* key : {"input_tokens", "output_tokens", "cache_creation_input_tokens",
                            "cache_read_input_tokens"}) {
      const Json count = at_or_null(usage, key);
      expect(count.is_number_integer() && count.get<std::int64_t>() >= 0,
             std::string{"usage without "} + key);
    }
    const std::int64_t thinking =
        count_at(at_or_null(usage, "output_tokens_details"), "thinking_tokens");
    expect(thinking <= count_at(usage, "output_tokens"), "more thinking than output");
    result_.usage = usage;
  }

  void block_start(const Json& event) {
    expect(!open_, "two blocks open at a time");
    expect(count_at(event, "index") == static_cast<std::int64_t>(blocks_.size()) &&
               at_or_null(event, "index").is_number_integer(),
           "a gap in the indexes");
    expect(result_.stop_reason.empty(), "a block after message_delta");
    const Json content = at_or_null(event, "content_block");
    Block block;
    block.type = text_at(content, "type");
    result_.kinds += (result_.kinds.empty() ? "" : " ") + block.type;
    if (block.type == "text") {
      expect(content == Json{{"type", "text"}, {"text", ""}}, "a text block that is not empty");
    } else if (block.type == "thinking") {
      expect(content == Json{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}},
             "a thinking block that is not empty");
    } else if (block.type == "tool_use") {
      tool_start(content);
    } else {
      fault("a block of type " + block.type);
    }
    blocks_.push_back(block);
    open_ = true;
  }

  void tool_start(const Json& content) {
    const std::string id = text_at(content, "id");
    const auto legal = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
    expect(!id.empty() && std::ranges::all_of(id, legal), "a tool id outside of the charset");
    expect(ids_.insert(id).second, "a tool id used twice");
    expect(!text_at(content, "name").empty(), "a tool without a name");
    expect(at_or_null(content, "input") == Json::object(), "an input at the start");
    result_.reading.calls.push_back({id, text_at(content, "name"), {}});
  }

  Block* block_of(const Json& event) {
    const bool right = open_ && at_or_null(event, "index").is_number_integer() &&
                       count_at(event, "index") == static_cast<std::int64_t>(blocks_.size()) - 1;
    if (!right) fault("an event for a block that is not open");
    return right ? &blocks_.back() : nullptr;
  }

  void block_delta(const Json& event) {
    Block* block = block_of(event);
    if (block == nullptr) return;
    const Json delta = at_or_null(event, "delta");
    const std::string type = text_at(delta, "type");
    expect(delta.size() == 2, "a delta with other members");
    expect(!block->signed_off, "a delta after the signature");
    if (type == "signature_delta" && block->type == "thinking") {
      block->signed_off = true;
      result_.signatures.push_back(text_at(delta, "signature"));
      expect(!result_.signatures.back().empty(), "an empty signature");
      return;
    }
    const std::string key = block->type == "text"       ? "text"
                            : block->type == "thinking" ? "thinking"
                                                        : "partial_json";
    const std::string right =
        block->type == "tool_use" ? "input_json_delta" : block->type + "_delta";
    expect(type == right, "a " + type + " in a block of type " + block->type);
    const std::string piece = text_at(delta, key.c_str());
    expect(at_or_null(delta, key.c_str()).is_string(), "a delta without " + key);
    expect(!piece.empty() || block->type == "tool_use", "an empty piece");
    block->text += piece;
  }

  void block_stop(const Json& event) {
    Block* block = block_of(event);
    if (block == nullptr) return;
    open_ = false;
    if (block->type == "tool_use") {
      result_.reading.calls.back().arguments = block->text;
      const bool whole =
          block->text.empty() || Json::parse(block->text, nullptr, false).is_object();
      if (!whole) unfinished_ = true;
      return;
    }
    expect(block->text.find_first_not_of(" \t\r\n") != std::string::npos, "a blank block");
    expect(block->type != "thinking" || block->signed_off, "thinking without a signature");
    (block->type == "text" ? result_.reading.text : result_.reading.reasoning) += block->text;
  }

  void message_delta(const Json& event) {
    static const std::set<std::string> reasons = {"end_turn", "max_tokens", "stop_sequence",
                                                  "tool_use", "pause_turn", "refusal"};
    expect(!open_, "message_delta while a block is open");
    expect(result_.stop_reason.empty(), "a second message_delta");
    const Json delta = at_or_null(event, "delta");
    result_.stop_reason = text_at(delta, "stop_reason");
    result_.stop_sequence = text_at(delta, "stop_sequence");
    expect(reasons.contains(result_.stop_reason), "an unknown stop reason");
    expect(delta.is_object() && delta.contains("stop_sequence"), "no stop_sequence");
    expect(result_.stop_reason != "tool_use" || !result_.reading.calls.empty(),
           "tool_use without a call");
    check_usage(at_or_null(event, "usage"));
  }

  /// An answer ends with message_stop or with an error, or has not begun.
  void finish() {
    Reading& reading = result_.reading;
    expect(over_ || !result_.started, "neither message_stop nor an error at the end");
    expect(!open_ || reading.error, "a block open at the end");
    expect(!unfinished_ || result_.stop_reason == "max_tokens", "arguments that are no object");
    if (reading.terminated) {
      reading.finish = chat_word_for_claude(result_.stop_reason);
      std::map<std::string, std::int64_t> counts;
      read_claude_usage(result_.usage, counts);
      put_claude_usage(counts, reading);
    }
  }

  CheckedMessage result_;
  std::vector<Block> blocks_;
  std::set<std::string> ids_;
  bool open_ = false;
  bool over_ = false;
  bool unfinished_ = false;  // a call's arguments are no object
};

inline CheckedMessage check_anthropic_stream(std::string_view stream) {
  return AnthropicStreamChecker::check(stream);
}

}  // namespace turnpike::dialect::test
