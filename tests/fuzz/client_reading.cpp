#include "client_reading.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "wire/json_check.hpp"
#include "wire/json_view.hpp"
#include "wire/sse_splitter.hpp"

namespace turnpike::fuzz {
namespace {

using wire::JsonFields;
using wire::JsonView;

/// Deeper than anything a client refuses: depth is not what is tested here.
constexpr std::size_t depth_max = 1024;

bool is_object(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && text[begin] == '{' &&
         !wire::check_json(text, depth_max).fault;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Every client takes no arguments at all for {}.
bool is_arguments(std::string_view text) { return is_blank(text) || is_object(text); }

/// Feeds on whole answers (as one document) and on the events of streams.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual void read(const wire::SseEvent& event) { document(event.data); }
  void document(std::string_view text) {
    if (is_object(text)) return object(JsonFields{JsonView{text}});
    reading_.faults.push_back("no JSON object: " + std::string{text});
  }
  [[nodiscard]] ClientReading& reading() { return reading_; }

 protected:
  virtual void object(const JsonFields& root) = 0;
  void check_call(const std::string& arguments) {
    if (!is_arguments(arguments)) reading_.broken_calls.push_back(arguments);
  }
  ClientReading reading_;
};

class ChatReader final : public Reader {
 public:
  void read(const wire::SseEvent& event) override {
    const std::size_t begin = event.data.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return;
    if (!event.data.substr(begin).starts_with("[DONE]")) return document(event.data);
    reading_.terminated = true;
    finish();
  }

  /// Runs what has been called.
  void finish() {
    for (const auto& [index, choice] : choices_) {
      if (choice.finish.empty() || choice.finish == "length" || choice.finish == "content_filter")
        continue;
      for (const auto& call : choice.calls) check_call(call.arguments);
    }
  }

 private:
  struct Call {
    std::int64_t index = 0;
    std::string id;
    std::string arguments;
  };
  struct Choice {
    std::vector<Call> calls;
    std::string finish;
  };

  void object(const JsonFields& root) override {
    if (root["error"].is_object()) reading_.error = true;
    for (const JsonView& element : root["choices"].elements()) {
      const JsonFields fields{element};
      Choice& choice = choices_[fields["index"].integer().value_or(0)];
      const JsonView message = fields["message"].is_object() ? fields["message"] : fields["delta"];
      std::int64_t position = 0;
      for (const JsonView& call : JsonFields{message}["tool_calls"].elements()) {
        take(choice, JsonFields{call}, position++);
      }
      if (choice.finish.empty()) choice.finish = fields["finish_reason"].text();
    }
  }

  static void take(Choice& choice, const JsonFields& piece, std::int64_t position) {
    if (piece["custom"].is_object()) return;  // takes any text
    const std::int64_t index = piece["index"].integer().value_or(position);
    const std::string id = piece["id"].text();
    const auto call = std::find_if(choice.calls.rbegin(), choice.calls.rend(),
                                   [&](const Call& known) { return known.index == index; });
    const bool begun = call != choice.calls.rend() && (id.empty() || id == call->id);
    Call& target = begun ? *call : choice.calls.emplace_back(Call{index, id, {}});
    target.arguments += JsonFields{piece["function"]}["arguments"].text();
  }

  std::map<std::int64_t, Choice> choices_;
};

class MessagesReader final : public Reader {
 public:
  void finish(std::string_view stop_reason) {
    if (stop_reason == "max_tokens") return;
    for (const auto& call : finished_) check_call(call);
  }

