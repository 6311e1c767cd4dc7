#include "dialect/responses_failure.hpp"

#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

std::string with_delay(const Error& error) {
  if (!error.retry_after_s || error.message.find("try again in ") != std::string::npos)
    return error.message;
  return error.message + " Please try again in " + std::to_string(*error.retry_after_s) + "s.";
}

}  // namespace

ResponsesError responses_error(const Error& error) {
  const int status = error.http_status;
  if (error.code == "context_length_exceeded") {
    return {"context_length_exceeded", "invalid_request_error", error.message};
  }
  if (status == 402) return {"insufficient_quota", "insufficient_quota", error.message};
  if (status == 429) return {"rate_limit_exceeded", "rate_limit_error", with_delay(error)};
  const bool passing = status == 408 || status == 409;
  if (status >= 400 && status < 500 && !passing)
    return {"invalid_prompt", "invalid_request_error", error.message};
  return {"server_error", "server_error", error.message};
}

void append_responses_error(std::string& out, const Error& error, std::int64_t sequence_number) {
  const ResponsesError told = responses_error(error);
  const auto members = [&](JsonWriter& json) {
    json.member("code", told.code).member("message", std::string_view{told.message}).key("param");
    error.param.empty() ? json.null() : json.value(std::string_view{error.param});
  };
  out += "event: error\ndata: ";
  JsonWriter json{out};
  json.begin_object().member("type", "error").member("sequence_number", sequence_number);
  members(json);
  json.key("error").begin_object().member("type", told.type);
  members(json);
  json.end_object().end_object();
  out += "\n\n";
}

void append_responses_failure(std::string& out, const Error& error) {
  append_responses_error(out, error, 0);
  const ResponsesError told = responses_error(error);
  out += "event: response.failed\ndata: ";
  JsonWriter json{out};
  json.begin_object()
      .member("type", "response.failed")
      .member("sequence_number", 1)
      .key("response");
  json.begin_object()
      .member("id", "resp_failed")
      .member("object", "response")
      .member("status", "failed");
  json.key("error").begin_object().member("code", told.code);
  json.member("message", std::string_view{told.message}).end_object();
  json.key("incomplete_details").null().key("output").begin_array().end_array();
  json.end_object().end_object();
  out += "\n\n";
}

}  // namespace turnpike::dialect
