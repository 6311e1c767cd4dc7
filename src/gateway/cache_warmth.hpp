// How long prompts stay in each provider's cache, learned from what its answers report as read.
//
// Every answer that could have read what an earlier one left behind tells one fact: after so much idle time, this share of
// it was read. Facts are kept per provider and kind of entry, in bins of idle time, fading. Before any, a provider's
// documented lifetime speaks: nearly all is there until it ends, nearly nothing afterwards.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "turnpike/error.hpp"

namespace turnpike::gateway {

/// Any thread; one mutex, held for a look-up (some 50 ns).
class CacheWarmth {
 public:
  /// What an entry was written as: with the provider's usual lifetime, or marked to live an hour.
  enum class Kind : std::uint8_t { usual, hour };
  struct Entry {
    std::string_view provider;
    Kind kind = Kind::usual;
    std::chrono::seconds lifetime{300};  // documented, after the last use
  };

  static constexpr std::size_t providers_max = 64;  // of further ones only the documented lifetime counts
  static constexpr std::size_t bins = 15;

  /// Expected share of an entry that can still be read after so much idle time.
  [[nodiscard]] float alive(const Entry& entry, std::chrono::microseconds idle) const;
  /// An answer read `share` (0..1) of what should have been readable.
  void learn(const Entry& entry, std::chrono::microseconds idle, float share);

  struct Figure {
    std::string provider;
    Kind kind = Kind::usual;
    std::size_t bin = 0;
    std::chrono::seconds idle_max{};  // of the bin; the last has no end
    float seen = 0;                   // observations, faded
    float read = 0;                   // of those, the sum of shares
  };
  /// Every bin that has seen anything, by provider.
  [[nodiscard]] std::vector<Figure> figures() const;

  /// Lines "cache KIND BIN SEEN READ PROVIDER".
  [[nodiscard]] std::string serialise() const;
  /// Takes one such line, without its first word. False: it is malformed.
  bool restore_line(std::string_view line);

 private:
  struct Bin {
    float seen = 0;
    float read = 0;
  };
  using Bins = std::array<Bin, bins>;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Table = std::unordered_map<std::string, Bins, Hash, std::equal_to<>>;
  [[nodiscard]] const Table& table(Kind kind) const { return tables_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] Table& table(Kind kind) { return tables_[static_cast<std::size_t>(kind)]; }

  mutable std::mutex mutex_;
  std::array<Table, 2> tables_;
};

}  // namespace turnpike::gateway