 private:
  void object(const JsonFields& root) override {
    const std::string type = root["type"].text();
    const std::int64_t index = root["index"].integer().value_or(-1);
    if (type == "error") {
      reading_.error = true;
    } else if (type == "message") {
      for (const JsonView& element : root["content"].elements()) {
        const JsonFields block{element};
        if (block["type"].text_is("tool_use") && !block["input"].is_object())
          reading_.broken_calls.emplace_back(block["input"].raw());
      }
    } else if (type == "content_block_start") {
      open_.erase(index);
      if (JsonFields{root["content_block"]}["type"].text_is("tool_use")) open_[index];
    } else if (type == "content_block_delta") {
      if (open_.contains(index)) open_[index] += JsonFields{root["delta"]}["partial_json"].text();
    } else if (type == "content_block_stop") {
      if (auto block = open_.extract(index)) finished_.push_back(std::move(block.mapped()));
    } else if (type == "message_delta") {
      const std::string reason = JsonFields{root["delta"]}["stop_reason"].text();
      if (!reason.empty()) stop_reason_ = reason;
    } else if (type == "message_stop") {
      reading_.terminated = true;
      finish(stop_reason_);
    }
  }

  std::map<std::int64_t, std::string> open_;  // calls
  std::vector<std::string> finished_;
  std::string stop_reason_;
};

class ResponsesReader final : public Reader {
 private:
  void read(const wire::SseEvent& event) override {
    if (!event.data.starts_with("[DONE]")) document(event.data);
  }

  void object(const JsonFields& root) override {
    if (root["object"].text_is("response")) return items(root["output"]);
    const std::string type = root["type"].text();
    if (type == "response.output_item.done") item(JsonFields{root["item"]});
    if (type == "response.failed") reading_.error = true;
    if (type == "response.completed" || type == "response.incomplete") {
      reading_.terminated = true;
      items(JsonFields{root["response"]}["output"]);
    }
  }

  void items(const JsonView& output) {
    for (const JsonView& element : output.elements()) item(JsonFields{element});
  }

  void item(const JsonFields& item) {
    if (item["type"].text_is("function_call") && !item["status"].text_is("incomplete"))
      check_call(item["arguments"].text());
  }
};

class GeminiReader final : public Reader {
 private:
  void object(const JsonFields& root) override {
    if (root["error"].is_object()) reading_.error = true;
    for (const JsonView& element : root["candidates"].elements()) {
      const JsonFields candidate{element};
      for (const JsonView& part : JsonFields{candidate["content"]}["parts"].elements()) {
        const JsonView call = JsonFields{part}["functionCall"];
        const JsonView arguments = JsonFields{call}["args"];
        if (call.is_object() && !arguments.none() && !arguments.is_object())
          reading_.broken_calls.emplace_back(arguments.raw());
      }
      if (candidate["finishReason"].is_string()) reading_.terminated = true;
    }
  }
};

std::unique_ptr<Reader> make_reader(Dialect client) {
  switch (client) {
    case Dialect::anthropic_messages:
      return std::make_unique<MessagesReader>();
    case Dialect::openai_responses:
      return std::make_unique<ResponsesReader>();
    case Dialect::gemini_generate:
      return std::make_unique<GeminiReader>();
    case Dialect::openai_chat:
      break;
  }
  return std::make_unique<ChatReader>();
}

}  // namespace

ClientReading read_stream(Dialect client, std::string_view stream) {
  const auto reader = make_reader(client);
  wire::SseSplitter splitter;
  const auto read = [&](const wire::SseEvent& event) {
    ClientReading& reading = reader->reading();
    if (reading.terminated || reading.error)
      reading.faults.push_back("behind the end: " + std::string{event.raw});
    if (!event.terminated) reading.faults.push_back("half an event: " + std::string{event.raw});
    if (event.has_data && !event.data.empty()) reader->read(event);
    return true;
  };
  splitter.feed(stream, read);
  splitter.finish(read);
  return std::move(reader->reading());
}

ClientReading read_body(Dialect client, std::string_view body) {
  const auto reader = make_reader(client);
  reader->document(body);
  if (auto* chat = dynamic_cast<ChatReader*>(reader.get())) chat->finish();
  return std::move(reader->reading());
}

}  // namespace turnpike::fuzz
