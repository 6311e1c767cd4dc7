#include "dialect/facts_trace.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "dialect/call_signs.hpp"
#include "dialect/facts_text.hpp"
#include "dialect/result_signs.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t newest_bytes_read = 2048;
constexpr std::size_t older_bytes_read = 768;

/// A set of hashes that never grows: at most half of its slots are filled.
class HashSet {
 public:
  explicit HashSet(std::size_t most) : slots_(std::bit_ceil(2 * most + 2), 0) {}

  /// True if it was there already.
  bool insert(std::uint64_t hash) {
    if (hash == 0) hash = 1;
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == hash) return true;
      if (slots_[at] == 0) {
        slots_[at] = hash;
        return false;
      }
    }
  }

 private:
  std::vector<std::uint64_t> slots_;
};

/// What the names of the tools say, looked at once for the few that an agent calls again and again.
class Tools {
 public:
  const ToolSigns& of(const Call& call) {
    const auto last = call.name.empty() ? '\0' : call.name.back();
    Known& known = known_[(call.name.size() + static_cast<unsigned char>(last)) % known_.size()];
    if (!known.signs || known.name != call.name) known = {call.name, signs_of_tool(call.name)};
    return *known.signs;
  }

 private:
  struct Known {
    std::string_view name;
    std::optional<ToolSigns> signs;
  };
  std::array<Known, 16> known_;
};

void count_calls(const Outline& outline, Tools& tools, TraceCounters& trace) {
  HashSet seen{outline.calls.size()};
  HashSet seen_roughly{outline.calls.size()};
  for (std::size_t i = 0; i < outline.calls.size(); ++i) {
    const Call& call = outline.calls[i];
    const bool recent = outline.calls.size() - i <= recent_calls;
    const bool near = seen_roughly.insert(hash_call_roughly(call));
    if (seen.insert(hash_call(call))) {
      ++trace.repeats_exact;
      if (recent) ++trace.repeats_recent;
    } else if (near && recent) {
      ++trace.repeats_near;
    }
    const ToolSigns& tool = tools.of(call);
    if (looks_like_edit(call, tool)) ++trace.edits;
    if (looks_like_test_run(call, tool)) ++trace.test_runs;
  }
}

ResultSigns read_turn(const Outline& outline, const Turn& turn, std::size_t bytes) {
  const auto texts = outline.texts(turn);
  // Of several parts the last one is read: clients put notes and images before it.
  ResultSigns signs = texts.empty() ? ResultSigns{} : read_tool_result(texts.back(), bytes);
  signs.failed = signs.failed || turn.failed;
  return signs;
}

/// The recent results, newest first.
void count_results(const Outline& outline, Tools& tools, TraceCounters& trace) {
  std::size_t read = 0;
  bool streak = true;
  for (std::size_t i = outline.turns.size(); i > 0 && read < recent_results; --i) {
    const Turn& turn = outline.turns[i - 1];
    if (turn.speaker != Speaker::tool) continue;
    const ResultSigns signs =
        read_turn(outline, turn, read == 0 ? newest_bytes_read : older_bytes_read);
    ++read;
    // Results stand in the order of their calls, so that the last belong together.
    const Call* call = read <= outline.calls.size() ? &outline.calls[outline.calls.size() - read] : nullptr;
    if (call != nullptr && looks_like_test_run(*call, tools.of(*call))) ++(signs.failed ? trace.tests_failed_recent : trace.tests_passed_recent);
    trace.error_words_recent += signs.error_words;
    if (signs.failed) ++trace.errors_recent;
    streak = streak && signs.failed;
    if (streak) ++trace.error_streak;
  }
}

}  // namespace

TraceCounters count_trace(const Outline& outline, std::size_t last_human) {
  TraceCounters trace;
  for (std::size_t i = 0; i < outline.turns.size(); ++i) {
    switch (outline.turns[i].speaker) {
      case Speaker::human:
        // Reminders beside a tool's result are nobody's turn; media alone are a person's.
        if (outline.texts(outline.turns[i]).empty() || !looks_like_harness_only(outline.texts(outline.turns[i]))) ++trace.human_turns;
        break;
      case Speaker::assistant:
        ++trace.assistant_turns;
        if (last_human >= outline.turns.size() || i > last_human) ++trace.steps_since_human;
        break;
      case Speaker::system:
        break;
      case Speaker::tool:
        ++trace.tool_results;
        if (last_human >= outline.turns.size() || i > last_human) ++trace.tool_results_since_human;
        break;
    }
  }
  Tools tools;
  count_results(outline, tools, trace);
  count_calls(outline, tools, trace);
  return trace;
}

}  // namespace turnpike::dialect
