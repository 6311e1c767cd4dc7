// Anthropic Messages: named events, filler blanks before the closing brace, pings, signed thinking,
// arguments in pieces.
#include "anthropic_reader.hpp"
#include "text.hpp"
#include "wire.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::size_t signature_bytes = 280;

std::string_view stop_reason(const Exchange& exchange) {
  switch (exchange.answer.stop) {
    case Stop::tool:
      return "tool_use";
    case Stop::length:
      return "max_tokens";
    case Stop::sequence:
      return "stop_sequence";
    case Stop::refusal:
      return "refusal";
    case Stop::natural:
      return "end_turn";
  }
  return "end_turn";
}

std::string stop_fields(const Exchange& exchange) {
  const bool sequence = exchange.answer.stop == Stop::sequence;
  return R"("stop_reason":")" + std::string{stop_reason(exchange)} + R"(","stop_sequence":)" +
         (sequence ? json_string(exchange.answer.stop_sequence) : "null") +
         R"(,"stop_details":null)";
}

std::string input_usage(const Tokens& used) {
  return "\"input_tokens\":" + std::to_string(used.input_fresh) +
         ",\"cache_creation_input_tokens\":" +
         std::to_string(used.input_cache_write_5m + used.input_cache_write_1h) +
         ",\"cache_read_input_tokens\":" + std::to_string(used.input_cache_read);
}

/// Told once the answer is complete, by those who were offered the tool.
std::string searches(const Exchange& exchange, const Tokens& used) {
  if (exchange.ask.searches_max == 0 || used.output() == 0) return "";
  return R"(,"server_tool_use":{"web_search_requests":)" + std::to_string(used.web_searches) +
         R"(,"web_fetch_requests":0})";
}

std::string full_usage(const Exchange& exchange, const Tokens& used, const std::string& output) {
  std::string out = "{" + input_usage(used) +
                    ",\"cache_creation\":{\"ephemeral_5m_input_tokens\":" +
                    std::to_string(used.input_cache_write_5m) +
                    ",\"ephemeral_1h_input_tokens\":" + std::to_string(used.input_cache_write_1h) +
                    "},\"output_tokens\":" + output;
  if (exchange.ask.thinking && used.output_reasoning > 0) {
    out +=
        ",\"output_tokens_details\":{\"thinking_tokens\":" + std::to_string(used.output_reasoning) +
        "}";
  }
  out += searches(exchange, used);
  return out + R"(,"service_tier":"standard","inference_geo":"not_available"})";
}

void append_event(std::string& out, std::string_view name, std::string json, std::uint64_t seed) {
  // The real stream pads its JSON with blanks before the last brace, of changing number.
  json.insert(json.size() - 1, static_cast<std::size_t>(seed % 16), ' ');
  out += "event: ";
  out += name;
  out += "\ndata: ";
  out += json;
  out += "\n\n";
}

class Anthropic final : public Wire {
 public:
  explicit Anthropic(Settings settings) : settings_(std::move(settings)) {}

  Checked<Ask> read(const HttpRequest& request) const override {
    return read_anthropic(settings_, request);
  }

