// body := { model, messages: [message*], tools?, stream?, n?, token limits?, reasoning spellings?,
// ... } message := { role, content: text | [part*] | null, tool_calls?, tool_call_id?,
// reasoning_content? }
#include "dialect/facts_chat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "dialect/facts_server_tools.hpp"

namespace turnpike::dialect {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

/// Thrown nowhere: the first wrong type is kept and the walk goes on without that field.
class Faults {
 public:
  void wrong_type(std::string path, std::string_view wanted) {
    if (first_) return;
    first_ = client_error("wrong_type", fmt::format("{} must be {}", path, wanted), path);
  }
  [[nodiscard]] const std::optional<Error>& first() const { return first_; }

 private:
  std::optional<Error> first_;
};

Effort effort_of_budget(std::int64_t tokens) {
  // The steps of the providers' own mapping between budgets and words (wire formats, thinking).
  if (tokens <= 0) return Effort::none;
  if (tokens < 4096) return Effort::low;
  if (tokens < 16384) return Effort::medium;
  return Effort::high;
}

class ChatReader {
 public:
  explicit ChatReader(std::uint64_t hash_key) : out_(hash_key) {}

  Result<FactsReading> read(const element& root) {
    object body;
    if (root.get(body) != simdjson::SUCCESS) {
      return std::unexpected{client_error("wrong_type", "the body must be a JSON object")};
    }
    for (const auto& [key, value] : body) {
      if (!value.is_null()) read_member(key, value);
    }
    if (const auto& fault = faults_.first(); fault.has_value()) return std::unexpected{*fault};
    finish();
    return std::move(out_);
  }

 private:
  void read_member(std::string_view key, const element& value) {
    if (key == "messages") {
      read_messages(value);
    } else if (key == "tools" || key == "functions") {
      read_tools(key, value);
    } else if (key == "model") {
      out_.facts.model = text_of(key, value);
    } else if (key == "stream") {
      out_.facts.stream = flag_of(key, value);
    } else if (key == "prompt_cache_key") {
      out_.prompt_cache_key = text_of(key, value);
    } else if (key == "n") {
      out_.facts.choices = std::max<std::int64_t>(1, integer_of(key, value));
    } else if (key == "max_tokens" || key == "max_completion_tokens") {
      const auto tokens = integer_of(key, value);
      out_.facts.output_tokens_max =
          std::max(out_.facts.output_tokens_max.value_or(tokens), tokens);
    } else {
      read_option(key, value);
    }
  }

  void read_option(std::string_view key, const element& value) {
    auto& needs = out_.facts.needs;
    if (key == "response_format") {
      read_response_format(value);
    } else if (key == "parallel_tool_calls") {
      needs.parallel_tools = flag_of(key, value);
    } else if (key == "logprobs") {
      needs.logprobs = flag_of(key, value);
    } else if (key == "modalities") {
      read_modalities(value);
    } else if (key == "web_search_options") {
      note_server_tool(out_.facts, {ServerTool::web_search, {}});
    } else if (key == "metadata") {
      read_metadata(value);
    } else {
      read_effort(key, value);
    }
  }

  /// Clients spell the same wish in five ways; an explicit word wins over a budget, whichever comes
  /// first.
  void read_effort(std::string_view key, const element& value) {
    if (key == "reasoning_effort") {
      say_effort(text_of(key, value));
    } else if (key == "reasoning" || key == "output_config") {
      object options;
      if (value.get(options) != simdjson::SUCCESS)
        return faults_.wrong_type(std::string{key}, "an object");
      std::string_view word;
      if (options["effort"].get(word) == simdjson::SUCCESS) say_effort(word);
    } else if (key == "thinking") {
      read_thinking(value);
    } else if (key == "enable_thinking") {
      bool on = true;
      if (value.get(on) == simdjson::SUCCESS && !on && effort_ == Effort::unset)
        budget_effort_ = Effort::none;
    }
  }

