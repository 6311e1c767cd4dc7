#include "dialect/chat_settings.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "dialect/effort.hpp"
#include "dialect/sha256.hpp"

namespace turnpike::dialect {

namespace {

constexpr std::size_t stop_max = 4;
constexpr std::size_t user_bytes_max = 64;  // OpenAI's limit; Claude Code's ids are longer

class SettingsWriter {
 public:
  SettingsWriter(ir::Request& request, const Candidate& candidate,
                 std::optional<std::int64_t> output_cap, wire::JsonWriter& writer)
      : request_(request), candidate_(candidate), output_cap_(output_cap), writer_(writer) {}

  void run() {
    write_limits();
    write_effort();
    write_format();
    write_sampling();
    if (!request_.user.empty()) write_user();
  }

 private:
  void write_limits() {
    auto limit = request_.output_tokens_max;
    if (output_cap_) limit = std::min(limit.value_or(INT64_MAX), *output_cap_);
    if (limit && candidate_.output_tokens_max > 0)
      limit = std::min(*limit, candidate_.output_tokens_max);
    const bool newer = candidate_.thinking == ThinkingStyle::openai_effort;
    if (limit) writer_.member(newer ? "max_completion_tokens" : "max_tokens", *limit);
    if (request_.choices > 1) writer_.member("n", request_.choices);
    if (request_.stop.empty()) return;
    request_.losses.add_if(request_.stop.size() > stop_max, Loss::stop);
    writer_.key("stop").begin_array();
    for (std::size_t i = 0; i < std::min(stop_max, request_.stop.size()); ++i) {
      writer_.value(std::string_view{request_.stop[i]});
    }
    writer_.end_array();
  }

  void write_effort() {
    auto effort = request_.effort;
    if (effort == Effort::unset && request_.thinking_budget) {
      effort = effort_of_budget(*request_.thinking_budget,
                                request_.output_tokens_max.value_or(candidate_.output_tokens_max));
    }
    if (effort == Effort::unset) return;
    if (candidate_.thinking == ThinkingStyle::deepseek_effort) {
      const bool thinks = effort != Effort::none;
      writer_.key("thinking")
          .begin_object()
          .member("type", thinks ? "enabled" : "disabled")
          .end_object();
      if (!thinks) return;
      // DeepSeek's own reading of the word (wire-formats "Effort").
      if (effort == Effort::xhigh) effort = Effort::high;
    } else if (candidate_.thinking != ThinkingStyle::openai_effort) {
      request_.losses.add_if(effort != Effort::none, Loss::reasoning_effort);
      return;
    }
    writer_.member("reasoning_effort",
                   std::string_view{nearest_effort(effort, candidate_.efforts)});
  }

  void write_format() {
    using Kind = ir::ResponseFormat::Kind;
    if (request_.format.kind == Kind::text) return;
    writer_.key("response_format").begin_object();
    if (request_.format.kind == Kind::json_object || !candidate_.quirks.json_schema_native) {
      writer_.member("type", "json_object").end_object();
      return;
    }
    writer_.member("type", "json_schema")
        .key("json_schema")
        .begin_object()
        .member("name", "answer");
    writer_.key("schema").raw(request_.format.schema).end_object().end_object();
  }

  void number(const char* key, const std::optional<ir::Number>& value) {
    if (value) writer_.key(key).raw(value->raw);
  }

  void write_sampling() {
    const auto& sampling = request_.sampling;
    request_.losses.add_if(sampling.top_k.has_value(), Loss::sampling);
    if (candidate_.quirks.sampling_rejected) {
      request_.losses.add_if(sampling.temperature || sampling.top_p, Loss::sampling);
      request_.losses.add_if(sampling.presence_penalty || sampling.frequency_penalty,
                             Loss::penalties);
    } else {
      const bool both =
          sampling.temperature && sampling.top_p && candidate_.quirks.one_sampling_param;
      request_.losses.add_if(both, Loss::sampling);
      number("temperature", sampling.temperature);
      if (!both) number("top_p", sampling.top_p);
      number("presence_penalty", sampling.presence_penalty);
      number("frequency_penalty", sampling.frequency_penalty);
    }
    number("seed", sampling.seed);
    if (!request_.logprobs) return;
    writer_.member("logprobs", true);
    if (request_.top_logprobs) writer_.member("top_logprobs", *request_.top_logprobs);
  }

  void write_user() {
    const bool fits = request_.user.size() <= user_bytes_max;
    writer_.member("user", std::string_view{fits ? request_.user : sha256_hex(request_.user)});
  }

  ir::Request& request_;
  const Candidate& candidate_;
  const std::optional<std::int64_t> output_cap_;
  wire::JsonWriter& writer_;
};

}  // namespace

void write_chat_settings(ir::Request& request, const Candidate& candidate,
                         std::optional<std::int64_t> output_cap, wire::JsonWriter& writer) {
  SettingsWriter{request, candidate, output_cap, writer}.run();
}

}  // namespace turnpike::dialect
