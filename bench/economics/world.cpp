#include "world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace turnpike::economics {
namespace {

/// Tokens of a byte. The newer Claude tokenizer cuts finer than DeepSeek's.
double tokens_per_byte(const catalog::Model& model) { return model.provider == "anthropic" ? 0.29 : 0.25; }

enum What : std::uint8_t { output_size = 101, outcome, printed, miss };

std::uint64_t key_of(const Step& step) { return step.conversation->id * 100'000 + step.number; }

}  // namespace

std::int64_t World::alive(const std::string& key, bool marked, Instant at) const {
  const auto found = caches_.find(key);
  if (found == caches_.end()) return 0;
  const std::chrono::seconds life{marked ? assumed_.marked_life_s : assumed_.automatic_life_s};
  return at - found->second.used_at <= life ? found->second.tokens : 0;
}

Answer World::answer(const Step& step, const std::string& target) {
  const auto& model = *catalog_.find(target);
  const bool marked = catalog_.provider_of(model).cache_marked;
  const double ratio = tokens_per_byte(model);
  const auto tokens = [&](std::int64_t bytes) { return static_cast<std::int64_t>(static_cast<double>(bytes) * ratio) + 1; };
  const auto prompt = tokens(step.facts.text_bytes);
  // Tools and instructions are the same in all conversations of one harness.
  const auto head_key = fmt::format("{} {} {}", target, step.conversation->shape->name, step.conversation->subagent);
  const auto own_key = fmt::format("{} {}", target, step.conversation->id);
  std::int64_t read = std::max(alive(head_key, marked, step.at), alive(own_key, marked, step.at));
  if (!marked && chance_.of(miss, key_of(step)) < assumed_.cache_misses) read = 0;

  Answer made;
  made.usage.input_cache_read = std::min(read, prompt);
  (marked ? made.usage.input_cache_write_5m : made.usage.input_fresh) = prompt - made.usage.input_cache_read;
  const auto median = static_cast<double>(step.facts.in_tool_loop ? assumed_.output_loop : assumed_.output_human);
  made.usage.output_text = std::max<std::int64_t>(20, std::llround(chance_.spread(median, 0.8, output_size, key_of(step))));
  auto& family = last_family_[step.conversation->id];
  if (!family.empty() && family != model.family) made.usage.output_text += assumed_.rethink_tokens;
  family = model.family;

  const auto candidate = catalog_.candidate(model, step.at, std::chrono::seconds{1});
  made.cost = charge(candidate.value().quote, made.usage).value();
  made.ended = step.at + std::chrono::seconds{2 + made.usage.output() / 60};
  caches_[own_key] = {prompt, made.ended};
  caches_[head_key] = {tokens(step.facts.trail.head_bytes), made.ended};
  return made;
}

bool World::succeeds(const Step& step, bool frontier) const {
  const double fails = !step.hard ? measured_.stray_failures : frontier ? assumed_.fails_on_frontier : assumed_.fails_under_routed;
  return chance_.of(outcome, key_of(step)) >= fails;
}

std::int64_t World::growth(const Step& step) const {
  const auto text = chance_.spread(static_cast<double>(assumed_.printed_bytes), 1.1, printed, key_of(step));
  return step.conversation->shape->frame + std::min<std::int64_t>(60'000, std::llround(text));
}

}  // namespace turnpike::economics
