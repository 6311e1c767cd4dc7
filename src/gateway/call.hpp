// One request under way: what the steps of Gateway::handle hand on to each other.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "account/ledger.hpp"
#include "classify/footprint.hpp"
#include "dialect/detect.hpp"
#include "dialect/request_rules.hpp"
#include "gateway/conversations.hpp"
#include "gateway/shadow_job.hpp"
#include "gateway/snapshot.hpp"
#include "turnpike/account.hpp"
#include "turnpike/exchange.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::gateway {

/// What the head told: carried from on_head() to handle().
struct HeadVerdict final : Admission {
  dialect::Route route;
  std::shared_ptr<const Account> account;  // null on routes that need no key
  Priority priority = Priority::interactive;
};

struct Call {
  ClientRequest request;
  ResponseSink& sink;
  const HeadVerdict& head;
  std::shared_ptr<const Snapshot> snapshot;
  dialect::RequestView view;
  std::optional<Remembered> previous;  // what answered the conversation's previous step
  Exchange exchange;
  classify::Footprint footprint = {};  // of the facts, for what the next step tells of this one; empty if nobody learns
  std::optional<policy::OpenShareStep> share_step;  // from the decision to finish(); absent if it is not to be counted
  std::unique_ptr<ShadowTicket> shadow = nullptr;  // this step will be asked a second time
  std::int64_t tokens_taken = 0;                   // of the key's tokens per minute
  HeaderList refusal_headers = {};                 // beside an error
};

/// A call beside the conversation, in its name: what answers it is not what the conversation goes on with.
inline bool is_side_call(StepKind step) {
  return step == StepKind::title_or_summary || step == StepKind::compaction || step == StepKind::permission_check ||
         step == StepKind::token_count;
}

}  // namespace turnpike::gateway
