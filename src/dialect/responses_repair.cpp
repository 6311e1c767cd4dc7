#include "dialect/responses_repair.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dialect/issuer_tag.hpp"
#include "dialect/responses_history.hpp"
#include "dialect/responses_item.hpp"
#include "dialect/responses_parts.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

constexpr std::string_view no_result = "The call was interrupted; there is no result.";
/// The one free-text tool that DeepSeek accepts; any other is a 400 there ("Unsupported custom
/// tool").
constexpr std::string_view known_custom_tool = "apply_patch";

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

std::string json_text(std::string_view text) {
  std::string out;
  wire::append_quoted(out, text);
  return out;
}

struct Replaced {
  std::string_view name;
  std::string json;  // empty: the member is left out
};

/// The object with some members replaced; the others keep their bytes and their order. What it
/// lacks is added.
std::string remade(const JsonFields& fields, std::span<const Replaced> changes) {
  std::string out = "{";
  const auto append = [&out](std::string_view name, std::string_view json) {
    if (out.size() > 1) out += ',';
    out.append(1, '"').append(name).append("\":").append(json);
  };
  for (const auto& member : fields) {
    const auto change = std::ranges::find_if(
        changes, [&member](const Replaced& replaced) { return member.is(replaced.name); });
    if (change == changes.end()) {
      append(member.key, member.value.raw());
    } else if (!change->json.empty()) {
      append(change->name, change->json);
    }
  }
  for (const auto& [name, json] : changes) {
    if (!json.empty() && fields[name].absent()) append(name, json);
  }
  return out + "}";
}

struct Entry {
  ResponsesItem kind = ResponsesItem::unknown;
  std::string_view raw;
  std::string made;  // instead of `raw`
  std::string call_id;
  std::string images;  // of an output: parts for a message of their own, with commas between
  bool assistant = false;

  [[nodiscard]] std::string_view json() const {
    return made.empty() ? raw : std::string_view{made};
  }
  [[nodiscard]] bool call() const {
    return kind == ResponsesItem::call || kind == ResponsesItem::custom_call;
  }
  [[nodiscard]] bool output() const {
    return kind == ResponsesItem::output || kind == ResponsesItem::custom_output;
  }
};

using Entries = std::vector<Entry>;

/// The calls of one step that nothing has answered yet. Calls of one id are answered together: a
/// second output of that id has no call. Borrows the calls.
class OpenCalls {
 public:
  explicit OpenCalls(const Entries& calls) : calls_(calls) {
    for (const auto& call : calls) open_.try_emplace(call.call_id, &call);
  }

  /// The call that this output answers, which is answered from now on: the one with its id, or the
  /// first if it has none. Null: there is no such call.
  const Entry* take(const Entry& output) {
    if (output.call_id.empty()) return take_first();
    const auto found = open_.find(output.call_id);
    if (found == open_.end()) return nullptr;
    const auto* call = found->second;
    open_.erase(found);
    return call;
  }

 private:
  const Entry* take_first() {
    while (next_ < calls_.size()) {
      const auto& call = calls_[next_++];
      if (open_.erase(call.call_id) != 0) return &call;
    }
    return nullptr;
  }

  const Entries& calls_;
  std::unordered_map<std::string_view, const Entry*> open_;  // by id
  std::size_t next_ = 0;                                     // all calls before it are answered
};

Entry made_entry(ResponsesItem kind, std::string json) {
  Entry entry;
  entry.kind = kind;
  entry.made = std::move(json);
  entry.assistant = said_by_assistant(kind);
  return entry;
}

Entry user_message(std::string_view parts) {
  return made_entry(ResponsesItem::message,
                    fmt::format(R"({{"role":"user","content":[{}]}})", parts));
}

std::string text_part(std::string_view text) {
  return fmt::format(R"({{"type":"input_text","text":{}}})", json_text(text));
}

Entry reasoning_entry(std::string_view text) {
  return made_entry(
      ResponsesItem::reasoning,
      fmt::format(
          R"({{"type":"reasoning","summary":[],"content":[{{"type":"reasoning_text","text":{}}}]}})",
          json_text(text)));
}

std::string joined(const Entries& entries) {
  std::string out = "[";
  for (const auto& entry : entries) {
    if (out.size() > 1) out += ',';
    out += entry.json();
  }
  return out + "]";
}

class InputRepairer {
 public:
  InputRepairer(const ResponsesRepair& how, Losses& losses) : how_(how), losses_(losses) {}

  Result<std::optional<std::string>> run(JsonView input) {
    std::size_t index = 0;
    for (const auto& raw : input.elements()) {
      param_ = fmt::format("input[{}]", index++);
      if (auto done = take(raw); !done) return std::unexpected{std::move(done.error())};
    }
    for (std::size_t at = 0; at < taken_.size();) at = take_step(at);
    if (!changed_) return std::nullopt;
    return joined(repaired_);
  }

 private:
  // ---- one item by itself

