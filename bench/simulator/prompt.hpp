// A prompt as the model would see it: one run of bytes with marks between its pieces. Tokens are
// bytes / 4. The caches remember prefixes of it, per provider, key and model.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace turnpike::simulator {

enum class CacheMark : std::uint8_t { none, minutes_5, hour_1 };

class Prompt {
 public:
  struct Boundary {
    std::size_t end = 0;            // bytes before it
    std::int64_t media_tokens = 0;  // tokens of images before it
    CacheMark mark = CacheMark::none;
  };

  /// A piece after which a provider could set a cache breakpoint.
  void add(std::string_view piece, CacheMark mark = CacheMark::none);
  void add_media(std::string_view identity, std::int64_t tokens);
  void mark_last(CacheMark mark) {
    if (!boundaries_.empty()) boundaries_.back().mark = mark;
  }

  [[nodiscard]] std::int64_t tokens() const { return tokens_at(boundaries_.size()); }
  [[nodiscard]] std::int64_t tokens_at(std::size_t boundary_count) const;
  [[nodiscard]] const std::vector<Boundary>& boundaries() const { return boundaries_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  /// Hash of everything added so far.
  [[nodiscard]] std::uint64_t hash() const;

 private:
  std::string bytes_;
  std::int64_t media_tokens_ = 0;
  std::vector<Boundary> boundaries_;
};

struct CacheShare {
  std::int64_t read = 0;
  std::int64_t write_5m = 0;
  std::int64_t write_1h = 0;
};

using Instant = std::chrono::steady_clock::time_point;

/// Remembers prompts. Bounded: beyond `entries_max` the oldest entries are forgotten.
class PromptCache {
 public:
  /// Reads the longest remembered run of whole blocks from the start, then remembers the prompt.
  /// `floor_tokens`: shorter hits count as none.
  CacheShare automatic(std::string_view scope, const Prompt& prompt, std::int64_t block_tokens,
                       std::int64_t floor_tokens);
  /// Reads and writes at breakpoints, with look-back over 20 boundaries, as Anthropic does.
  CacheShare at_breakpoints(std::string_view scope, const Prompt& prompt, std::int64_t floor_tokens,
                            Instant now);
  void clear();

 private:
  static constexpr std::size_t entries_max = 400'000;
  struct Entry {
    Instant until;
  };
  void remember(std::uint64_t key, Instant until);
  [[nodiscard]] bool remembers(std::uint64_t key, Instant now) const;

  std::unordered_map<std::uint64_t, Entry> entries_;
  std::deque<std::uint64_t> order_;
};

}  // namespace turnpike::simulator
