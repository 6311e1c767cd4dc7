#include "dialect/splice_responses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/effort.hpp"
#include "dialect/responses_echo.hpp"
#include "dialect/responses_item.hpp"
#include "dialect/responses_repair.hpp"
#include "dialect/responses_tools.hpp"
#include "wire/json_document.hpp"
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

// ---- the body's own members

/// Changes to the outermost members of a body; what is not named keeps its bytes.
class BodyEditor {
 public:
  explicit BodyEditor(const std::string& body)
      : body_(body), members_(wire::top_level_members(body)), left_out_(members_.size(), false) {}

  [[nodiscard]] JsonView operator[](std::string_view name) const {
    const auto index = find(name);
    return index == members_.size() ? JsonView{} : value(index);
  }

  void set(std::string_view name, std::string json) {
    const auto index = find(name);
    if (index == members_.size()) {
      added_ += fmt::format(R"(,"{}":{})", name, json);
    } else {
      splices_.push_back({members_[index].value_begin, members_[index].value_end, std::move(json)});
    }
  }

  /// `part` lies inside the body.
  void replace(JsonView part, std::string json) {
    const auto begin = static_cast<std::size_t>(part.raw().data() - body_.data());
    splices_.push_back({begin, begin + part.raw().size(), std::move(json)});
  }

  /// Must not be the last member that is left.
  void leave_out(std::string_view name) {
    const auto index = find(name);
    if (index < members_.size()) left_out_[index] = true;
  }

  std::string apply() {
    for (std::size_t first = 0; first < members_.size(); ++first) {
      if (!left_out_[first]) continue;
      auto last = first;
      while (last + 1 < members_.size() && left_out_[last + 1]) ++last;
      if (first > 0) {
        splices_.push_back({members_[first - 1].value_end, members_[last].value_end, {}});
      } else {
        splices_.push_back({members_[first].key_begin, members_[last + 1].key_begin, {}});
      }
      first = last;
    }
    const auto end = body_.rfind('}');
    if (!added_.empty()) splices_.push_back({end, end, std::move(added_)});
    return wire::apply(body_, std::move(splices_));
  }

 private:
  [[nodiscard]] std::size_t find(std::string_view name) const {
    const auto found = std::ranges::find_if(members_, [name](const wire::MemberSpan& member) {
      return JsonView::Member{member.key, {}}.is(name);
    });
    return static_cast<std::size_t>(found - members_.begin());
  }
  [[nodiscard]] JsonView value(std::size_t index) const {
    const auto& member = members_[index];
    return JsonView{
        std::string_view{body_}.substr(member.value_begin, member.value_end - member.value_begin)};
  }

  const std::string& body_;
  std::vector<wire::MemberSpan> members_;
  std::vector<bool> left_out_;
  std::vector<wire::Splice> splices_;
  std::string added_;
};

// ---- DeepSeek

/// wire-formats specification §2: minimal and low are low there, medium to xhigh high, max is max.
Effort deepseek_effort(Effort asked) {
  switch (asked) {
    case Effort::minimal:
    case Effort::low:
      return Effort::low;
    case Effort::medium:
    case Effort::high:
    case Effort::xhigh:
      return Effort::high;
    default:
      return asked;
  }
}

bool is_web_search(std::string_view type) { return type.starts_with("web_search"); }

/// Free-text tools other than apply_patch are refused there: "Unsupported custom tool".
bool is_refused_tool(JsonView declaration) {
  const JsonFields entry{declaration};
  if (entry["type"].text_is("namespace"))
    return std::ranges::any_of(entry["tools"].elements(), is_refused_tool);
  return entry["type"].text_is("custom") && !entry["name"].text_is("apply_patch");
}

/// Declarations as raw JSON, each (type, name) once.
class Declarations {
 public:
  void add(std::string_view type, std::string name, std::string_view json) {
    if (!seen_.emplace(type, std::move(name)).second) return;
    if (!list_.empty()) list_ += ',';
    list_ += json;
  }
  [[nodiscard]] bool empty() const { return list_.empty(); }
  [[nodiscard]] std::string json() const { return "[" + list_ + "]"; }

