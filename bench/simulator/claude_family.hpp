// What each generation of Claude accepts (wire formats, "thinking / sampling by family").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::simulator {

struct ClaudeFamily {
  std::string name;         // "opus-5.5": thinking is bound to it
  int version = 0;          // 45 for 4.5
  bool budget = false;      // thinking{enabled,budget_tokens}
  bool adaptive = false;    // thinking{adaptive}
  bool may_disable = true;  // thinking{disabled}
  bool thinks_by_default = false;
  bool sampling = true;  // temperature and its kin
  bool prefill = true;
  bool mid_system = false;     // role system inside messages
  bool binds_prefix = false;   // thinking blocks are tied to all that came before them
  bool shows_thinking = true;  // by default; else display is omitted
  std::vector<std::string> efforts;
  std::int64_t context_tokens = 200'000;
  std::int64_t output_tokens_max = 64'000;
};

/// Nothing for names that are no Claude.
std::optional<ClaudeFamily> claude_family(std::string_view model);

/// Whether `reader` takes notice of a thinking block that `writer` made; else it is dropped
/// silently.
bool reads_thinking_of(const ClaudeFamily& reader, std::string_view writer);

}  // namespace turnpike::simulator
