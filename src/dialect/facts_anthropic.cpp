// body := { model, max_tokens, system?, messages: [message*], tools?, thinking?, output_config?,
// metadata?, ... } message := { role, content: text | [block*] }
//
// The blocks of one user message are turns of their own: a tool's turn for each result, and a
// human's for the text beside them.
#include "dialect/facts_anthropic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "dialect/anthropic_user_id.hpp"
#include "dialect/facts_server_tools.hpp"

namespace turnpike::dialect {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

/// Claude Code's first system block changes with every request: no part of what was said.
constexpr std::string_view billing_mark = "x-anthropic-billing-header:";

Effort effort_of_budget(std::int64_t tokens) {
  // The steps of the providers' own mapping between budgets and words (wire formats, thinking).
  if (tokens <= 0) return Effort::none;
  if (tokens < 4096) return Effort::low;
  if (tokens < 16384) return Effort::medium;
  return Effort::high;
}

std::string_view text_of(const element& parent, std::string_view key) {
  std::string_view text;
  return parent.is_object() && parent[key].get(text) == simdjson::SUCCESS ? text
                                                                          : std::string_view{};
}

class AnthropicReader {
 public:
  explicit AnthropicReader(std::uint64_t hash_key) : out_(hash_key) {}

  Result<FactsReading> read(const element& root) {
    object body;
    if (root.get(body) != simdjson::SUCCESS) {
      return std::unexpected{client_error("wrong_type", "the body must be a JSON object")};
    }
    out_.prompt.note_cache_mark(root);
    // It stands first whatever the order of the members.
    element system;
    if (body["system"].get(system) == simdjson::SUCCESS && !system.is_null()) read_system(system);
    for (const auto& [key, value] : body) {
      if (!value.is_null()) read_member(key, value);
    }
    if (fault_) return std::unexpected{std::move(*fault_)};
    finish();
    return std::move(out_);
  }

 private:
  void wrong_type(std::string path, std::string_view wanted) {
    if (fault_) return;
    fault_ = client_error("wrong_type", fmt::format("{} must be {}", path, wanted), path);
  }

  void read_member(std::string_view key, const element& value) {
    if (key == "messages") {
      read_messages(value);
    } else if (key == "tools") {
      read_tools(value);
    } else if (key == "model") {
      std::string_view model;
      if (value.get(model) != simdjson::SUCCESS) return wrong_type("model", "a string");
      out_.facts.model = model;
    } else if (key == "stream") {
      if (value.get(out_.facts.stream) != simdjson::SUCCESS) wrong_type("stream", "true or false");
    } else if (key == "max_tokens") {
      std::int64_t tokens = 0;
      if (value.get(tokens) != simdjson::SUCCESS) return wrong_type("max_tokens", "an integer");
      out_.facts.output_tokens_max = tokens;
    } else if (key == "thinking") {
      read_thinking(value);
    } else if (key == "output_config") {
      if (const auto effort = parse_effort(text_of(value, "effort"))) effort_ = *effort;
      element format;
      if (value["format"].get(format) == simdjson::SUCCESS) read_format(format);
    } else if (key == "output_format") {
      read_format(value);
    } else if (key == "metadata") {
      read_metadata(value);
    }
  }

  /// An effort in words wins over all that is said here, "disabled" excepted.
  void read_thinking(const element& value) {
    const auto type = text_of(value, "type");
    std::int64_t budget = 0;
    if (type == "adaptive") thinking_effort_ = Effort::high;  // the vendor's default
    if (type == "enabled") {
      thinking_effort_ = Effort::high;
      if (value["budget_tokens"].get(budget) == simdjson::SUCCESS)
        thinking_effort_ = effort_of_budget(budget);
    }
    disabled_ = type == "disabled";
  }

  void read_format(const element& value) {
    if (text_of(value, "type") != "json_schema") return;
    out_.structured_output = true;
    out_.facts.needs.json_schema = true;
    out_.prompt.begin_head('f');
    out_.prompt.add_json(value);
    out_.prompt.end_head();
  }

  /// The user id of a harness names its session.
  void read_metadata(const element& value) {
    out_.declared_step = text_of(value, "turnpike_step");
    const auto user_id = text_of(value, "user_id");
    if (!read_anthropic_user_id(user_id).session.empty()) out_.prompt_cache_key = user_id;
  }

  void read_tools(const element& value) {
    array tools;
    if (value.get(tools) != simdjson::SUCCESS) return wrong_type("tools", "an array");
    out_.facts.tools = static_cast<std::int32_t>(tools.size());
    out_.facts.needs.tools = tools.size() > 0;
    out_.prompt.begin_head('t');
    out_.prompt.add_json(value);
    out_.prompt.end_head();
    for (const element tool : tools) {
      const auto declared = anthropic_server_tool(text_of(tool, "type"));
      std::int64_t uses = 0;
      const bool bounded = tool.is_object() && tool["max_uses"].get(uses) == simdjson::SUCCESS;
      note_server_tool(out_.facts, declared, bounded ? std::optional{uses} : std::nullopt);
    }
  }

  void read_system(const element& value) {
    const auto begin = out_.outline.parts.size();
    out_.prompt.begin_head('s');
    if (value.is_string()) {
      add_text(std::string_view{value});
    } else if (array blocks; value.get(blocks) == simdjson::SUCCESS) {
      for (const element block : blocks) {
        out_.prompt.note_cache_mark(block);
        const auto text = text_of(block, "text");
        if (text.starts_with(billing_mark)) {
          out_.prompt.add_unproven(text.size());
        } else {
          add_text(text);
        }
      }
    } else {
      return wrong_type("system", "a string or an array of blocks");
    }
    out_.prompt.end_head();
    end_turn(Speaker::system, begin);
  }

