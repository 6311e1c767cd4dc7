// One request from head to last byte: filled in along the way, then recorded and counted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/difficulty.hpp"
#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/route_inputs.hpp"
#include "turnpike/usage.hpp"

namespace turnpike {

/// How an attempt's entry in the ledger ended. Source: reliability specification, "Settlement".
enum class Settlement : std::uint8_t { settle_exact, settle_estimated, void_ };
std::string_view to_string(Settlement settlement);

/// One try at one candidate.
struct Attempt {
  std::string id;
  std::string target;      // provider/model
  std::string provider;
  std::string model;
  std::string price_id;
  Credits reserved;
  std::int64_t prompt_tokens_bound = 0;  // what was held for the prompt
  std::int64_t prompt_tokens_known = 0;  // of those, billed before for the same beginning
  Credits cost;
  Settlement settlement = Settlement::void_;
  std::string cause;       // why estimated or void: "client_gone", "stream_truncated", …; empty if exact
  int upstream_status = 0;
  std::string error_code;  // empty on success
  Usage usage;
  std::string upstream_request_id;
  Monotonic started{};
  Monotonic head_at{};
  Monotonic first_content_at{};
  Monotonic ended{};
};

enum class StreamEnd : std::uint8_t { not_streamed, complete, client_gone, upstream_error, truncated, timed_out };
std::string_view to_string(StreamEnd end);

/// What an answer was like, as far as it tells about the model that gave it: counts and flags, no text.
struct AnswerMeasures {
  std::int64_t tool_calls = 0;
  bool invalid_tool_json = false;  // a call's arguments are not a JSON object
  bool refusal = false;
  bool empty = false;              // neither text nor calls
  bool length_stop = false;        // cut at the output limit
  bool own_limit = false;          // and that limit was the client's own, set low, or its budget's: no fault of the model
  [[nodiscard]] bool unusable() const { return refusal || (!own_limit && (invalid_tool_json || empty || length_stop)); }
  bool operator==(const AnswerMeasures&) const = default;
};

struct Exchange {
  std::string decision_id;
  Instant at{};
  std::shared_ptr<const Account> account;
  RequestFacts facts;
  Difficulty difficulty;
  Allowance allowance;
  RouteInputs inputs;  // what was known when the decision was made
  RouteDecision decision;
  std::string config_version;
  std::vector<Attempt> attempts;
  std::optional<Error> error;  // what the client was told, if it failed
  int status = 0;
  StreamEnd end = StreamEnd::not_streamed;
  std::optional<AnswerMeasures> answer;  // of the attempt that served, once it is whole
  std::vector<std::string> losses;  // fields lost in translation

  Monotonic received{};       // last byte of the request
  Monotonic admitted{};       // zero: it did not have to wait in line
  Monotonic parsed{};
  Monotonic decided{};
  Monotonic reserved{};
  Monotonic sent_upstream{};
  Monotonic first_content{};  // first content event left for the client
  Monotonic finished{};

  [[nodiscard]] Credits cost() const {
    Credits sum;
    for (const auto& attempt : attempts) sum += attempt.cost;
    return sum;
  }
};

}  // namespace turnpike
