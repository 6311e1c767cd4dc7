#include "dialect/structural_repair.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "dialect/tool_ids.hpp"

namespace turnpike::dialect {

namespace {

constexpr std::string_view placeholder = "(empty)";
constexpr std::string_view go_on = "Continue.";
constexpr std::string_view no_result = "The call was interrupted; there is no result.";

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

bool is_blank_text(const ir::Block& block) {
  const auto* text = std::get_if<ir::Text>(&block);
  return text != nullptr && blank(text->text);
}

void drop_blank_parts(std::vector<ir::ResultPart>& parts) {
  std::erase_if(parts, [](const ir::ResultPart& part) {
    const auto* text = std::get_if<ir::Text>(&part);
    return text != nullptr && blank(text->text);
  });
}

std::string all_text(const std::vector<ir::ResultPart>& parts) {
  std::string joined;
  for (const auto& part : parts) {
    const auto* text = std::get_if<ir::Text>(&part);
    if (text == nullptr) continue;
    if (!joined.empty()) joined += '\n';
    joined += text->text;
  }
  return joined;
}

class Repairer {
 public:
  explicit Repairer(const RepairRules& rules) : rules_(rules) {}

  ir::Conversation run(std::vector<ir::Message> messages) {
    std::size_t at = take_leading_system(messages);
    while (at < messages.size()) at = take_segment(messages, at);
    finish();
    return std::move(conversation_);
  }

 private:
  std::size_t take_leading_system(std::vector<ir::Message>& messages) {
    std::size_t at = 0;
    for (; at < messages.size() && messages[at].role == ir::Role::system; ++at) {
      for (auto& block : messages[at].blocks) {
        auto* text = std::get_if<ir::Text>(&block);
        if (text != nullptr && !blank(text->text)) conversation_.system.push_back(std::move(*text));
      }
    }
    return at;
  }

  /// One assistant turn (possibly of several messages, possibly none) and all that follows up to
  /// the next.
  std::size_t take_segment(std::vector<ir::Message>& messages, std::size_t at) {
    std::vector<ir::Block> said;
    for (; at < messages.size() && messages[at].role == ir::Role::assistant; ++at) {
      for (auto& block : messages[at].blocks) {
        if (!is_blank_text(block)) said.push_back(std::move(block));
      }
    }
    const auto is_thinking = [](const ir::Block& block) {
      return std::holds_alternative<ir::Reasoning>(block);
    };
    if (std::ranges::all_of(said, is_thinking)) said.clear();
    const auto follow_begin = at;
    while (at < messages.size() && messages[at].role != ir::Role::assistant) ++at;

    std::vector<ir::ToolResult> results;
    for (auto i = follow_begin; i < at; ++i) take_results(messages[i], results);
    auto answers = answer_calls(said, results);
    if (!said.empty()) append(ir::Turn::Who::assistant, std::move(said));
    if (!answers.empty()) append(ir::Turn::Who::user, std::move(answers));
    for (auto i = follow_begin; i < at; ++i) take_following(messages[i]);
    for (auto& orphan : results) append(ir::Turn::Who::user, as_text(std::move(orphan)));
    return at;
  }

  static void take_results(ir::Message& message, std::vector<ir::ToolResult>& results) {
    if (message.role != ir::Role::tool) return;
    for (auto& block : message.blocks) {
      if (auto* result = std::get_if<ir::ToolResult>(&block)) results.push_back(std::move(*result));
    }
  }

