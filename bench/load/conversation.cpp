#include "conversation.hpp"

#include <array>

namespace turnpike::load {
namespace {

constexpr int steps_max = 6;

// Of different difficulty, so that a router has something to decide.
constexpr std::array<std::string_view, 6> questions = {
    "List the files in this folder.",
    "What is 17 times 3?",
    "Refactor the retry logic so that the deadline is respected across nested calls, and prove "
    "that it cannot overflow.",
    "Rename the variable `tmp` to `total` in main.py.",
    "There is a data race in the connection pool under load; find it and design a fix with minimal "
    "locking.",
    "Say hello.",
};

bool chance(std::mt19937_64& dice, double share) {
  return std::uniform_real_distribution<>{0, 1}(dice) < share;
}

nlohmann::json shell_tool() {
  return {{"type", "function"},
          {"function",
           {{"name", "bash"},
            {"description", "Runs a shell command"},
            {"parameters",
             {{"type", "object"},
              {"properties", {{"command", {{"type", "string"}}}}},
              {"required", {"command"}},
              {"additionalProperties", false}}}}}};
}

}  // namespace

Conversation::Conversation(const Options& options, std::mt19937_64& dice, std::uint64_t number)
    : options_(options),
      streams_(chance(dice, options.stream_share)),
      sends_reasoning_(chance(dice, options.reasoning_share)) {
  const bool loop = chance(dice, options.loop_share);
  std::string text{questions.front()};
  if (!options.equal) {
    text = "[" + std::to_string(options.seed) + "." + std::to_string(number) + "] ";
    text += questions[dice() % questions.size()];
  }
  if (loop) text += " Use the bash tool.";
  if (!options.directive.empty()) text += " [[sim " + options.directive + "]]";
  while (text.size() < static_cast<std::size_t>(options.prompt_bytes))
    text += " and then some more of the same";
  body_ = {{"model", options.models[dice() % options.models.size()]},
           {"messages",
            {{{"role", "system"}, {"content", "You are an agent under load."}},
             {{"role", "user"}, {"content", text}}}}};
  if (streams_) body_["stream"] = true;
  if (streams_ && !options.equal && chance(dice, 0.5))
    body_["stream_options"] = {{"include_usage", true}};
  if (loop) body_["tools"] = nlohmann::json::array({shell_tool()});
  if (options.output_tokens_max > 0) body_["max_tokens"] = options.output_tokens_max;
  if (streams_ && chance(dice, options.cancel_share))
    leave_after_ = static_cast<std::int64_t>(dice() % 10);
}

std::string Conversation::request() const {
  const auto body = body_.dump();
  return "POST " + options_.path + " HTTP/1.1\r\nHost: " + options_.host +
         "\r\nAuthorization: Bearer " + options_.key +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

bool Conversation::go_on(const AnswerCheck& answer) {
  if (answer.finish() != "tool_calls" || answer.calls().empty() || ++steps_ >= steps_max)
    return false;
  nlohmann::json message{
      {"role", "assistant"}, {"content", answer.text()}, {"tool_calls", nlohmann::json::array()}};
  if (sends_reasoning_ && !answer.reasoning().empty())
    message["reasoning_content"] = answer.reasoning();
  auto& messages = body_["messages"];
  for (const auto& call : answer.calls()) {
    message["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  messages.push_back(std::move(message));
  for (const auto& call : answer.calls()) {
    messages.push_back(
        {{"role", "tool"}, {"tool_call_id", call.id}, {"content", "README.md\nmain.py\n"}});
  }
  return true;
}

}  // namespace turnpike::load
