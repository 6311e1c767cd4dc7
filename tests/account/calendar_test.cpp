// Windows in the zones' own calendars, with the days on which clocks change.
#include "account_fixture.hpp"

#include "account/calendar.hpp"

using namespace turnpike;
using namespace turnpike::account;

namespace {

Span span(WindowKind kind, const std::string& zone, std::string_view at) {
  return span_at({kind, zone, {}, {}}, parse_instant(at).value());
}

void check(const Span& span, std::string_view start, std::string_view end) {
  CHECK(to_rfc3339(span.start) == start);
  REQUIRE(span.end);
  CHECK(to_rfc3339(*span.end) == end);
}

}  // namespace

TEST_CASE("calendar windows begin at local midnight, weeks on Monday", "[account][calendar]") {
  check(span(WindowKind::month, "UTC", "2026-11-30T23:59:59.999999Z"), "2026-11-01T00:00:00Z",
        "2026-12-01T00:00:00Z");
  check(span(WindowKind::month, "Asia/Tokyo", "2026-11-30T15:00:00Z"), "2026-11-30T15:00:00Z",
        "2026-12-31T15:00:00Z");
  check(span(WindowKind::week, "UTC", "2026-11-22T12:00:00Z"), "2026-11-16T00:00:00Z",
        "2026-11-23T00:00:00Z");
  check(span(WindowKind::week, "UTC", "2026-11-23T00:00:00Z"), "2026-11-23T00:00:00Z",
        "2026-11-30T00:00:00Z");
  check(span(WindowKind::day, "America/New_York", "2026-11-22T04:59:59Z"), "2026-11-21T05:00:00Z",
        "2026-11-22T05:00:00Z");
  check(span(WindowKind::hour, "Asia/Kolkata", "2026-11-22T12:00:00Z"), "2026-11-22T11:30:00Z",
        "2026-11-22T12:30:00Z");
  CHECK_FALSE(span(WindowKind::lifetime, "UTC", "2026-11-22").end);
}

TEST_CASE("a local day has 23, 24 or 25 hours", "[account][calendar]") {
  check(span(WindowKind::day, "Europe/Berlin", "2026-03-29T12:00:00Z"), "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z");
  check(span(WindowKind::day, "Europe/Berlin", "2026-10-25T12:00:00Z"), "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z");
}

TEST_CASE("midnights that occur twice or never leave neither gap nor overlap",
          "[account][calendar]") {
  // Havana falls back from 01:00 to 00:00, Cairo and Beirut skip midnight, Lord Howe moves by half
  // an hour, Apia skipped a whole day in 2011.
  for (const auto* zone : {"America/Havana", "Africa/Cairo", "Asia/Beirut", "Australia/Lord_Howe",
                           "Pacific/Apia", "America/St_Johns", "Europe/Berlin"}) {
    for (const auto* from : {"2011-12-25", "2024-01-01", "1988-10-01"}) {
      for (const auto kind :
           {WindowKind::hour, WindowKind::day, WindowKind::week, WindowKind::month}) {
        const WindowRule rule{kind, zone, {}, {}};
        auto at = parse_instant(from).value();
        const auto until = at + std::chrono::hours{24 * 200};
        while (at <
               until) {  // from window to window, each asked at its first, middle and last instant
          const auto now = span_at(rule, at);
          INFO(zone << " " << to_string(kind) << " " << to_rfc3339(at));
          const auto end = now.end.value();
          REQUIRE(now.start <= at);
          REQUIRE(at < end);
          REQUIRE(span_at(rule, now.start) == now);
          REQUIRE(span_at(rule, now.start + (end - now.start) / 2) == now);
          REQUIRE(span_at(rule, end - std::chrono::microseconds{1}) == now);
          REQUIRE(span_at(rule, end).start == end);
          at = end;
        }
      }
    }
  }
}

TEST_CASE("rules that cannot be counted are refused with a reason", "[account][calendar]") {
  CHECK(check_rule({WindowKind::month, "Mars/Olympus", {}, {}}).error().param == "zone");
  CHECK(check_rule({WindowKind::month, "UTC", {}, Credits::from_nano(-1)}).error().param ==
        "limit");
  CHECK(check_rule({WindowKind::rolling, "UTC", std::chrono::seconds{61}, {}}).error().param ==
        "duration");
  CHECK(check_rule({WindowKind::day, "UTC", std::chrono::seconds{60}, {}}).error().param ==
        "duration");
  CHECK(check_rule({WindowKind::rolling, "UTC", std::chrono::seconds{3600}, {}}));
}
