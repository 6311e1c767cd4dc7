// body := { model, input: text | [item*], instructions?, tools?, stream?, reasoning?, text?, … }
// Items that the assistant made between two others are one turn of the outline.
#include "dialect/facts_responses.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "dialect/facts_server_tools.hpp"
#include "dialect/responses_item.hpp"

namespace turnpike::dialect {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

std::string_view text_at(const object& fields, std::string_view key) {
  std::string_view text;
  return fields.at_key(key).get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

class ResponsesReader {
 public:
  explicit ResponsesReader(std::uint64_t hash_key) : out_(hash_key) {}

  Result<FactsReading> read(const element& root) {
    object body;
    if (root.get(body) != simdjson::SUCCESS) {
      return std::unexpected{client_error("wrong_type", "the body must be a JSON object")};
    }
    // They stand first whatever the order of the members.
    if (const auto instructions = text_at(body, "instructions"); !instructions.empty()) {
      begin_turn(Speaker::system);
      out_.prompt.begin_head('s');
      add_text(instructions);
      out_.prompt.end_head();
      end_turn();
    }
    for (const auto& [key, value] : body) {
      if (!value.is_null()) read_member(key, value);
    }
    if (fault_) return std::unexpected{*fault_};
    finish();
    return std::move(out_);
  }

 private:
  /// The first one is kept and the walk goes on without that field.
  void wrong_type(std::string path, std::string_view wanted) {
    if (!fault_)
      fault_ = client_error("wrong_type", fmt::format("{} must be {}", path, wanted), path);
  }

  void read_member(std::string_view key, const element& value) {
    auto& facts = out_.facts;
    if (key == "input") {
      read_input(value);
    } else if (key == "tools") {
      out_.prompt.begin_head('t');
      read_tools(value, "tools");
      out_.prompt.end_head();
    } else if (key == "model") {
      facts.model = text_of(key, value);
    } else if (key == "stream") {
      facts.stream = flag_of(key, value);
    } else if (key == "prompt_cache_key") {
      out_.prompt_cache_key = text_of(key, value);
    } else if (key == "max_output_tokens") {
      facts.output_tokens_max = integer_of(key, value);
    } else if (key == "instructions") {
      text_of(key, value);
    } else {
      read_option(key, value);
    }
  }

  void read_option(std::string_view key, const element& value) {
    if (key == "parallel_tool_calls") {
      out_.facts.needs.parallel_tools = flag_of(key, value);
    } else if (key == "top_logprobs") {
      if (integer_of(key, value) > 0) out_.facts.needs.logprobs = true;
    } else if (key == "include") {
      read_include(value);
    } else if (key == "reasoning") {
      read_reasoning_options(value);
    } else if (key == "text") {
      read_text_options(value);
    } else if (key == "metadata") {
      std::string_view step;
      if (value.is_object() && value["turnpike_step"].get(step) == simdjson::SUCCESS)
        out_.declared_step = step;
    }
  }

  void read_include(const element& value) {
    array wanted;
    if (value.get(wanted) != simdjson::SUCCESS) return wrong_type("include", "an array");
    for (const element name : wanted) {
      std::string_view text;
      if (name.get(text) == simdjson::SUCCESS && text == "message.output_text.logprobs")
        out_.facts.needs.logprobs = true;
    }
  }

  void read_reasoning_options(const element& value) {
    object options;
    if (value.get(options) != simdjson::SUCCESS) return wrong_type("reasoning", "an object");
    // Words from the future are left to the provider.
    if (const auto effort = parse_effort(text_at(options, "effort"))) out_.facts.effort = *effort;
  }

  void read_text_options(const element& value) {
    object options;
    if (value.get(options) != simdjson::SUCCESS) return wrong_type("text", "an object");
    element raw;
    object format;
    if (options["format"].get(raw) != simdjson::SUCCESS || raw.is_null()) return;
    if (raw.get(format) != simdjson::SUCCESS) return wrong_type("text.format", "an object");
    const auto type = text_at(format, "type");
    if (type.empty()) return;
    out_.structured_output = type != "text";
    out_.facts.needs.json_schema = type == "json_schema";
    out_.prompt.begin_head('f');
    out_.prompt.add_json(raw);
    out_.prompt.end_head();
  }

  /// Only tools that the client runs are asked of the model; the vendor's own are dropped
  /// elsewhere.
  void read_tools(const element& value, std::string_view path) {
    array tools;
    if (value.get(tools) != simdjson::SUCCESS) return wrong_type(std::string{path}, "an array");
    out_.prompt.add_json(value);
    for (const element raw : tools) {
      object tool;
      if (raw.get(tool) != simdjson::SUCCESS) continue;
      const auto type = text_at(tool, "type");
      array nested;
      if (type == "namespace" && tool["tools"].get(nested) == simdjson::SUCCESS) {
        out_.facts.tools += static_cast<std::int32_t>(nested.size());
      } else if (is_client_tool(type)) {
        ++out_.facts.tools;
      }
      note_server_tool(out_.facts, responses_server_tool(type));
    }
  }

  // ---- items

  void read_input(const element& value) {
    if (value.is_string()) {
      begin_turn(Speaker::human);
      add_text(std::string_view{value});
      end_turn();
      out_.facts.messages = 1;
      return;
    }
    array items;
    if (value.get(items) != simdjson::SUCCESS)
      return wrong_type("input", "a string or an array of items");
    out_.outline.turns.reserve(items.size() + 1);
    out_.outline.parts.reserve(items.size() + 1);
    out_.prompt.expect_messages(items.size());
    for (const element raw : items) {
      object item;
      if (raw.get(item) == simdjson::SUCCESS) {
        read_item(item, raw);
      } else {
        wrong_type(path(""), "an object");
      }
      ++index_;
      out_.prompt.end_message(static_cast<std::int32_t>(index_), out_.facts.images + out_.facts.files);
    }
    end_turn();
    out_.facts.messages = static_cast<std::int32_t>(index_);
  }

  void read_item(const object& item, const element& raw) {
    const auto type = text_at(item, "type");
    // Computer use: what the vendor wants confirmed, and what a person has confirmed.
    for (const auto* const checks : {"pending_safety_checks", "acknowledged_safety_checks"}) {
      array listed;
      if (item[checks].get(listed) == simdjson::SUCCESS && listed.size() > 0) out_.safety_check = true;
    }
    switch (responses_item(type, !text_at(item, "role").empty())) {
      case ResponsesItem::message:
        return read_message(item);
      case ResponsesItem::agent_message:
        begin_turn(Speaker::system);  // no person wrote it
        return read_content(item["content"]);
      case ResponsesItem::call:
      case ResponsesItem::custom_call:
      case ResponsesItem::hosted_call:
        return read_call(item, type, raw);
      case ResponsesItem::output:
      case ResponsesItem::custom_output:
      case ResponsesItem::hosted_output:
        return read_output(item, raw);
      case ResponsesItem::tools: {
        element tools;
        if (item["tools"].get(tools) == simdjson::SUCCESS) read_tools(tools, path(".tools"));
        return;
      }
      case ResponsesItem::reasoning:
        continue_assistant();
        break;
      default:
        break;
    }
    out_.prompt.add_json(raw);
  }

  void read_message(const object& item) {
    const auto role = text_at(item, "role");
    if (role == "assistant") {
      continue_assistant();
    } else {
      begin_turn(role == "system" || role == "developer" ? Speaker::system : Speaker::human);
    }
    read_content(item["content"]);
  }

  void read_content(simdjson::simdjson_result<element> content) {
    element value;
    if (content.get(value) != simdjson::SUCCESS || value.is_null()) return;
    if (value.is_string()) return add_text(std::string_view{value});
    array parts;
    if (value.get(parts) != simdjson::SUCCESS)
      return wrong_type(path(".content"), "a string or an array of parts");
    for (const element part : parts) {
      object members;
      if (part.get(members) == simdjson::SUCCESS) {
        read_part(members, part);
      } else if (part.is_string()) {
        add_text(std::string_view{part});
      }
    }
  }

  void read_part(const object& part, const element& raw) {
    const auto type = text_at(part, "type");
    auto& facts = out_.facts;
    if (type == "input_image") {
      facts.needs.vision = true;
      ++facts.images;
      out_.prompt.add_media(raw);
    } else if (type == "input_file") {
      facts.needs.documents = true;
      ++facts.files;
      out_.prompt.add_media(raw);
    } else if (type == "input_audio") {
      facts.needs.audio = true;
      ++facts.files;
      out_.prompt.add_media(raw);
    } else if (type == "refusal") {
      add_text(text_at(part, "refusal"));
    } else {
      add_text(text_at(part, "text"));
    }
  }

  /// A call of a vendor's tool that the client carries out has its command in `action`.
  void read_call(const object& item, std::string_view type, const element& raw) {
    continue_assistant();
    const auto kind = responses_item(type, false);
    if (kind == ResponsesItem::hosted_call) {
      out_.prompt.add_json(raw);
      if (type != "local_shell_call" && type != "shell_call") return;
    }
    Call call;
    call.name = text_at(item, "name");
    call.arguments = text_at(item, kind == ResponsesItem::custom_call ? "input" : "arguments");
    if (kind == ResponsesItem::hosted_call) {
      call.name = "shell";
      call.arguments = last_command(item);
    } else {
      out_.prompt.add_tag(call_tag);
      out_.prompt.add_text(text_at(item, "namespace"));
      out_.prompt.add_text(call.name);
      out_.prompt.add_text(call.arguments);
    }
    out_.outline.calls.push_back(call);
  }

  /// ["bash", "-lc", "make test"]: the words that say what is done.
  static std::string_view last_command(const object& item) {
    object action;
    if (item["action"].get(action) != simdjson::SUCCESS) return {};
    std::string_view last;
    for (const auto* const key : {"command", "commands"}) {
      array words;
      if (action[key].get(words) != simdjson::SUCCESS) continue;
      for (const element word : words) {
        std::string_view text;
        if (word.get(text) == simdjson::SUCCESS) last = text;
      }
    }
    return last;
  }

  void read_output(const object& item, const element& raw) {
    const auto status = text_at(item, "status");
    begin_turn(Speaker::tool).failed = status == "incomplete" || status == "failed";
    element output;
    if (item["output"].get(output) != simdjson::SUCCESS) return;
    if (output.is_string() || output.is_array()) {
      read_content(item["output"]);
    } else {
      out_.prompt.add_json(raw);
    }
  }

  // ---- the outline

  Turn& begin_turn(Speaker speaker) {
    end_turn();
    Turn& turn = turn_.emplace();
    turn.speaker = speaker;
    out_.prompt.add_tag(speaker_tag(speaker));
    turn.parts_begin = out_.outline.parts.size();
    return turn;
  }

  void continue_assistant() {
    if (!turn_ || turn_->speaker != Speaker::assistant) begin_turn(Speaker::assistant);
  }

  void end_turn() {
    if (!turn_) return;
    turn_->parts_end = out_.outline.parts.size();
    out_.outline.turns.push_back(*turn_);
    turn_.reset();
  }

  void add_text(std::string_view text) {
    out_.prompt.add_text(text);
    out_.outline.parts.push_back(text);
  }

  [[nodiscard]] std::string path(std::string_view member) const {
    return fmt::format("input[{}]{}", index_, member);
  }

  std::string_view text_of(std::string_view key, const element& value) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) wrong_type(std::string{key}, "a string");
    return text;
  }

  bool flag_of(std::string_view key, const element& value) {
    bool flag = false;
    if (value.get(flag) != simdjson::SUCCESS) wrong_type(std::string{key}, "true or false");
    return flag;
  }

  std::int64_t integer_of(std::string_view key, const element& value) {
    std::int64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS) wrong_type(std::string{key}, "an integer");
    return number;
  }

  void finish() {
    auto& facts = out_.facts;
    out_.prompt.finish(facts);
    facts.needs.tools = facts.tools > 0;
    facts.needs.reasoning = facts.effort >= Effort::low;
  }

  FactsReading out_;
  std::optional<Error> fault_;
  std::optional<Turn> turn_;  // not yet ended
  std::size_t index_ = 0;
};

}  // namespace

Result<FactsReading> read_responses_facts(const element& root, std::uint64_t hash_key) {
  return ResponsesReader{hash_key}.read(root);
}

}  // namespace turnpike::dialect
