// A strict reader of the Responses dialect: knows the order of events, keeps every event, and says
// what is wrong with them instead of putting up with it. Finished answers come out as a Reading for
// comparing with what went in.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answer_reading.hpp"

namespace turnpike::dialect::test {

/// The visible content of a response object.
inline void read_responses_item(const Json& item, Reading& reading) {
  const std::string type = text_at(item, "type");
  if (type == "message") {
    for (const Json& part : at_or_null(item, "content")) {
      reading.text += text_at(part, "text");
      reading.refusal += text_at(part, "refusal");
    }
  } else if (type == "reasoning") {
    const Json content = at_or_null(item, "content");
    const Json parts =
        content.is_array() && !content.empty() ? content : at_or_null(item, "summary");
    std::string told;
    for (const Json& part : parts) {
      const std::string text = text_at(part, "text");
      if (!told.empty() && !text.empty()) told += "\n\n";
      told += text;
    }
    reading.reasoning += told;
  } else if (type == "function_call") {
    reading.calls.push_back(
        {text_at(item, "call_id"), text_at(item, "name"), text_at(item, "arguments")});
  } else if (type == "custom_tool_call") {
    reading.calls.push_back(
        {text_at(item, "call_id"), text_at(item, "name"), text_at(item, "input")});
  }
}

inline Reading read_responses_body(const Json& response) {
  Reading reading;
  reading.error = !at_or_null(response, "error").is_null();
  for (const Json& item : at_or_null(response, "output")) read_responses_item(item, reading);
  const Json usage = at_or_null(response, "usage");
  if (usage.is_object()) {
    reading.input = count_at(usage, "input_tokens");
    reading.cached = count_at(at_or_null(usage, "input_tokens_details"), "cached_tokens");
    reading.output = count_at(usage, "output_tokens");
    reading.reasoning_tokens =
        count_at(at_or_null(usage, "output_tokens_details"), "reasoning_tokens");
  }
  const std::string status = text_at(response, "status");
  if (status == "completed") reading.finish = reading.calls.empty() ? "stop" : "tool_calls";
  if (status == "incomplete") {
    const std::string reason = text_at(at_or_null(response, "incomplete_details"), "reason");
    reading.finish = reason == "content_filter" ? "content_filter" : "length";
  }
  reading.terminated = !reading.finish.empty();
  return reading;
}

/// A provider's stream, read from its last event alone: deltas do not count here.
inline Reading read_responses_stream(std::string_view stream) {
  Reading reading;
  for (const std::string& data : sse_data(stream)) {
    if (data.starts_with("[DONE]")) continue;
    const Json event = Json::parse(data);
    const std::string type = text_at(event, "type");
    if (type == "response.completed" || type == "response.incomplete") {
      reading = read_responses_body(event.at("response"));
    } else if (type == "response.failed" || type == "error") {
      reading.error = true;
    }
  }
  return reading;
}

/// An object by its grammar: a number that no double holds is one all the same.
inline bool is_object_text(const std::string& text) {
  try {
    return Json::parse(text).is_object();
  } catch (const Json::out_of_range&) {
    return text.starts_with('{');
  } catch (const Json::parse_error&) {
    return false;
  }
}

class ResponsesStreamChecker {
 public:
  explicit ResponsesStreamChecker(std::string_view stream) {
    frames(stream);
    if (!types_.empty() && terminal_.empty()) problem("no terminal event");
  }

  /// Each with the event it is about; empty for a stream as it should be.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  [[nodiscard]] const std::vector<std::string>& types() const { return types_; }
  [[nodiscard]] const std::vector<Json>& events() const { return events_; }
  [[nodiscard]] const Json& response() const { return response_; }
  [[nodiscard]] const std::string& terminal() const { return terminal_; }
  [[nodiscard]] const std::vector<Json>& done_items() const { return done_; }

 private:
  struct Names {
    std::string part_added, delta, text_done, part_done, index, text_key;
  };

  void problem(const std::string& what) {
    problems_.push_back("event " + std::to_string(types_.size()) + ": " + what);
  }
  void require(bool holds, const std::string& what) {
    if (!holds) problem(what);
  }

  /// "event: <type>\ndata: {…}\n\n" and nothing else.
  void frames(std::string_view stream) {
    while (!stream.empty()) {
      const std::size_t end = stream.find("\n\n");
      if (end == std::string_view::npos) return problem("an event without its blank line");
      const std::string_view frame = stream.substr(0, end);
      stream.remove_prefix(end + 2);
      const std::size_t line = frame.find("\ndata: ");
      if (!frame.starts_with("event: ") || line == std::string_view::npos)
        return problem("a frame of another form");
      const Json data = Json::parse(frame.substr(line + 7), nullptr, false);
      if (!data.is_object()) return problem("data that is no JSON object");
      const std::string type = text_at(data, "type");
      require(frame.substr(7, line - 7) == type, "the event line differs from the type " + type);
      require(data.contains("sequence_number") && data.at("sequence_number") == types_.size(),
              "sequence_number is not the number of the event");
      require(terminal_.empty(), "an event after the terminal one");
      types_.push_back(type);
      events_.push_back(data);
      event(type, data);
    }
  }