  Result<void> take(JsonView raw) {
    const JsonFields item{raw};
    const auto type = item["type"].text();
    Entry entry;
    entry.kind = responses_item(type, !item["role"].none());
    entry.raw = raw.raw();
    entry.call_id = item["call_id"].text();
    switch (entry.kind) {
      case ResponsesItem::message:
        entry.assistant = item["role"].text_is("assistant");
        break;
      case ResponsesItem::reasoning:
        return keep_own_reasoning(item, std::move(entry));
      case ResponsesItem::call:
      case ResponsesItem::custom_call:
        take_call(item, entry);
        break;
      case ResponsesItem::output:
      case ResponsesItem::custom_output:
        if (dropped_calls_.contains(entry.call_id)) return drop();
        take_output(item, entry);
        break;
      case ResponsesItem::trigger:
        return unsupported("This provider compacts no history.", param_);
      case ResponsesItem::reference:
        return unsupported("Stored items belong to one provider; send the items themselves.",
                           param_);
      case ResponsesItem::agent_message:
        take_agent_message(item, entry);
        if (entry.made.empty()) return drop();
        break;
      case ResponsesItem::compaction:
        losses_.add(Loss::context_management);
        return drop();
      case ResponsesItem::tools:
        return drop();
      case ResponsesItem::hosted_call:
        if (type != "web_search_call") return drop_hosted(item, Loss::server_tools);
        entry.assistant = true;
        break;
      case ResponsesItem::hosted_output:
        return drop_hosted(item, Loss::server_tools);
      case ResponsesItem::unknown:
        return drop_hosted(item, Loss::unknown_field);
    }
    changed_ |= !entry.made.empty();
    taken_.push_back(std::move(entry));
    return {};
  }

  Result<void> drop() {
    changed_ = true;
    return {};
  }

  Result<void> drop_hosted(const JsonFields& item, Loss loss) {
    losses_.add(loss);
    for (const std::string_view name : {"call_id", "id"}) {
      if (auto id = item[name].text(); !id.empty()) dropped_calls_.insert(std::move(id));
    }
    return drop();
  }

  /// Its own is that with its own name on it, or plain text: who encrypts is another vendor.
  Result<void> keep_own_reasoning(const JsonFields& item, Entry entry) {
    const auto token = item["encrypted_content"].text();
    const auto text = responses_reasoning_text(item);
    const auto tag = read_issuer_tag(token);
    const bool foreign =
        tag ? tag->provider != how_.candidate.provider || tag->family != how_.candidate.family
            : !token.empty() || item["content"].elements().empty();
    if (foreign) {
      losses_.add_if(!token.empty() || !text.empty(), Loss::reasoning_history);
      return drop();
    }
    if (tag && text.empty()) return drop();
    if (tag) entry.made = reasoning_entry(text).made;
    changed_ |= tag.has_value();
    entry.assistant = true;
    taken_.push_back(std::move(entry));
    return {};
  }

  void take_call(const JsonFields& item, Entry& entry) {
    entry.assistant = true;
    const auto name = item["name"].text();
    const auto name_space = item["namespace"].text();
    const bool custom = entry.kind == ResponsesItem::custom_call;
    if (how_.flat == nullptr && (!custom || name == known_custom_tool)) return;
    const auto flat = how_.flat != nullptr ? how_.flat->flat_name(name_space, name) : name;
    if (!custom && flat == name && name_space.empty()) return;
    std::vector<Replaced> changes = {
        {"type", R"("function_call")"}, {"name", json_text(flat)}, {"namespace", {}}};
    if (custom) {
      changes.push_back({"input", {}});
      changes.push_back({"arguments", json_text(wrapped_input(item["input"].text()))});
      losses_.add(Loss::custom_tools);
    }
    entry.kind = ResponsesItem::call;
    entry.made = remade(item, changes);
  }

  void take_output(const JsonFields& item, Entry& entry) {
    const auto output = item["output"];
    if (output.is_string()) return;
    std::string text;
    for (const auto& raw : output.elements()) {
      const JsonFields part{raw};
      if (const auto piece = part["text"].text(); !piece.empty()) {
        if (!text.empty()) text += '\n';
        text += piece;
      } else if (part["type"].text_is("input_image") || part["type"].text_is("input_file")) {
        if (!entry.images.empty()) entry.images += ',';
        entry.images += raw.raw();
      }
    }
    if (text.empty() && !entry.images.empty()) text = "The result follows in the next message.";
    entry.made = remade(item, std::vector<Replaced>{{"output", json_text(text)}});
  }

  void take_agent_message(const JsonFields& item, Entry& entry) {
    std::string said;
    for (const auto& raw : item["content"].elements()) said += JsonFields{raw}["text"].text();
    if (!said.empty()) entry.made = user_message(text_part(said)).made;
    losses_.add_if(said.empty(), Loss::unknown_field);
    entry.kind = ResponsesItem::message;
  }

  // ---- one step: the assistant's items and what follows up to its next ones

