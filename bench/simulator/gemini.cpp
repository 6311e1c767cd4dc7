// Gemini native: CRLF events without names, whole function calls, usage in each chunk, signatures
// on the first call of a step or on the closing empty text.
#include <algorithm>

#include "gemini_reader.hpp"
#include "text.hpp"
#include "wire.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::size_t signature_bytes = 820;

Json usage_metadata(const Exchange& exchange, std::int64_t text, std::int64_t thoughts) {
  const auto& used = exchange.usage;
  Json usage{{"promptTokenCount", used.input()}};
  if (used.input_cache_read > 0) usage["cachedContentTokenCount"] = used.input_cache_read;
  if (text > 0) usage["candidatesTokenCount"] = Json::parse(figure(exchange, text), nullptr, false);
  usage["totalTokenCount"] = used.input() + text + thoughts;
  usage["promptTokensDetails"] =
      Json::array({Json{{"modality", "TEXT"}, {"tokenCount", used.input()}}});
  if (thoughts > 0) usage["thoughtsTokenCount"] = thoughts;
  usage["serviceTier"] = "standard";
  return usage;
}

Json call_part(const Block& block) {
  Json call{{"name", block.name}, {"args", Json::parse(block.text)}};
  if (!block.id.empty()) call["id"] = block.id;
  Json part{{"functionCall", std::move(call)}};
  if (!block.signature.empty()) part["thoughtSignature"] = block.signature;
  return part;
}

std::string finish_reason(const Exchange& exchange) {
  if (exchange.answer.stop == Stop::length) return "MAX_TOKENS";
  return exchange.answer.stop == Stop::refusal ? "SAFETY" : "STOP";
}

/// With the finish reason; a whole answer has it likewise.
void add_grounding(const Exchange& exchange, Json& candidate) {
  if (exchange.usage.web_searches == 0) return;
  Json queries = Json::array();
  for (std::int64_t i = 0; i < exchange.usage.web_searches; ++i)
    queries.push_back("question " + std::to_string(i));
  candidate["groundingMetadata"] = Json{{"webSearchQueries", std::move(queries)}};
}

Json whole(const Exchange& exchange, Json candidate, const Json& usage) {
  candidate["index"] = 0;
  Json out{{"candidates", Json::array({std::move(candidate)})}};
  if (shows_usage(exchange)) out["usageMetadata"] = usage;
  out["modelVersion"] = exchange.ask.model;
  out["responseId"] = exchange.response_id;
  return out;
}

class Gemini final : public Wire {
 public:
  explicit Gemini(Settings settings) : settings_(std::move(settings)) {}

  Checked<Ask> read(const HttpRequest& request) const override {
    return read_gemini(settings_, request);
  }