  void read_messages(const element& value) {
    array messages;
    if (value.get(messages) != simdjson::SUCCESS) return wrong_type("messages", "an array");
    out_.outline.turns.reserve(messages.size() + 1);
    out_.outline.parts.reserve(messages.size());
    out_.prompt.expect_messages(messages.size());
    for (const element message : messages) {
      if (!message.is_object()) {
        wrong_type(path(""), "an object");
      } else {
        read_message(message);
        end_message();
      }
      ++index_;
    }
  }

  void read_message(const element& message) {
    const auto role = text_of(message, "role");
    const auto speaker = role == "assistant" ? Speaker::assistant
                         : role == "system"  ? Speaker::system
                                             : Speaker::human;
    out_.prompt.add_tag(speaker_tag(speaker));
    element content;
    if (message["content"].get(content) != simdjson::SUCCESS || content.is_null()) {
      return end_turn(speaker, out_.outline.parts.size());
    }
    const bool results = speaker == Speaker::human && read_results(content);
    const auto begin = out_.outline.parts.size();
    const bool other = read_content(content);
    if (other || !results) end_turn(speaker, begin);
  }

  /// A turn for each result in a user's message; true if there is one.
  bool read_results(const element& content) {
    array blocks;
    if (content.get(blocks) != simdjson::SUCCESS) return false;
    bool any = false;
    for (const element block : blocks) {
      if (text_of(block, "type") != "tool_result") continue;
      any = true;
      const auto begin = out_.outline.parts.size();
      out_.prompt.add_tag(speaker_tag(Speaker::tool));
      element inner;
      if (block["content"].get(inner) == simdjson::SUCCESS && !inner.is_null()) read_content(inner);
      end_turn(Speaker::tool, begin);
      bool failed = false;
      out_.outline.turns.back().failed =
          block["is_error"].get(failed) == simdjson::SUCCESS && failed;
    }
    return any;
  }

  /// All but results; true if there was anything.
  bool read_content(const element& content) {
    if (content.is_string()) {
      add_text(std::string_view{content});
      return true;
    }
    array blocks;
    if (content.get(blocks) != simdjson::SUCCESS) {
      wrong_type(path(".content"), "a string or an array of blocks");
      return false;
    }
    bool any = false;
    for (const element block : blocks) {
      out_.prompt.note_cache_mark(block);
      const auto type = text_of(block, "type");
      if (type == "tool_result") continue;
      any = true;
      read_block(type, block);
    }
    return any;
  }

  void read_block(std::string_view type, const element& block) {
    if (type == "text") {
      add_text(text_of(block, "text"));
    } else if (type == "image") {
      out_.facts.needs.vision = true;
      ++out_.facts.images;
      out_.prompt.add_media(block);
    } else if (type == "document") {
      read_document(block);
    } else if (type == "tool_use") {
      read_call(block);
    } else if (type == "compaction") {
      add_text(text_of(block, "content"));
    } else {
      // Thinking whose text is not shown counts by its signature; results of server tools whole.
      out_.prompt.add_json(block);
    }
  }

  void read_document(const element& block) {
    element source;
    if (block["source"].get(source) != simdjson::SUCCESS) return;
    const auto type = text_of(source, "type");
    if (type == "text") return add_text(text_of(source, "data"));
    element content;
    if (type == "content" && source["content"].get(content) == simdjson::SUCCESS) {
      read_content(content);
      return;
    }
    out_.facts.needs.documents = true;
    ++out_.facts.files;
    out_.prompt.add_media(block);
  }

  void read_call(const element& block) {
    Call call;
    call.name = text_of(block, "name");
    element input;
    if (block["input"].get(input) == simdjson::SUCCESS) {
      out_.outline.made.push_back(std::make_unique<const std::string>(simdjson::minify(input)));
      call.arguments = *out_.outline.made.back();
    }
    out_.prompt.add_tag(call_tag);
    out_.prompt.add_text(call.name);
    out_.prompt.add_text(call.arguments);
    out_.outline.calls.push_back(call);
  }

  void end_message() {
    out_.prompt.end_message(static_cast<std::int32_t>(out_.outline.turns.size()), out_.facts.images + out_.facts.files);
  }

  void add_text(std::string_view text) {
    out_.prompt.add_text(text);
    out_.outline.parts.push_back(text);
  }

  void end_turn(Speaker speaker, std::size_t parts_begin) {
    out_.outline.turns.push_back({speaker, parts_begin, out_.outline.parts.size()});
  }

  [[nodiscard]] std::string path(std::string_view member) const {
    return fmt::format("messages[{}]{}", index_, member);
  }

  void finish() {
    auto& facts = out_.facts;
    out_.prompt.finish(facts);
    facts.messages = static_cast<std::int32_t>(out_.outline.turns.size());
    facts.effort = disabled_ ? Effort::none : effort_ != Effort::unset ? effort_ : thinking_effort_;
    facts.needs.reasoning = facts.effort >= Effort::low;
  }

  FactsReading out_;
  std::optional<Error> fault_;
  std::size_t index_ = 0;
  Effort effort_ = Effort::unset;           // in words
  Effort thinking_effort_ = Effort::unset;  // what the kind of thinking amounts to
  bool disabled_ = false;
};

}  // namespace

Result<FactsReading> read_anthropic_facts(const element& root, std::uint64_t hash_key) {
  return AnthropicReader{hash_key}.read(root);
}

}  // namespace turnpike::dialect
