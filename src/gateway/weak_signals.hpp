// What the next step of a conversation tells of the step before: a call that failed or was made again, tests that ran,
// a person who objects, an escalation. Hints, not outcomes: each has a small weight, and only steps that the bulk tier
// answered are judged.
//
// Of each conversation the last step is remembered as a footprint (numbers and hash buckets, no text), bounded; the one
// longest unseen is forgotten first. Any thread; one mutex, held for a look-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "classify/footprint.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/outcome.hpp"

namespace turnpike::gateway {

/// A finished step, as far as hints go.
struct SeenStep {
  std::string_view owner;  // key id
  std::string_view group;  // who learns from it
  const RequestFacts& facts;
  bool bulk = false;       // a tier that is no frontier answered it
  bool unusable = false;   // with something nobody can use
  bool escalated = false;  // the decision moved the loop up
};

class WeakSignals {
 public:
  static constexpr std::size_t conversations_max = 4096;

  struct Hint {
    std::string group;
    classify::Footprint footprint;  // of the step that is judged
    Outcome outcome;
  };

  /// True for steps that observe() looks at. Only those of the bulk tier need a footprint.
  [[nodiscard]] static bool watches(const SeenStep& step);
  /// At most one hint, about the conversation's step before or, if its answer was unusable, about this one. Steps that
  /// are no part of a loop (titles, compactions, subagents, counts) neither give nor leave anything.
  std::optional<Hint> observe(const SeenStep& step, classify::Footprint footprint);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::string group;
    classify::Footprint footprint;
    TraceCounters trace;
  };
  [[nodiscard]] std::optional<Entry> take(const std::string& key);
  void keep(Entry entry);

  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // youngest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;  // keys live in the entries
};

/// Whether a human turn reads like an objection to what was just done: short, and with words such as "still fails",
/// "that's not", "undo". A list of a few phrases in four languages; misses cost little.
bool looks_like_correction(std::string_view question);

}  // namespace turnpike::gateway
