#include "dialect/emit_chat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/losses.hpp"
#include "wire/json_splice.hpp"
#include "wire/json_view.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

std::string json_text(std::string_view text) {
  std::string out;
  wire::append_quoted(out, text);
  return out;
}

class Splicer {
 public:
  Splicer(const std::string& body, const RequestView& view, const Candidate& candidate,
          const TranslateOptions& options)
      : body_(body),
        view_(view),
        candidate_(candidate),
        options_(options),
        deepseek_(candidate.thinking == ThinkingStyle::deepseek_effort) {}

  Outgoing run() {
    replace(view_.model_value, json_text(candidate_.model));
    if (view_.stream) ask_for_usage();
    limit_output();
    if (deepseek_) disable_thinking();
    lower_response_format();
    repair_messages();
    Outgoing out;
    out.path = "/chat/completions";
    out.body = wire::apply(body_, std::move(splices_));
    out.losses = losses_.names();
    return out;
  }

 private:
  void replace(ByteRange range, std::string text) {
    splices_.push_back({range.begin, range.end, std::move(text)});
  }
  void insert(std::size_t at, std::string text) { splices_.push_back({at, at, std::move(text)}); }
  /// A further member at the end of the body; it has at least a model before it.
  void append_member(std::string member) { insert(view_.object_end, "," + std::move(member)); }

  [[nodiscard]] JsonView value(ByteRange range) const {
    return JsonView{std::string_view{body_}.substr(range.begin, range.end - range.begin)};
  }
  [[nodiscard]] ByteRange range_of(JsonView view) const {
    const auto begin = static_cast<std::size_t>(view.raw().data() - body_.data());
    return {begin, begin + view.raw().size()};
  }
  /// The name of the member whose value begins there, quotes included.
  [[nodiscard]] ByteRange name_before(std::size_t value_begin) const {
    const auto colon = body_.rfind(':', value_begin - 1);
    const auto closing = body_.rfind('"', colon);
    const auto opening = body_.rfind('"', closing - 1);
    return {opening, closing + 1};
  }

  void ask_for_usage() {
    constexpr std::string_view wanted = R"({"include_usage":true})";
    if (!view_.stream_options) return append_member(fmt::format(R"("stream_options":{})", wanted));
    const auto options = value(*view_.stream_options);
    if (!options.is_object()) return replace(*view_.stream_options, std::string{wanted});
    const JsonFields fields{options};
    const auto include_usage = fields["include_usage"];
    if (include_usage.absent()) {
      insert(view_.stream_options->begin + 1,
             fields.empty() ? R"("include_usage":true)" : R"("include_usage":true,)");
    } else if (include_usage.boolean() != true) {
      replace(range_of(include_usage), "true");
    }
  }

  /// DeepSeek reads max_tokens only, and the newer name wins where a client sends both.
  void limit_output() {
    const auto cap = options_.output_tokens_cap;
    const auto& newer = view_.max_completion_tokens;
    const auto& older = view_.max_tokens;
    if (!newer && !older) {
      if (cap) append_member(fmt::format(R"("{}":{})", limit_name(), *cap));
      return;
    }
    const auto tokens = [this](ByteRange range) { return value(range).integer().value_or(0); };
    if (deepseek_ && newer) {
      const auto wanted = std::to_string(std::min(tokens(*newer), cap.value_or(INT64_MAX)));
      if (older) return replace(*older, wanted);
      replace(name_before(newer->begin), R"("max_tokens")");
      return replace(*newer, wanted);
    }
    if (!cap) return;
    if (newer && tokens(*newer) > *cap) replace(*newer, std::to_string(*cap));
    if (older && tokens(*older) > *cap) replace(*older, std::to_string(*cap));
  }

  [[nodiscard]] std::string_view limit_name() const {
    return candidate_.thinking == ThinkingStyle::openai_effort ? "max_completion_tokens"
                                                               : "max_tokens";
  }

  /// reasoning_effort "none" is another field here.
  void disable_thinking() {
    if (!view_.reasoning_effort || !value(*view_.reasoning_effort).text_is("none")) return;
    if (view_.thinking) {
      replace(*view_.thinking, R"({"type":"disabled"})");
      replace(*view_.reasoning_effort, R"("low")");
      return;
    }
    replace(name_before(view_.reasoning_effort->begin), R"("thinking")");
    replace(*view_.reasoning_effort, R"({"type":"disabled"})");
  }

  void lower_response_format() {
    if (candidate_.quirks.json_schema_native || !view_.response_format) return;
    const JsonFields format{value(*view_.response_format)};
    if (!format["type"].text_is("json_schema")) return;
    const auto schema = JsonFields{format["json_schema"]}["schema"];
    replace(*view_.response_format, R"({"type":"json_object"})");
    const auto instruction = fmt::format(
        "Answer with one JSON value that is valid under this JSON Schema and nothing else:\n{}",
        schema.is_object() ? schema.raw() : "{}");
    insert(view_.messages.begin + 1,
           fmt::format(R"({{"role":"system","content":{}}},)", json_text(instruction)));
    losses_.add(Loss::response_format);
  }

  void repair_messages() {
    const bool reasoning = candidate_.quirks.reasoning_history;
    if (candidate_.thinking == ThinkingStyle::openai_effort && !reasoning) return;
    for (const ByteRange place : view_.messages_to_repair) {
      const JsonView message = value(place);
      const JsonFields fields{message};
      if (fields["role"].text_is("developer")) replace(range_of(fields["role"]), R"("system")");
      if (reasoning && fields["role"].text_is("assistant")) supply_reasoning(message, fields);
    }
  }

  /// Turns with tool calls must carry their reasoning, "" if it is unknown or another vendor's.
  void supply_reasoning(JsonView message, const JsonFields& fields) {
    const auto calls = fields["tool_calls"].elements();
    if (calls.empty()) return;
    const auto state = find_state(calls);
    const bool own = state && state->kind == OpaqueKind::deepseek_reasoning &&
                     state->vendor == candidate_.provider;
    const auto present = fields["reasoning_content"];
    if (present.is_string() && (!state || own)) return;
    std::string text;
    if (own) {
      options_.note_put_back(*state);
      for (const auto& block : state->blocks) text += block.text;
    } else if (!state) {
      text = fields["reasoning"].text();
    }
    if (present.absent()) {
      insert(range_of(message).begin + 1,
             fmt::format(R"("reasoning_content":{},)", json_text(text)));
    } else {
      replace(range_of(present), json_text(text));
    }
  }

  [[nodiscard]] std::optional<OpaqueState> find_state(const std::vector<JsonView>& calls) const {
    if (options_.opaque == nullptr) return std::nullopt;
    for (const auto& call : calls) {
      const auto id = JsonFields{call}["id"].text();
      if (auto state = options_.opaque->find(options_.owner, id)) return state;
    }
    return std::nullopt;
  }

  const std::string& body_;
  const RequestView& view_;
  const Candidate& candidate_;
  const TranslateOptions& options_;
  const bool deepseek_;
  std::vector<wire::Splice> splices_;
  Losses losses_;
};

}  // namespace

Outgoing emit_chat(const std::string& body, const RequestView& view, const Candidate& candidate,
                   const TranslateOptions& options) {
  return Splicer{body, view, candidate, options}.run();
}

}  // namespace turnpike::dialect
