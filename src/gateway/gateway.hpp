// The path of one request. Knows no socket, no curl, no Beast, and no provider by name.
//
//   on_head:  route, authenticate                          (before the body is read)
//   count:    plan, then the provider's own count or an estimate
//   handle:   plan     read facts, admit, classify, decide (no waiting, no I/O)
//             attempt  translate, reserve, send, stream back or answer whole, settle; for each candidate until one serves
//             finish   metrics, decision record
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "account/ledger.hpp"
#include "dialect/opaque_store.hpp"
#include "dialect/stream_translator.hpp"
#include "dialect/translate.hpp"
#include "gateway/admission_rules.hpp"
#include "gateway/backends.hpp"
#include "gateway/billed_prompts.hpp"
#include "gateway/call.hpp"
#include "gateway/conversations.hpp"
#include "gateway/hedging.hpp"
#include "gateway/learning.hpp"
#include "gateway/overload.hpp"
#include "gateway/race.hpp"
#include "gateway/relay.hpp"
#include "gateway/route_learning.hpp"
#include "gateway/shadow_runs.hpp"
#include "gateway/snapshot.hpp"
#include "gateway/ticker.hpp"
#include "gateway/token_meter.hpp"
#include "metrics/metrics.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/handler.hpp"
#include "turnpike/ids.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::gateway {

/// What all loops share; each member may be used from any thread and outlives every gateway.
struct Shared {
  account::Ledger& ledger;
  dialect::OpaqueStore& opaque;
  Conversations& conversations;
  Backends& backends;
  TokenMeter& tokens;
  const Clock& clock;
  Randomness& randomness;
  RouteLearning& learned;
  Learning* learning = nullptr;  // null: the frozen classifier alone speaks
  ShadowHub* shadows = nullptr;  // null: no shadow runs
  std::function<bool()> loops_tick = {};  // false: an event loop is stuck, this one or another. Any loop asks
  Overload* overload = nullptr;  // null: everybody is let in
};

struct GatewayLimits {
  int attempts_max = 3;                              // per request, over all targets
  bool hedge = false;                                // a second attempt where the first is slow to begin
  std::size_t answer_bytes_max = std::size_t{32} << 20U;
  std::size_t error_bytes_max = std::size_t{64} << 10U;
  int drains_max = 64;                               // answers read on after their client has left, per loop
  RelayLimits relay;
  AdmissionRules admission;
};

/// One per event loop; everything here belongs to that loop.
class Gateway final : public Handler {
 public:
  Gateway(Shared shared, Upstream& upstream, metrics::Shard& metrics, std::shared_ptr<const Snapshot> snapshot,
          GatewayLimits limits = {});

  std::expected<std::shared_ptr<const Admission>, WholeReply> on_head(const RequestHead& head) override;
  asio::awaitable<void> handle(ClientRequest request, ResponseSink& sink) override;
  WholeReply error_reply(std::string_view target, const Error& error) override;

  /// From now on new requests use this snapshot. On the gateway's own loop.
  void use(std::shared_ptr<const Snapshot> snapshot) { snapshot_ = std::move(snapshot); }
  /// Before the first request; see ShadowRuns.
  void start_shadows_with(ShadowRuns::Start start) { shadows_.start_with(std::move(start)); }
  /// Draining: /readyz answers 503.
  void set_ready(bool ready) { ready_ = ready; }
  void on_tick(Monotonic now) {
    ticker_.tick(now);
    shadows_.on_tick();
  }
  /// Ends what still runs, telling the clients in their dialect; every attempt is settled on return or soon after.
  void end_all() {
    shadows_.close();
    ticker_.end_all();
  }

 private:
  // What an attempt would send, and the most it can cost. Nothing is held for it yet.
  struct Draft {
    dialect::Outgoing outgoing;
    Additions additions;
    PromptBound bound;
    std::int64_t estimate = 0;  // tokens of the prompt
    PriceQuote quote;
    account::ReserveRequest wanted;
  };

