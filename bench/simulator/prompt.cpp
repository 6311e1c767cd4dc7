#include "prompt.hpp"

#include <algorithm>

#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::size_t look_back = 20;

std::vector<std::uint64_t> boundary_hashes(std::string_view scope, const Prompt& prompt) {
  std::vector<std::uint64_t> hashes;
  std::uint64_t chain = hash_bytes(scope);
  std::size_t from = 0;
  for (const auto& boundary : prompt.boundaries()) {
    chain = hash_bytes(prompt.bytes().substr(from, boundary.end - from), chain);
    from = boundary.end;
    hashes.push_back(chain);
  }
  return hashes;
}

}  // namespace

void Prompt::add(std::string_view piece, CacheMark mark) {
  bytes_ += piece;
  bytes_ += '\n';
  boundaries_.push_back({bytes_.size(), media_tokens_, mark});
}

void Prompt::add_media(std::string_view identity, std::int64_t tokens) {
  bytes_ += to_hex(hash_bytes(identity));
  media_tokens_ += tokens;
  boundaries_.push_back({bytes_.size(), media_tokens_, CacheMark::none});
}

std::int64_t Prompt::tokens_at(std::size_t boundary_count) const {
  if (boundary_count == 0) return 0;
  const auto& boundary = boundaries_[boundary_count - 1];
  return static_cast<std::int64_t>((boundary.end + 3) / 4) + boundary.media_tokens;
}

std::uint64_t Prompt::hash() const { return hash_bytes(bytes_); }

CacheShare PromptCache::automatic(std::string_view scope, const Prompt& prompt,
                                  std::int64_t block_tokens, std::int64_t floor_tokens) {
  const auto block_bytes = static_cast<std::size_t>(block_tokens) * 4;
  std::uint64_t chain = hash_bytes(scope);
  std::int64_t blocks = 0;
  bool unbroken = true;
  for (std::size_t from = 0; from + block_bytes <= prompt.bytes().size(); from += block_bytes) {
    chain = hash_bytes(prompt.bytes().substr(from, block_bytes), chain);
    unbroken = unbroken && remembers(chain, Instant{});
    if (unbroken) {
      ++blocks;
    } else {
      remember(chain, Instant::max());
    }
  }
  const std::int64_t read = blocks * block_tokens;
  return {.read = read >= floor_tokens ? read : 0};
}

CacheShare PromptCache::at_breakpoints(std::string_view scope, const Prompt& prompt,
                                       std::int64_t floor_tokens, Instant now) {
  const auto hashes = boundary_hashes(scope, prompt);
  CacheShare share;
  std::size_t read_count = 0;  // boundaries inside the part that is read
  for (std::size_t i = hashes.size(); i-- > 0 && read_count == 0;) {
    if (prompt.boundaries()[i].mark == CacheMark::none) continue;
    for (std::size_t back = 0; back < look_back && back <= i; ++back) {
      if (!remembers(hashes[i - back], now)) continue;
      read_count = i - back + 1;
      break;
    }
  }
  share.read = prompt.tokens_at(read_count);
  std::size_t written = read_count;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const auto mark = prompt.boundaries()[i].mark;
    if (mark == CacheMark::none || prompt.tokens_at(i + 1) < floor_tokens) continue;
    const bool long_lived = mark == CacheMark::hour_1;
    remember(hashes[i], now + (long_lived ? std::chrono::minutes{60} : std::chrono::minutes{5}));
    if (i + 1 <= written) continue;
    (long_lived ? share.write_1h : share.write_5m) +=
        prompt.tokens_at(i + 1) - prompt.tokens_at(written);
    written = i + 1;
  }
  return share;
}

void PromptCache::clear() {
  entries_.clear();
  order_.clear();
}

void PromptCache::remember(std::uint64_t key, Instant until) {
  if (!entries_.insert_or_assign(key, Entry{until}).second) return;
  order_.push_back(key);
  if (order_.size() <= entries_max) return;
  entries_.erase(order_.front());
  order_.pop_front();
}

bool PromptCache::remembers(std::uint64_t key, Instant now) const {
  const auto at = entries_.find(key);
  return at != entries_.end() && at->second.until > now;
}

}  // namespace turnpike::simulator
