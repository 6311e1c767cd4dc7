#include "answers.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace turnpike::bench {

namespace {

constexpr std::size_t calls = 20;
constexpr std::size_t pieces_of_call = pieces / calls;

struct Piece {
  std::string_view json;  // as it stands between quotation marks
  std::size_t bytes;      // decoded
};

/// What a provider might say: some with escapes, some in other scripts.
Piece text_piece(std::size_t number) {
  constexpr auto texts =
      std::to_array<Piece>({{" the", 4},
                            {" quick", 6},
                            {"\\n\\n", 2},
                            {" über", 6},
                            {"漢字", 6},
                            {" said \\\"no\\\"", 10},
                            {" and a somewhat longer piece of forty bytes", 43}});
  return texts[number % texts.size()];
}

/// Pieces of {"path":"src/file_07.cpp","text":" line after line after line…"} between quotation
/// marks.
std::string argument_piece(std::size_t call, std::size_t number) {
  if (number == 0) return fmt::format(R"({{\"path\":\"src/file_{:02}.cpp\",)", call);
  if (number == 1) return R"(\"text\":\")";
  if (number + 1 == pieces_of_call) return R"(\"})";
  return " line after line";
}

std::string whole_arguments(std::size_t call) {
  std::string text = fmt::format(R"({{"path":"src/file_{:02}.cpp","text":")", call);
  for (std::size_t i = 2; i + 1 < pieces_of_call; ++i) text += " line after line";
  return text + R"("})";
}

std::size_t content_bytes(Content content) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; content == Content::text && i < pieces; ++i) bytes += text_piece(i).bytes;
  for (std::size_t i = 0; content == Content::tools && i < calls; ++i)
    bytes += whole_arguments(i).size();
  return bytes;
}

// ---- Chat Completions

std::string chat_chunk(std::string_view delta, std::string_view finish = "null") {
  return fmt::format(
      R"(data: {{"id":"chatcmpl-CjA7","object":"chat.completion.chunk","created":1763800000,)"
      R"("model":"deepseek-flash","system_fingerprint":"fp_b1","choices":[{{"index":0,"delta":{{{}}},)"
      R"("finish_reason":{}}}]}})"
      "\n\n",
      delta, finish);
}

std::vector<std::string> chat_events(Content content) {
  std::vector<std::string> events{chat_chunk(R"("role":"assistant","content":"")")};
  for (std::size_t i = 0; content == Content::text && i < pieces; ++i) {
    events.push_back(chat_chunk(fmt::format(R"("content":"{}")", text_piece(i).json)));
  }
  for (std::size_t call = 0; content == Content::tools && call < calls; ++call) {
    events.push_back(chat_chunk(fmt::format(
        R"("tool_calls":[{{"index":{0},"id":"call_{0:02}","type":"function","function":{{"name":"write","arguments":""}}}}])",
        call)));
    for (std::size_t i = 0; i < pieces_of_call; ++i) {
      events.push_back(
          chat_chunk(fmt::format(R"("tool_calls":[{{"index":{},"function":{{"arguments":"{}"}}}}])",
                                 call, argument_piece(call, i))));
    }
  }
  events.push_back(chat_chunk("", content == Content::text ? R"("stop")" : R"("tool_calls")"));
  events.emplace_back(
      R"(data: {"id":"chatcmpl-CjA7","object":"chat.completion.chunk","created":1763800000,"model":"deepseek-flash",)"
      R"("choices":[],"usage":{"prompt_tokens":900,"completion_tokens":210,"total_tokens":1110}})"
      "\n\n");
  events.emplace_back("data: [DONE]\n\n");
  return events;
}

// ---- Messages

std::string messages_event(std::string_view type, std::string_view members = {}) {
  return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}{2}}}\n\n", type,
                     members.empty() ? "" : ",", members);
}

void add_messages_call(std::vector<std::string>& events, std::size_t call) {
  events.push_back(messages_event(
      "content_block_start",
      fmt::format(
          R"("index":{0},"content_block":{{"type":"tool_use","id":"toolu_{0:02}","name":"write","input":{{}}}})",
          call)));
  for (std::size_t i = 0; i < pieces_of_call; ++i) {
    events.push_back(messages_event(
        "content_block_delta",
        fmt::format(R"("index":{},"delta":{{"type":"input_json_delta","partial_json":"{}"}})", call,
                    argument_piece(call, i))));
  }
  events.push_back(messages_event("content_block_stop", fmt::format(R"("index":{})", call)));
}

std::vector<std::string> messages_events(Content content) {
  std::vector<std::string> events{messages_event(
      "message_start",
      R"("message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],)"
      R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":900,"output_tokens":1}})")};
  if (content == Content::text) {
    events.push_back(messages_event("content_block_start",
                                    R"("index":0,"content_block":{"type":"text","text":""})"));
    for (std::size_t i = 0; i < pieces; ++i) {
      events.push_back(
          messages_event("content_block_delta",
                         fmt::format(R"("index":0,"delta":{{"type":"text_delta","text":"{}"}})",
                                     text_piece(i).json)));
    }
    events.push_back(messages_event("content_block_stop", R"("index":0)"));
  } else {
    for (std::size_t call = 0; call < calls; ++call) add_messages_call(events, call);
  }
  events.push_back(messages_event(
      "message_delta",
      fmt::format(
          R"("delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":{{"output_tokens":210}})",
          content == Content::text ? "end_turn" : "tool_use")));
  events.push_back(messages_event("message_stop"));
  return events;
}

