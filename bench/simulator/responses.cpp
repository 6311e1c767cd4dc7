// Responses: counted events per output item. DeepSeek shows its reasoning and names items by UUID;
// OpenAI sums it up, encrypts it, pads its deltas, and keeps what it is asked to keep.
#include "deepseek_service.hpp"
#include "openai_service.hpp"
#include "responses_reader.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

/// What a response repeats of its request, or has by default; in this order.
constexpr std::array before_output = {"instructions", "max_output_tokens", "max_tool_calls"};
constexpr std::array after_output = {"parallel_tool_calls", "previous_response_id",
                                     "prompt_cache_key",    "prompt_cache_retention",
                                     "reasoning",           "safety_identifier"};
constexpr std::array at_end = {"temperature",  "text",  "tool_choice", "tools",
                               "top_logprobs", "top_p", "truncation"};

Json default_of(std::string_view name) {
  if (name == "parallel_tool_calls") return true;
  if (name == "reasoning") return Json{{"effort", nullptr}, {"summary", nullptr}};
  if (name == "temperature" || name == "top_p") return 1.0;
  if (name == "text") return Json{{"format", Json{{"type", "text"}}}, {"verbosity", nullptr}};
  if (name == "tool_choice") return "auto";
  if (name == "tools") return Json::array();
  if (name == "top_logprobs") return 0;
  if (name == "truncation") return "disabled";
  return nullptr;
}

class Responses final : public Wire {
 public:
  Responses(Endpoint endpoint, Settings settings)
      : endpoint_(endpoint),
        settings_(std::move(settings)),
        store_(std::make_unique<ResponseStore>()) {}

  Checked<Ask> read(const HttpRequest& request) const override {
    return read_responses(endpoint_, settings_, *store_, request);
  }

  void complete(Exchange& exchange) const override {
    const auto seed = exchange.seed;
    exchange.response_id =
        is_deepseek() ? random_uuid(seed) : "resp_" + random_name(seed, 50, lower_hex);
    if (is_deepseek()) exchange.trace_id = random_name(seed, 32, lower_hex);
    if (!is_deepseek() && exchange.answer.stop == Stop::refusal) refuse_in_words(exchange.answer);
    std::uint64_t nth = 0;
    std::size_t calls = 0;
    for (auto& block : exchange.answer.blocks) {
      ++nth;
      block.item_id = item_id(block, seed + nth * 31);
      if (block.kind == BlockKind::thinking && exchange.ask.responses.encrypted && !is_deepseek())
        block.signature = seal_reasoning(block.text, seed + nth);
      if (block.kind != BlockKind::call) continue;
      block.id = is_deepseek()
                     ? "call_0" + std::to_string(calls) + "_" + random_name(seed + nth, 24, base62)
                     : "call_" + random_name(seed + nth, 24, base62);
      ++calls;
    }
    if (!exchange.ask.responses.store) return;
    auto items = std::move(exchange.ask.responses.items);
    for (auto& item : output(exchange)) items.push_back(std::move(item));
    store_->keep(key_of(exchange), exchange.response_id, std::move(items));
  }

