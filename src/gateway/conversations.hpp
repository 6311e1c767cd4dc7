// What answered each conversation's previous step, so that a tool loop stays with the model that began it, and what its
// prompts were billed, so that the next one's size is nearly known.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/billed_prompts.hpp"
#include "gateway/held_cache.hpp"
#include "gateway/token_meter.hpp"
#include "policy/situation.hpp"

namespace turnpike::gateway {

struct Remembered {
  Stay stay;
  BilledPrompt billed;  // of the previous step
  std::shared_ptr<const BilledPrompts> prompts;  // of several; null: none was billed
  std::vector<HeldCache> held;                   // the youngest first
};

/// Bounded; the conversation longest unseen is forgotten first. Any thread; one mutex, held for a look-up.
class Conversations {
 public:
  static constexpr std::size_t entries_max_default = 50'000;

  /// `hash_key`: of PromptHash, for all requests whose conversations are kept here; drawn at random, told to nobody.
  explicit Conversations(std::size_t entries_max = entries_max_default, std::uint64_t hash_key = 0)
      : entries_max_(entries_max), hash_key_(hash_key) {}

  [[nodiscard]] std::uint64_t hash_key() const { return hash_key_; }

  [[nodiscard]] std::optional<Remembered> find(std::string_view owner, std::string_view conversation) const;
  /// Puts `stay` and `billed` in place of those of the step before.
  void remember(std::string_view owner, std::string_view conversation, Stay stay, BilledPrompt billed);
  /// After remember(): adds a prompt to those of the conversation. Branches that run side by side each have theirs.
  void add_billed(std::string_view owner, std::string_view conversation, BilledStep step, const RequestFacts& facts);
  /// After remember(): what the answering target now has in its cache.
  void hold(std::string_view owner, std::string_view conversation, HeldCache cache);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    Remembered step;
  };
  static std::string key_of(std::string_view owner, std::string_view conversation);

  const std::size_t entries_max_;
  const std::uint64_t hash_key_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // youngest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;  // keys live in the entries
};

}  // namespace turnpike::gateway
