// How many more steps a conversation is likely to have, learned per policy from those that came before.
//
// Counts how often each number of steps was reached. Of the conversations that reached k, those that went on have added all
// the counts above k: the mean of further steps is the sum of the counts above k over the count at k. No end needs to be
// seen. Conversations that still run make it somewhat too small, never too large.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace turnpike::gateway {

/// Any thread; one mutex, held for a look-up and a sum of 48 numbers (some 100 ns).
class ConversationLengths {
 public:
  static constexpr std::size_t policies_max = 32;  // further ones are not learned
  static constexpr std::size_t bins = 48;

  /// A conversation has had its step number `steps`, counted from 1.
  void learn(std::string_view policy, std::int32_t steps);
  /// Mean of further steps after `steps`; 0 as long as fewer than 20 conversations came that far.
  [[nodiscard]] float left(std::string_view policy, std::int32_t steps) const;

  /// Lines "length BIN COUNT POLICY".
  [[nodiscard]] std::string serialise() const;
  /// Takes one such line, without its first word. False: it is malformed.
  bool restore_line(std::string_view line);

 private:
  struct History {
    std::array<float, bins> reached{};  // steps whose number fell into the bin
    float total = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string, History, std::less<>> policies_;
};

}  // namespace turnpike::gateway
