#include "responses_items.hpp"

#include <algorithm>

#include "deepseek_service.hpp"
#include "openai_service.hpp"
#include "responses_reader.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

std::string type_of(const Json& item) {
  return string_member(item, "type", member(item, "role").is_string() ? "message" : "");
}

bool is_call(std::string_view type) {
  return type == "function_call" || type == "custom_tool_call";
}

bool is_output(std::string_view type) {
  return type == "function_call_output" || type == "custom_tool_call_output";
}

}  // namespace

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

ResponsesItems::ResponsesItems(Ask& ask, const ResponseStore& store, std::string_view key)
    : ask_(ask),
      store_(store),
      key_(key),
      deepseek_(ask.endpoint == Endpoint::deepseek_responses) {}

Checked<void> ResponsesItems::read() {
  if (auto fine = resolve_references(); !fine) return fine;
  const auto& items = ask_.responses.items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto type = type_of(items[i]);
    const auto where = "input[" + std::to_string(i) + "]";
    // DeepSeek answers calls in one go: a message between them leaves the first unanswered.
    if (deepseek_ && type == "message" && !open_calls_.empty()) return unanswered();
    if (auto fine = read_item(items[i], type, where); !fine) return fine;
    in_calls_ = is_call(type);
  }
  if (!open_calls_.empty()) return unanswered();
  for (const auto& result : ask_.tool_results)
    ask_.tool_failed = ask_.tool_failed || looks_failed(result);
  return check_following();
}

std::unexpected<Refusal> ResponsesItems::bad(const std::string& message, std::string_view param,
                                             std::string_view code) const {
  return std::unexpected{deepseek_ ? deepseek_refusal(400, message)
                                   : openai_refusal(400, message, param, code)};
}

std::unexpected<Refusal> ResponsesItems::unanswered() const {
  const auto& id = open_calls_.front();
  if (deepseek_) return bad("No tool output found for tool call " + id + ".", "input");
  return bad("No tool output found for function call " + id + ".", "input");
}

// A reference stands for the stored item.
Checked<void> ResponsesItems::resolve_references() {
  for (auto& item : ask_.responses.items) {
    if (deepseek_ || string_member(item, "type") != "item_reference") continue;
    const auto id = string_member(item, "id");
    const auto* stored = store_.item(key_, id);
    if (stored == nullptr) {
      return std::unexpected{
          openai_refusal(404,
                         "Item with id '" + id +
                             "' not found. Items are not persisted when `store` is set to false. "
                             "Try again with `store` set to true, or remove this item from your "
                             "input.",
                         "input")};
    }
    item = Json(*stored);
  }
  return {};
}

Checked<void> ResponsesItems::read_item(const Json& item, const std::string& type,
                                        const std::string& where) {
  if (type == "message") return read_message(item, where);
  if (type == "reasoning") return read_reasoning(item, where);
  if (is_call(type)) return read_call(item, type == "custom_tool_call", where);
  if (is_output(type)) return read_output(item, type == "custom_tool_call_output", where);
  const bool known = deepseek_ || type.ends_with("_call") || type.ends_with("_call_output") ||
                     type.starts_with("mcp_") || type.starts_with("tool_search") ||
                     is_one_of(type, {"compaction", "additional_tools", "program"});
  if (known) {
    ask_.notes.push_back("item of type " + type + " ignored");
    return {};
  }
  return bad("Invalid value: '" + type +
                 "'. Supported values are: 'message', 'reasoning', 'function_call', "
                 "'function_call_output', 'custom_tool_call', 'custom_tool_call_output' and "
                 "'item_reference'.",
             where + ".type", "invalid_value");
}

Checked<void> ResponsesItems::read_message(const Json& item, const std::string& where) {
  const auto role = string_member(item, "role");
  if (!is_one_of(role, {"user", "assistant", "system", "developer"})) {
    return bad("Invalid value: '" + role +
                   "'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
               where + ".role", "invalid_value");
  }
  if (role == "assistant") {
    if (auto fine = check_id(item, "msg", where); !fine) return fine;
  }
  auto text = text_of(member(item, "content"), role, where + ".content");
  if (!text) return std::unexpected{text.error()};
  ask_.prompt.add("<" + role + ">" + *text);
  if (role == "system" || role == "developer") {
    ask_.system_text += *text + '\n';
    return {};
  }
  ask_.tool_results.clear();
  if (role == "assistant") return {};
  ask_.last_user_text = *text;
  if (ask_.first_user_text.empty()) ask_.first_user_text = *text;
  ask_.step = 0;
  reasoned_ = false;
  return {};
}

Checked<std::string> ResponsesItems::text_of(const Json& content, const std::string& role,
                                             const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array())
    return bad("Invalid type for '" + where + "': expected a string or an array of objects.", where,
               "invalid_type");
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    auto fine = read_part(content[i], role, where + "[" + std::to_string(i) + "]", text);
    if (!fine) return std::unexpected{fine.error()};
  }
  return text;
}

Checked<void> ResponsesItems::read_part(const Json& part, const std::string& role,
                                        const std::string& where, std::string& text) {
  const auto type = string_member(part, "type");
  const bool assistant = role == "assistant";
  const bool written = type == "output_text" || type == "refusal";
  const bool spoken = type == "input_text";
  if ((assistant && written) || (!assistant && spoken) || (deepseek_ && (written || spoken))) {
    text += string_member(part, type == "refusal" ? "refusal" : "text");
    return {};
  }
  const bool picture = type == "input_image" && !assistant &&
                       (!deepseek_ || (role != "system" && deepseek_sees(ask_.model)));
  if (picture || (type == "input_file" && !assistant && !deepseek_)) {
    ask_.prompt.add_media(part.dump(), 765);
    return {};
  }
  const std::string supported =
      assistant ? "'output_text' and 'refusal'" : "'input_text', 'input_image', and 'input_file'";
  return bad("Invalid value: '" + type + "'. Supported values are: " + supported + ".", where,
             "invalid_value");
}

