#include "gateway/conversations.hpp"

#include <utility>

namespace turnpike::gateway {

std::string Conversations::key_of(std::string_view owner, std::string_view conversation) {
  std::string key;
  key.reserve(owner.size() + 1 + conversation.size());
  key.append(owner).append(1, '\x1f').append(conversation);
  return key;
}

std::optional<Remembered> Conversations::find(std::string_view owner, std::string_view conversation) const {
  const std::string key = key_of(owner, conversation);
  const std::lock_guard lock{mutex_};
  const auto found = index_.find(key);
  if (found == index_.end()) return std::nullopt;
  return found->second->step;
}

void Conversations::remember(std::string_view owner, std::string_view conversation, Stay stay,
                             BilledPrompt billed) {
  std::string key = key_of(owner, conversation);
  const std::lock_guard lock{mutex_};
  if (const auto found = index_.find(key); found != index_.end()) {
    found->second->step.stay = std::move(stay);
    found->second->step.billed = std::move(billed);
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  entries_.push_front({std::move(key), {std::move(stay), std::move(billed), nullptr, {}}});
  index_.emplace(entries_.front().key, entries_.begin());
  if (entries_.size() > entries_max_) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

void Conversations::add_billed(std::string_view owner, std::string_view conversation, BilledStep step,
                               const RequestFacts& facts) {
  const std::string key = key_of(owner, conversation);
  const std::lock_guard lock{mutex_};
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  auto& prompts = found->second->step.prompts;
  // Who has looked it up keeps what was there.
  auto changed = prompts ? std::make_shared<BilledPrompts>(*prompts) : std::make_shared<BilledPrompts>();
  changed->add(std::move(step), facts);
  prompts = std::move(changed);
}

void Conversations::hold(std::string_view owner, std::string_view conversation, HeldCache cache) {
  const std::string key = key_of(owner, conversation);
  const std::lock_guard lock{mutex_};
  const auto found = index_.find(key);
  if (found != index_.end()) gateway::hold(found->second->step.held, std::move(cache));
}

std::size_t Conversations::size() const {
  const std::lock_guard lock{mutex_};
  return entries_.size();
}

}  // namespace turnpike::gateway
