// Chat completions as OpenAI streams them (padded chunks, reasoning unseen, usage in a chunk of its
// own when asked for) and as a local server does (reasoning under a name of its choice, empty ids
// in later deltas).
#include "compatible_chat_reader.hpp"
#include "local_service.hpp"
#include "openai_service.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

std::string_view finish_reason(const Answer& answer) {
  switch (answer.stop) {
    case Stop::tool:
      return "tool_calls";
    case Stop::length:
      return "length";
    case Stop::refusal:
      return "content_filter";
    default:
      return "stop";
  }
}

// A call's place among the calls, which is not its place among the blocks.
std::size_t call_index(const Answer& answer, std::size_t block) {
  std::size_t index = 0;
  for (std::size_t i = 0; i < block; ++i) index += answer.blocks[i].kind == BlockKind::call ? 1 : 0;
  return index;
}

/// reasoning_content, reasoning, thinking, reasoning_details, or "tags": <think> inside the text.
std::string reasoning_key(const Ask& ask) {
  return ask.directives.text("reasoning_key", "reasoning_content");
}

// A server without a reasoning parser leaves the thinking in the text.
void think_in_text(Answer& answer) {
  if (answer.blocks.empty() || answer.blocks.front().kind != BlockKind::thinking) return;
  auto& thinking = answer.blocks.front();
  thinking.kind = BlockKind::text;
  thinking.text = "<think>\n" + thinking.text + "\n</think>\n\n";
}

Json reasoning_member(const Ask& ask, std::string text) {
  if (reasoning_key(ask) != "reasoning_details") return text;
  return Json::array({Json{
      {"type", "reasoning.text"}, {"text", std::move(text)}, {"format", "unknown"}, {"index", 0}}});
}

class CompatibleChat final : public Wire {
 public:
  CompatibleChat(Endpoint endpoint, Settings settings)
      : endpoint_(endpoint), settings_(std::move(settings)) {}

  Checked<Ask> read(const HttpRequest& request) const override {
    return read_compatible_chat(endpoint_, settings_, request);
  }

  void complete(Exchange& exchange) const override {
    const auto seed = exchange.seed;
    exchange.response_id = "chatcmpl-" + (is_openai() ? random_name(seed, 29, base62)
                                                      : random_name(seed, 32, lower_hex));
    if (reasoning_key(exchange.ask) == "tags") think_in_text(exchange.answer);
    if (!exchange.ask.thinking_shown) {
      std::erase_if(exchange.answer.blocks,
                    [](const Block& block) { return block.kind == BlockKind::thinking; });
    }
    const bool nameless = exchange.ask.directives.has("empty_ids");
    std::uint64_t nth = 1;
    for (auto& block : exchange.answer.blocks) {
      if (block.kind != BlockKind::call || nameless) continue;
      block.id = is_openai() ? "call_" + random_name(seed + nth, 24, base62)
                             : "chatcmpl-tool-" + random_name(seed + nth, 32, lower_hex);
      ++nth;
    }
  }

