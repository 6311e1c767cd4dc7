#include "dialect/responses_echo.hpp"

#include <array>
#include <string_view>

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

struct Echoed {
  std::string_view name;
  std::string_view absent;  // the API's default; see openai-responses recordings
};

constexpr auto echoed = std::to_array<Echoed>({
    {"instructions", "null"},
    {"max_output_tokens", "null"},
    {"max_tool_calls", "null"},
    {"metadata", "{}"},
    {"parallel_tool_calls", "true"},
    {"prompt_cache_key", "null"},
    {"safety_identifier", "null"},
    {"temperature", "1.0"},
    {"tool_choice", R"("auto")"},
    {"top_logprobs", "0"},
    {"top_p", "1.0"},
    {"truncation", R"("disabled")"},
    {"user", "null"},
});

/// Line ends between tokens would cut an SSE event in two.
void append_on_one_line(std::string& out, std::string_view json) {
  bool quoted = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted && c == '\\') {
      out.append(json.substr(i++, 2));
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (quoted || (c != '\n' && c != '\r' && c != ' ' && c != '\t')) out += c;
  }
}

void append_member(std::string& out, std::string_view name, std::string_view json) {
  if (!out.empty()) out += ',';
  out.append(1, '"').append(name).append("\":");
  append_on_one_line(out, json);
}

/// `object` with the members that clients expect in every answer, where it lacks them.
std::string completed(JsonView object, std::string_view name, std::string_view json) {
  const JsonFields fields{object};
  std::string out = "{";
  if (fields[name].none()) out.append(1, '"').append(name).append("\":").append(json);
  for (const auto& member : fields) {
    if (member.is(name) && member.value.none()) continue;
    if (out.size() > 1) out += ',';
    out.append(1, '"').append(member.key).append("\":").append(member.value.raw());
  }
  return out + "}";
}

}  // namespace

std::string responses_echo(const JsonFields& body) {
  std::string out;
  append_member(out, "background", "false");
  for (const auto& [name, absent] : echoed) {
    const auto given = body[name];
    append_member(out, name, given.none() ? absent : given.raw());
  }
  append_member(out, "previous_response_id", "null");
  append_member(out, "reasoning", completed(body["reasoning"], "effort", "null"));
  append_member(out, "service_tier", R"("default")");
  append_member(out, "store", "false");
  append_member(out, "text", completed(body["text"], "format", R"({"type":"text"})"));
  append_member(out, "tools", "[]");
  return out;
}

}  // namespace turnpike::dialect