  void event(const std::string& type, const Json& data) {
    if (types_.size() == 1) require(type == "response.created", "the first event is " + type);
    if (types_.size() == 2) require(type == "response.in_progress", "the second event is " + type);
    if (type == "response.created") require(types_.size() == 1, "created twice");
    if (data.contains("response")) check_response(data.at("response"));
    if (type == "response.created" || type == "response.in_progress") {
      require(data.at("response").at("status") == "in_progress", "not in progress");
    } else if (type == "error") {
      check_error(data);
    } else if (type == "response.failed") {
      check_failed(data.at("response"));
      terminal_ = type;
    } else if (type == "response.completed" || type == "response.incomplete") {
      check_finished(type.substr(9), data.at("response"));
      terminal_ = type;
    } else if (type == "response.output_item.added") {
      item_added(data);
    } else if (type == "response.output_item.done") {
      item_done(data);
    } else {
      item_event(type, data);
    }
  }

  void check_response(const Json& response) {
    for (const char* key :
         {"id", "object", "created_at", "model", "status", "output", "error", "incomplete_details",
          "usage", "tools", "tool_choice", "parallel_tool_calls", "instructions", "metadata",
          "temperature", "top_p"}) {
      require(response.contains(key), std::string{"the response lacks "} + key);
    }
    if (response_.is_null()) response_ = response;
    for (const char* key : {"id", "created_at", "model", "object"}) {
      require(response_.value(key, Json{}) == response.value(key, Json{}),
              std::string{key} + " has changed");
    }
    require(text_at(response, "id").starts_with("resp_"), "an id of another kind");
    response_ = response;
  }

  void check_error(const Json& data) {
    const Json nested = at_or_null(data, "error");
    require(!text_at(data, "code").empty() && text_at(data, "code") == text_at(nested, "code"),
            "codes differ");
    require(
        !text_at(data, "message").empty() && text_at(data, "message") == text_at(nested, "message"),
        "messages differ");
    error_ = data;
  }

  void check_failed(const Json& response) {
    require(types_.size() > 1 && types_[types_.size() - 2] == "error",
            "failed without an error event");
    require(text_at(response, "status") == "failed", "failed with another status");
    const Json error = at_or_null(response, "error");
    require(text_at(error, "code") == text_at(error_, "code"), "failed with another code");
    require(text_at(error, "message") == text_at(error_, "message"), "failed with other words");
  }

  void check_finished(const std::string& status, const Json& response) {
    require(text_at(response, "status") == status, "the status differs from the event");
    require(error_.is_null(), "an end after an error");
    require(at_or_null(response, "error").is_null(), "an end with an error");
    require(open_.is_null() || status == "incomplete", "an item is still open");
    require(response.at("output") == Json(done_), "the output differs from the finished items");
    require((status == "incomplete") == at_or_null(response, "incomplete_details").is_object(),
            "incomplete_details do not fit the status");
    const Json usage = at_or_null(response, "usage");
    for (const char* key : {"input_tokens", "output_tokens", "total_tokens"}) {
      require(at_or_null(usage, key).is_number_integer(), std::string{"usage lacks "} + key);
    }
    require(
        at_or_null(at_or_null(usage, "input_tokens_details"), "cached_tokens").is_number_integer(),
        "usage lacks cached_tokens");
    require(at_or_null(at_or_null(usage, "output_tokens_details"), "reasoning_tokens")
                .is_number_integer(),
            "usage lacks reasoning_tokens");
  }

  void item_added(const Json& data) {
    require(open_.is_null(), "an item begins while another is open");
    require(count_at(data, "output_index") == static_cast<std::int64_t>(added_),
            "output_index is not the next");
    ++added_;
    open_ = data.at("item");
    require(ids_.insert(text_at(open_, "id")).second, "an item's id is used twice");
    text_.clear();
    step_ = Step::begun;
    const std::string type = text_at(open_, "type");
    if (type != "reasoning")
      require(text_at(open_, "status") == "in_progress", "an item begins finished");
    if (type == "function_call" || type == "custom_tool_call") {
      const std::string call_id = text_at(open_, "call_id");
      require(!call_id.empty() && call_id.size() <= 64, "a call_id of a wrong length");
      require(!text_at(open_, "name").empty(), "a call without a name");
    }
  }

