// What a judge model is asked about two answers, and how its opinion is read. The judge learns neither model's name nor
// which answer the client got; the order is random.
#pragma once

#include <string>
#include <string_view>

#include "dialect/request_rules.hpp"
#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/shadow.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::gateway {

/// A whole Chat request of the gateway's own.
struct JudgeQuestion {
  std::string body;
  dialect::RequestView view;
  RequestFacts facts;
  HeaderList headers;  // none

  /// Of the client's step: its question and the end of its last tool result.
  static Result<JudgeQuestion> make(const RequestFacts& facts, std::string_view first, std::string_view second);
};

/// The last line that is a verdict counts. `live_first`: the live answer stood first.
JudgeVerdict verdict_of(std::string_view answer, bool live_first);

}  // namespace turnpike::gateway
