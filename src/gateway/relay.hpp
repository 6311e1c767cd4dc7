// The byte pump below the coroutines: one streamed answer from a provider to the client.
//
//   transfer --on_bytes--> translator --events--> sink        sink full   -> transfer pauses
//   transfer --on_end----> translator.end                     sink drained -> transfer resumes
//   client gone -> transfer.cancel (or drained, where only draining tells the price)
//
// The response head is held back until the first content event, so that a stream which fails early can still go to
// another target; after head_hold it leaves all the same and heartbeats follow, because clients give up on silence.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "account/reservation.hpp"
#include "dialect/stream_translator.hpp"
#include "gateway/backends.hpp"
#include "gateway/ticker.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/stream.hpp"
#include "turnpike/task.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::gateway {

/// Source: reliability specification, "Upstream calls" and clients' measured patience (Gemini CLI: 60 s without a head).
struct RelayLimits {
  std::chrono::milliseconds head_hold{45'000};
  std::chrono::milliseconds heartbeat{15'000};
  std::chrono::milliseconds first_content{60'000};     // these two as the provider's Timeouts have them
  std::chrono::milliseconds between_content{300'000};
  std::chrono::milliseconds drain{120'000};   // after the client has left, where the meter runs on
  std::chrono::milliseconds linger{1'000};    // for the upstream's end of body once the terminator has been seen
};

/// What clients are told when the process ends before their answer.
Error draining_error();

/// What a relay needs and does not own; everything outlives it.
struct RelayParts {
  Transfer& transfer;
  ResponseSink& sink;
  dialect::StreamTranslator& translator;
  account::Reservation& reservation;
  BackendSlot& backend;
  const Clock& clock;
  std::string* body = nullptr;  // of the request: let go once no other target can be asked, as streams last and prompts are long
};

enum class RelayEnd : std::uint8_t { complete, client_gone, failed };

struct RelayOutcome {
  RelayEnd end = RelayEnd::failed;
  std::optional<Error> error;         // of `failed`
  Monotonic first_content{};          // zero: none came
};

class Relay final : public BodyReceiver, public SinkWatcher, public Ticked {
 public:
  /// `cancel_when_gone`: false drains the answer to its usage after the client has left.
  Relay(const RelayParts& parts, ResponseHead head, const RelayLimits& limits, bool cancel_when_gone, int& drains);
  ~Relay() override;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Awaits the end of the stream.
  asio::awaitable<RelayOutcome> run();
  /// Coarse time-outs and heartbeats; may end the relay, and with it the object.
  void on_tick(Monotonic now) override;
  void on_shutdown() override;

  Flow on_bytes(std::string_view bytes) override;
  void on_end(const Result<void>& outcome) override;
  void on_drained() override;
  void on_gone() override;

 private:
  Flow push(Monotonic now);
  void push_last();
  void begin();
  void observe(Monotonic now);
  void give_up(const Error& error);
  void end_with(RelayEnd end, std::optional<Error> error = std::nullopt);

  RelayParts parts_;
  ResponseHead head_;
  RelayLimits limits_;
  bool cancel_when_gone_;
  int& drains_;  // answers of this loop that are read on without a client
  bool begun_ = false;
  bool client_gone_ = false;
  bool completed_ = false;
  bool ended_ = false;
  std::string out_;  // storage is lent by the thread for the length of a call-back
  std::int64_t output_seen_ = 0;
  Monotonic started_{};
  Monotonic first_content_{};
  Monotonic last_content_{};
  Monotonic last_write_{};
  Monotonic gone_at_{};
  Monotonic completed_at_{};
  OneShot<RelayOutcome> done_;
};

/// Rough token count of text whose usage nobody reports; rounds up. 3 bytes a token overstates English and code a little.
constexpr std::int64_t tokens_of_bytes(std::int64_t bytes) { return (bytes + 2) / 3; }

}  // namespace turnpike::gateway