  // For whom an attempt is made: the client alone, or a lane of a race.
  struct Listener {
    ResponseSink& sink;
    bool fresh_connection = false;
    const Race* race = nullptr;
    bool second = false;  // of the race
    [[nodiscard]] bool lost() const { return race != nullptr && race->lost(second ? 1 : 0); }
  };

  // What there is of an attempt once its request has left.
  struct Sent {
    Attempt& record;
    std::shared_ptr<const Endpoint> endpoint;
    std::shared_ptr<Transfer> transfer;
  };

  // One attempt's belongings, in the frame of attempt().
  struct Try {
    const Listener& listener;
    const Candidate& candidate;
    Attempt& record;
    account::Reservation& reservation;
    Transfer& transfer;
    BackendSlot& backend;
    const Timeouts& timeouts;      // of the endpoint that was asked
    Additions additions;           // these four as the draft had them
    std::int64_t prompt_estimate;  // tokens
    dialect::ToolAliases tools;
    std::string echo;
    std::optional<Instant> spends_again = {};  // of an account that is out of credit, if it said so
  };

  // --- local answers
  [[nodiscard]] WholeReply local_reply(const HeadVerdict& verdict, const RequestHead& head) const;
  void answer_local(const HeadVerdict& verdict, const RequestHead& head, ResponseSink& sink) const;

  // --- who is let in
  void announce_refusals();
  WholeReply shed(Dialect caller, Priority priority, Shed why);
  WholeReply refuse_rate(Dialect caller, const RateRefusal& refusal);
  std::optional<WholeReply> refuse_early(HeadVerdict& verdict, const RequestHead& head);
  asio::awaitable<AdmissionGate::Place> wait_for_place(const HeadVerdict& verdict, std::size_t body_bytes, ResponseSink& sink);
  Result<void> take_tokens(Call& call);
  void settle_tokens(const Call& call);

  // --- what to do, without doing any of it: no waiting, no I/O
  Result<void> plan(Call& call);
  Result<void> read(Call& call);
  [[nodiscard]] Difficulty difficulty_of(Call& call) const;
  [[nodiscard]] Result<std::optional<std::string>> provider_of_previous(const Call& call) const;
  Result<RouteInputs> inputs_of(Call& call);
  Result<RouteDecision> decide(Call& call);

  // --- how many tokens a prompt has, for the model that would answer it
  Task<> count_tokens(Call& call);
  Task<std::int64_t> count_at_provider(Call& call, const Candidate& candidate);

  // --- what an attempt may cost
  [[nodiscard]] std::int64_t prompt_estimate(const Call& call, const Candidate& candidate) const;
  [[nodiscard]] std::int64_t continued_tokens(const Call& call, const Candidate& candidate) const;
  [[nodiscard]] PromptBound prompt_bound(const Call& call, const Candidate& candidate, const Additions& additions) const;
  [[nodiscard]] Result<std::unique_ptr<Draft>> make_draft(const Call& call, const Candidate& candidate, std::optional<std::int64_t> cap) const;
  [[nodiscard]] PriceQuote quote_for(const Call& call, const Candidate& candidate, std::int64_t prompt_tokens) const;
  [[nodiscard]] account::ReserveRequest wanted_for(const Call& call, const Candidate& candidate, const Draft& draft) const;

  // Where a request stands between its attempts.
  struct Course {
    std::size_t at = 0;            // candidate that is looked at first
    std::uint64_t keys_tried = 0;  // of its provider's keys, those that refused this request
    int sent = 0;
    bool others_first = false;     // the one at `at` has just failed: it is asked again only if nobody else can be
    bool at_once = false;          // it is asked again now, on a connection of its own
    bool repeated = false;         // that is allowed once
    bool budgeted = true;          // the next attempt at the same provider counts as a retry
    std::optional<Error> last;     // of the latest attempt that told something
  };
  struct Chosen {
    std::size_t index = 0;         // into the decision's candidates
    BackendSlot slot;
    bool pause = false;            // the same backend again: not at once
  };

