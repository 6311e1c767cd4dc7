#include "app/when.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace turnpike::app {
namespace {

std::optional<std::chrono::seconds> unit_of(char letter) {
  switch (letter) {
    case 'm': return std::chrono::minutes{1};
    case 'h': return std::chrono::hours{1};
    case 'd': return std::chrono::days{1};
    case 'w': return std::chrono::weeks{1};
    default: return std::nullopt;
  }
}

}  // namespace

Result<Instant> read_when(std::string_view text, Instant now) {
  constexpr std::int64_t count_max = 1'000'000;
  const auto unit = text.empty() ? std::nullopt : unit_of(text.back());
  if (!unit) {
    auto instant = parse_instant(text);
    if (instant) return instant;
    return std::unexpected{client_error(
        "bad_instant", fmt::format("{} is no point in time; write 2026-11-22, 2026-11-22T16:00:00Z, or a span back from now: 90m, 24h, 7d, 2w",
                                   quoted_for_message(text)))};
  }
  std::int64_t count = 0;
  const char* end = text.data() + text.size() - 1;
  const auto [stop, fault] = std::from_chars(text.data(), end, count);
  if (fault != std::errc{} || stop != end || count < 0 || count > count_max) {
    return std::unexpected{client_error("bad_instant", fmt::format("{} is no span; write for example 24h or 7d", quoted_for_message(text)))};
  }
  return now - *unit * count;
}

}  // namespace turnpike::app
