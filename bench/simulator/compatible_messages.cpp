// Messages as imitated: DeepSeek signs its thinking with the message's own id, a local server with
// nothing; neither sends pings, filler blanks or cache writes.
#include "compatible_messages_reader.hpp"
#include "deepseek_service.hpp"
#include "local_service.hpp"
#include "signature.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

std::string_view stop_reason(const Answer& answer) {
  switch (answer.stop) {
    case Stop::tool:
      return "tool_use";
    case Stop::length:
      return "max_tokens";
    case Stop::sequence:
      return "stop_sequence";
    case Stop::refusal:
      return "refusal";
    case Stop::natural:
      break;
  }
  return "end_turn";
}

Json stop_sequence(const Answer& answer) {
  return answer.stop == Stop::sequence ? Json(answer.stop_sequence) : Json();
}

class CompatibleMessages final : public Wire {
 public:
  CompatibleMessages(Endpoint endpoint, Settings settings)
      : endpoint_(endpoint), settings_(std::move(settings)) {}

  Checked<Ask> read(const HttpRequest& request) const override {
    return read_compatible_messages(endpoint_, settings_, request);
  }

  void complete(Exchange& exchange) const override {
    const auto seed = exchange.seed;
    exchange.response_id =
        is_deepseek() ? seal_uuid(seed) : "msg_" + random_name(seed, 24, lower_hex);
    if (is_deepseek()) exchange.trace_id = random_name(seed, 32, lower_hex);
    std::size_t nth = 0;
    for (auto& block : exchange.answer.blocks) {
      if (block.kind == BlockKind::thinking && is_deepseek())
        block.signature = exchange.response_id;
      if (block.kind != BlockKind::call) continue;
      block.id = is_deepseek() ? "call_0" + std::to_string(nth) + "_" +
                                     random_name(seed + 1 + nth, 24, base62)
                               : "call_" + random_name(seed + 1 + nth, 8, lower_hex);
      ++nth;
    }
  }