  /// Gives every call its wire id and takes its result out of `results`.
  std::vector<ir::Block> answer_calls(std::vector<ir::Block>& said,
                                      std::vector<ir::ToolResult>& results) {
    std::vector<ir::ToolCall*> calls;
    for (auto& block : said) {
      if (auto* call = std::get_if<ir::ToolCall>(&block)) calls.push_back(call);
    }
    // Exact ids first, so that a result without one cannot take the place of a sibling's.
    std::vector<std::vector<ir::ToolResult>::iterator> matched(calls.size(), results.end());
    std::vector<bool> taken(results.size(), false);
    const auto match = [&](auto fits) {
      for (std::size_t c = 0; c < calls.size(); ++c) {
        for (std::size_t r = 0; r < results.size() && matched[c] == results.end(); ++r) {
          if (taken[r] || !fits(*calls[c], results[r])) continue;
          taken[r] = true;
          matched[c] = results.begin() + static_cast<std::ptrdiff_t>(r);
        }
      }
    };
    match([](const ir::ToolCall& c, const ir::ToolResult& r) {
      return !c.id.empty() && c.id == r.id;
    });
    match([](const ir::ToolCall& c, const ir::ToolResult& r) {
      return r.id.empty() || c.id.empty();
    });

    std::vector<ir::Block> answers;
    for (std::size_t c = 0; c < calls.size(); ++c) {
      calls[c]->wire_id = unique_id(*calls[c]);
      ir::ToolResult answer;
      if (matched[c] != results.end()) {
        answer = std::move(*matched[c]);
        drop_blank_parts(answer.parts);
      } else {
        answer.is_error = true;
        answer.parts.emplace_back(ir::Text{std::string{no_result}});
      }
      answer.wire_id = calls[c]->wire_id;
      answer.name = calls[c]->name;
      answers.emplace_back(std::move(answer));
    }
    std::size_t index = 0;
    std::erase_if(results, [&](const ir::ToolResult&) { return taken[index++]; });
    return answers;
  }

  std::string unique_id(const ir::ToolCall& call) {
    ++calls_seen_;
    auto id = call.id.empty() ? made_tool_id(fmt::format("{}:{}", calls_seen_, call.name))
                              : wire_tool_id(call.id);
    if (used_ids_.contains(id)) id = made_tool_id(fmt::format("{}#{}", call.id, calls_seen_));
    used_ids_.insert(id);
    return id;
  }

  /// A result nobody has asked for here: its call was compacted away.
  static std::vector<ir::Block> as_text(ir::ToolResult orphan) {
    std::vector<ir::Block> blocks;
    blocks.emplace_back(ir::Text{"<tool_result>\n" + all_text(orphan.parts) + "\n</tool_result>"});
    for (auto& part : orphan.parts) {
      if (auto* media = std::get_if<ir::Media>(&part)) blocks.emplace_back(std::move(*media));
    }
    return blocks;
  }

  void take_following(ir::Message& message) {
    if (message.role == ir::Role::tool) return;
    std::erase_if(message.blocks, is_blank_text);
    if (message.role == ir::Role::system) {
      if (message.blocks.empty()) return;
      if (rules_.mid_system) return append(ir::Turn::Who::system, std::move(message.blocks));
      return append(ir::Turn::Who::user, tagged(std::move(message.blocks)));
    }
    if (message.blocks.empty()) {
      // Only an otherwise empty turn needs a word.
      if (!conversation_.turns.empty() && conversation_.turns.back().who == ir::Turn::Who::user) return;
      message.blocks.emplace_back(ir::Text{std::string{placeholder}});
    }
    append(ir::Turn::Who::user, std::move(message.blocks));
  }

  static std::vector<ir::Block> tagged(std::vector<ir::Block> blocks) {
    for (auto& block : blocks) {
      if (auto* text = std::get_if<ir::Text>(&block))
        text->text = "<system>\n" + text->text + "\n</system>";
    }
    return blocks;
  }

  void append(ir::Turn::Who who, std::vector<ir::Block> blocks) {
    auto& turns = conversation_.turns;
    if (turns.empty() || turns.back().who != who) turns.push_back({who, {}});
    for (auto& block : blocks) turns.back().blocks.push_back(std::move(block));
  }

  void finish() {
    auto& turns = conversation_.turns;
    if (turns.empty() || turns.front().who != ir::Turn::Who::user) {
      turns.insert(turns.begin(), ir::Turn{ir::Turn::Who::user, {ir::Text{std::string{placeholder}}}});
    }
    if (turns.back().who != ir::Turn::Who::assistant) return;
    if (rules_.end_with_user) return append(ir::Turn::Who::user, {ir::Text{std::string{go_on}}});
    if (auto* text = std::get_if<ir::Text>(&turns.back().blocks.back())) {
      text->text.erase(text->text.find_last_not_of(" \t\r\n") + 1);
    }
  }

  RepairRules rules_;
  ir::Conversation conversation_;
  std::unordered_set<std::string> used_ids_;
  std::size_t calls_seen_ = 0;
};

}  // namespace

ir::Conversation repair(std::vector<ir::Message> messages, const RepairRules& rules) {
  return Repairer{rules}.run(std::move(messages));
}

}  // namespace turnpike::dialect
