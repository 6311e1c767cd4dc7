#include "dialect/facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "dialect/facts_anthropic.hpp"
#include "dialect/facts_chat.hpp"
#include "dialect/facts_gemini.hpp"
#include "dialect/facts_responses.hpp"
#include "dialect/facts_text.hpp"
#include "dialect/facts_trace.hpp"

namespace turnpike::dialect {
namespace {

/// Side calls were recorded below 5 kB (client notes, "Signals for routing and budgets"); texts are
/// counted, not JSON.
constexpr std::int64_t side_call_bytes_max = 5000;
/// A title, a yes or a no: nobody asks for work in fewer tokens than this.
constexpr std::int64_t side_call_tokens_max = 256;
constexpr std::size_t system_head_bytes = 256;
constexpr std::size_t human_head_bytes = 4096;

/// Conversation headers of the known harnesses; the first that is there counts.
constexpr std::array<std::string_view, 5> session_headers{
    "x-claude-code-session-id", "session-id", "thread-id", "x-session-id", "x-session-affinity"};
/// Their headers for an agent that another agent has started.
constexpr std::array<std::string_view, 2> subagent_headers{"x-claude-code-agent-id",
                                                           "x-openai-subagent"};

std::optional<std::string_view> first_header(const RequestHead& head,
                                             std::span<const std::string_view> names) {
  for (const auto name : names) {
    if (const auto value = head.header(name); value && !value->empty()) return value;
  }
  return std::nullopt;
}

/// The request's end, read backwards: what a person wrote last, and whether tool results came after
/// it.
struct Ending {
  HumanText human;
  std::size_t last_human;  // index; turns.size() if nobody wrote anything
  bool tool_loop = false;
};

Ending read_ending(const Outline& outline) {
  Ending ending{.human = {}, .last_human = outline.turns.size()};
  bool open = true;  // nothing but system notes and harness blocks has been passed so far
  for (std::size_t i = outline.turns.size(); i > 0; --i) {
    const Turn& turn = outline.turns[i - 1];
    if (turn.speaker == Speaker::human) {
      ending.human = split_human_text(outline.texts(turn));
      if (!ending.human.question.empty()) {
        ending.last_human = i - 1;
        break;
      }
      continue;  // reminders only
    }
    if (turn.speaker == Speaker::tool && open) ending.tool_loop = true;
    if (turn.speaker != Speaker::system) open = false;
  }
  return ending;
}

std::string tool_tail(const Outline& outline) {
  const auto tool = std::find_if(outline.turns.rbegin(), outline.turns.rend(),
                                 [](const Turn& turn) { return turn.speaker == Speaker::tool; });
  if (tool == outline.turns.rend() || outline.texts(*tool).empty()) return {};
  return std::string{tail_of(outline.texts(*tool).back(), tool_tail_bytes_max)};
}

/// No tools, small, and shaped like a harness talking to itself: a forced format or a tiny answer,
/// or a harness whose working steps always carry tools.
bool is_side_call(const FactsReading& reading, bool harness) {
  const auto& facts = reading.facts;
  if (facts.tools > 0 || facts.text_bytes >= side_call_bytes_max) return false;
  const bool has_system = std::ranges::any_of(
      reading.outline.turns, [](const Turn& turn) { return turn.speaker == Speaker::system; });
  const bool tiny = facts.output_tokens_max && *facts.output_tokens_max <= side_call_tokens_max;
  return harness || (has_system && (reading.structured_output || tiny));
}

/// The history of a tool loop sent without the tools: nobody can go on working with that, it is to
/// be summed up.
bool is_compaction(const FactsReading& reading, const Ending& ending) {
  return reading.facts.tools == 0 && !ending.tool_loop && reading.facts.trace.tool_results > 0 &&
         reading.facts.text_bytes >= side_call_bytes_max;
}

/// Codex's reviewer of what its agent wants to do.
constexpr std::string_view approving_subagent = "guardian";

StepKind shown_step(const FactsReading& reading, const Ending& ending, const RequestHead& head) {
  if (head.path.ends_with("/count_tokens") || head.path.ends_with(":countTokens"))
    return StepKind::token_count;
  const auto subagent = first_header(head, subagent_headers);
  if (subagent && *subagent == approving_subagent) return StepKind::permission_check;
  if (subagent && *subagent == "compact") return StepKind::compaction;
  if (is_compaction(reading, ending)) return StepKind::compaction;
  if (is_side_call(reading, first_header(head, session_headers).has_value()))
    return StepKind::title_or_summary;
  if (subagent) return StepKind::subagent;
  return ending.tool_loop ? StepKind::tool_continuation : StepKind::human_turn;
}

void set_step(RequestFacts& facts, const FactsReading& reading, const Ending& ending, const RequestHead& head) {
  facts.step = shown_step(reading, ending, head);
  // What a client declares moves no safety check.
  if (reading.safety_check) {
    facts.step = StepKind::permission_check;
  } else if (const auto declared = parse_step_kind(head.header("x-turnpike-step").value_or(reading.declared_step))) {
    facts.step_declared = *declared != facts.step;
    facts.step = *declared;
  }
}

/// FNV-1a with a final mix; the same on every machine, since conversations are stored.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    hash_ = (hash_ ^ 0xFFU) * 0x100000001B3ULL;  // no UTF-8 text has this byte: parts stay apart
  }

