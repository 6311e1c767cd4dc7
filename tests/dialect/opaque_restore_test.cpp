// Histories that switch vendors, with random losses, against the rules of strict providers.
#include "dialect/opaque_restore.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <set>

#include "dialect/emit_anthropic.hpp"
#include "dialect/emit_gemini.hpp"
#include "dialect/issuer_tag.hpp"
#include "request_support.hpp"
#include "support/fake_clock.hpp"

namespace turnpike::dialect::test {
namespace {

using ::turnpike::test::FakeClock;
using Json = OrderedJson;

struct Fixture {
  FakeClock clock;
  OpaqueStore store{clock};
  TranslateOptions options{.opaque = &store, .owner = "k"};
};

OpaqueState state_of(const Candidate& maker, OpaqueKind kind, std::vector<OpaqueBlock> blocks) {
  return {maker.provider, maker.family, kind, std::move(blocks)};
}

OpaqueState thinking(const Candidate& maker, const std::string& signature,
                     std::int32_t calls_before = 0, bool after_text = false) {
  return state_of(
      maker, OpaqueKind::claude_thinking,
      {{OpaqueBlock::Form::thinking, "thought " + signature, signature, calls_before, after_text}});
}

ir::Block call(std::string id, std::string signature = {}) {
  ir::ToolCall block;
  block.id = std::move(id);
  block.name = "f";
  block.arguments = "{}";
  block.signature = std::move(signature);
  return block;
}

ir::Message user(std::string text) { return {ir::Role::user, {ir::Text{std::move(text)}}}; }
ir::Message says(std::vector<ir::Block> blocks) { return {ir::Role::assistant, std::move(blocks)}; }
ir::Message result(std::string id) {
  ir::ToolResult block;
  block.id = std::move(id);
  block.parts.emplace_back(ir::Text{"ok"});
  return {ir::Role::tool, {std::move(block)}};
}

ir::Request request_of(std::vector<ir::Message> messages) {
  ir::Request request;
  request.messages = std::move(messages);
  request.tools.push_back({"f", "", "{}"});
  request.effort = Effort::medium;
  return request;
}

Json claude_body(ir::Request request, const Candidate& target, const TranslateOptions& options) {
  auto out = emit_anthropic(std::move(request), target, options);
  REQUIRE(out.has_value());
  return Json::parse(out->body);
}

Json gemini_body(ir::Request request, const Candidate& target, const TranslateOptions& options) {
  auto out = emit_gemini(std::move(request), target, options);
  REQUIRE(out.has_value());
  return Json::parse(out->body);
}

/// "thinking:s1 text tool_use …" of one message.
std::string outline(const Json& message) {
  std::string line;
  for (const auto& block : message["content"]) {
    if (!line.empty()) line += ' ';
    line += text_at(block, "type");
    if (block.contains("signature")) line += ":" + text_at(block, "signature");
  }
  return line;
}

// ---- Claude

TEST_CASE("A turn in several messages gets its thinking once, each block in its place",
          "[restore]") {
  Fixture fixture;
  const auto target = claude();
  auto state = thinking(target, "s1");
  state.blocks.push_back({OpaqueBlock::Form::redacted, {}, "r2", 0, true});
  state.blocks.push_back({OpaqueBlock::Form::thinking, "third", "s3", 1, false});
  fixture.store.put("k", "c1", state);
  fixture.store.put("k", "c2", state);
  const auto body =
      claude_body(request_of({user("q"), says({ir::Reasoning{"summary", write_issuer_tag(target)}}),
                              says({ir::Text{"I look."}}), says({call("c1")}), says({call("c2")}),
                              result("c1"), result("c2")}),
                  target, fixture.options);
  CHECK(outline(body["messages"][1]) ==
        "thinking:s1 text redacted_thinking tool_use thinking:s3 tool_use");
}

TEST_CASE("Thinking behind a text stands behind it, also when calls came before", "[restore]") {
  Fixture fixture;
  const auto target = claude();
  auto state = thinking(target, "s1");
  state.blocks.push_back({OpaqueBlock::Form::thinking, "second", "s2", 1, true});
  state.blocks.push_back({OpaqueBlock::Form::thinking, "third", "s3", 2, false});
  fixture.store.put("k", "c1", state);
  const auto body = claude_body(
      request_of({user("q"),
                  says({ir::Text{"A."}, call("c1"), ir::Text{"B."}, call("c2"), call("c3")}),
                  result("c1"), result("c2"), result("c3")}),
      target, fixture.options);
  CHECK(outline(body["messages"][1]) ==
        "thinking:s1 text tool_use text thinking:s2 tool_use thinking:s3 tool_use");
}

TEST_CASE("Two turns of the assistant in a row keep their own thinking", "[restore]") {
  Fixture fixture;
  const auto target = claude();
  fixture.store.put("k", turn_key("One."), thinking(target, "s1"));
  fixture.store.put("k", "c2", thinking(target, "s2"));
  const auto body = claude_body(request_of({user("q"), says({ir::Text{"One."}}),
                                            says({ir::Text{"Two."}, call("c2")}), result("c2")}),
                                target, fixture.options);
  CHECK(outline(body["messages"][1]) == "thinking:s1 text thinking:s2 text tool_use");
}

TEST_CASE("A turn known to have had no thinking is no gap; an unknown or lost one is",
          "[restore]") {
  Fixture fixture;
  const auto target = claude();
  fixture.store.put("k", "c1", thinking(target, "s1"));
  fixture.store.put("k", "c2", state_of(target, OpaqueKind::claude_thinking, {}));
  const auto history = [](ir::Message second) {
    return request_of(
        {user("q"), says({call("c1")}), result("c1"), std::move(second), user("go on")});
  };
  const auto has_thinking = [&](ir::Message second) {
    return claude_body(history(std::move(second)), target, fixture.options).dump().find("\"s1\"") !=
           std::string::npos;
  };
  CHECK(has_thinking(says({call("c2")})));
  CHECK_FALSE(has_thinking(says({call("c9")})));
  // Without calls nothing is insisted on, unless the gateway's token says that there was thinking.
  CHECK(has_thinking(says({ir::Text{"Done."}})));
  CHECK(has_thinking(says({ir::Reasoning{"hm", write_issuer_tag(deepseek())}, ir::Text{"Done."}})));
  CHECK_FALSE(
      has_thinking(says({ir::Reasoning{"hm", write_issuer_tag(target)}, ir::Text{"Done."}})));
  fixture.store.put("k", turn_key("Done."), thinking(target, "s3"));
  CHECK(has_thinking(says({ir::Reasoning{"hm", write_issuer_tag(target)}, ir::Text{"Done."}})));
}

TEST_CASE("An older Claude's loop must begin with thinking; later steps may have none",
          "[restore]") {
  Fixture fixture;
  const auto target = claude(ThinkingStyle::claude_budget);
  const auto none = state_of(target, OpaqueKind::claude_thinking, {});
  const auto loop = [&] {
    auto request =
        request_of({user("q"), says({call("c1")}), result("c1"), says({call("c2")}), result("c2")});
    const bool gap = restore_claude_thinking(request, target, fixture.options);
    const auto& first = request.messages[1].blocks.front();
    CHECK(gap != std::holds_alternative<ir::Reasoning>(first));
    return gap;
  };
  fixture.store.put("k", "c1", thinking(target, "s1"));
  fixture.store.put("k", "c2", none);
  CHECK_FALSE(loop());
  fixture.store.put("k", "c2", thinking(target, "s2"));
  CHECK_FALSE(loop());
  fixture.store.put("k", "c1", none);
  CHECK(loop());
  fixture.store.put("k", "c1", thinking(target, "s1", 0, true));
  CHECK(loop());
}

TEST_CASE("Text beside tool results does not end the loop of an older Claude", "[restore]") {
  Fixture fixture;
  const auto target = claude(ThinkingStyle::claude_budget);
  const auto gap = [&](std::vector<ir::Message> tail) {
    std::vector<ir::Message> messages{user("q"), says({call("c1")}), result("c1")};
    for (auto& message : tail) messages.push_back(std::move(message));
    auto request = request_of(std::move(messages));
    return restore_claude_thinking(request, target, fixture.options);
  };
  CHECK(gap({}));
  CHECK(gap({user("A reminder.")}));
  CHECK(gap({user("A reminder."), says({call("c2")}), result("c2")}));
  CHECK_FALSE(gap({says({ir::Text{"Done."}}), user("Next.")}));
}

// ---- Gemini

TEST_CASE("What a client brings of Gemini's own is sent where nobody knows of another maker",
          "[restore]") {
  Fixture fixture;
  const auto signature_for = [&](const std::string& brought) {
    const auto body =
        gemini_body(request_of({user("q"), says({call("c1", brought)}), result("c1")}), gemini(),
                    fixture.options);
    return text_at(body["contents"][1]["parts"][0], "thoughtSignature");
  };
  const std::string stand_in{gemini_stand_in_signature};
  CHECK(signature_for("QUJDRA==") == "QUJDRA==");
  CHECK(signature_for("ab-_") == "ab-_");
  CHECK(signature_for("") == stand_in);
  CHECK(signature_for("not base64!") == stand_in);
  CHECK(signature_for(write_issuer_tag(gemini(), "c1")) == stand_in);
  CHECK(signature_for(write_issuer_tag(claude(), "c1")) == stand_in);
  fixture.store.put("k", "c1", thinking(claude(), "s1"));
  CHECK(signature_for("QUJDRA==") == stand_in);
  fixture.store.put("k", "c1",
                    state_of(gemini(ThinkingStyle::gemini_budget), OpaqueKind::gemini_signature,
                             {{OpaqueBlock::Form::signature, {}, "b2xk"}}));
  CHECK(signature_for("QUJDRA==") == stand_in);
  fixture.store.put("k", "c1",
                    state_of(gemini(), OpaqueKind::gemini_signature,
                             {{OpaqueBlock::Form::signature, {}, "b3du"}}));
  CHECK(signature_for("QUJDRA==") == "b3du");
}

TEST_CASE("Of parallel calls in several messages only the first gets the stand-in", "[restore]") {
  const Fixture fixture;
  const auto body =
      gemini_body(request_of({user("q"), says({call("c1")}), says({call("c2")}), result("c1"),
                              result("c2"), says({call("c3")}), result("c3")}),
                  gemini(), fixture.options);
  const auto& first = body["contents"][1]["parts"];
  REQUIRE(first.size() == 2);
  CHECK(text_at(first[0], "thoughtSignature") == gemini_stand_in_signature);
  CHECK_FALSE(first[1].contains("thoughtSignature"));
  CHECK(text_at(body["contents"][3]["parts"][0], "thoughtSignature") == gemini_stand_in_signature);
}

// ---- random histories

/// Conversations over three vendors and several families. Each model's state is marked with its
/// maker, so that a foreign one is seen wherever it turns up.
class Story {
 public:
  explicit Story(unsigned seed) : random_(seed) {}

