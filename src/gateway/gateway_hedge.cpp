// A second attempt beside a first that is slow to begin: both are reserved, the client hears whichever begins first, the
// other is called off and settled. Off unless configured. Source: reliability specification, "Hedging".

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <utility>

#include "gateway/gateway.hpp"

namespace turnpike::gateway {

using asio::experimental::awaitable_operators::operator&&;

/// How long the first attempt is waited for; nullopt: it stays alone. A loser whose provider bills on after it was called
/// off would cost its whole answer, and a shadow compares with one answer, not with two.
std::optional<std::chrono::milliseconds> Gateway::hedge_after(const Call& call, const Course& course, const Chosen& chosen) {
  if (!limits_.hedge || !call.view.stream || call.shadow || course.last || limits_.attempts_max < 2) return std::nullopt;
  hedging_.count_request();
  const auto& candidate = call.exchange.decision.candidates[chosen.index];
  return candidate.cancel_stops_billing ? hedging_.patience(candidate.target()) : std::nullopt;
}

/// Another key of the same model keeps the answer what the decision wanted; else the next candidate.
std::optional<Gateway::Chosen> Gateway::choose_second(const Call& call, const Course& course, const Chosen& first) {
  const auto& candidates = call.exchange.decision.candidates;
  for (std::size_t index = first.index; index < candidates.size(); ++index) {
    if (!candidates[index].cancel_stops_billing) continue;
    BackendWanted wanted = wanted_of(call, course, index);
    wanted.retry = false;  // it has a share of its own
    if (index == first.index) wanted.keys_tried |= std::uint64_t{1} << first.slot.key();
    if (auto slot = shared_.backends.take(wanted)) return Chosen{index, std::move(*slot)};
  }
  return std::nullopt;
}

Task<> Gateway::attempt_second(Call& call, const Course& course, const Chosen& first, const Listener& listener) {
  auto chosen = choose_second(call, course, first);
  if (!chosen) co_return std::unexpected{lost_race()};
  hedging_.count_hedge();
  const Candidate& candidate = call.exchange.decision.candidates[chosen->index];
  co_return co_await attempt(call, candidate, chosen->slot, listener);
}

/// Asked when the second attempt is reserved, which may have taken a moment: the first has begun (and the request's body may
/// be gone), the process ends, or the budgets hold both only if this one is cut short.
bool Gateway::not_worth_sending(const Listener& listener, const account::Reservation& reservation) const {
  return listener.lost() || listener.sink.gone() || ticker_.ended() || reservation.output_tokens_cap().has_value();
}

/// Returns when both attempts are over and settled, whatever becomes of them: both live on this frame.
Task<> Gateway::attempt_hedged(Call& call, const Course& course, Chosen& first, std::chrono::milliseconds patience) {
  Race race{call.sink};
  const Listener first_lane{.sink = race.lane(0), .race = &race};
  const Listener second_lane{.sink = race.lane(1), .race = &race, .second = true};
  const auto executor = co_await asio::this_coro::executor;
  auto& attempts = call.exchange.attempts;
  const std::size_t before = attempts.size();
  asio::steady_timer timer{executor, patience};
  bool first_over = false;
  std::exception_ptr first_fault;
  std::exception_ptr second_fault;
  const auto try_first = [&]() -> Task<> {
    Result<void> outcome = std::unexpected{lost_race()};
    try {
      outcome = co_await attempt(call, call.exchange.decision.candidates[first.index], first.slot, first_lane);
    } catch (...) {
      first_fault = std::current_exception();
    }
    first_over = true;
    timer.cancel();
    co_return outcome;
  };
  const auto try_second = [&]() -> Task<> {
    boost::system::error_code called_off;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, called_off));
    const bool sent = attempts.size() > before;
    const bool decided = first_over || race.winner() || call.sink.gone() || ticker_.ended();
    Result<void> outcome = std::unexpected{lost_race()};
    if (!sent || decided || !hedging_.allowed()) co_return outcome;
    try {
      outcome = co_await attempt_second(call, course, first, second_lane);
    } catch (...) {
      second_fault = std::current_exception();
    }
    co_return outcome;
  };
  auto both = try_first() && try_second();  // neither throws
  auto [outcome, other] = co_await std::move(both);
  if (attempts.size() > before + 1) {
    // Whoever reads the exchange finds the attempt that was heard last.
    if (!race.lost(0)) std::swap(attempts[before], attempts[before + 1]);
    count_hedge(attempts[before], race);
  }
  if (race.lost(0) && second_fault) std::rethrow_exception(second_fault);
  // The first one's failure is the course's to go on from, unless the second has served.
  if (race.lost(0) || (!outcome && other)) co_return other;
  if (first_fault) std::rethrow_exception(first_fault);
  co_return outcome;
}

void Gateway::count_hedge(const Attempt& loser, const Race& race) {
  // A first attempt that was overtaken would have taken longer still; without it the percentile would shrink.
  if (race.lost(0)) hedging_.learn(loser.target, std::chrono::duration_cast<std::chrono::milliseconds>(loser.ended - loser.started));
  metrics_.add(metrics::Family::hedges_total, {race.lost(0) ? "won" : race.lost(1) ? "lost" : "failed"});
  const double credits = static_cast<double>(loser.cost.nano()) * 1e-9;
  metrics_.add(metrics::Family::hedge_spend_credits_total, {loser.provider, loser.model}, credits);
}

}  // namespace turnpike::gateway
