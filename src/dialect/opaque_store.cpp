#include "dialect/opaque_store.hpp"

#include <algorithm>
#include <utility>

#include "dialect/sha256.hpp"

namespace turnpike::dialect {

namespace {

/// Nodes, index slots and allocator rounding of one entry, so that many tiny entries cannot outgrow
/// the bound.
constexpr std::size_t entry_overhead = 384;
/// Share of a lifetime that a restart may forget of an entry's last use.
constexpr int journal_uses_per_lifetime = 24;

std::string joined_key(std::string_view owner, std::string_view key) {
  std::string joined;
  joined.reserve(owner.size() + 1 + key.size());
  joined.append(owner);
  joined.push_back('\0');
  joined.append(key);
  return joined;
}

std::size_t size_of(std::string_view joined, const OpaqueState& state) {
  std::size_t bytes = entry_overhead + joined.size() + state.vendor.size() + state.family.size();
  for (const auto& block : state.blocks)
    bytes += sizeof block + block.text.size() + block.signature.size();
  return bytes;
}

Instant later(Instant now, std::chrono::seconds by) { return now + by; }

}  // namespace

OpaqueStore::OpaqueStore(const Clock& clock, std::size_t bytes_max, std::chrono::seconds lifetime)
    : clock_(clock), bytes_max_(bytes_max), lifetime_(lifetime) {}

bool OpaqueStore::restore(std::string_view owner, std::string_view key, OpaqueState state,
                          Instant expires) {
  const auto left = std::min<Instant::duration>(expires - clock_.now(), lifetime_);
  if (left <= Instant::duration::zero()) return true;
  const auto until = clock_.monotonic() + left;
  auto joined = joined_key(owner, key);
  const auto bytes = size_of(joined, state);
  const std::scoped_lock lock{mutex_};
  if (index_.contains(joined)) return true;
  if (bytes_ + bytes > bytes_max_) return false;
  add(entries_.end(), owner,
      {std::move(joined), std::move(state), bytes, until, until, nullptr, {}});
  return true;
}

void OpaqueStore::put(std::string_view owner, std::string_view key, OpaqueState state) {
  auto joined = joined_key(owner, key);
  const auto bytes = size_of(joined, state);
  if (journal_ != nullptr && bytes <= bytes_max_)
    journal_->on_put(owner, key, state, later(clock_.now(), lifetime_));
  std::vector<std::string> evicted;
  {
    const auto now = clock_.monotonic();
    const std::scoped_lock lock{mutex_};
    if (const auto known = index_.find(joined); known != index_.end()) drop(known->second);
    if (bytes <= bytes_max_) {
      // Lives are renewed on use, so the oldest at the end are also the first to expire.
      while (!entries_.empty() && entries_.back().expires <= now) drop(std::prev(entries_.end()));
      if (make_room(owner, bytes, evicted)) {
        const auto expires = now + lifetime_;
        add(entries_.begin(), owner,
            {std::move(joined), std::move(state), bytes, expires, expires, nullptr, {}});
        joined.clear();
      }
    }
    if (!joined.empty()) evicted.push_back(std::move(joined));
  }
  if (journal_ == nullptr) return;
  for (const std::string_view gone : evicted) {
    const std::size_t border = gone.find('\0');
    journal_->on_drop(gone.substr(0, border), gone.substr(border + 1));
  }
}

std::optional<OpaqueState> OpaqueStore::find(std::string_view owner, std::string_view key) const {
  const auto joined = joined_key(owner, key);
  const auto now = clock_.monotonic();
  std::optional<OpaqueState> found;
  bool journal_late = false;
  {
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
    auto& order = entry->owner->entries;
    order.splice(order.begin(), order, entry->place);
    journal_late = journal_ != nullptr && entry->expires - entry->expires_in_journal >=
                                              lifetime_ / journal_uses_per_lifetime;
    if (journal_late) entry->expires_in_journal = entry->expires;
    found = entry->state;
  }
  if (journal_late) journal_->on_use(owner, key, later(clock_.now(), lifetime_));
  return found;
}

OpaqueFigures OpaqueStore::figures() const {
  const std::scoped_lock lock{mutex_};
  return {entries_.size(), bytes_, evictions_};
}

OpaqueStore::Entries::iterator OpaqueStore::add(Entries::iterator before, std::string_view owner,
                                                Entry entry) const {
  auto& holder = owners_[std::string{owner}];
  if (holder.name.empty()) holder.name = owner;
  const bool youngest = before == entries_.begin();
  const auto at = entries_.insert(before, std::move(entry));
  at->owner = &holder;
  at->place = holder.entries.insert(youngest ? holder.entries.begin() : holder.entries.end(), at);
  index_.emplace(at->key, at);
  bytes_ += at->bytes;
  holder.bytes += at->bytes;
  note_size(holder, holder.bytes - at->bytes);
  return at;
}

void OpaqueStore::drop(Entries::iterator entry) const {
  Owner& holder = *entry->owner;
  bytes_ -= entry->bytes;
  holder.bytes -= entry->bytes;
  note_size(holder, holder.bytes + entry->bytes);
  holder.entries.erase(entry->place);
  index_.erase(entry->key);
  entries_.erase(entry);
  if (holder.entries.empty()) owners_.erase(owners_.find(holder.name));
}

/// Keeps the short list of owners above their share, so that a full store need not look at all.
void OpaqueStore::note_size(Owner& owner, std::size_t before) const {
  if (before <= share() && owner.bytes > share()) above_share_.push_back(&owner);
  if (before > share() && owner.bytes <= share()) std::erase(above_share_, &owner);
}

/// False if so large a state would have to push out others' entries.
bool OpaqueStore::make_room(std::string_view owner, std::size_t bytes,
                            std::vector<std::string>& evicted) {
  const auto own = owners_.find(std::string{owner});
  const auto own_bytes = own == owners_.end() ? 0 : own->second.bytes;
  if (bytes > share() && bytes_ - own_bytes + bytes > bytes_max_) return false;
  while (bytes_ + bytes > bytes_max_) {
    const auto gone = victim(owner, bytes);
    evicted.push_back(gone->key);
    drop(gone);
    ++evictions_;
  }
  return true;
}

/// Of an owner above its share, the one who needs the room first; if there is none, the oldest of
/// all.
OpaqueStore::Entries::iterator OpaqueStore::victim(std::string_view owner,
                                                   std::size_t bytes) const {
  const auto own = owners_.find(std::string{owner});
  if (own != owners_.end() && own->second.bytes + bytes > share()) {
    return own->second.entries.back();
  }
  if (!above_share_.empty()) return above_share_.front()->entries.back();
  return std::prev(entries_.end());
}

std::string turn_key(std::string_view visible_text) {
  return "text:" + sha256_hex(visible_text).substr(0, 32);
}

}  // namespace turnpike::dialect
