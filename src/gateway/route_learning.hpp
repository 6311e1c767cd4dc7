// All that routing learns from answers, beside conversations and health: one object, one state file.
//
//   file := "turnpike-routing 1\n" line*     line := word " " numbers " " name
#pragma once

#include <string>
#include <string_view>

#include "gateway/cache_warmth.hpp"
#include "gateway/conversation_lengths.hpp"
#include "gateway/target_paces.hpp"
#include "turnpike/error.hpp"

namespace turnpike::gateway {

/// Any thread; each part has its own mutex.
struct RouteLearning {
  CacheWarmth cache;
  ConversationLengths lengths;
  TargetPaces paces;
  OutputLengths outputs;

  [[nodiscard]] std::string serialise() const;
  /// All or nothing, into a fresh object: 500 bad_state names the first line that is wrong.
  Result<void> restore(std::string_view text);

 private:
  Result<void> take(std::string_view text);
};

}  // namespace turnpike::gateway