  void read_thinking(const element& value) {
    object options;
    if (value.get(options) != simdjson::SUCCESS)
      return;  // a vendor's own meaning; passed on untouched
    std::string_view type;
    std::int64_t budget = 0;
    if (options["type"].get(type) == simdjson::SUCCESS && type == "disabled")
      budget_effort_ = Effort::none;
    if (options["budget_tokens"].get(budget) == simdjson::SUCCESS)
      budget_effort_ = effort_of_budget(budget);
  }

  /// Words from the future are left to the provider.
  void say_effort(std::string_view word) {
    if (const auto effort = parse_effort(word)) effort_ = *effort;
  }

  void read_response_format(const element& value) {
    object format;
    if (value.get(format) != simdjson::SUCCESS)
      return faults_.wrong_type("response_format", "an object");
    std::string_view type;
    if (format["type"].get(type) != simdjson::SUCCESS) return;
    out_.structured_output = type != "text";
    out_.facts.needs.json_schema = type == "json_schema";
    out_.prompt.begin_head('f');
    out_.prompt.add_json(value);
    out_.prompt.end_head();
  }

  void read_modalities(const element& value) {
    array modalities;
    if (value.get(modalities) != simdjson::SUCCESS)
      return faults_.wrong_type("modalities", "an array");
    for (const element modality : modalities) {
      std::string_view name;
      if (modality.get(name) == simdjson::SUCCESS && name == "audio") out_.facts.needs.audio = true;
    }
  }

  void read_metadata(const element& value) {
    std::string_view step;
    if (value.is_object() && value["turnpike_step"].get(step) == simdjson::SUCCESS)
      out_.declared_step = step;
  }

  void read_tools(std::string_view key, const element& value) {
    array tools;
    if (value.get(tools) != simdjson::SUCCESS)
      return faults_.wrong_type(std::string{key}, "an array");
    out_.facts.tools += static_cast<std::int32_t>(tools.size());
    out_.prompt.begin_head('t');
    out_.prompt.add_json(value);
    out_.prompt.end_head();
    if (tools.size() > 0) out_.facts.needs.tools = true;
  }

  void read_messages(const element& value) {
    array messages;
    if (value.get(messages) != simdjson::SUCCESS) return faults_.wrong_type("messages", "an array");
    out_.outline.turns.reserve(messages.size());
    out_.outline.parts.reserve(messages.size());
    out_.prompt.expect_messages(messages.size());
    index_ = 0;
    for (const element message : messages) {
      object members;
      if (message.get(members) == simdjson::SUCCESS) {
        read_message(members);
      } else {
        faults_.wrong_type(path(""), "an object");
      }
      ++index_;
      out_.prompt.end_message(static_cast<std::int32_t>(index_), out_.facts.images + out_.facts.files);
    }
    out_.facts.messages = static_cast<std::int32_t>(index_);
  }

  void read_message(const object& message) {
    Turn turn;
    turn.parts_begin = out_.outline.parts.size();
    for (const auto& [key, value] : message) {
      if (value.is_null()) continue;
      if (key == "role") {
        turn.speaker = speaker_of(value);
        out_.prompt.add_tag(speaker_tag(turn.speaker));
      } else if (key == "content") {
        read_content(value);
      } else if (key == "tool_calls") {
        read_calls(value);
      } else if (key == "function_call") {
        read_call(value);
      } else if (key == "is_error") {
        bool failed = false;
        turn.failed = value.get(failed) == simdjson::SUCCESS && failed;
      } else {
        out_.prompt.add_json(value);  // reasoning_content, refusal, name ...
      }
    }
    turn.parts_end = out_.outline.parts.size();
    out_.outline.turns.push_back(turn);
  }

  Speaker speaker_of(const element& value) {
    std::string_view role;
    if (value.get(role) != simdjson::SUCCESS) {
      faults_.wrong_type(path(".role"), "a string");
    } else if (role == "system" || role == "developer") {
      return Speaker::system;
    } else if (role == "assistant") {
      return Speaker::assistant;
    } else if (role == "tool" || role == "function") {
      return Speaker::tool;
    }
    return Speaker::human;
  }