 private:
  std::set<std::pair<std::string, std::string>> seen_;
  std::string list_;
};

std::string function_json(const ir::Tool& tool) {
  std::string json;
  wire::JsonWriter writer{json};
  writer.begin_object().member("type", "function").member("name", std::string_view{tool.name});
  if (!tool.description.empty()) writer.member("description", std::string_view{tool.description});
  writer.key("parameters");
  if (tool.takes_text) {
    writer.raw(
        R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})");
  } else {
    writer.raw(tool.parameters.empty() ? R"({"type":"object","properties":{}})" : tool.parameters);
  }
  writer.end_object();
  return json;
}

/// Rewrites what DeepSeek's Responses would refuse or misread; the rest keeps its bytes.
class DeepSeekEditor {
 public:
  DeepSeekEditor(const std::string& body, BodyEditor& editor, const Candidate& candidate,
                 const TranslateOptions& options, Outgoing& out, Losses& losses)
      : top_(JsonView{body}),
        editor_(editor),
        candidate_(candidate),
        options_(options),
        out_(out),
        losses_(losses) {}

  Result<void> run() {
    gather_declared();
    std::optional<ResponsesTools> flat;
    if (std::ranges::any_of(declared_, is_refused_tool)) {
      Losses told;  // of hosted tools more than are dropped here
      auto tools = ResponsesTools::read(top_, told);
      if (!tools) return std::unexpected{std::move(tools.error())};
      losses_.add_if(told.has(Loss::strict), Loss::strict);
      flat = std::move(*tools);
      declare_functions(*flat);
      out_.echo = responses_echo(top_);
    } else {
      keep_declarations();
    }
    const auto* const names = flat ? &*flat : nullptr;
    choose_tool(names);
    const auto effort = JsonFields{top_["reasoning"]}["effort"];
    lower_effort(effort);
    const ResponsesRepair how{candidate_, options_, names, !effort.text_is("none")};
    auto input = repair_responses_input(top_["input"], how, losses_);
    if (!input) return std::unexpected{std::move(input.error())};
    if (auto& items = *input; items) editor_.set("input", std::move(*items));
    return {};
  }

 private:
  void gather_declared() {
    declared_ = top_["tools"].elements();
    outside_ = declared_.size();
    for (const auto& item : top_["input"].elements()) {
      const JsonFields fields{item};
      if (!fields["type"].text_is("additional_tools")) continue;
      std::ranges::copy(fields["tools"].elements(), std::back_inserter(declared_));
    }
  }

  void declare_functions(const ResponsesTools& tools) {
    Declarations kept;
    for (const auto& tool : tools.list()) {
      kept.add("function", tool.name, function_json(tool));
      add_alias(out_.tools, tool, tool.name);
      losses_.add_if(tool.takes_text, Loss::custom_tools);
    }
    for (const auto& raw : declared_) {
      const auto type = JsonFields{raw}["type"].text();
      if (!is_client_tool(type)) keep_or_drop_hosted(type, raw, kept);
    }
    editor_.set("tools", kept.json());
  }

  void keep_declarations() {
    Declarations kept;
    for (const auto& raw : declared_) {
      const JsonFields entry{raw};
      const auto type = entry["type"].text();
      if (is_client_tool(type)) {
        kept.add(type, entry["name"].text(), raw.raw());
      } else {
        keep_or_drop_hosted(type, raw, kept);
      }
    }
    no_tools_ = kept.empty();
    if (no_tools_) return editor_.leave_out("tools");
    if (dropped_ || declared_.size() > outside_) editor_.set("tools", kept.json());
  }

  void keep_or_drop_hosted(const std::string& type, JsonView raw, Declarations& kept) {
    if (is_web_search(type)) return kept.add(type, {}, raw.raw());
    losses_.add(type == "mcp" ? Loss::mcp_servers : Loss::server_tools);
    dropped_ = true;
  }

