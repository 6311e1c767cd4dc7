#include "gateway/patient_reserve.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace turnpike::gateway {

Task<account::Reservation> reserve_patiently(account::Ledger& ledger, const Clock& clock, account::ReserveRequest wanted) {
  constexpr std::chrono::milliseconds patience{500};
  constexpr std::chrono::milliseconds pause_max{50};
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer{executor};
  const Monotonic until = clock.monotonic() + patience;
  std::chrono::milliseconds pause{1};
  wanted.may_wait = true;
  auto reservation = ledger.reserve(wanted);
  while (!reservation && reservation.error().code == "lease_awaited") {
    timer.expires_after(pause);
    co_await timer.async_wait(asio::use_awaitable);
    pause = std::min(2 * pause, pause_max);
    wanted.may_wait = clock.monotonic() < until;
    reservation = ledger.reserve(wanted);
  }
  while (reservation && !reservation->ready()) {
    if (!ledger.writable()) {
      co_return std::unexpected{gateway_error(503, "ledger_unavailable", "The ledger cannot be written at the moment.")};
    }
    timer.expires_after(std::chrono::milliseconds{1});
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return reservation;
}

}  // namespace turnpike::gateway
