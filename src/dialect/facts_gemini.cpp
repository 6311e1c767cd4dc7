// body := {contents, systemInstruction?, tools?, generationConfig?, …} | {generateContentRequest:
// body} content := {role?, parts: [part*] | part}                   every name in either spelling
#include "dialect/facts_gemini.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "dialect/facts_server_tools.hpp"
#include "dialect/gemini_fields.hpp"
#include "dialect/gemini_words.hpp"

namespace turnpike::dialect {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

/// The member under either of its names, null counting as absent.
std::optional<element> member_of(const element& value, std::string_view camel) {
  object fields;
  if (value.get(fields) != simdjson::SUCCESS) return std::nullopt;
  for (const auto field : fields) {
    if (is_gemini_key(field.key, camel) && !field.value.is_null()) return field.value;
  }
  return std::nullopt;
}

std::string_view text_of(const element& value, std::string_view camel) {
  std::string_view text;
  const auto member = member_of(value, camel);
  return member && member->get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

std::optional<std::int64_t> integer_of(const element& value, std::string_view camel) {
  std::int64_t number = 0;
  const auto member = member_of(value, camel);
  if (!member || member->get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

bool flag_of(const element& value, std::string_view camel) {
  bool flag = false;
  const auto member = member_of(value, camel);
  return member && member->get(flag) == simdjson::SUCCESS && flag;
}

/// Calls visit(element) for the elements of a list, or for the one object in its place. False if it
/// is neither.
template <typename Visit>
bool each_listed(const element& value, Visit visit) {
  array list;
  if (value.get(list) == simdjson::SUCCESS) {
    for (const element item : list) visit(item);
    return true;
  }
  if (value.is_object()) visit(value);
  return value.is_object();
}

Effort effort_of_budget(std::int64_t tokens) {
  // The steps of the gateway's own mapping between budgets and words (wire formats, "Effort").
  if (tokens <= 0) return tokens == 0 ? Effort::none : Effort::unset;
  if (tokens < 4096) return Effort::low;
  return tokens < 16384 ? Effort::medium : Effort::high;
}

class GeminiReader {
 public:
  explicit GeminiReader(std::uint64_t hash_key) : out_(hash_key) {}

  Result<FactsReading> read(const element& root) {
    if (!root.is_object()) {
      return std::unexpected{client_error("wrong_type", "the body must be a JSON object")};
    }
    const auto wrapped = member_of(root, "generateContentRequest");
    const element body = wrapped && wrapped->is_object() ? *wrapped : root;
    // It stands first whatever the order of the members.
    if (const auto instruction = member_of(body, "systemInstruction")) {
      out_.prompt.begin_head('s');
      read_instruction(*instruction);
      out_.prompt.end_head();
    }
    for (const auto field : object{body}) {
      if (!field.value.is_null()) read_member(field.key, field.value);
    }
    if (fault_) return std::unexpected{*fault_};
    out_.prompt.finish(out_.facts);
    return std::move(out_);
  }

 private:
  void wrong_type(std::string path, std::string_view wanted) {
    if (fault_) return;
    fault_ = client_error("wrong_type", fmt::format("{} must be {}", path, wanted), path);
  }

  void read_member(std::string_view key, const element& value) {
    if (key == "contents") {
      read_contents(value);
    } else if (key == "tools") {
      read_tools(value);
    } else if (is_gemini_key(key, "generationConfig")) {
      if (!value.is_object()) return wrong_type(std::string{key}, "an object");
      read_generation(value);
    } else if (key == "labels") {
      out_.declared_step = text_of(value, "turnpike_step");
    }
  }

  void read_tools(const element& value) {
    const bool listed = each_listed(value, [this](const element& tool) {
      object members;
      if (tool.get(members) == simdjson::SUCCESS) {
        for (const auto field : members)
          note_server_tool(out_.facts, gemini_server_tool(field.key));
      }
      const auto declarations = member_of(tool, "functionDeclarations");
      if (!declarations) {
        ++out_.facts.tools;
        return;
      }
      each_listed(*declarations, [this](const element&) {
        ++out_.facts.tools;
        out_.facts.needs.tools = true;
      });
    });
    if (!listed) return wrong_type("tools", "an array");
    out_.prompt.begin_head('t');
    out_.prompt.add_json(value);
    out_.prompt.end_head();
  }

  void read_generation(const element& config) {
    auto& facts = out_.facts;
    facts.output_tokens_max = integer_of(config, "maxOutputTokens");
    facts.choices = std::max<std::int64_t>(1, integer_of(config, "candidateCount").value_or(1));
    facts.needs.many_choices = facts.choices > 1;
    facts.needs.logprobs = flag_of(config, "responseLogprobs");
    out_.structured_output = text_of(config, "responseMimeType") == "application/json";
    for (const auto* const name : {"responseSchema", "responseJsonSchema"}) {
      const auto schema = member_of(config, name);
      if (!schema) continue;
      facts.needs.json_schema = out_.structured_output;
      out_.prompt.begin_head('f');
      out_.prompt.add_json(*schema);
      out_.prompt.end_head();
    }
    if (const auto modalities = member_of(config, "responseModalities")) {
      each_listed(*modalities, [&facts](const element& modality) {
        std::string_view name;
        if (modality.get(name) == simdjson::SUCCESS && upper_case(name) == "AUDIO")
          facts.needs.audio = true;
      });
    }
    if (const auto thinking = member_of(config, "thinkingConfig")) read_thinking(*thinking);
  }

  /// Words from the future are left to the provider.
  void read_thinking(const element& thinking) {
    auto& facts = out_.facts;
    if (const auto budget = integer_of(thinking, "thinkingBudget"))
      facts.effort = effort_of_budget(*budget);
    const auto level = upper_case(text_of(thinking, "thinkingLevel"));
    if (level == "MINIMAL") facts.effort = Effort::minimal;
    if (level == "LOW") facts.effort = Effort::low;
    if (level == "MEDIUM") facts.effort = Effort::medium;
    if (level == "HIGH") facts.effort = Effort::high;
    facts.needs.reasoning = facts.effort >= Effort::low;
  }

  // ---- the conversation

  void begin_turn(Speaker speaker) {
    Turn turn;
    turn.speaker = speaker;
    turn.parts_begin = out_.outline.parts.size();
    out_.outline.turns.push_back(turn);
    out_.prompt.add_tag(speaker_tag(speaker));
  }
  void end_turn() { out_.outline.turns.back().parts_end = out_.outline.parts.size(); }

  void add_text(std::string_view text) {
    out_.prompt.add_text(text);
    out_.outline.parts.push_back(text);
  }

  /// JSON of the document as text.
  std::string_view keep(const element& value) {
    return out_.kept.emplace_back(simdjson::minify(value));
  }

  void read_instruction(const element& instruction) {
    begin_turn(Speaker::system);
    std::string_view text;
    if (instruction.get(text) == simdjson::SUCCESS) add_text(text);
    each_listed(instruction, [this](const element& content) {
      const auto parts = member_of(content, "parts");
      if (parts) each_listed(*parts, [this](const element& part) { read_part(part); });
    });
    end_turn();
  }

  void read_contents(const element& contents) {
    std::size_t index = 0;
    array list;
    out_.prompt.expect_messages(contents.get(list) == simdjson::SUCCESS ? list.size() : 1);
    const bool listed = each_listed(contents, [&](const element& content) {
      if (!content.is_object())
        return wrong_type(fmt::format("contents[{}]", index++), "an object");
      read_content(content);
      ++index;
      out_.prompt.end_message(static_cast<std::int32_t>(index), out_.facts.images + out_.facts.files);
    });
    if (!listed) return wrong_type("contents", "an array");
    out_.facts.messages = static_cast<std::int32_t>(index);
  }

  /// Responses are turns of the tools, one each; what stands beside them is what a person wrote.
  void read_content(const element& content) {
    const auto role = text_of(content, "role");
    const auto parts = member_of(content, "parts");
    std::size_t others = 0;
    if (parts) {
      each_listed(*parts, [&](const element& part) {
        const auto response = member_of(part, "functionResponse");
        if (!response) {
          ++others;
          return;
        }
        read_response(*response);
      });
    }
    const bool model = role == "model" || role == "assistant";
    if (others == 0 && parts && !model) return;
    begin_turn(model ? Speaker::assistant : role == "system" ? Speaker::system : Speaker::human);
    if (parts) each_listed(*parts, [this](const element& part) { read_part(part); });
    end_turn();
  }

  void read_response(const element& response) {
    begin_turn(Speaker::tool);
    out_.prompt.add_text(text_of(response, "name"));
    if (const auto object = member_of(response, "response")) {
      if (member_of(*object, "safetyAcknowledgement")) out_.safety_check = true;
      read_result(*object);
    }
    if (const auto parts = member_of(response, "parts")) {
      each_listed(*parts, [this](const element& part) { read_part(part); });
    }
    end_turn();
  }

  void read_result(const element& result) {
    const auto error = member_of(result, "error");
    const bool failed = error && !member_of(result, "output") && !member_of(result, "result");
    out_.outline.turns.back().failed = failed;
    for (const auto* const wrapper : {"output", "result", "content", "error"}) {
      std::string_view text;
      const auto member = member_of(result, wrapper);
      if (member && member->get(text) == simdjson::SUCCESS) {
        out_.prompt.add_json(result);
        return out_.outline.parts.push_back(text);
      }
    }
    add_text(keep(result));
  }

  void read_part(const element& part) {
    if (member_of(part, "functionResponse")) return;
    if (const auto call = member_of(part, "functionCall")) return read_call(*call);
    for (const auto* const name : {"inlineData", "fileData"}) {
      if (const auto media = member_of(part, name)) return read_media(*media, part);
    }
    const auto text = text_of(part, "text");
    if (flag_of(part, "thought")) {
      out_.prompt.add_tag('r');
      out_.prompt.add_text(text);
    } else if (member_of(part, "text")) {
      add_text(text);
    } else {
      out_.prompt.add_json(part);  // code, its output, a vendor's own tools
    }
  }

  void read_call(const element& value) {
    Call call;
    call.name = text_of(value, "name");
    if (const auto args = member_of(value, "args")) {
      if (member_of(*args, "safetyDecision")) out_.safety_check = true;  // computer use wants it confirmed
      call.arguments = keep(*args);
    }
    out_.prompt.add_tag(call_tag);
    out_.prompt.add_text(call.name);
    out_.prompt.add_text(call.arguments);
    out_.outline.calls.push_back(call);
  }

  /// `part` holds the source and, for a film, which of its pictures are looked at.
  void read_media(const element& source, const element& part) {
    auto& facts = out_.facts;
    out_.prompt.add_media(part);
    switch (gemini_media_kind(text_of(source, "mimeType"), text_of(source, "fileUri"))) {
      case GeminiMedia::image:
        facts.needs.vision = true;
        ++facts.images;
        break;
      case GeminiMedia::audio:
        facts.needs.audio = true;
        ++facts.files;
        break;
      case GeminiMedia::video:
      case GeminiMedia::document:
        facts.needs.documents = true;
        ++facts.files;
        break;
      case GeminiMedia::text:
        // base64: four bytes hold three.
        out_.prompt.add_text(text_of(source, "data"));
        break;
    }
  }

  FactsReading out_;
  std::optional<Error> fault_;
};

}  // namespace

Result<FactsReading> read_gemini_facts(const element& root, std::uint64_t hash_key) {
  return GeminiReader{hash_key}.read(root);
}

}  // namespace turnpike::dialect