  void add_text(std::string_view text) {
    out_.prompt.add_text(text);
    out_.outline.parts.push_back(text);
  }

  void read_content(const element& value) {
    if (value.is_string()) return add_text(std::string_view{value});
    array parts;
    if (value.get(parts) != simdjson::SUCCESS) {
      return faults_.wrong_type(path(".content"), "a string or an array of parts");
    }
    for (const element part : parts) {
      object members;
      if (part.get(members) == simdjson::SUCCESS) {
        read_part(members, part);
      } else if (part.is_string()) {
        add_text(std::string_view{part});
      } else if (!part.is_null()) {
        faults_.wrong_type(path(".content"), "a string or an array of parts");
      }
    }
  }

  void read_part(const object& part, const element& raw) {
    std::string_view type;
    if (part["type"].get(type) != simdjson::SUCCESS) type = "text";
    auto& needs = out_.facts.needs;
    std::string_view text;
    if (type == "image_url" || type == "image" || type == "input_image") {
      needs.vision = true;
      ++out_.facts.images;
      out_.prompt.add_media(raw);
    } else if (type == "input_audio") {
      needs.audio = true;
      ++out_.facts.files;
      out_.prompt.add_media(raw);
    } else if (type == "file" || type == "input_file" || type == "document") {
      needs.documents = true;
      ++out_.facts.files;
      out_.prompt.add_media(raw);
    } else if (part["text"].get(text) == simdjson::SUCCESS ||
               part["refusal"].get(text) == simdjson::SUCCESS) {
      add_text(text);
    }
  }

  void read_calls(const element& value) {
    array calls;
    if (value.get(calls) != simdjson::SUCCESS)
      return faults_.wrong_type(path(".tool_calls"), "an array");
    for (const element call : calls) {
      for (const auto* const kind : {"function", "custom"}) {
        element named;
        if (call.is_object() && call[kind].get(named) == simdjson::SUCCESS) read_call(named);
      }
    }
  }

  void read_call(const element& value) {
    if (!value.is_object()) return;
    Call call;
    std::string_view text;
    if (value["name"].get(text) == simdjson::SUCCESS) call.name = text;
    for (const auto* const key : {"arguments", "input"}) {
      if (value[key].get(text) == simdjson::SUCCESS) call.arguments = text;
    }
    out_.prompt.add_tag(call_tag);
    out_.prompt.add_text(call.name);
    out_.prompt.add_text(call.arguments);
    out_.outline.calls.push_back(call);
  }

  [[nodiscard]] std::string path(std::string_view member) const {
    return fmt::format("messages[{}]{}", index_, member);
  }

  std::string_view text_of(std::string_view key, const element& value) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) faults_.wrong_type(std::string{key}, "a string");
    return text;
  }

  bool flag_of(std::string_view key, const element& value) {
    bool flag = false;
    if (value.get(flag) != simdjson::SUCCESS) faults_.wrong_type(std::string{key}, "true or false");
    return flag;
  }

  std::int64_t integer_of(std::string_view key, const element& value) {
    std::int64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS) faults_.wrong_type(std::string{key}, "an integer");
    return number;
  }

  void finish() {
    auto& facts = out_.facts;
    out_.prompt.finish(facts);
    facts.effort = effort_ != Effort::unset ? effort_ : budget_effort_;
    facts.needs.reasoning = facts.effort >= Effort::low;
    facts.needs.many_choices = facts.choices > 1;
  }

  FactsReading out_;
  Faults faults_;
  std::size_t index_ = 0;
  Effort effort_ = Effort::unset;
  Effort budget_effort_ = Effort::unset;
};

}  // namespace

Result<FactsReading> read_chat_facts(const element& root, std::uint64_t hash_key) {
  return ChatReader{hash_key}.read(root);
}

}  // namespace turnpike::dialect
