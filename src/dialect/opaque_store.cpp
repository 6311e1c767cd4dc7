#include "dialect/opaque_store.hpp"

#include <fmt/format.h>

#include <utility>

#include "dialect/sha256.hpp"

namespace turnpike::dialect {

namespace {

/// Node, index slot and allocator rounding of one entry, so that many tiny entries cannot outgrow
/// the bound.
constexpr std::size_t entry_overhead = 256;

std::string joined_key(std::string_view owner, std::string_view key) {
  std::string joined;
  joined.reserve(owner.size() + 1 + key.size());
  joined.append(owner);
  joined.push_back('\0');
  joined.append(key);
  return joined;
}

std::size_t size_of(const OpaqueState& state) {
  std::size_t bytes = state.vendor.size() + state.family.size();
  for (const auto& block : state.blocks)
    bytes += sizeof block + block.text.size() + block.signature.size();
  return bytes;
}

}  // namespace

OpaqueStore::OpaqueStore(const Clock& clock, std::size_t bytes_max, std::chrono::seconds lifetime)
    : clock_(clock), bytes_max_(bytes_max), lifetime_(lifetime) {}

void OpaqueStore::put(std::string_view owner, std::string_view key, OpaqueState state) {
  auto joined = joined_key(owner, key);
  const auto bytes = entry_overhead + joined.size() + size_of(state);
  const auto now = clock_.monotonic();
  const std::scoped_lock lock{mutex_};
  if (const auto known = index_.find(joined); known != index_.end()) drop(known->second);
  if (bytes > bytes_max_) return;
  // Lives are renewed on use, so the oldest at the end are also the first to expire.
  while (!entries_.empty() && entries_.back().expires <= now) drop(std::prev(entries_.end()));
  while (bytes_ + bytes > bytes_max_) {
    drop(std::prev(entries_.end()));
    ++evictions_;
  }
  entries_.push_front({std::move(joined), std::move(state), bytes, now + lifetime_});
  index_.emplace(entries_.front().key, entries_.begin());
  bytes_ += bytes;
}

std::optional<OpaqueState> OpaqueStore::find(std::string_view owner, std::string_view key) const {
  const auto joined = joined_key(owner, key);
  const auto now = clock_.monotonic();
  const std::scoped_lock lock{mutex_};
  const auto known = index_.find(joined);
  if (known == index_.end()) return std::nullopt;
  const auto entry = known->second;
  if (entry->expires <= now) {
    drop(entry);
    return std::nullopt;
  }
  entry->expires = now + lifetime_;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->state;
}

OpaqueFigures OpaqueStore::figures() const {
  const std::scoped_lock lock{mutex_};
  return {entries_.size(), bytes_, evictions_};
}

void OpaqueStore::drop(Entries::iterator entry) const {
  bytes_ -= entry->bytes;
  index_.erase(entry->key);
  entries_.erase(entry);
}

std::string turn_key(std::string_view visible_text) {
  return "text:" + sha256_hex(visible_text).substr(0, 32);
}

}  // namespace turnpike::dialect
