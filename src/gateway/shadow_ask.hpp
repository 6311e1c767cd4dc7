// One call of a shadow run: translated, paid for by the shadow account, sent, read to its end, settled. Nobody is told of
// its failures but the pair.
#pragma once

#include <chrono>
#include <expected>
#include <string>

#include "account/ledger.hpp"
#include "dialect/opaque_store.hpp"
#include "dialect/proposed_action.hpp"
#include "gateway/backends.hpp"
#include "gateway/shadow_job.hpp"
#include "gateway/ticker.hpp"
#include "gateway/token_meter.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/shadow.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::gateway {

/// What a call needs and does not own; everything outlives it.
struct ShadowParts {
  account::Ledger& ledger;
  const dialect::OpaqueStore& opaque;  // read only: a shadow's answer leaves no state
  const TokenMeter& tokens;
  const Clock& clock;
  Upstream& upstream;
  Ticker& ticker;
  Backends& backends;  // asked for a key that is in order, told nothing
};

struct ShadowLimits {
  std::chrono::milliseconds total{300'000};  // beside the provider's own time-outs
  std::size_t answer_bytes_max = std::size_t{8} << 20U;
  std::size_t error_bytes_max = std::size_t{16} << 10U;
};

struct ShadowReply {
  ShadowSide side;
  dialect::ProposedAction action;  // of a whole answer
};

/// What is asked: the client's body, or one of the gateway's own (a judge's).
struct ShadowQuestion {
  const std::string& body;
  const dialect::RequestView& view;
  const RequestFacts& facts;
  const HeaderList& headers;
  Dialect client = Dialect::openai_chat;
  std::string owner;             // whose kept reasoning may be put back; empty: nobody's
  std::string decision_id;       // in the ledger
  int attempt = 1;               // of that id
  std::size_t text_bytes_max = 0;  // how much visible text the reply keeps
};

/// ShadowSkip: nothing was asked. The error code "cancelled" of a side means that the process ends.
asio::awaitable<std::expected<ShadowReply, ShadowSkip>> ask_shadow(const ShadowParts& parts, const ShadowLimits& limits, const Snapshot& snapshot,
                                                                   const Candidate& candidate, const ShadowQuestion& question);

}  // namespace turnpike::gateway