  std::vector<Step> plan(const Exchange& exchange) const override {
    std::vector<Step> steps{{StepKind::start}};
    const auto& blocks = exchange.answer.blocks;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].kind == BlockKind::call) steps.push_back({StepKind::open, i});
      add_deltas(steps, i, blocks[i].text,
                 delta_bytes(exchange.ask, blocks[i].kind == BlockKind::call ? 8 : 5));
    }
    steps.push_back({StepKind::finish});
    steps.push_back({StepKind::end});
    return steps;
  }

  void render(const Exchange& exchange, const Step& step, const Tokens&,
              std::string& out) const override {
    switch (step.kind) {
      case StepKind::start:
        return append_choice(exchange, opening(), Json(), 0, out);
      case StepKind::ping:
        out += is_openai() ? "" : ": ping\n\n";
        return;
      case StepKind::finish:
        append_choice(exchange, is_openai() ? Json::object() : Json{{"content", ""}},
                      Json(finish_reason(exchange.answer)), 1, out);
        if (exchange.ask.usage_asked && shows_usage(exchange)) append_usage(exchange, out);
        return;
      case StepKind::end:
        out += "data: [DONE]\n\n";
        return;
      default:
        return append_choice(exchange, delta(exchange, step), Json(), step.from + step.block, out);
    }
  }

  std::string body(const Exchange& exchange) const override {
    Json message{{"role", "assistant"}, {"content", nullptr}};
    std::string text, reasoning;
    Json calls = Json::array();
    for (const auto& block : exchange.answer.blocks) {
      if (block.kind == BlockKind::text) text += block.text;
      if (block.kind == BlockKind::thinking) reasoning += block.text;
      if (block.kind != BlockKind::call) continue;
      calls.push_back(Json{{"id", block.id},
                           {"type", "function"},
                           {"function", Json{{"name", block.name}, {"arguments", block.text}}}});
    }
    if (!text.empty() || calls.empty()) message["content"] = text;
    if (is_openai()) message["refusal"] = nullptr;
    if (!reasoning.empty())
      message[reasoning_key(exchange.ask)] = reasoning_member(exchange.ask, std::move(reasoning));
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    Json out{{"id", exchange.response_id},
             {"object", "chat.completion"},
             {"created", exchange.created_s},
             {"model", exchange.ask.model},
             {"choices", Json::array({Json{{"index", 0},
                                           {"message", std::move(message)},
                                           {"logprobs", nullptr},
                                           {"finish_reason", finish_reason(exchange.answer)}}})}};
    if (shows_usage(exchange)) out["usage"] = usage(exchange);
    if (is_openai()) out["service_tier"] = "default";
    return out.dump();
  }

  Headers headers(const Exchange& exchange) const override {
    if (is_openai()) return openai_headers(exchange);
    return {{"Content-Type",
             exchange.ask.stream ? "text/event-stream; charset=utf-8" : "application/json"},
            {"x-request-id", exchange.request_id}};
  }

  Refusal failure(int status, const Directives& wishes) const override {
    if (is_openai()) return openai_failure(status, wishes);
    auto refusal = local_refusal(status, local_failure_text(status, wishes),
                                 wishes.text("error_shape") == "detail");
    if (wishes.has("retry_after"))
      refusal.headers.emplace_back("Retry-After", wishes.text("retry_after"));
    return refusal;
  }

  void render_error(const Exchange& exchange, int status, std::uint32_t,
                    std::string& out) const override {
    out += "data: " + Json::parse(failure(status, exchange.ask.directives).body).dump() + "\n\n";
  }

 private:
  [[nodiscard]] bool is_openai() const { return endpoint_ == Endpoint::openai_chat; }

  [[nodiscard]] Json opening() const {
    Json delta{{"role", "assistant"}, {"content", ""}};
    if (is_openai()) delta["refusal"] = nullptr;
    return delta;
  }

  Json delta(const Exchange& exchange, const Step& step) const {
    const auto& block = exchange.answer.blocks[step.block];
    auto piece = block.text.substr(step.from, step.to - step.from);
    if (block.kind == BlockKind::text) return Json{{"content", std::move(piece)}};
    if (block.kind == BlockKind::thinking) {
      return Json{{reasoning_key(exchange.ask), reasoning_member(exchange.ask, std::move(piece))}};
    }
    Json call{{"index", call_index(exchange.answer, step.block)}};
    if (step.kind == StepKind::open) {
      call["id"] = block.id;
      call["type"] = "function";
      call["function"] = Json{{"name", block.name}, {"arguments", ""}};
    } else {
      if (!is_openai()) call["id"] = "";
      call["function"] = Json{{"arguments", std::move(piece)}};
    }
    return Json{{"tool_calls", Json::array({std::move(call)})}};
  }

  void append_choice(const Exchange& exchange, Json delta, Json finish, std::uint64_t salt,
                     std::string& out) const {
    Json chunk = head(exchange);
    chunk["choices"] = Json::array({Json{{"index", 0},
                                         {"delta", std::move(delta)},
                                         {"logprobs", nullptr},
                                         {"finish_reason", std::move(finish)}}});
    if (is_openai() && exchange.ask.usage_asked) chunk["usage"] = nullptr;
    append(exchange, std::move(chunk), salt, out);
  }

  void append_usage(const Exchange& exchange, std::string& out) const {
    Json chunk = head(exchange);
    chunk["choices"] = Json::array();
    chunk["usage"] = usage(exchange);
    append(exchange, std::move(chunk), 2, out);
  }

  static void append(const Exchange& exchange, Json chunk, std::uint64_t salt, std::string& out) {
    const auto seed = exchange.seed + salt;
    if (exchange.ask.responses.obfuscation)
      chunk["obfuscation"] = random_name(seed, 1 + seed % 16, base62);
    out += "data: " + chunk.dump() + "\n\n";
  }

  Json head(const Exchange& exchange) const {
    Json chunk{{"id", exchange.response_id},
               {"object", "chat.completion.chunk"},
               {"created", exchange.created_s},
               {"model", exchange.ask.model}};
    if (is_openai()) chunk["service_tier"] = "default", chunk["system_fingerprint"] = nullptr;
    return chunk;
  }

  Json usage(const Exchange& exchange) const {
    const auto& used = exchange.usage;
    Json usage{{"prompt_tokens", used.input()},
               {"completion_tokens", Json::parse(figure(exchange, used.output()), nullptr, false)},
               {"total_tokens", used.input() + used.output()}};
    if (!is_openai()) return usage;
    usage["prompt_tokens_details"] =
        Json{{"cached_tokens", used.input_cache_read}, {"audio_tokens", 0}};
    usage["completion_tokens_details"] = Json{{"reasoning_tokens", used.output_reasoning},
                                              {"audio_tokens", 0},
                                              {"accepted_prediction_tokens", 0},
                                              {"rejected_prediction_tokens", 0}};
    return usage;
  }

  Endpoint endpoint_;
  Settings settings_;
};

}  // namespace

std::unique_ptr<Wire> make_compatible_chat(Endpoint endpoint, const Settings& settings) {
  return std::make_unique<CompatibleChat>(endpoint, settings);
}

}  // namespace turnpike::simulator
