#include "catalog/local_clock.hpp"

#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <algorithm>

namespace turnpike::catalog {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::minutes;

class UtcClock final : public LocalClock {
 public:
  [[nodiscard]] LocalMinute read(Instant instant) const override {
    const auto day = floor<days>(instant);
    return {day, static_cast<int>(floor<minutes>(instant - day).count())};
  }

  [[nodiscard]] Instant next_edge(Instant instant,
                                  std::span<const MinuteRange> ranges) const override {
    const auto midnight = floor<days>(instant);
    Instant nearest = midnight + days{1};
    for (const auto& range : ranges) {
      for (const int minute : {range.begin, range.end}) {
        const Instant edge = midnight + minutes{minute};
        if (edge > instant) nearest = std::min(nearest, edge);
      }
    }
    return nearest;
  }
};

class ZoneClock final : public LocalClock {
 public:
  explicit ZoneClock(const cctz::time_zone& zone) : zone_(zone) {}

  [[nodiscard]] LocalMinute read(Instant instant) const override {
    const auto civil = cctz::convert(floor<cctz::seconds>(instant), zone_);
    const auto since_epoch = cctz::civil_day{civil} - cctz::civil_day{};
    return {std::chrono::sys_days{days{since_epoch}}, civil.hour() * 60 + civil.minute()};
  }

  // A local time that occurs twice is reached twice, one that is skipped is reached at the jump.
  // The next day's midnight is an edge, so one day is enough to look at.
  [[nodiscard]] Instant next_edge(Instant instant,
                                  std::span<const MinuteRange> ranges) const override {
    const auto second = floor<cctz::seconds>(instant);
    const cctz::civil_second midnight{cctz::civil_day{cctz::convert(second, zone_)}};
    Instant nearest = Instant::max();
    const auto consider = [&](cctz::time_point<cctz::seconds> edge) {
      if (Instant{edge.time_since_epoch()} > instant)
        nearest = std::min(nearest, Instant{edge.time_since_epoch()});
    };
    const auto reached = [&](int minute) {
      const auto found = zone_.lookup(midnight + minute * 60);
      for (const auto edge : {found.pre, found.trans, found.post}) consider(edge);
    };
    reached(24 * 60);
    for (const auto& range : ranges) {
      reached(range.begin);
      reached(range.end);
    }
    cctz::time_zone::civil_transition jump;
    if (zone_.next_transition(second, &jump)) consider(zone_.lookup(jump.to).trans);
    return nearest;
  }

 private:
  cctz::time_zone zone_;
};

}  // namespace

std::shared_ptr<const LocalClock> local_clock(const std::string& zone) {
  static const auto utc = std::make_shared<const UtcClock>();
  if (zone == "UTC") return utc;
  cctz::time_zone found;
  if (zone.empty() || !cctz::load_time_zone(zone, &found)) return nullptr;
  return std::make_shared<const ZoneClock>(found);
}

}  // namespace turnpike::catalog