  [[nodiscard]] std::string hex() const {
    std::uint64_t x = hash_;
    x ^= x >> 32U;
    x *= 0xD6E8FEB86659FD93ULL;
    x ^= x >> 32U;
    return fmt::format("{:016x}", x);
  }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325ULL;
};

/// A harness asks beside its conversation, in the same session: what answers there is not what the conversation's loop
/// began with.
bool stands_beside(StepKind step) { return step == StepKind::title_or_summary || step == StepKind::permission_check; }

std::string conversation_of(const FactsReading& reading, const RequestHead& head) {
  Fingerprint fingerprint;
  if (stands_beside(reading.facts.step)) fingerprint.add(to_string(reading.facts.step));
  if (const auto session = first_header(head, session_headers)) {
    fingerprint.add(*session);
    // A subagent has a loop of its own within the session.
    if (const auto thread = head.header("thread-id")) fingerprint.add(*thread);
    if (const auto agent = head.header("x-claude-code-agent-id")) fingerprint.add(*agent);
    return fingerprint.hex();
  }
  if (!reading.prompt_cache_key.empty()) {
    fingerprint.add(reading.prompt_cache_key);
    // Codex gives its subagents the key of the session they belong to.
    if (const auto subagent = first_header(head, subagent_headers)) fingerprint.add(*subagent);
    return fingerprint.hex();
  }
  const auto add_first = [&](Speaker speaker, std::size_t bytes) {
    for (const Turn& turn : reading.outline.turns) {
      const auto texts = reading.outline.texts(turn);
      if (turn.speaker != speaker || texts.empty()) continue;
      for (const auto text : texts) fingerprint.add(head_of(text, bytes));
      return;
    }
  };
  add_first(Speaker::system, system_head_bytes);
  add_first(Speaker::human, human_head_bytes);
  return fingerprint.hex();
}

/// The parsed document does not remember how long its text was.
std::int64_t body_bytes_of(const RequestHead& head, std::int64_t text_bytes) {
  const auto length = head.header("content-length").value_or("");
  std::int64_t bytes = 0;
  const auto [end, fault] = std::from_chars(length.data(), length.data() + length.size(), bytes);
  return fault == std::errc{} && end == length.data() + length.size() && bytes > 0 ? bytes
                                                                                   : text_bytes;
}

Result<FactsReading> read_body(Dialect client, const simdjson::dom::element& root, std::uint64_t hash_key) {
  switch (client) {
    case Dialect::anthropic_messages:
      return read_anthropic_facts(root, hash_key);
    case Dialect::openai_responses:
      return read_responses_facts(root, hash_key);
    case Dialect::gemini_generate:
      return read_gemini_facts(root, hash_key);
    case Dialect::openai_chat:
      break;
  }
  return read_chat_facts(root, hash_key);
}

}  // namespace

Result<RequestFacts> read_facts(Dialect client, const wire::JsonDocument& document,
                                const RequestHead& head, std::uint64_t hash_key) {
  auto reading = read_body(client, document.root(), hash_key);
  if (!reading) return std::unexpected{std::move(reading.error())};
  RequestFacts& facts = reading->facts;
  facts.dialect = client;
  facts.body_bytes = body_bytes_of(head, facts.text_bytes);

  Ending ending = read_ending(reading->outline);
  facts.in_tool_loop = ending.tool_loop;
  facts.question = std::move(ending.human.question);
  facts.question_bytes = ending.human.question_bytes;
  facts.context_bytes = ending.human.context_bytes;
  facts.fenced_code_bytes = ending.human.fenced_code_bytes;
  if (ending.tool_loop) facts.tool_tail = tool_tail(reading->outline);
  facts.trace = count_trace(reading->outline, ending.last_human);
  set_step(facts, *reading, ending, head);
  facts.conversation = conversation_of(*reading, head);
  return std::move(facts);
}

RequestFacts facts_of_text(std::string_view text) {
  RequestFacts facts;
  const std::array parts{text};
  HumanText human = split_human_text(parts);
  facts.question = std::move(human.question);
  facts.question_bytes = human.question_bytes;
  facts.context_bytes = human.context_bytes;
  facts.fenced_code_bytes = human.fenced_code_bytes;
  facts.messages = 1;
  facts.trace.human_turns = 1;
  facts.text_bytes = static_cast<std::int64_t>(text.size());
  facts.body_bytes = facts.text_bytes;
  Fingerprint fingerprint;
  fingerprint.add(head_of(text, human_head_bytes));
  facts.conversation = fingerprint.hex();
  return facts;
}

}  // namespace turnpike::dialect