Checked<void> ResponsesItems::read_reasoning(const Json& item, const std::string& where) {
  const auto encrypted = string_member(item, "encrypted_content");
  const auto id = string_member(item, "id");
  const auto& content = member(item, "content");
  if (deepseek_) {
    if (!encrypted.empty())
      return bad(where + ".encrypted_content: this content was not made by this service", where);
    for (const auto& part : content) {
      if (string_member(part, "type") != "reasoning_text") continue;
      reasoned_ = true;
      ask_.prompt.add("<thinking>" + string_member(part, "text"));
    }
    return {};
  }
  if (auto fine = check_id(item, "rs", where); !fine) return fine;
  if (content.is_array() && !content.empty()) {
    return bad("Invalid '" + where +
                   ".content': array too long. Expected an array with maximum length 0, but got an "
                   "array with length " +
                   std::to_string(content.size()) + " instead.",
               where + ".content", "array_above_max_length");
  }
  if (!encrypted.empty() && !is_sealed_reasoning(encrypted)) {
    return bad("The encrypted content " + encrypted.substr(0, utf8_cut(encrypted, 4)) +
                   "... could not be verified. Reason: Encrypted content could not be decrypted or "
                   "parsed.",
               "", "invalid_encrypted_content");
  }
  if (encrypted.empty() && !id.empty() && store_.item(key_, id) == nullptr) {
    return std::unexpected{openai_refusal(
        404,
        "Item with id '" + id +
            "' not found. Items are not persisted when `store` is set to false. Try again with "
            "`store` set to true, or remove this item from your input.",
        "input")};
  }
  ask_.prompt.add("<thinking>" + encrypted);
  return {};
}

Checked<void> ResponsesItems::read_call(const Json& item, bool custom, const std::string& where) {
  const auto id = string_member(item, "call_id");
  if (auto fine = check_call_id(id, where); !fine) return fine;
  if (auto fine = check_id(item, custom ? "ctc" : "fc", where); !fine) return fine;
  const auto* field = custom ? "input" : "arguments";
  if (!member(item, field).is_string())
    return bad("Missing required parameter: '" + where + "." + field + "'.", where,
               "missing_required_parameter");
  if (deepseek_ && ask_.thinking && !reasoned_)
    return bad("The `reasoning_text` in the thinking mode must be passed back to the API.", where);
  if (!in_calls_) ++ask_.step;
  ask_.tool_results.clear();
  ask_.tool_failed = false;
  open_calls_.push_back(id);
  ask_.prompt.add("<call " + id + ">" + string_member(item, "name") + string_member(item, field));
  return {};
}

Checked<void> ResponsesItems::read_output(const Json& item, bool custom, const std::string& where) {
  const auto id = string_member(item, "call_id");
  if (auto fine = check_call_id(id, where); !fine) return fine;
  const auto at = std::find(open_calls_.begin(), open_calls_.end(), id);
  if (at == open_calls_.end()) {
    return bad(std::string{"No tool call found for "} +
                   (custom ? "custom tool call" : "function call") + " output with call_id " + id +
                   ".",
               "input");
  }
  open_calls_.erase(at);
  auto text = text_of(member(item, "output"), "tool", where + ".output");
  if (!text) return std::unexpected{text.error()};
  ask_.prompt.add("<result " + id + ">" + *text);
  ask_.tool_results.push_back(std::move(*text));
  reasoned_ = false;
  return {};
}

Checked<void> ResponsesItems::check_id(const Json& item, std::string_view prefix,
                                       const std::string& where) const {
  const auto id = string_member(item, "id");
  if (deepseek_ || id.empty() || id.starts_with(prefix)) return {};
  return bad("Invalid '" + where + ".id': '" + id.substr(0, utf8_cut(id, 64)) +
                 "'. Expected an ID that begins with '" + std::string{prefix} + "'.",
             where + ".id", "invalid_value");
}

Checked<void> ResponsesItems::check_call_id(const std::string& id, const std::string& where) const {
  if (id.empty())
    return bad("Missing required parameter: '" + where + ".call_id'.", where + ".call_id",
               "missing_required_parameter");
  if (deepseek_ || id.size() <= 64) return {};
  return bad("Invalid '" + where +
                 ".call_id': string too long. Expected a string with maximum length 64, but got a "
                 "string with length " +
                 std::to_string(id.size()) + " instead.",
             where + ".call_id", "string_above_max_length");
}

// OpenAI's reasoning goes with the item that it led to; a message without an id is not that item.
Checked<void> ResponsesItems::check_following() const {
  const auto& items = ask_.responses.items;
  for (std::size_t i = 0; i < items.size() && !deepseek_; ++i) {
    const auto id = string_member(items[i], "id");
    if (type_of(items[i]) != "reasoning" || id.empty()) continue;
    const auto next = i + 1 < items.size() ? type_of(items[i + 1]) : "";
    const bool spoken = next == "message" && string_member(items[i + 1], "role") == "assistant" &&
                        !string_member(items[i + 1], "id").empty();
    const bool other = next == "reasoning" || next == "compaction" || next.ends_with("_call");
    if (spoken || other) continue;
    return bad("Item '" + id +
                   "' of type 'reasoning' was provided without its required following "
                   "item.",
               "input");
  }
  return {};
}

}  // namespace turnpike::simulator