  /// The names of the events inside the open item; a message is a refusal if its part says so.
  Names names() const {
    const std::string type = text_at(open_, "type");
    if (type == "reasoning") {
      const std::string prefix = "response.reasoning_summary_";
      return {prefix + "part.added", prefix + "text.delta", prefix + "text.done",
              prefix + "part.done",  "summary_index",       "text"};
    }
    if (type == "function_call") {
      const std::string prefix = "response.function_call_arguments.";
      return {"", prefix + "delta", prefix + "done", "", "", "arguments"};
    }
    if (type == "custom_tool_call") {
      const std::string prefix = "response.custom_tool_call_input.";
      return {"", prefix + "delta", prefix + "done", "", "", "input"};
    }
    const std::string word = refusal_ ? "response.refusal." : "response.output_text.";
    return {"response.content_part.added", word + "delta",  word + "done",
            "response.content_part.done",  "content_index", refusal_ ? "refusal" : "text"};
  }

  void item_event(const std::string& type, const Json& data) {
    if (open_.is_null()) return problem(type + " outside of an item");
    require(text_at(data, "item_id") == text_at(open_, "id"),
            "item_id is not that of the open item");
    require(count_at(data, "output_index") + 1 == static_cast<std::int64_t>(added_),
            "output_index is not the item's");
    if (type == "response.content_part.added")
      refusal_ = text_at(data.at("part"), "type") == "refusal";
    const Names expected = names();
    if (!expected.index.empty())
      require(data.value(expected.index, -1) == 0, expected.index + " is not 0");
    if (type == expected.part_added && step_ == Step::begun) {
      require(text_at(data.at("part"), expected.text_key.c_str()).empty(),
              "a part begins with text");
      step_ = Step::part;
    } else if (type == expected.delta &&
               (step_ == Step::part || (expected.part_added.empty() && step_ == Step::begun))) {
      require(!text_at(data, "delta").empty(), "an empty delta");
      text_ += text_at(data, "delta");
    } else if (type == expected.text_done && step_ != Step::told && step_ != Step::closed) {
      require(text_at(data, expected.text_key.c_str()) == text_,
              "the finished text differs from its deltas");
      step_ = expected.part_done.empty() ? Step::closed : Step::told;
    } else if (!expected.part_done.empty() && type == expected.part_done && step_ == Step::told) {
      require(text_at(data.at("part"), expected.text_key.c_str()) == text_,
              "the finished part differs");
      step_ = Step::closed;
    } else {
      problem(type + " is out of order");
    }
  }

  void item_done(const Json& data) {
    if (open_.is_null()) return problem("an item ends that has not begun");
    const Json& item = data.at("item");
    require(step_ == Step::closed, "an item ends before its text");
    require(count_at(data, "output_index") + 1 == static_cast<std::int64_t>(added_),
            "another item ends");
    for (const char* key : {"id", "type", "call_id", "name", "namespace", "role"}) {
      require(open_.value(key, Json{}) == item.value(key, Json{}),
              std::string{key} + " of the item has changed");
    }
    Reading reading;
    read_responses_item(item, reading);
    std::string told = reading.text + reading.reasoning + reading.refusal;
    if (!reading.calls.empty()) told = reading.calls.front().arguments;
    require(told == text_, "the finished item differs from its deltas");
    const std::string type = text_at(item, "type");
    if (type == "function_call") {
      require(is_object_text(told), "arguments that are no JSON object");
    }
    if (type == "reasoning") {
      require(!text_at(item, "encrypted_content").empty(), "reasoning without encrypted_content");
    } else {
      require(text_at(item, "status") == "completed", "an item ends unfinished");
    }
    done_.push_back(item);
    open_ = Json{};
  }

  enum class Step : std::uint8_t { begun, part, told, closed };

  std::vector<std::string> problems_;
  std::vector<std::string> types_;
  std::vector<Json> events_;
  std::vector<Json> done_;
  std::set<std::string> ids_;
  Json response_;
  Json error_;
  Json open_;
  std::string text_;
  std::string terminal_;
  std::size_t added_ = 0;
  Step step_ = Step::begun;
  bool refusal_ = false;
};

/// What a client of this dialect has in its hands after our stream.
inline Reading read_checked(const ResponsesStreamChecker& checker) {
  Reading reading =
      checker.response().is_null() ? Reading{} : read_responses_body(checker.response());
  reading.error = checker.terminal() == "response.failed";
  if (reading.error) reading.terminated = false;
  return reading;
}

}  // namespace turnpike::dialect::test
