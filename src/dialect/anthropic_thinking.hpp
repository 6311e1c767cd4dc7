// How a Messages client asks for thinking, in the form that the candidate's family takes. Fields
// that the candidate would accept as they are stay as they are. Source: wire-formats specification
// §4.2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dialect/losses.hpp"
#include "turnpike/decision.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// What becomes of one member of the body.
struct FittedField {
  enum class Action : std::uint8_t { keep, replace, remove };
  Action action = Action::keep;
  std::string value;  // with replace; a body without the member gets it
};

struct FittedThinking {
  FittedField thinking;
  FittedField output_config;
  bool on = false;            // the answer will be thought about
  bool switched_off = false;  // though the client had asked for it
};

struct ThinkingLimits {
  std::int64_t client_tokens_max = 0;  // max_tokens as asked; 0: unknown
  std::int64_t tokens_max = 0;         // as sent
  bool impossible = false;             // the history or a forced tool rules budgets out
  bool drop_unbound_blocks = false;    // ask that replayed thinking of another prefix is dropped
};

/// `body` has the members of the request.
FittedThinking fit_thinking(const wire::JsonFields& body, const Candidate& candidate,
                            const ThinkingLimits& limits, Losses& losses);

/// Whether the candidate is one of Anthropic's models, whoever serves it.
bool is_claude(const Candidate& candidate);

}  // namespace turnpike::dialect