  std::vector<Step> plan(const Exchange& exchange) const override {
    std::vector<Step> steps{{StepKind::start}};
    const auto& blocks = exchange.answer.blocks;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      steps.push_back({StepKind::open, i});
      add_deltas(steps, i, blocks[i].text,
                 delta_bytes(exchange.ask, blocks[i].kind == BlockKind::call ? 8 : 5));
      if (!blocks[i].signature.empty()) steps.push_back({StepKind::sign, i});
      steps.push_back({StepKind::close, i});
    }
    steps.push_back({StepKind::finish});
    steps.push_back({StepKind::end});
    return steps;
  }

  void render(const Exchange& exchange, const Step& step, const Tokens&,
              std::string& out) const override {
    switch (step.kind) {
      case StepKind::start: {
        Json message = head(exchange);
        message["content"] = Json::array();
        message["stop_reason"] = nullptr;
        message["stop_sequence"] = nullptr;
        message["usage"] = usage(exchange, Json(0));
        return append(out, Json{{"type", "message_start"}, {"message", std::move(message)}});
      }
      case StepKind::ping:
        out += is_deepseek() ? ": keep-alive\n\n" : "";
        return;
      case StepKind::open:
        return append(out, Json{{"type", "content_block_start"},
                                {"index", step.block},
                                {"content_block", opening(exchange.answer.blocks[step.block])}});
      case StepKind::delta:
      case StepKind::sign:
        return append(out, Json{{"type", "content_block_delta"},
                                {"index", step.block},
                                {"delta", delta(exchange.answer.blocks[step.block], step)}});
      case StepKind::close:
        return append(out, Json{{"type", "content_block_stop"}, {"index", step.block}});
      case StepKind::finish: {
        Json finish{{"type", "message_delta"},
                    {"delta", Json{{"stop_reason", stop_reason(exchange.answer)},
                                   {"stop_sequence", stop_sequence(exchange.answer)}}}};
        if (shows_usage(exchange)) finish["usage"] = usage(exchange, output_figure(exchange));
        return append(out, finish);
      }
      case StepKind::end:
        return append(out, Json{{"type", "message_stop"}});
    }
  }

  std::string body(const Exchange& exchange) const override {
    Json content = Json::array();
    for (const auto& block : exchange.answer.blocks) {
      Json part = opening(block);
      if (block.kind == BlockKind::text) part["text"] = block.text;
      if (block.kind == BlockKind::thinking) part["thinking"] = block.text;
      if (block.kind == BlockKind::call) part["input"] = Json::parse(block.text);
      if (!block.signature.empty()) part["signature"] = block.signature;
      content.push_back(std::move(part));
    }
    Json message = head(exchange);
    message["content"] = std::move(content);
    message["stop_reason"] = stop_reason(exchange.answer);
    message["stop_sequence"] = stop_sequence(exchange.answer);
    if (shows_usage(exchange)) message["usage"] = usage(exchange, output_figure(exchange));
    return message.dump();
  }

  Headers headers(const Exchange& exchange) const override {
    Headers headers{{"Content-Type",
                     exchange.ask.stream ? "text/event-stream; charset=utf-8" : "application/json"},
                    {"x-request-id", exchange.request_id}};
    if (is_deepseek()) headers.emplace_back("x-ds-trace-id", exchange.trace_id);
    return headers;
  }

  Refusal failure(int status, const Directives& wishes) const override {
    if (is_deepseek()) return deepseek_failure(status, wishes);
    auto refusal =
        compatible_messages_refusal(endpoint_, status, local_failure_text(status, wishes),
                                    wishes.text("error_shape") == "detail");
    if (wishes.has("retry_after"))
      refusal.headers.emplace_back("Retry-After", wishes.text("retry_after"));
    return refusal;
  }

  void render_error(const Exchange& exchange, int status, std::uint32_t,
                    std::string& out) const override {
    const auto error = Json::parse(failure(status, exchange.ask.directives).body);
    Json event{{"type", "error"}};
    event["error"] = error.contains("error") ? error["error"] : error;
    append(out, event);
  }

  void render_garbage(std::string& out) const override {
    out +=
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_de\n\n";
  }

  Habits habits() const override { return is_deepseek() ? deepseek_habits() : Habits{}; }

 private:
  [[nodiscard]] bool is_deepseek() const { return endpoint_ == Endpoint::deepseek_messages; }

  static void append(std::string& out, const Json& event) {
    out += "event: " + event["type"].get<std::string>() + "\ndata: " + event.dump() + "\n\n";
  }

  static Json head(const Exchange& exchange) {
    return Json{{"id", exchange.response_id},
                {"type", "message"},
                {"role", "assistant"},
                {"model", exchange.ask.model}};
  }

  static Json output_figure(const Exchange& exchange) {
    return Json::parse(figure(exchange, exchange.usage.output()), nullptr, false);
  }

  Json usage(const Exchange& exchange, Json output) const {
    const auto& used = exchange.usage;
    if (!is_deepseek())
      return Json{{"input_tokens", used.input()}, {"output_tokens", std::move(output)}};
    Json told{{"input_tokens", used.input_fresh},
              {"cache_creation_input_tokens", 0},
              {"cache_read_input_tokens", used.input_cache_read},
              {"output_tokens", std::move(output)},
              {"service_tier", "standard"}};
    if (used.web_searches > 0)
      told["server_tool_use"] = Json{{"web_search_requests", used.web_searches}};
    return told;
  }

  static Json opening(const Block& block) {
    if (block.kind == BlockKind::text) return Json{{"type", "text"}, {"text", ""}};
    if (block.kind == BlockKind::call) {
      return Json{
          {"type", "tool_use"}, {"id", block.id}, {"name", block.name}, {"input", Json::object()}};
    }
    Json thinking{{"type", "thinking"}, {"thinking", ""}};
    if (!block.signature.empty()) thinking["signature"] = "";
    return thinking;
  }

  static Json delta(const Block& block, const Step& step) {
    if (step.kind == StepKind::sign)
      return Json{{"type", "signature_delta"}, {"signature", block.signature}};
    auto piece = block.text.substr(step.from, step.to - step.from);
    if (block.kind == BlockKind::text)
      return Json{{"type", "text_delta"}, {"text", std::move(piece)}};
    if (block.kind == BlockKind::thinking)
      return Json{{"type", "thinking_delta"}, {"thinking", std::move(piece)}};
    return Json{{"type", "input_json_delta"}, {"partial_json", std::move(piece)}};
  }

  Endpoint endpoint_;
  Settings settings_;
};

}  // namespace

std::unique_ptr<Wire> make_compatible_messages(Endpoint endpoint, const Settings& settings) {
  return std::make_unique<CompatibleMessages>(endpoint, settings);
}

}  // namespace turnpike::simulator