  ir::Request tell(OpaqueStore& store) {
    std::vector<ir::Message> messages;
    const int turns = 1 + pick(6);
    for (int turn = 0; turn < turns; ++turn) {
      messages.push_back(user("question " + std::to_string(turn)));
      const int steps = pick(4);
      for (int step = 0; step < steps; ++step) call_step(messages, store);
      if (turn + 1 < turns || pick(3) == 0) text_turn(messages, store);
    }
    return request_of(std::move(messages));
  }

  static const std::vector<Candidate>& makers() {
    static const std::vector<Candidate> all{
        claude(), claude(ThinkingStyle::claude_always), claude(ThinkingStyle::claude_budget),
        gemini(), gemini(ThinkingStyle::gemini_budget), deepseek()};
    return all;
  }
  static std::string mark(const Candidate& maker) {
    std::string mark = maker.provider + maker.family;
    std::erase_if(mark, [](char c) { return c == '-' || c == '.'; });
    return mark;
  }

 private:
  int pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  bool maybe() { return pick(2) == 0; }
  const Candidate& maker() {
    if (pick(3) == 0) maker_ = static_cast<std::size_t>(pick(static_cast<int>(makers().size())));
    return makers()[maker_];
  }

  OpaqueState made_by(const Candidate& maker, bool calls) {
    const auto signature = mark(maker) + std::to_string(++made_);
    if (maker.dialect == Dialect::gemini_generate)
      return state_of(maker, OpaqueKind::gemini_signature,
                      {{OpaqueBlock::Form::signature, {}, signature}});
    if (maker.provider == "deepseek")
      return state_of(maker, OpaqueKind::deepseek_reasoning,
                      {{OpaqueBlock::Form::reasoning, signature, {}}});
    if (calls && pick(5) == 0) return state_of(maker, OpaqueKind::claude_thinking, {});
    return thinking(maker, signature);
  }

