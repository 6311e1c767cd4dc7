#include "gateway/cache_warmth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "gateway/state_line.hpp"

namespace turnpike::gateway {
namespace {

/// Upper ends of the bins; around the lifetimes that providers name (5 minutes, 1 hour) they are narrow.
constexpr std::array<std::int64_t, CacheWarmth::bins> ends_s{15,   60,   150,  270,   330,   600,    1200,     2400,
                                                             3300, 3900, 7200, 14400, 43200, 86'400, INT64_MAX};

std::size_t bin_of(std::chrono::microseconds idle) {
  const auto seconds = std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::seconds>(idle).count());
  return static_cast<std::size_t>(std::ranges::lower_bound(ends_s, seconds) - ends_s.begin());
}

/// The documented lifetime weighs as much as so many answers.
constexpr float prior_weight = 6;
/// A bin remembers about so many.
constexpr float memory = 100;

float documented(std::chrono::seconds lifetime, std::chrono::microseconds idle) {
  const auto at = std::chrono::duration<float>(idle) / std::chrono::duration<float>(lifetime);
  if (at <= 0.9F) return 0.95F;
  return at <= 1.1F ? 0.5F : 0.05F;
}

}  // namespace

float CacheWarmth::alive(const Entry& entry, std::chrono::microseconds idle) const {
  const float prior = documented(entry.lifetime, idle);
  const std::lock_guard lock{mutex_};
  const auto known = table(entry.kind).find(entry.provider);
  if (known == table(entry.kind).end()) return prior;
  const Bin& bin = known->second[bin_of(idle)];
  return (prior_weight * prior + bin.read) / (prior_weight + bin.seen);
}

void CacheWarmth::learn(const Entry& entry, std::chrono::microseconds idle, float share) {
  const std::lock_guard lock{mutex_};
  Table& known = table(entry.kind);
  auto found = known.find(entry.provider);
  if (found == known.end()) {
    if (known.size() >= providers_max) return;
    found = known.emplace(std::string{entry.provider}, Bins{}).first;
  }
  Bin& bin = found->second[bin_of(idle)];
  const float kept = bin.seen >= memory ? (memory - 1) / bin.seen : 1;
  bin.seen = bin.seen * kept + 1;
  bin.read = bin.read * kept + std::clamp(share, 0.0F, 1.0F);
}

std::vector<CacheWarmth::Figure> CacheWarmth::figures() const {
  std::vector<Figure> all;
  const std::lock_guard lock{mutex_};
  for (const auto kind : {Kind::usual, Kind::hour}) {
    for (const auto& [provider, row] : table(kind)) {
      for (std::size_t i = 0; i < bins; ++i) {
        if (row[i].seen > 0) all.push_back({provider, kind, i, std::chrono::seconds{ends_s[i]}, row[i].seen, row[i].read});
      }
    }
  }
  std::ranges::sort(all, {}, [](const Figure& f) { return std::tuple{f.provider, f.kind, f.bin}; });
  return all;
}

std::string CacheWarmth::serialise() const {
  std::string text;
  for (const auto& figure : figures()) {
    text += fmt::format("cache {} {} {} {} {}\n", static_cast<int>(figure.kind), figure.bin, figure.seen, figure.read,
                        figure.provider);
  }
  return text;
}

bool CacheWarmth::restore_line(std::string_view line) {
  StateLine words{line};
  const auto kind = words.integer(0, 1);
  const auto index = words.integer(0, bins - 1);
  const auto seen = words.number(0, memory);
  const auto read = words.number(0, memory);
  const auto provider = words.rest();
  if (!words.good() || provider.empty() || read > seen) return false;
  const std::lock_guard lock{mutex_};
  Table& known = table(static_cast<Kind>(kind));
  if (known.size() >= providers_max && !known.contains(provider)) return true;
  known[std::string{provider}][static_cast<std::size_t>(index)] = {seen, read};
  return true;
}

}  // namespace turnpike::gateway