  // --- doing it
  Task<> try_candidates(Call& call);
  [[nodiscard]] BackendWanted wanted_of(const Call& call, const Course& course, std::size_t index) const;
  [[nodiscard]] std::expected<Chosen, Refusal> choose(const Call& call, const Course& course);
  Task<std::optional<Chosen>> choose_patiently(Call& call, Course& course);
  static bool go_on_after(const Call& call, Course& course, const Chosen& chosen, const Error& error);
  [[nodiscard]] Error refused(const Refusal& refusal) const;
  Task<> attempt(Call& call, const Candidate& candidate, BackendSlot& backend, const Listener& listener);
  // A second attempt beside a slow first; see gateway_hedge.cpp.
  [[nodiscard]] std::optional<std::chrono::milliseconds> hedge_after(const Call& call, const Course& course, const Chosen& chosen);
  Task<> attempt_hedged(Call& call, const Course& course, Chosen& first, std::chrono::milliseconds patience);
  [[nodiscard]] std::optional<Chosen> choose_second(const Call& call, const Course& course, const Chosen& first);
  Task<> attempt_second(Call& call, const Course& course, const Chosen& first, const Listener& listener);
  [[nodiscard]] bool not_worth_sending(const Listener& listener, const account::Reservation& reservation) const;
  void count_hedge(const Attempt& loser, const Race& race);
  std::optional<Error> fit_cap(const Call& call, const Candidate& candidate, const account::Reservation& reservation, Draft& draft) const;
  Sent send(Call& call, const Candidate& candidate, const BackendSlot& backend, const Listener& listener,
            account::Reservation& reservation, Draft& draft);
  Attempt& begin_record(Call& call, const Candidate& candidate, const account::Reservation& reservation, const PromptBound& bound);
  Task<account::Reservation> reserve(account::ReserveRequest wanted);
  Task<> converse(Call& call, Try& current);
  Task<> refuse_upstream(Call& call, Try& current, const UpstreamHead& head);
  Task<> stream_back(Call& call, Try& current);
  Result<void> end_stream(Call& call, Try& current, const dialect::StreamTranslator& translator, const RelayOutcome& outcome);
  Task<> answer_whole(Call& call, Try& current);
  asio::awaitable<void> pause_before_retry(const Error& error, int attempt);

  // --- settling and telling
  void settle_unanswered(Try& current, const Error& error, bool streaming);
  void settle_answer(Try& current, const dialect::Tally& tally, std::string_view cause_if_broken);
  [[nodiscard]] static AnswerMeasures measured(const Call& call, const Try& current, const dialect::Tally& tally);
  void note(Attempt& record, const account::Settled& settled);
  void tell_backend(Try& current, const Result<void>& outcome);
  void remember(Call& call, const Try& current, const dialect::Tally& tally);
  void remember_step(const Call& call, const Candidate& candidate, const dialect::Tally& tally);
  void remember_kept_answer(const Call& call, const Candidate& candidate, const dialect::Tally& tally);

  // --- what routing learns of answers, and is told of it
  void fill_learned(const Call& call, RouteInputs& inputs) const;
  void learn_answer(const Call& call, const Try& current, const dialect::Tally& tally);
  void learn_limits(const Call& call, Try& current, const HeaderList& headers);
  void learn_refusal(const Call& call, Try& current, const Error& error);

  [[nodiscard]] ResponseHead answer_head(const Call& call, const Try& current, std::string content_type) const;
  [[nodiscard]] dialect::StreamOptions stream_options(const Call& call, const Try& current);
  void tell_error(Call& call, const Error& error);
  void finish(Call& call);

  Shared shared_;
  Upstream& upstream_;
  metrics::Shard& metrics_;
  std::shared_ptr<const Snapshot> snapshot_;
  GatewayLimits limits_;
  Ticker ticker_;
  Hedging hedging_;
  ShadowRuns shadows_;
  bool ready_ = true;
  int drains_ = 0;
};

}  // namespace turnpike::gateway