  void choose_tool(const ResponsesTools* flat) {
    const auto choice = top_["tool_choice"];
    if (no_tools_ && !choice.absent()) return editor_.leave_out("tool_choice");
    if (!choice.is_object()) return;
    const JsonFields fields{choice};
    const auto type = fields["type"].text();
    if (type == "allowed_tools") {
      if (flat == nullptr && !dropped_) return;
      losses_.add(Loss::tool_choice);
      const auto mode = fields["mode"];
      return editor_.set("tool_choice",
                         mode.is_string() ? std::string{mode.raw()} : std::string{R"("auto")"});
    }
    if (!is_client_tool(type)) {
      if (is_web_search(type)) return;
      losses_.add(Loss::tool_choice);
      return editor_.set("tool_choice", R"("auto")");
    }
    if (flat == nullptr) return;
    const auto name = flat->flat_name(fields["namespace"].text(), fields["name"].text());
    editor_.set("tool_choice", fmt::format(R"({{"type":"function","name":{}}})", json_text(name)));
  }

  /// Words that nobody knows are left to the provider.
  void lower_effort(JsonView word) {
    if (!word.is_string()) return;
    const auto text = word.text();
    const auto asked = text == "ultra" ? Effort::max : parse_effort(text).value_or(Effort::unset);
    const bool accepted = std::ranges::find(candidate_.efforts, text) != candidate_.efforts.end();
    if (accepted || asked == Effort::unset || asked == Effort::none) return;
    editor_.replace(word, json_text(nearest_effort(deepseek_effort(asked), candidate_.efforts)));
  }

  JsonFields top_;
  BodyEditor& editor_;
  const Candidate& candidate_;
  const TranslateOptions& options_;
  Outgoing& out_;
  Losses& losses_;
  std::vector<JsonView> declared_;  // in `tools`, then in additional_tools
  std::size_t outside_ = 0;         // of them, in `tools`
  bool dropped_ = false;            // some hosted tool
  bool no_tools_ = false;           // none is left, or there never were any
};

Result<void> check_continuation(const RequestView& view, const Candidate& candidate,
                                const TranslateOptions& options) {
  // DeepSeek keeps no answers and ignores the field: the history would be lost without a word.
  const bool kept = candidate.thinking != ThinkingStyle::deepseek_effort;
  if (view.previous_response_id.empty() || (kept && options.continues_own_response)) return {};
  auto error = client_error(
      "unsupported_parameter",
      "The earlier answer is not kept where this one would be made; send the whole input.",
      "previous_response_id");
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

void limit_output(const RequestView& view, const TranslateOptions& options, BodyEditor& editor) {
  if (!options.output_tokens_cap) return;
  if (view.output_tokens_max && *view.output_tokens_max <= *options.output_tokens_cap) return;
  editor.set("max_output_tokens", std::to_string(*options.output_tokens_cap));
}

}  // namespace

Result<Outgoing> splice_responses(const std::string& body, const RequestView& view,
                                  const Candidate& candidate, const TranslateOptions& options) {
  if (auto done = check_continuation(view, candidate, options); !done)
    return std::unexpected{std::move(done.error())};
  Outgoing out;
  Losses losses;
  BodyEditor editor{body};
  editor.set("model", json_text(candidate.model));
  limit_output(view, options, editor);
  if (candidate.thinking == ThinkingStyle::deepseek_effort) {
    DeepSeekEditor deepseek{body, editor, candidate, options, out, losses};
    if (auto done = deepseek.run(); !done) return std::unexpected{std::move(done.error())};
  } else if (view.opaque_state) {
    auto input = without_gateway_tokens(editor["input"], losses);
    if (input) editor.set("input", std::move(*input));
  }
  out.path = "/responses";
  out.body = editor.apply();
  out.losses = losses.names();
  return out;
}

}  // namespace turnpike::dialect
