#include "dialect/event_relay_words.hpp"

#include <charconv>

#include "dialect/responses_failure.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonFields;
using wire::JsonView;
using wire::JsonWriter;

bool is_valid(std::string_view json) { return !wire::check_json(json, wire::json_depth_max).fault; }

/// First byte of the UTF-8 of U+2028 (E2 80 A8) and U+2029 (E2 80 A9). In JSON they stand in
/// strings only.
constexpr std::string_view separators_lead = "\xE2\x80";

void append_without_separators(std::string& out, std::string_view text) {
  std::size_t begin = 0;
  for (std::size_t at = text.find(separators_lead); at != std::string_view::npos;
       at = text.find(separators_lead, at + 1)) {
    const char last = at + 2 < text.size() ? text[at + 2] : '\0';
    if (last != '\xA8' && last != '\xA9') continue;
    out += text.substr(begin, at - begin);
    out += last == '\xA8' ? "\\u2028" : "\\u2029";
    begin = at + 3;
  }
  out += text.substr(begin);
}

/// Ends the event if the body ended before its blank line did. A '\r' at the end may have lost its
/// '\n'.
void complete(std::string& out, const wire::SseEvent& event, std::string_view line_end) {
  const std::string_view raw = event.raw;
  if (event.terminated) {
    if (raw.ends_with("\r\n\r")) out += '\n';
    return;
  }
  if (raw.ends_with('\r')) {
    out += '\n';
  } else if (!raw.ends_with('\n')) {
    out += line_end;
  }
  out += line_end;
}

void append_gemini_event(std::string& out, const wire::SseEvent& event) {
  if (event.raw.starts_with("data:") && event.data.find('\n') == std::string_view::npos &&
      event.raw.find("\n:") == std::string_view::npos) {
    append_without_separators(out, event.raw);
    complete(out, event, "\r\n");
    return;
  }
  out += "data: ";
  const std::size_t begin = out.size();
  append_without_separators(out, event.data);
  for (std::size_t at = begin; at < out.size(); ++at) {
    if (out[at] == '\n') out[at] = ' ';  // between tokens: inside strings it would be escaped
  }
  out += "\r\n\r\n";
}

}  // namespace

void append_event(std::string& out, Dialect dialect, const wire::SseEvent& event) {
  if (dialect == Dialect::gemini_generate) {
    append_gemini_event(out, event);
    return;
  }
  out += event.raw;
  complete(out, event, "\n");
}

bool is_providers_failure(Dialect dialect, const wire::SseEvent& event, bool refused_output) {
  if (!is_valid(event.data)) return false;
  const JsonFields fields{JsonView{event.data}};
  if (dialect == Dialect::gemini_generate) return refused_output || !fields["error"].none();
  const JsonView type = fields["type"];
  // The vendor's SDK goes by the name of the event.
  if (dialect == Dialect::anthropic_messages) return event.name == "error" && type.text_is("error");
  return type.text_is("error") || type.text_is("response.failed");
}

bool begins_foreign_block(Dialect dialect, const wire::SseEvent& event, bool unread) {
  switch (dialect) {
    case Dialect::anthropic_messages:
      return unread && event_type(event) == "content_block_start";
    case Dialect::openai_responses: {
      if (event_type(event) != "response.output_item.added") return false;
      const JsonFields fields{JsonView{event.data}};
      const JsonView type = JsonFields{fields["item"]}["type"];
      return !type.text_is("message") && !type.text_is("reasoning");
    }
    case Dialect::gemini_generate: {
      // Parts with files, code and its results. Calls, texts and thoughts are the decoder's.
      return unread && (event.data.find("\"inlineData\"") != std::string_view::npos ||
                        event.data.find("\"executableCode\"") != std::string_view::npos ||
                        event.data.find("\"codeExecutionResult\"") != std::string_view::npos);
    }
    case Dialect::openai_chat:
      break;
  }
  return false;
}

std::string event_type(const wire::SseEvent& event) {
  if (!event.name.empty()) return std::string{event.name};
  return JsonFields{JsonView{event.data}}["type"].text();
}

// A quotation mark ends the key only outside of strings: inside it would be escaped.
std::int64_t sequence_number(std::string_view data) {
  constexpr std::string_view key = "\"sequence_number\"";
  std::size_t at = data.find(key);
  if (at == std::string_view::npos) return -1;
  at = data.find_first_not_of(" \t:", at + key.size());
  std::int64_t number = -1;
  if (at != std::string_view::npos) {
    std::from_chars(data.data() + at, data.data() + data.size(), number);
  }
  // Beyond 2^50 it is no number of an event, and counting on from it would overflow.
  constexpr std::int64_t number_max = std::int64_t{1} << 50U;
  return number <= number_max ? number : -1;
}

void append_relay_heartbeat(std::string& out, Dialect dialect, std::int64_t last_number) {
  switch (dialect) {
    case Dialect::anthropic_messages:
      out += "event: ping\ndata: {\"type\": \"ping\"}\n\n";
      return;
    case Dialect::gemini_generate:
      out += "data: {\"candidates\": []}\r\n\r\n";
      return;
    case Dialect::openai_responses:
    case Dialect::openai_chat:
      break;
  }
  if (last_number < 0) {
    out += ": keep-alive\n\n";
    return;
  }
  out += "event: keepalive\ndata: ";
  JsonWriter{out}
      .begin_object()
      .member("type", "keepalive")
      .member("sequence_number", last_number)
      .end_object();
  out += "\n\n";
}

void append_responses_end(std::string& out, const Error& error, const ResponsesEnd& end) {
  std::int64_t number = end.last_number;
  if (!end.error_sent) append_responses_error(out, error, ++number);
  const ResponsesError told = responses_error(error);
  out += "event: response.failed\ndata: ";
  JsonWriter json{out};
  json.begin_object().member("type", "response.failed").member("sequence_number", ++number);
  json.key("response").begin_object();
  json.member("id", end.response_id.empty() ? std::string_view{"resp_failed"} : end.response_id);
  json.member("object", "response").member("status", "failed").key("error").begin_object();
  json.member("code", told.code).member("message", std::string_view{told.message}).end_object();
  json.key("incomplete_details").null().key("output").begin_array().end_array();
  json.end_object().end_object();
  out += "\n\n";
}

}  // namespace turnpike::dialect
