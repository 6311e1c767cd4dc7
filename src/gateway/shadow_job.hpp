// A sampled step between the client's answer and the second one.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "dialect/proposed_action.hpp"
#include "dialect/request_rules.hpp"
#include "gateway/snapshot.hpp"
#include "turnpike/account.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/shadow.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::gateway {

/// Drawn before the first attempt: this step will be asked a second time. Collects what the live answer proposes.
struct ShadowTicket {
  explicit ShadowTicket(std::size_t text_bytes_max) : live(text_bytes_max) {}
  dialect::ActionRecorder live;
  float percentile = 0;
  double weight = 1;
  bool self = false;   // the serving model is asked again, too
  bool judge = false;  // a judge looks at the pair if its actions differ
};

/// All that the second call needs once the client's is over. Owned by one coroutine.
struct ShadowJob {
  std::string body;  // the client's; `view` was read from it
  HeaderList headers;
  Dialect client = Dialect::openai_chat;
  dialect::RequestView view;
  RequestFacts facts;
  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<const Account> owner;  // the client's: allow-lists, and whose kept reasoning may be put back
  dialect::ProposedAction live_action;
  ShadowPair pair;  // without its second side
  bool self = false;
  bool judge = false;

  /// About how much memory it holds.
  [[nodiscard]] std::size_t bytes() const { return 2 * body.size() + 4096; }
};

}  // namespace turnpike::gateway