  void reasoning(std::vector<ir::Block>& blocks, const Candidate& maker) {
    if (maybe())
      blocks.emplace_back(
          ir::Reasoning{"plain thought", maybe() ? write_issuer_tag(maker) : "foreign"});
  }

  void call_step(std::vector<ir::Message>& messages, OpaqueStore& store) {
    const auto& by = maker();
    std::vector<ir::Block> blocks;
    reasoning(blocks, by);
    if (maybe()) blocks.emplace_back(ir::Text{"I look."});
    const auto state = made_by(by, true);
    const bool known = pick(6) != 0;
    std::vector<std::string> ids;
    for (int i = 0; i <= pick(3); ++i) {
      ids.push_back("call_" + std::to_string(++calls_));
      // Gemini signs the first of several calls only.
      if (known && (i == 0 || by.dialect != Dialect::gemini_generate))
        store.put("k", ids.back(), state);
      blocks.push_back(
          call(ids.back(), pick(8) == 0 ? write_issuer_tag(by, ids.back()) : std::string{}));
    }
    if (maybe()) {
      messages.push_back(says(std::move(blocks)));
    } else {
      for (auto& block : blocks) messages.push_back(says({std::move(block)}));
    }
    for (const auto& id : ids) messages.push_back(result(id));
    if (pick(6) == 0) messages.push_back(user("A reminder."));
  }