  void complete(Exchange& exchange) const override {
    exchange.response_id = random_name(exchange.seed, 22, base62);
    const auto bytes = static_cast<std::size_t>(
        std::clamp<std::int64_t>(exchange.ask.directives.number(
                                     "signature_bytes", static_cast<std::int64_t>(signature_bytes)),
                                 0, 100'000));
    bool first_call = true;
    Block* last_text = nullptr;
    std::uint64_t nth = 1;
    for (auto& block : exchange.answer.blocks) {
      if (block.kind == BlockKind::text) last_text = &block;
      if (block.kind != BlockKind::call) continue;
      if (exchange.ask.gives_call_ids)
        block.id = random_name(exchange.seed + nth++, 8, base62.substr(0, 36));
      if (first_call && exchange.ask.signs_calls) {
        block.signature = seal_thought(call_identity(block.name, Json::parse(block.text)), bytes,
                                       exchange.seed + nth);
      }
      first_call = false;
    }
    if (first_call && last_text != nullptr && exchange.ask.signs_calls)
      last_text->signature = seal_thought("", bytes, exchange.seed);
  }

  std::vector<Step> plan(const Exchange& exchange) const override {
    std::vector<Step> steps;
    const auto& blocks = exchange.answer.blocks;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].kind == BlockKind::thinking && !exchange.ask.thinking_shown) continue;
      if (blocks[i].kind == BlockKind::call) {
        steps.push_back({StepKind::open, i, 0, static_cast<std::uint32_t>(blocks[i].text.size())});
      } else {
        add_deltas(steps, i, blocks[i].text, delta_bytes(exchange.ask, 96));
      }
    }
    steps.push_back({StepKind::finish});
    return steps;
  }

  void render(const Exchange& exchange, const Step& step, const Tokens& sent,
              std::string& out) const override {
    if (step.kind == StepKind::ping) return;  // this API has no harmless event
    Json candidate;
    auto text = sent.output_text;
    auto thoughts = sent.output_reasoning;
    if (step.kind == StepKind::finish) {
      text = exchange.usage.output_text;
      thoughts = exchange.usage.output_reasoning;
      candidate = Json{
          {"content", Json{{"parts", Json::array({closing_part(exchange)})}, {"role", "model"}}},
          {"finishReason", finish_reason(exchange)}};
      add_grounding(exchange, candidate);
      if (exchange.answer.stop == Stop::refusal) candidate.erase("content");
    } else {
      const auto& block = exchange.answer.blocks[step.block];
      Json part;
      if (block.kind == BlockKind::call) {
        part = call_part(block);
      } else {
        part["text"] = block.text.substr(step.from, step.to - step.from);
        if (block.kind == BlockKind::thinking) part["thought"] = true;
      }
      candidate =
          Json{{"content", Json{{"parts", Json::array({std::move(part)})}, {"role", "model"}}}};
    }
    out += "data: " +
           whole(exchange, std::move(candidate), usage_metadata(exchange, text, thoughts)).dump() +
           "\r\n\r\n";
  }

  std::string body(const Exchange& exchange) const override {
    Json parts = Json::array();
    for (const auto& block : exchange.answer.blocks) {
      if (block.kind == BlockKind::call) {
        parts.push_back(call_part(block));
      } else if (block.kind == BlockKind::text) {
        Json part{{"text", block.text}};
        if (!block.signature.empty()) part["thoughtSignature"] = block.signature;
        parts.push_back(std::move(part));
      } else if (exchange.ask.thinking_shown) {
        parts.push_back(Json{{"text", block.text}, {"thought", true}});
      }
    }
    Json content{{"role", "model"}};
    if (!parts.empty()) content = Json{{"parts", std::move(parts)}, {"role", "model"}};
    Json candidate{{"content", std::move(content)}, {"finishReason", finish_reason(exchange)}};
    add_grounding(exchange, candidate);
    if (exchange.answer.stop == Stop::refusal) candidate.erase("content");
    const auto usage =
        usage_metadata(exchange, exchange.usage.output_text, exchange.usage.output_reasoning);
    const auto out = whole(exchange, std::move(candidate), usage).dump(2) + "\n";
    const bool array =
        std::find(exchange.ask.notes.begin(), exchange.ask.notes.end(),
                  "streamGenerateContent without alt=sse") != exchange.ask.notes.end();
    return array ? "[" + out + "]\n" : out;
  }

  Headers headers(const Exchange& exchange) const override {
    return {{"Content-Type",
             exchange.ask.stream ? "text/event-stream" : "application/json; charset=UTF-8"},
            {"X-Gemini-Service-Tier", "standard"},
            {"Server-Timing", "gfet4t7; dur=1"},
            {"x-request-id", exchange.request_id}};
  }

  Refusal failure(int status, const Directives& wishes) const override {
    std::string_view name = "INTERNAL";
    std::string message =
        "An internal error has occurred. Please retry or report in "
        "https://developers.generativeai.google/guide/troubleshooting";
    if (status == 400) name = "INVALID_ARGUMENT", message = "Request contains an invalid argument.";
    if (status == 401)
      name = "UNAUTHENTICATED", message = "Request had invalid authentication credentials.";
    if (status == 403) name = "PERMISSION_DENIED", message = "The caller does not have permission";
    if (status == 404) name = "NOT_FOUND", message = "Requested entity was not found.";
    if (status == 429)
      name = "RESOURCE_EXHAUSTED",
      message = "You exceeded your current quota, please check your plan.";
    if (status == 503)
      name = "UNAVAILABLE", message = "The model is overloaded. Please try again later.";
    if (status == 504)
      name = "DEADLINE_EXCEEDED", message = "Deadline expired before operation could complete.";
    Json details;
    if (status == 429) {
      const std::string quota = wishes.has("spend_limit")
                                    ? "GenerateRequestsPerDayPerProjectPerModel"
                                    : "GenerateRequestsPerMinutePerProjectPerModel";
      details = Json::array({Json{{"@type", "type.googleapis.com/google.rpc.QuotaFailure"},
                                  {"violations", Json::array({Json{{"quotaId", quota}}})}}});
      if (wishes.has("retry_after")) {
        details.push_back(Json{{"@type", "type.googleapis.com/google.rpc.RetryInfo"},
                               {"retryDelay", wishes.text("retry_after") + "s"}});
      }
    }
    return gemini_refusal(status, wishes.text("message", message), wishes.text("type", name),
                          details);
  }

  void render_error(const Exchange& exchange, int status, std::uint32_t,
                    std::string& out) const override {
    out +=
        "data: " + Json::parse(failure(status, exchange.ask.directives).body).dump() + "\r\n\r\n";
  }

  Habits habits() const override {
    return {.head_waits = true, .bills_the_rest = true, .whole_calls = true};
  }

 private:
  static Json closing_part(const Exchange& exchange) {
    Json part{{"text", ""}};
    for (const auto& block : exchange.answer.blocks) {
      if (block.kind == BlockKind::text && !block.signature.empty())
        part["thoughtSignature"] = block.signature;
    }
    return part;
  }

  Settings settings_;
};

}  // namespace

std::unique_ptr<Wire> make_gemini(const Settings& settings) {
  return std::make_unique<Gemini>(settings);
}

}  // namespace turnpike::simulator