  void complete(Exchange& exchange) const override {
    exchange.response_id = "msg_01" + random_name(exchange.seed, 22, base62);
    const auto& ask = exchange.ask;
    Prompt so_far = ask.prompt;
    so_far.add(rendered_role("assistant"));
    std::uint64_t nth = 1;
    for (auto& block : exchange.answer.blocks) {
      if (block.kind == BlockKind::call) {
        block.id = "toolu_01" + random_name(exchange.seed + nth, 22, base62);
        so_far.add(rendered_call(block.id, block.name, Json::parse(block.text)));
      } else if (block.kind == BlockKind::text) {
        so_far.add(rendered_text(block.text));
      } else {
        const std::string shown = ask.thinking_shown ? block.text : "";
        const auto bytes = static_cast<std::size_t>(std::clamp<std::int64_t>(
            ask.directives.number("signature_bytes", static_cast<std::int64_t>(signature_bytes)), 0,
            100'000));
        block.signature = seal_thinking({ask.family, hash_bytes(shown), so_far.hash()}, bytes,
                                        exchange.seed + nth);
        so_far.add(rendered_thinking(block.signature));
      }
      ++nth;
    }
  }

  std::vector<Step> plan(const Exchange& exchange) const override {
    std::vector<Step> steps{{StepKind::start}};
    const auto& blocks = exchange.answer.blocks;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto kind = blocks[i].kind;
      steps.push_back({StepKind::open, i});
      if (i == 0) steps.push_back({StepKind::ping});
      const bool hidden = kind == BlockKind::thinking && !exchange.ask.thinking_shown;
      if (kind == BlockKind::call)
        steps.push_back({StepKind::delta, i, 0, 0});  // the first piece is always empty
      const bool no_arguments = kind == BlockKind::call && blocks[i].text == "{}";
      if (!hidden && !no_arguments)
        add_deltas(steps, i, blocks[i].text,
                   delta_bytes(exchange.ask, kind == BlockKind::call ? 16 : 24));
      if (kind == BlockKind::thinking) steps.push_back({StepKind::sign, i});
      steps.push_back({StepKind::close, i});
    }
    steps.push_back({StepKind::finish});
    steps.push_back({StepKind::end});
    return steps;
  }

  void render(const Exchange& exchange, const Step& step, const Tokens& sent,
              std::string& out) const override {
    const auto seed = exchange.seed + step.from + step.block * 7;
    const auto index = std::to_string(step.block);
    switch (step.kind) {
      case StepKind::start: {
        std::string start =
            R"({"type":"message_start","message":{"model":)" + json_string(exchange.ask.model) +
            R"(,"id":")" + exchange.response_id +
            R"(","type":"message","role":"assistant","content":[],"stop_reason":null,)"
            R"("stop_sequence":null,"stop_details":null,"usage":)" +
            full_usage(exchange, exchange_start(exchange), "1") + "}}";
        append_event(out, "message_start", std::move(start), seed);
        return;
      }
      case StepKind::ping:
        out += "event: ping\ndata: {\"type\": \"ping\"}\n\n";
        return;
      case StepKind::open:
        append_event(out, "content_block_start",
                     R"({"type":"content_block_start","index":)" + index +
                         ",\"content_block\":" + opening(exchange, step) + "}",
                     seed);
        return;
      case StepKind::delta:
      case StepKind::sign:
        append_event(out, "content_block_delta",
                     R"({"type":"content_block_delta","index":)" + index +
                         ",\"delta\":" + delta(exchange, step) + "}",
                     seed);
        return;
      case StepKind::close:
        append_event(out, "content_block_stop",
                     R"({"type":"content_block_stop","index":)" + index + "}", seed);
        return;
      case StepKind::finish: {
        std::string finish = R"({"type":"message_delta","delta":{)" + stop_fields(exchange) + "}";
        if (shows_usage(exchange)) {
          finish += ",\"usage\":{" + input_usage(sent) +
                    ",\"output_tokens\":" + figure(exchange, exchange.usage.output());
          if (exchange.usage.output_reasoning > 0) {
            finish += ",\"output_tokens_details\":{\"thinking_tokens\":" +
                      std::to_string(exchange.usage.output_reasoning) + "}";
          }
          finish += searches(exchange, exchange.usage) + "}";
        }
        append_event(out, "message_delta", finish + "}", seed);
        return;
      }
      case StepKind::end:
        append_event(out, "message_stop", R"({"type":"message_stop"})", seed);
        return;
    }
  }

  std::string body(const Exchange& exchange) const override {
    std::string content;
    for (const auto& block : exchange.answer.blocks) {
      content += content.empty() ? "" : ",";
      if (block.kind == BlockKind::text) {
        content += R"({"type":"text","text":)" + json_string(block.text) + "}";
      } else if (block.kind == BlockKind::thinking) {
        content += R"({"type":"thinking","thinking":)" +
                   json_string(exchange.ask.thinking_shown ? block.text : "") +
                   ",\"signature\":" + json_string(block.signature) + "}";
      } else {
        content += R"({"type":"tool_use","id":")" + block.id + R"(","name":)" +
                   json_string(block.name) + ",\"input\":" + block.text +
                   R"(,"caller":{"type":"direct"}})";
      }
    }
    std::string out = R"({"model":)" + json_string(exchange.ask.model) + R"(,"id":")" +
                      exchange.response_id +
                      R"(","type":"message","role":"assistant","content":[)" + content + "]," +
                      stop_fields(exchange);
    if (shows_usage(exchange))
      out += ",\"usage\":" +
             full_usage(exchange, exchange.usage, figure(exchange, exchange.usage.output()));
    return out + "}";
  }

  Headers headers(const Exchange& exchange) const override {
    return {{"Content-Type",
             exchange.ask.stream ? "text/event-stream; charset=utf-8" : "application/json"},
            {"Cache-Control", "no-cache"},
            {"anthropic-ratelimit-requests-limit", "10000"},
            {"anthropic-ratelimit-requests-remaining", "9999"},
            {"anthropic-ratelimit-tokens-limit", "12000000"},
            {"anthropic-ratelimit-tokens-remaining", "12000000"},
            {"request-id", exchange.request_id},
            {"x-request-id", exchange.request_id}};
  }

  Refusal failure(int status, const Directives& wishes) const override {
    std::string_view type = "api_error";
    std::string message = "Internal server error";
    if (status == 400) type = "invalid_request_error", message = "Invalid request";
    if (status == 401) type = "authentication_error", message = "invalid x-api-key";
    if (status == 402)
      type = "billing_error",
      message = "Your credit balance is too low to access the Anthropic API.";
    if (status == 403)
      type = "permission_error",
      message = "Your API key does not have permission to use the specified resource.";
    if (status == 404) type = "not_found_error", message = "Not found";
    if (status == 413)
      type = "request_too_large", message = "Request exceeds the maximum allowed number of bytes.";
    if (status == 429)
      type = "rate_limit_error",
      message = "This request would exceed your organization's rate limit.";
    if (status == 504) type = "timeout_error", message = "Request timed out.";
    if (status == 529) type = "overloaded_error", message = "Overloaded";
    auto refusal =
        anthropic_refusal(status, wishes.text("message", message), wishes.text("type", type));
    if (wishes.has("retry_after"))
      refusal.headers.emplace_back("retry-after", wishes.text("retry_after"));
    return refusal;
  }

  void render_error(const Exchange& exchange, int status, std::uint32_t,
                    std::string& out) const override {
    out += "event: error\ndata: " + failure(status, exchange.ask.directives).body + "\n\n";
  }

  void render_garbage(std::string& out) const override {
    out +=
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_de\n\n";
  }

 private:
  static Tokens exchange_start(const Exchange& exchange) {
    auto used = exchange.usage;
    used.output_text = used.output_reasoning = 0;
    return used;
  }

  static std::string opening(const Exchange& exchange, const Step& step) {
    const auto& block = exchange.answer.blocks[step.block];
    if (block.kind == BlockKind::text) return R"({"type":"text","text":""})";
    if (block.kind == BlockKind::thinking)
      return R"({"type":"thinking","thinking":"","signature":""})";
    return R"({"type":"tool_use","id":")" + block.id + R"(","name":)" + json_string(block.name) +
           R"(,"input":{},"caller":{"type":"direct"}})";
  }

  static std::string delta(const Exchange& exchange, const Step& step) {
    const auto& block = exchange.answer.blocks[step.block];
    if (step.kind == StepKind::sign)
      return R"({"type":"signature_delta","signature":)" + json_string(block.signature) + "}";
    const auto piece =
        json_string(std::string_view{block.text}.substr(step.from, step.to - step.from));
    if (block.kind == BlockKind::text) return R"({"type":"text_delta","text":)" + piece + "}";
    if (block.kind == BlockKind::thinking)
      return R"({"type":"thinking_delta","thinking":)" + piece + "}";
    return R"({"type":"input_json_delta","partial_json":)" + piece + "}";
  }

  Settings settings_;
};

}  // namespace

std::unique_ptr<Wire> make_anthropic(const Settings& settings) {
  return std::make_unique<Anthropic>(settings);
}

}  // namespace turnpike::simulator
