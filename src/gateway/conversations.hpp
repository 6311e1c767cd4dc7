// What answered each conversation's previous step, so that a tool loop stays with the model that began it, and what its
// prompt was billed, so that the next one's size is nearly known.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/token_meter.hpp"
#include "policy/situation.hpp"

namespace turnpike::gateway {

struct Remembered {
  policy::Stay stay;
  BilledPrompt billed;
};

/// Bounded; the conversation longest unseen is forgotten first. Any thread; one mutex, held for a look-up.
class Conversations {
 public:
  explicit Conversations(std::size_t entries_max = 50'000) : entries_max_(entries_max) {}

  [[nodiscard]] std::optional<Remembered> find(std::string_view owner, std::string_view conversation) const;
  void remember(std::string_view owner, std::string_view conversation, Remembered step);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    Remembered step;
  };
  static std::string key_of(std::string_view owner, std::string_view conversation);

  const std::size_t entries_max_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // youngest first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index_;  // keys live in the entries
};

}  // namespace turnpike::gateway