  std::vector<Step> plan(const Exchange& exchange) const override {
    std::vector<Step> steps{{StepKind::start}};
    const auto& blocks = exchange.answer.blocks;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      steps.push_back({StepKind::open, i});
      if (has_part(exchange, blocks[i]) || blocks[i].kind == BlockKind::call) {
        add_deltas(steps, i, blocks[i].text,
                   delta_bytes(exchange.ask, blocks[i].kind == BlockKind::call ? 8 : 5));
      }
      steps.push_back({StepKind::close, i});
    }
    steps.push_back({StepKind::finish});
    std::uint32_t number = 0;
    for (auto& step : steps) {
      step.number = number;
      number += event_count(exchange, step);
    }
    return steps;
  }

  void render(const Exchange& exchange, const Step& step, const Tokens&,
              std::string& out) const override {
    auto number = step.number;
    switch (step.kind) {
      case StepKind::start:
        for (const auto* type : {"response.created", "response.in_progress"}) {
          append(out,
                 Json{{"type", type},
                      {"response", response(exchange, "in_progress", Json::array(), Json())}},
                 number++);
        }
        return;
      case StepKind::ping:
        if (is_deepseek()) {
          out += ": keep-alive\n\n";
        } else {
          append(out, Json{{"type", "keepalive"}}, number);
        }
        return;
      case StepKind::open:
        return render_open(exchange, step, out);
      case StepKind::delta:
        return append(out, delta(exchange, step), number);
      case StepKind::close:
        return render_close(exchange, step, out);
      case StepKind::finish:
        return append(out,
                      Json{{"type", std::string{"response."} + status(exchange.answer)},
                           {"response", whole(exchange)}},
                      number);
      case StepKind::sign:
      case StepKind::end:
        return;
    }
  }

  std::string body(const Exchange& exchange) const override { return whole(exchange).dump(); }

  Headers headers(const Exchange& exchange) const override {
    if (!is_deepseek()) return openai_headers(exchange);
    return {{"Content-Type",
             exchange.ask.stream ? "text/event-stream; charset=utf-8" : "application/json"},
            {"cache-control", "no-cache"},
            {"x-ds-trace-id", exchange.trace_id},
            {"x-request-id", exchange.request_id},
            {"vary", "origin, access-control-request-method, access-control-request-headers"}};
  }

  Refusal failure(int status, const Directives& wishes) const override {
    return is_deepseek() ? deepseek_failure(status, wishes) : openai_failure(status, wishes);
  }

  // An event and a failed response. OpenAI nests the error, as recorded; DeepSeek is played by the
  // letter of the specification, which has it flat, with words like "server_error" for its code.
  void render_error(const Exchange& exchange, int status, std::uint32_t number,
                    std::string& out) const override {
    auto error = Json::parse(failure(status, exchange.ask.directives).body)["error"];
    if (is_deepseek()) error["code"] = error["type"];
    Json event{{"type", "error"}};
    if (is_deepseek()) {
      for (const auto* name : {"code", "message", "param"}) event[name] = error[name];
    } else {
      event["error"] = error;
    }
    append(out, event, number);
    Json failed = response(exchange, "failed", Json::array(), Json());
    failed["error"] = Json{{"code", error["code"]}, {"message", error["message"]}};
    append(out, Json{{"type", "response.failed"}, {"response", std::move(failed)}}, number + 1);
  }

  void render_garbage(std::string& out) const override {
    out +=
        "event: response.output_text.delta\ndata: "
        "{\"type\":\"response.output_text.delta\",\"delta\":\"ha\n\n";
  }

  Habits habits() const override { return is_deepseek() ? deepseek_habits() : Habits{}; }

  void forget() override { store_->clear(); }

 private:
  [[nodiscard]] bool is_deepseek() const { return endpoint_ == Endpoint::deepseek_responses; }

  static std::string key_of(const Exchange& exchange) {
    const auto& scope = exchange.ask.cache_scope;
    return scope.substr(0, scope.size() - exchange.ask.model.size() - 1);
  }

  static void refuse_in_words(Answer& answer) {
    answer.blocks = {{.kind = BlockKind::text,
                      .text = "I'm sorry, but I can't help with that.",
                      .refusal = true}};
    answer.stop = Stop::natural;
  }

  [[nodiscard]] std::string item_id(const Block& block, std::uint64_t seed) const {
    if (is_deepseek()) return random_uuid(seed);
    const std::string prefix = block.kind == BlockKind::thinking ? "rs_"
                               : block.kind == BlockKind::text   ? "msg_"
                               : block.custom                    ? "ctc_"
                                                                 : "fc_";
    return prefix + random_name(seed, 50, lower_hex);
  }

  static void append(std::string& out, Json event, std::uint32_t number) {
    event["sequence_number"] = number;
    out += "event: " + event["type"].get<std::string>() + "\ndata: " + event.dump() + "\n\n";
  }

  // Reasoning has a part only when it is shown.
  static bool has_part(const Exchange& exchange, const Block& block) {
    return block.kind == BlockKind::text ||
           (block.kind == BlockKind::thinking && exchange.ask.thinking_shown);
  }

  static std::uint32_t event_count(const Exchange& exchange, const Step& step) {
    if (step.kind == StepKind::start) return 2;
    if (step.kind != StepKind::open && step.kind != StepKind::close) return 1;
    const auto& block = exchange.answer.blocks[step.block];
    if (step.kind == StepKind::open) return has_part(exchange, block) ? 2 : 1;
    return has_part(exchange, block) ? 3 : block.kind == BlockKind::call ? 2 : 1;
  }

  /// The names that an item's pieces go by: "response." stem ".delta", and the field of the whole.
  [[nodiscard]] std::string stem(const Block& block) const {
    if (block.kind == BlockKind::call)
      return block.custom ? "custom_tool_call_input" : "function_call_arguments";
    if (block.kind == BlockKind::text) return block.refusal ? "refusal" : "output_text";
    return is_deepseek() ? "reasoning_text" : "reasoning_summary_text";
  }

  static const char* field(const Block& block) {
    if (block.kind == BlockKind::call) return block.custom ? "input" : "arguments";
    return block.refusal ? "refusal" : "text";
  }

  /// OpenAI's summaries count their parts under a name of their own.
  [[nodiscard]] bool is_summary(const Block& block) const {
    return block.kind == BlockKind::thinking && !is_deepseek();
  }

  Json placed(const std::string& type, const Exchange& exchange, const Step& step) const {
    const auto& block = exchange.answer.blocks[step.block];
    Json event{{"type", type}};
    if (block.kind != BlockKind::call)
      event[is_summary(block) ? "summary_index" : "content_index"] = 0;
    event["item_id"] = block.item_id;
    event["output_index"] = step.block;
    return event;
  }

  Json part(const Block& block, const std::string& text) const {
    if (block.kind == BlockKind::thinking)
      return Json{{"type", is_deepseek() ? "reasoning_text" : "summary_text"}, {"text", text}};
    if (block.refusal) return Json{{"type", "refusal"}, {"refusal", text}};
    return Json{{"type", "output_text"},
                {"annotations", Json::array()},
                {"logprobs", Json::array()},
                {"text", text}};
  }

  Json item(const Exchange& exchange, const Block& block, bool complete) const {
    const bool shown = complete && has_part(exchange, block);
    const Json parts = shown ? Json::array({part(block, block.text)}) : Json::array();
    Json item{{"id", block.item_id}};
    if (block.kind == BlockKind::thinking)
      return reasoning_item(std::move(item), block, parts, complete);
    const char* status = complete ? "completed" : "in_progress";
    if (block.kind == BlockKind::text) {
      item["type"] = "message";
      item["status"] = status;
      item["content"] = parts;
      item["phase"] = exchange.answer.stop == Stop::tool ? "commentary" : "final_answer";
      item["role"] = "assistant";
      return item;
    }
    item["type"] = block.custom ? "custom_tool_call" : "function_call";
    item["status"] = status;
    item[field(block)] = complete ? block.text : "";
    item["call_id"] = block.id;
    item["name"] = block.name;
    return item;
  }

  Json reasoning_item(Json item, const Block& block, const Json& parts, bool complete) const {
    item["type"] = "reasoning";
    if (!block.signature.empty()) item["encrypted_content"] = block.signature;
    if (!is_deepseek()) {
      item["summary"] = parts;
      return item;
    }
    item["status"] = complete ? "completed" : "in_progress";
    item["content"] = parts;
    item["summary"] = Json::array();
    return item;
  }

  Json output(const Exchange& exchange) const {
    Json items = Json::array();
    for (const auto& block : exchange.answer.blocks) items.push_back(item(exchange, block, true));
    for (std::int64_t i = 0; i < exchange.usage.web_searches; ++i) items.push_back(search(i));
    return items;
  }

  /// Searches stand behind the answer and in the finished response only: nobody here reads them as
  /// they happen.
  static Json search(std::int64_t number) {
    return Json{
        {"type", "web_search_call"},
        {"id", "ws_" + std::to_string(number)},
        {"status", "completed"},
        {"action", Json{{"type", "search"}, {"query", "question " + std::to_string(number)}}}};
  }

  void render_open(const Exchange& exchange, const Step& step, std::string& out) const {
    const auto& block = exchange.answer.blocks[step.block];
    append(out,
           Json{{"type", "response.output_item.added"},
                {"item", item(exchange, block, false)},
                {"output_index", step.block}},
           step.number);
    if (!has_part(exchange, block)) return;
    Json added = placed(
        is_summary(block) ? "response.reasoning_summary_part.added" : "response.content_part.added",
        exchange, step);
    added["part"] = part(block, "");
    append(out, std::move(added), step.number + 1);
  }

  Json delta(const Exchange& exchange, const Step& step) const {
    const auto& block = exchange.answer.blocks[step.block];
    Json event = placed("response." + stem(block) + ".delta", exchange, step);
    event["delta"] = block.text.substr(step.from, step.to - step.from);
    if (block.kind == BlockKind::text && !block.refusal) event["logprobs"] = Json::array();
    if (!is_deepseek() && exchange.ask.responses.obfuscation) {
      const auto seed = exchange.seed + step.number;
      event["obfuscation"] = random_name(seed, 1 + seed % 16, base62);
    }
    return event;
  }

  void render_close(const Exchange& exchange, const Step& step, std::string& out) const {
    const auto& block = exchange.answer.blocks[step.block];
    auto number = step.number;
    const bool shown = has_part(exchange, block);
    if (shown || block.kind == BlockKind::call) {
      Json done = placed("response." + stem(block) + ".done", exchange, step);
      done[field(block)] = block.text;
      append(out, std::move(done), number++);
    }
    if (shown) {
      Json done = placed(
          is_summary(block) ? "response.reasoning_summary_part.done" : "response.content_part.done",
          exchange, step);
      done["part"] = part(block, block.text);
      append(out, std::move(done), number++);
    }
    append(out,
           Json{{"type", "response.output_item.done"},
                {"item", item(exchange, block, true)},
                {"output_index", step.block}},
           number);
  }

  static std::string status(const Answer& answer) {
    const bool cut = answer.stop == Stop::length || answer.stop == Stop::refusal;
    return cut ? "incomplete" : "completed";
  }

  Json whole(const Exchange& exchange) const {
    const auto& used = exchange.usage;
    Json usage;
    if (shows_usage(exchange)) {
      usage = Json{{"input_tokens", used.input()},
                   {"input_tokens_details", Json{{"cached_tokens", used.input_cache_read}}},
                   {"output_tokens", Json::parse(figure(exchange, used.output()), nullptr, false)},
                   {"output_tokens_details", Json{{"reasoning_tokens", used.output_reasoning}}},
                   {"total_tokens", used.input() + used.output()}};
    }
    Json answer = response(exchange, status(exchange.answer), output(exchange), usage);
    if (exchange.answer.stop == Stop::length)
      answer["incomplete_details"] = Json{{"reason", "max_output_tokens"}};
    if (exchange.answer.stop == Stop::refusal)
      answer["incomplete_details"] = Json{{"reason", "content_filter"}};
    return answer;
  }

  static Json echo(const Exchange& exchange, const char* name) {
    const auto& asked = exchange.ask.responses.echo;
    Json value = default_of(name);
    const auto at = asked.find(name);
    if (at == asked.end()) return value;
    if (!value.is_object() || !at->is_object()) return *at;
    value.update(*at);
    return value;
  }

  Json response(const Exchange& exchange, std::string_view status, Json output, Json usage) const {
    const bool complete = status == "completed";
    Json out{{"id", exchange.response_id},
             {"object", "response"},
             {"created_at", exchange.created_s},
             {"status", status},
             {"background", false},
             {"completed_at", complete ? Json(exchange.created_s) : Json()}};
    if (is_deepseek()) out["content_filters"] = nullptr;
    out["error"] = nullptr;
    if (is_deepseek()) out["frequency_penalty"] = 0.0;
    out["incomplete_details"] = nullptr;
    for (const auto* name : before_output) out[name] = echo(exchange, name);
    out["model"] = exchange.ask.model;
    if (is_deepseek()) out["moderation"] = nullptr;
    out["output"] = std::move(output);
    for (const auto* name : after_output) {
      if (is_deepseek() && name == after_output[1]) out["presence_penalty"] = 0.0;
      out[name] = echo(exchange, name);
    }
    out["service_tier"] = "default";
    out["store"] = exchange.ask.responses.store;
    for (const auto* name : at_end) out[name] = echo(exchange, name);
    out["usage"] = std::move(usage);
    out["user"] = echo(exchange, "user");
    const auto metadata = echo(exchange, "metadata");
    out["metadata"] = metadata.is_null() ? Json(Json::object()) : metadata;
    return out;
  }

  Endpoint endpoint_;
  Settings settings_;
  std::unique_ptr<ResponseStore> store_;
};

}  // namespace

std::unique_ptr<Wire> make_responses(Endpoint endpoint, const Settings& settings) {
  return std::make_unique<Responses>(endpoint, settings);
}

}  // namespace turnpike::simulator
