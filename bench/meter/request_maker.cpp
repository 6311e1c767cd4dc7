#include "request_maker.hpp"

#include <string_view>

namespace turnpike::meter {
namespace {

constexpr std::int64_t held_cadence_us = 15'000'000;
constexpr std::size_t step_bytes = 4096;  // one call and its result, as an agent reads files
constexpr std::size_t turn_bytes_min = 600;

constexpr std::string_view tools =
    R"("tools":[{"type":"function","function":{"name":"bash","description":"Runs a shell command","parameters":)"
    R"({"type":"object","properties":{"command":{"type":"string"}},"required":["command"]}}}],)";
// With the escapes that source code brings.
constexpr std::string_view source_line =
    R"(  for (int i = 0; i < n; ++i) {\n    total += a[i] * \"w\"; // step\n  }\n)";

/// Turns of assistant and tool, at most `bytes` long; begins with a comma, or is empty.
std::string history_of(std::size_t bytes) {
  std::string turns;
  for (int step = 0; turns.size() + turn_bytes_min < bytes; ++step) {
    const auto id = "call_" + std::to_string(step);
    turns +=
        R"(,{"role":"assistant","content":"I read on.","tool_calls":[{"id":")" + id +
        R"(","type":"function","function":{"name":"bash","arguments":"{\"command\":\"cat src/file_)" +
        std::to_string(step) + R"(.cpp\"}"}}]},{"role":"tool","tool_call_id":")" + id +
        R"(","content":")";
    const auto end = std::min(bytes, turns.size() + step_bytes) - 4;
    while (turns.size() + source_line.size() < end) turns += source_line;
    turns += "\"}";
  }
  return turns;
}

}  // namespace

RequestMaker::RequestMaker(const Options& options) : options_(options), dice_(options.seed) {}

std::string RequestMaker::next() {
  const auto bytes = options_.body_bytes[dice_() % options_.body_bytes.size()];
  const auto span = static_cast<std::uint64_t>(options_.events_max - options_.events_min + 1);
  const auto events = options_.events_min + static_cast<std::int64_t>(dice_() % span);
  auto directive = "tokens=" + std::to_string(events) +
                   " bytes=" + std::to_string(options_.piece_bytes) +
                   " cadence_us=" + std::to_string(options_.cadence_us);
  return make(bytes, options_.stream, directive);
}

std::string RequestMaker::held() {
  return make(options_.body_bytes.front(), true,
              "tokens=1000 cadence_us=" + std::to_string(held_cadence_us));
}

std::string RequestMaker::make(std::int64_t body_bytes, bool stream, const std::string& directive) {
  std::string body = R"({"model":")" + options_.model + R"(","max_tokens":4096,)";
  if (stream) body += R"("stream":true,"stream_options":{"include_usage":true},)";
  body += tools;
  body +=
      R"("messages":[{"role":"system","content":"You are an agent that works in a repository."},)"
      R"({"role":"user","content":"Task )" +
      std::to_string(options_.seed) + "." + std::to_string(++count_) +
      R"(: find out why the total is wrong, and mend it."})";
  const auto last = " [[sim " + directive + R"(]]"}]})";
  constexpr std::string_view before_last = R"(,{"role":"user","content":"Go on.)";
  const auto wanted = static_cast<std::size_t>(body_bytes);
  const auto fixed = body.size() + before_last.size() + last.size();
  auto& history = histories_[body_bytes];
  if (history.empty() && wanted > fixed) history = history_of(wanted - fixed);
  body += history;
  body += before_last;
  if (const auto so_far = body.size() + last.size(); wanted > so_far)
    body.append(wanted - so_far, '.');
  body += last;
  return "POST " + options_.path + " HTTP/1.1\r\nHost: " + options_.host + ':' +
         std::to_string(options_.port) + "\r\nAuthorization: Bearer " + options_.key +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace turnpike::meter