// ---- Responses

class ResponsesEvents {
 public:
  std::vector<std::string> of(Content content) {
    add("response.created",
        R"("response":{"id":"resp_01","object":"response","status":"in_progress","output":[]})");
    if (content == Content::text) {
      add_text();
    } else {
      for (std::size_t call = 0; call < calls; ++call) add_call(call);
    }
    add("response.completed",
        R"("response":{"id":"resp_01","object":"response","status":"completed","model":"deepseek-flash","output":[],)"
        R"("usage":{"input_tokens":900,"output_tokens":210,"total_tokens":1110}})");
    return std::move(events_);
  }

 private:
  void add(std::string_view type, const std::string& members) {
    events_.push_back(
        fmt::format("event: {0}\ndata: {{\"type\":\"{0}\",\"sequence_number\":{1},{2}}}\n\n", type,
                    events_.size(), members));
  }

  void add_text() {
    std::string whole;
    add("response.output_item.added",
        R"("output_index":0,"item":{"id":"msg_01","type":"message","status":"in_progress","role":"assistant","content":[]})");
    add("response.content_part.added",
        R"("item_id":"msg_01","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]})");
    for (std::size_t i = 0; i < pieces; ++i) {
      whole += text_piece(i).json;
      add("response.output_text.delta",
          fmt::format(
              R"("item_id":"msg_01","output_index":0,"content_index":0,"delta":"{}","logprobs":[])",
              text_piece(i).json));
    }
    add("response.output_text.done",
        fmt::format(
            R"("item_id":"msg_01","output_index":0,"content_index":0,"text":"{}","logprobs":[])",
            whole));
    add("response.output_item.done",
        fmt::format(
            R"("output_index":0,"item":{{"id":"msg_01","type":"message","status":"completed","role":"assistant",)"
            R"("content":[{{"type":"output_text","text":"{}","annotations":[]}}]}})",
            whole));
  }

  void add_call(std::size_t call) {
    std::string whole;
    add("response.output_item.added",
        fmt::format(
            R"("output_index":{0},"item":{{"id":"fc_{0:02}","type":"function_call","status":"in_progress",)"
            R"("call_id":"call_{0:02}","name":"write","arguments":""}})",
            call));
    for (std::size_t i = 0; i < pieces_of_call; ++i) {
      whole += argument_piece(call, i);
      add("response.function_call_arguments.delta",
          fmt::format(R"("item_id":"fc_{0:02}","output_index":{0},"delta":"{1}")", call,
                      argument_piece(call, i)));
    }
    add("response.function_call_arguments.done",
        fmt::format(R"("item_id":"fc_{0:02}","output_index":{0},"arguments":"{1}")", call, whole));
    add("response.output_item.done",
        fmt::format(
            R"("output_index":{0},"item":{{"id":"fc_{0:02}","type":"function_call","status":"completed",)"
            R"("call_id":"call_{0:02}","name":"write","arguments":"{1}"}})",
            call, whole));
  }

  std::vector<std::string> events_;
};

// ---- Gemini

std::string gemini_event(std::string_view part, std::string_view finish = {}) {
  return fmt::format(
      R"(data: {{"candidates":[{{"content":{{"parts":[{}],"role":"model"}}{},"index":0}}],)"
      R"("usageMetadata":{{"promptTokenCount":900,"candidatesTokenCount":210,"totalTokenCount":1110}},)"
      R"("modelVersion":"gemini-3.8-flash","responseId":"kUsgac"}})"
      "\r\n\r\n",
      part, finish);
}

std::vector<std::string> gemini_events(Content content) {
  std::vector<std::string> events;
  for (std::size_t i = 0; content == Content::text && i < pieces; ++i) {
    events.push_back(gemini_event(fmt::format(R"({{"text":"{}"}})", text_piece(i).json)));
  }
  for (std::size_t call = 0; content == Content::tools && call < calls; ++call) {
    events.push_back(gemini_event(
        fmt::format(R"({{"functionCall":{{"id":"call_{:02}","name":"write","args":{}}}}})", call,
                    whole_arguments(call))));
  }
  events.push_back(gemini_event(R"({"text":""})", R"(,"finishReason":"STOP")"));
  return events;
}

}  // namespace

Answer answer_of(Dialect provider, Content content) {
  Answer answer;
  answer.content_bytes = content_bytes(content);
  switch (provider) {
    case Dialect::openai_chat:
      answer.events = chat_events(content);
      break;
    case Dialect::anthropic_messages:
      answer.events = messages_events(content);
      break;
    case Dialect::openai_responses:
      answer.events = ResponsesEvents{}.of(content);
      break;
    case Dialect::gemini_generate:
      answer.events = gemini_events(content);
      break;
  }
  return answer;
}

}  // namespace turnpike::bench
