#include "dialect/anthropic_turns.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "dialect/anthropic_edit.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

/// As structural_repair says it on crossings.
constexpr std::string_view go_on = R"({"role":"user","content":"Continue."})";

RawBlock::Kind kind_of(const JsonFields& block) {
  using Kind = RawBlock::Kind;
  const auto type = block["type"];
  if (type.text_is("text")) return Kind::text;
  if (type.text_is("thinking")) return Kind::thinking;
  if (type.text_is("redacted_thinking")) return Kind::redacted;
  if (type.text_is("tool_use")) return Kind::call;
  return type.text_is("tool_result") ? Kind::result : Kind::other;
}

std::string text_block(std::string_view json_string) {
  std::string block{R"({"type":"text","text":)"};
  return block.append(json_string).append("}");
}

std::string tagged(std::string_view text) {
  std::string whole{"<system>\n"};
  return quoted_json(whole.append(text).append("\n</system>"));
}

class Joiner {
 public:
  explicit Joiner(bool system_to_user) : system_to_user_(system_to_user) {}

  void add(std::string_view message) {
    if (out_.size() > 1) out_ += ',';
    out_.append(message);
  }

  /// Messages between two of the assistant's; `joined`: they must become one.
  void add_run(std::span<const RawTurn* const> run, bool joined) {
    const auto is_system = [](const RawTurn* turn) { return turn->role == RawTurn::Role::system; };
    if (!joined && !(system_to_user_ && std::ranges::any_of(run, is_system))) {
      for (const auto* turn : run) add(message_of(*turn));
      return;
    }
    std::string results;
    std::string others;
    for (const auto* turn : run) {
      if (is_system(turn) && !system_to_user_) {
        flush(results, others);
        add(message_of(*turn));
      } else {
        collect(*turn, results, others);
      }
    }
    flush(results, others);
  }

  static std::string message_of(const RawTurn& turn) {
    if (!turn.changed) return std::string{turn.raw.raw()};
    std::string content;
    for (const auto& block : turn.blocks) {
      if (!block.removed) append(content, block.json());
    }
    const MemberEdit edit{"content", "[" + content + "]"};
    return edited_object(turn.raw, {&edit, 1});
  }

  std::string finish() { return std::move(out_ += ']'); }

 private:
  static void append(std::string& list, std::string_view json) {
    if (!list.empty()) list += ',';
    list.append(json);
  }

  static void collect(const RawTurn& turn, std::string& results, std::string& others) {
    const bool system = turn.role == RawTurn::Role::system;
    if (turn.content.is_string()) {
      const auto text = turn.content.text();
      if (text.empty()) return;
      append(others, text_block(system ? tagged(text) : turn.content.raw()));
    }
    for (const auto& block : turn.blocks) {
      if (block.removed) continue;
      if (system && block.kind == RawBlock::Kind::text) {
        const MemberEdit edit{"text", tagged(JsonFields{block.raw}["text"].text())};
        append(others, edited_object(block.raw, {&edit, 1}));
      } else {
        append(block.kind == RawBlock::Kind::result ? results : others, block.json());
      }
    }
  }

  void flush(std::string& results, std::string& others) {
    if (!others.empty()) append(results, others);
    if (!results.empty()) add(R"({"role":"user","content":[)" + results + "]}");
    results.clear();
    others.clear();
  }

  bool system_to_user_;
  std::string out_{"["};
};

}  // namespace

bool RawTurn::has(RawBlock::Kind kind) const {
  return std::ranges::any_of(
      blocks, [&](const RawBlock& block) { return block.kind == kind && !block.removed; });
}

bool RawTurn::has_thinking() const {
  return has(RawBlock::Kind::thinking) || has(RawBlock::Kind::redacted);
}

const RawBlock* RawTurn::first() const {
  const auto block = std::ranges::find_if_not(blocks, &RawBlock::removed);
  return block == blocks.end() ? nullptr : &*block;
}

std::string RawTurn::visible_text() const {
  if (content.is_string()) return content.text();
  std::string text;
  for (const auto& block : blocks) {
    if (block.kind == RawBlock::Kind::text) text += JsonFields{block.raw}["text"].text();
  }
  return text;
}

void RawTurn::insert(std::size_t place, RawBlock::Kind kind, std::string json) {
  RawBlock block;
  block.kind = kind;
  block.changed = std::move(json);
  blocks.insert(blocks.begin() + static_cast<std::ptrdiff_t>(std::min(place, blocks.size())),
                std::move(block));
  changed = true;
}

std::vector<RawTurn> read_raw_turns(JsonView messages) {
  std::vector<RawTurn> turns;
  for (const auto& raw : messages.elements()) {
    const JsonFields fields{raw};
    RawTurn turn;
    turn.raw = raw;
    turn.content = fields["content"];
    if (fields["role"].text_is("assistant")) turn.role = RawTurn::Role::assistant;
    if (fields["role"].text_is("system")) turn.role = RawTurn::Role::system;
    for (const auto& block : turn.content.elements()) {
      turn.blocks.push_back({kind_of(JsonFields{block}), block, {}, false});
    }
    turns.push_back(std::move(turn));
  }
  return turns;
}

std::string join_raw_turns(const std::vector<RawTurn>& turns, bool system_to_user,
                           bool end_with_user) {
  Joiner joiner{system_to_user};
  std::vector<const RawTurn*> run;
  bool joined = false;
  bool assistant_last = false;
  for (const auto& turn : turns) {
    if (turn.removed) {
      joined = joined || !run.empty();
      continue;
    }
    assistant_last = turn.role == RawTurn::Role::assistant;
    if (!assistant_last) {
      run.push_back(&turn);
      continue;
    }
    joiner.add_run(run, joined);
    run.clear();
    joined = false;
    joiner.add(Joiner::message_of(turn));
  }
  joiner.add_run(run, joined);
  if (assistant_last && end_with_user) joiner.add(go_on);
  return joiner.finish();
}

}  // namespace turnpike::dialect