  std::size_t take_step(std::size_t at) {
    Entries said;
    Entries calls;
    for (; at < taken_.size() && taken_[at].assistant; ++at) {
      changed_ |= !taken_[at].call() && !calls.empty();
      (taken_[at].call() ? calls : said).push_back(std::move(taken_[at]));
    }
    OpenCalls open{calls};
    Entries answers;
    Entries follow;
    for (; at < taken_.size() && !taken_[at].assistant; ++at) {
      auto& entry = taken_[at];
      if (!entry.output()) {
        follow.push_back(std::move(entry));
      } else if (const auto* call = open.take(entry)) {
        changed_ |= !follow.empty();
        answers.push_back(answer_to(*call, std::move(entry)));
        changed_ |= !answers.back().made.empty();
      } else {
        changed_ = true;
        follow.push_back(orphan(entry));
      }
    }
    if (!calls.empty()) supply_reasoning(said, calls);
    append(std::move(said));
    append(std::move(calls));
    append_answers(std::move(answers));
    append(std::move(follow));
    return at;
  }

  /// In the words of its call: of the same kind, and with its id.
  static Entry answer_to(const Entry& call, Entry output) {
    const bool custom = call.kind == ResponsesItem::custom_call;
    const auto wanted = custom ? ResponsesItem::custom_output : ResponsesItem::output;
    if (output.kind == wanted && !output.call_id.empty()) return output;
    const std::string json{output.json()};
    output.made = remade(
        JsonFields{JsonView{json}},
        std::vector<Replaced>{{"type", type_of(wanted)}, {"call_id", json_text(call.call_id)}});
    output.kind = wanted;
    output.call_id = call.call_id;
    return output;
  }

  static std::string type_of(ResponsesItem output) {
    return output == ResponsesItem::custom_output ? R"("custom_tool_call_output")"
                                                  : R"("function_call_output")";
  }

  static Entry orphan(const Entry& output) {
    const JsonFields item{JsonView{output.json()}};
    auto parts = text_part("<tool_result>\n" + item["output"].text() + "\n</tool_result>");
    if (!output.images.empty()) parts += "," + output.images;
    return user_message(parts);
  }

  void supply_reasoning(Entries& said, const Entries& calls) {
    if (!how_.candidate.quirks.reasoning_history || !how_.thinks) return;
    const auto is_reasoning = [](const Entry& entry) {
      return entry.kind == ResponsesItem::reasoning;
    };
    if (std::ranges::any_of(said, is_reasoning)) return;
    said.insert(said.begin(), reasoning_entry(kept_reasoning(calls)));
    changed_ = true;
  }

  [[nodiscard]] std::string kept_reasoning(const Entries& calls) const {
    std::string text;
    if (how_.options.opaque == nullptr) return text;
    for (const auto& call : calls) {
      const auto state = how_.options.opaque->find(how_.options.owner, call.call_id);
      if (!state) continue;
      const bool own =
          state->kind == OpaqueKind::deepseek_reasoning && state->vendor == how_.candidate.provider;
      if (own) {
        how_.options.note_put_back(*state);
        for (const auto& block : state->blocks) text += block.text;
      }
      return text;
    }
    return text;
  }

  void append(Entries entries) {
    for (auto& entry : entries) {
      if (entry.call()) open_.push_back({entry.kind, entry.call_id});
      repaired_.push_back(std::move(entry));
    }
  }

  void append_answers(Entries answers) {
    std::unordered_set<std::string> answered;
    std::string images;
    for (auto& answer : answers) {
      answered.insert(answer.call_id);
      if (!answer.images.empty()) images += (images.empty() ? "" : ",") + answer.images;
      repaired_.push_back(std::move(answer));
    }
    for (const auto& call : open_) {
      if (answered.contains(call.id)) continue;
      changed_ = true;
      const auto kind = call.kind == ResponsesItem::custom_call ? ResponsesItem::custom_output
                                                                : ResponsesItem::output;
      repaired_.push_back(
          made_entry(kind, fmt::format(R"({{"type":{},"call_id":{},"output":{}}})", type_of(kind),
                                       json_text(call.id), json_text(no_result))));
    }
    open_.clear();
    if (!images.empty()) repaired_.push_back(user_message(images));
  }

  struct Open {
    ResponsesItem kind;
    std::string id;
  };

  const ResponsesRepair& how_;
  Losses& losses_;
  Entries taken_;
  Entries repaired_;
  std::vector<Open> open_;  // calls of the step, until its answers are there
  std::unordered_set<std::string> dropped_calls_;
  std::string param_;
  bool changed_ = false;
};

}  // namespace

Result<std::optional<std::string>> repair_responses_input(JsonView input,
                                                          const ResponsesRepair& how,
                                                          Losses& losses) {
  if (!input.is_array()) return std::nullopt;
  return InputRepairer{how, losses}.run(input);
}

std::optional<std::string> without_gateway_tokens(JsonView input, Losses& losses) {
  Entries kept;
  bool found = false;
  for (const auto& raw : input.elements()) {
    const JsonFields item{raw};
    if (read_issuer_tag(item["encrypted_content"].text())) {
      found = true;
      continue;
    }
    Entry entry;
    entry.raw = raw.raw();
    kept.push_back(std::move(entry));
  }
  if (!found) return std::nullopt;
  losses.add(Loss::reasoning_history);
  return joined(kept);
}

}  // namespace turnpike::dialect