  void text_turn(std::vector<ir::Message>& messages, OpaqueStore& store) {
    const auto& by = maker();
    const auto text = "Answer " + std::to_string(++made_);
    std::vector<ir::Block> blocks;
    reasoning(blocks, by);
    blocks.emplace_back(ir::Text{text});
    if (by.provider != "deepseek" && maybe()) store.put("k", turn_key(text), made_by(by, false));
    messages.push_back(says(std::move(blocks)));
  }

  std::mt19937 random_;
  std::size_t maker_ = 0;
  int made_ = 0;
  int calls_ = 0;
};

void check_nothing_foreign(const std::string& body, const Candidate& target) {
  for (const auto& maker : Story::makers()) {
    if (maker.family == target.family) continue;
    CHECK(body.find("\"" + Story::mark(maker)) == std::string::npos);
  }
  CHECK(body.find("dHBr") == std::string::npos);  // the gateway's token
  CHECK(body.find("foreign") == std::string::npos);
  CHECK(body.find("plain thought") == std::string::npos);
}

struct ClaudeTurn {
  bool calls = false;
  bool thinks = false;
  bool leads = false;
  bool known_none = false;
  bool in_loop = false;
};

std::vector<ClaudeTurn> read_claude_turns(const Json& body, const OpaqueStore& store) {
  std::vector<ClaudeTurn> turns;
  for (const auto& message : body["messages"]) {
    if (text_at(message, "role") == "user") {
      const auto is_result = [](const Json& block) {
        return text_at(block, "type") == "tool_result";
      };
      if (std::ranges::none_of(message["content"], is_result)) {
        for (auto& turn : turns) turn.in_loop = false;
      }
      continue;
    }
    ClaudeTurn turn;
    turn.in_loop = true;
    turn.leads = text_at(message["content"][0], "type").ends_with("thinking");
    for (const auto& block : message["content"]) {
      turn.thinks |= text_at(block, "type").ends_with("thinking");
      if (text_at(block, "type") != "tool_use") continue;
      const auto state = store.find("k", text_at(block, "id"));
      turn.known_none |= state && state->blocks.empty();
      turn.calls = true;
    }
    turns.push_back(turn);
  }
  return turns;
}

void check_claude(const Json& body, const Candidate& target, const OpaqueStore& store) {
  std::set<std::string> seen;
  for (const auto& message : body["messages"]) {
    for (const auto& block : message["content"]) {
      if (text_at(block, "type") == "thinking")
        CHECK(seen.insert(text_at(block, "signature")).second);
    }
  }
  const auto turns = read_claude_turns(body, store);
  const bool any = std::ranges::any_of(turns, &ClaudeTurn::thinks);
  if (target.thinking != ThinkingStyle::claude_budget) {
    for (const auto& turn : turns) CHECK((!any || !turn.calls || turn.thinks || turn.known_none));
    return;
  }
  const bool on = body.contains("thinking") && text_at(body["thinking"], "type") == "enabled";
  const auto first = std::ranges::find_if(
      turns, [](const ClaudeTurn& turn) { return turn.in_loop && turn.calls; });
  if (!on || first == turns.end()) return;
  CHECK(first->leads);
  for (const auto& turn : turns)
    CHECK((!turn.in_loop || !turn.calls || turn.thinks || turn.known_none));
}

void check_gemini(const Json& body) {
  for (const auto& content : body["contents"]) {
    bool first = true;
    for (const auto& part : content["parts"]) {
      if (!part.contains("functionCall")) continue;
      const auto signature = text_at(part, "thoughtSignature");
      if (first) CHECK_FALSE(signature.empty());
      if (!first) CHECK(signature != gemini_stand_in_signature);
      first = false;
    }
  }
}

TEST_CASE("No history makes a request that a strict provider refuses for its state",
          "[restore][property]") {
  int with_thinking = 0;
  int with_signatures = 0;
  for (unsigned seed = 1; seed <= 3000; ++seed) {
    Fixture fixture;
    const auto request = Story{seed}.tell(fixture.store);
    for (const auto& target : Story::makers()) {
      if (target.provider == "deepseek") continue;
      INFO("seed " << seed << " to " << target.family);
      const bool to_claude = target.dialect == Dialect::anthropic_messages;
      const auto body = to_claude ? claude_body(request, target, fixture.options)
                                  : gemini_body(request, target, fixture.options);
      const auto text = body.dump();
      check_nothing_foreign(text, target);
      if (to_claude) {
        check_claude(body, target, fixture.store);
        with_thinking += text.find("\"" + Story::mark(target)) != std::string::npos ? 1 : 0;
      } else {
        if (target.quirks.signatures_required) check_gemini(body);
        with_signatures += text.find("\"" + Story::mark(target)) != std::string::npos ? 1 : 0;
      }
    }
  }
  // Else nothing would have been tested.
  CHECK(with_thinking > 500);
  CHECK(with_signatures > 500);
}

}  // namespace
}  // namespace turnpike::dialect::test
