#include "gateway/billed_prompts.hpp"

#include <algorithm>
#include <utility>

namespace turnpike::gateway {
namespace {

/// Source: reliability specification, "Admission"; RequestFacts::prompt_tokens_bound() has the
/// same.
constexpr std::int64_t tokens_of_frame = 1024;
constexpr std::int64_t tokens_per_message = 16;
constexpr std::int64_t tokens_per_tool = 64;
/// Names of models, stream options and the like, and short instructions: tokens_of_frame has room
/// for them.
constexpr std::int64_t growth_in_frame = 512;

std::int64_t tokens_of(std::int64_t bytes, const BoundRates& rates) {
  if (rates.tokens_per_kib >= 1024) return bytes;
  return (bytes * rates.tokens_per_kib + 1023) / 1024;
}

std::int64_t total(const std::vector<std::int64_t>& sizes) {
  std::int64_t sum = 0;
  for (const auto size : sizes) sum += size;
  return sum;
}

void extend(PutBackSum& sum, std::int64_t size) {
  ++sum.count;
  sum.bytes += size;
  sum.hash = (sum.hash ^ static_cast<std::uint64_t>(size)) * 0x9E3779B97F4A7C15ULL;
  sum.hash ^= sum.hash >> 29U;
}

/// The same place in another prompt of the conversation; null if that one goes on differently.
const PromptMark* find(const PromptTrail& trail, const PromptMark& wanted) {
  auto mark = std::ranges::lower_bound(trail.marks, wanted.messages, {}, &PromptMark::messages);
  for (; mark != trail.marks.end() && mark->messages == wanted.messages; ++mark) {
    if (mark->hash == wanted.hash) return &*mark;
  }
  return nullptr;
}

const PromptMark* last_common(const PromptTrail& trail, const BilledStep& step) {
  for (std::size_t i = 0; i < step.end_count; ++i) {
    if (const auto* mark = find(trail, step.ends[i])) return mark;
  }
  return nullptr;
}

PromptBound bound_behind(const BilledStep& step, const PromptMark& mark, const RequestFacts& facts,
                         const Additions& additions, const BoundRates& rates) {
  const bool same_head = step.head == facts.trail.head;
  const std::int64_t added =
      std::max({std::int64_t{0}, additions.growth - step.growth - growth_in_frame,
                step.put_back.fresh_bytes(additions.put_back)});
  const std::int64_t bytes =
      facts.text_bytes - mark.text_bytes - (same_head ? facts.trail.head_bytes : 0) + added;
  std::int64_t tokens = step.tokens + tokens_of(bytes, rates) + tokens_of_frame;
  tokens += tokens_per_message * (facts.messages - mark.messages);
  tokens += rates.tokens_per_media * (facts.images + facts.files - mark.media);
  if (!same_head) tokens += tokens_per_message + tokens_per_tool * facts.tools;
  return {tokens, step.tokens};
}

}  // namespace

PutBackSum sum_of(const std::vector<std::int64_t>& sizes) {
  PutBackSum sum;
  for (const auto size : sizes) extend(sum, size);
  return sum;
}

std::int64_t PutBackSum::fresh_bytes(const std::vector<std::int64_t>& sizes) const {
  if (sizes.size() < count) return total(sizes);
  PutBackSum beginning;
  for (std::size_t i = 0; i < count; ++i) extend(beginning, sizes[i]);
  return beginning == *this ? total(sizes) - bytes : total(sizes);
}

BilledStep billed_step(std::string target, const RequestFacts& facts, const Additions& additions,
                       std::int64_t tokens) {
  BilledStep step;
  step.target = std::move(target);
  step.tokens = tokens;
  step.head = facts.trail.head;
  const auto& marks = facts.trail.marks;
  step.end_count = static_cast<std::uint8_t>(std::min(marks.size(), BilledStep::ends_max));
  std::copy_n(marks.rbegin(), step.end_count, step.ends.begin());
  step.growth = additions.growth;
  step.put_back = sum_of(additions.put_back);
  return step;
}

PromptBound plain_bound(const RequestFacts& facts, const Additions& additions,
                        const BoundRates& rates) {
  const std::int64_t added =
      std::max({std::int64_t{0}, additions.growth - growth_in_frame, total(additions.put_back)});
  return {tokens_of(facts.text_bytes + added, rates) + tokens_of_frame +
              tokens_per_message * facts.messages + tokens_per_tool * facts.tools +
              rates.tokens_per_media * (facts.images + facts.files),
          0};
}

void BilledPrompts::add(BilledStep step, const RequestFacts& facts) {
  for (auto& earlier : steps_) {
    if (earlier.target == step.target && earlier.end_count > 0 &&
        find(facts.trail, earlier.ends.front()) != nullptr) {
      earlier.continued = true;
    }
  }
  steps_.push_back(std::move(step));
  const auto continued = std::ranges::count_if(steps_, &BilledStep::continued);
  if (std::cmp_greater(continued, continued_max)) {
    steps_.erase(std::ranges::find_if(steps_, &BilledStep::continued));
  } else if (steps_.size() > steps_max) {
    const auto passed = std::ranges::find_if(steps_, &BilledStep::continued);
    steps_.erase(passed == steps_.end() ? steps_.begin() : passed);
  }
}

PromptBound BilledPrompts::bound(std::string_view target, const RequestFacts& facts,
                                 const Additions& additions, const BoundRates& rates) const {
  PromptBound least = plain_bound(facts, additions, rates);
  for (const auto& step : steps_) {
    if (step.target != target) continue;
    const auto* mark = last_common(facts.trail, step);
    if (mark == nullptr) continue;
    const PromptBound behind = bound_behind(step, *mark, facts, additions, rates);
    if (behind.tokens < least.tokens) least = behind;
  }
  return least;
}

}  // namespace turnpike::gateway
