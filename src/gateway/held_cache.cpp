#include "gateway/held_cache.hpp"

#include <algorithm>
#include <utility>

namespace turnpike::gateway {
namespace {

/// True if the prompt has the same beginning, up to the end of that message.
bool has(const PromptTrail& trail, const PromptMark& wanted) {
  auto mark = std::ranges::lower_bound(trail.marks, wanted.messages, {}, &PromptMark::messages);
  for (; mark != trail.marks.end() && mark->messages == wanted.messages; ++mark) {
    if (mark->hash == wanted.hash) return true;
  }
  return false;
}

}  // namespace

std::int64_t HeldCache::readable(const RequestFacts& facts) const {
  if (head != facts.trail.head || text_bytes <= 0) return 0;
  std::int64_t common = head_bytes;
  for (std::size_t i = 0; i < end_count && common == head_bytes; ++i) {
    if (has(facts.trail, ends[i])) common += ends[i].text_bytes;
  }
  if (common >= text_bytes) return tokens;
  // Tokens are spread over the prompt about evenly; what is cached of it stands at its beginning.
  const auto share = static_cast<double>(common) / static_cast<double>(text_bytes);
  return static_cast<std::int64_t>(share * static_cast<double>(tokens));
}

HeldCache held_cache(std::string target, const RequestFacts& facts, std::int64_t tokens, Instant used_at) {
  HeldCache held;
  held.target = std::move(target);
  held.tokens = tokens;
  held.used_at = used_at;
  held.hour = facts.hour_cache;
  held.text_bytes = facts.text_bytes;
  held.head = facts.trail.head;
  held.head_bytes = facts.trail.head_bytes;
  const auto& marks = facts.trail.marks;
  held.end_count = static_cast<std::uint8_t>(std::min(marks.size(), HeldCache::ends_max));
  std::copy_n(marks.rbegin(), held.end_count, held.ends.begin());
  return held;
}

void hold(std::vector<HeldCache>& held, HeldCache youngest) {
  std::erase_if(held, [&](const HeldCache& one) { return one.target == youngest.target; });
  if (youngest.tokens <= 0) return;
  if (held.size() >= RouteInputs::warm_max) held.pop_back();
  held.insert(held.begin(), std::move(youngest));
}

const HeldCache* held_by(const std::vector<HeldCache>& held, std::string_view target) {
  const auto found = std::ranges::find(held, target, &HeldCache::target);
  return found == held.end() ? nullptr : &*found;
}

}  // namespace turnpike::gateway
