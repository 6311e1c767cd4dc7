#include "gateway/fair_queue.hpp"

#include <algorithm>
#include <utility>

namespace turnpike::gateway {

bool FairQueue::full_for(std::size_t bytes) const {
  return requests_ >= limits_.requests_max || bytes_ + bytes > limits_.bytes_max;
}

/// By members for its weight; only asked while the queue is full.
const FairQueue::Line* FairQueue::longest(Priority priority) const {
  const Lines& lines = ring(priority).lines;
  const auto shorter = [](const Line& a, const Line& b) {
    return a.members.size() * static_cast<std::size_t>(b.weight) < b.members.size() * static_cast<std::size_t>(a.weight);
  };
  const auto found = std::ranges::max_element(lines, shorter);
  return found == lines.end() ? nullptr : &*found;
}

/// Whose newest member leaves so that `wanted` can come in; null: nobody's. One gives way to one: a body that would
/// need the room of several does not come in.
const FairQueue::Line* FairQueue::gives_way_to(const Standing& wanted) const {
  const Line* line = longest_but_for(wanted);
  if (line == nullptr || bytes_ - line->members.back()->standing_.bytes + wanted.bytes > limits_.bytes_max) return nullptr;
  return line;
}

/// One place in eight, and as much of the bytes: what batch requests have for sure.
bool FairQueue::in_batch_share(std::size_t requests, std::size_t bytes) const {
  const std::size_t share = std::max<std::size_t>(limits_.requests_max / batch_turn, limits_.requests_max > 1 ? 1 : 0);
  return requests <= share && bytes <= limits_.bytes_max / batch_turn;
}

const FairQueue::Line* FairQueue::longest_but_for(const Standing& wanted) const {
  const Ring& batches = ring(Priority::batch);
  const Line* batch = longest(Priority::batch);
  const Line* interactive = longest(Priority::interactive);
  if (wanted.priority == Priority::interactive) {
    if (batch != nullptr && (interactive == nullptr || !in_batch_share(batches.requests, batches.bytes))) return batch;
  } else if (interactive != nullptr && in_batch_share(batches.requests + 1, batches.bytes + wanted.bytes)) {
    return interactive;
  }
  const Line* line = wanted.priority == Priority::batch ? batch : interactive;
  if (line == nullptr) return nullptr;
  const auto& by_key = ring(wanted.priority).by_key;
  const auto own = by_key.find(wanted.key);
  const std::size_t mine = own == by_key.end() ? 0 : own->second->members.size();
  // With it, its own line would be as long as the longest: then it is the one to go, or two keys would push each other out.
  const bool crowds_itself =
      (mine + 1) * static_cast<std::size_t>(line->weight) >= line->members.size() * static_cast<std::size_t>(std::max(1, wanted.weight));
  return crowds_itself ? nullptr : line;
}

bool FairQueue::hopeless(const Standing& wanted) const {
  if (wanted.bytes > limits_.bytes_max || limits_.requests_max == 0) return true;
  return full_for(wanted.bytes) && gives_way_to(wanted) == nullptr;
}

bool FairQueue::push(Held member, std::list<Held>& displaced) {
  const Standing& wanted = member->standing_;
  if (wanted.bytes > limits_.bytes_max || limits_.requests_max == 0) return false;
  if (full_for(wanted.bytes)) {
    const Line* line = gives_way_to(wanted);
    if (line == nullptr) return false;
    const Held newest = line->members.back();
    remove(*newest);
    displaced.push_back(newest);
  }
  Ring& into = ring(wanted.priority);
  auto found = into.by_key.find(wanted.key);
  if (found == into.by_key.end()) {
    const auto line = into.lines.insert(into.lines.end(), Line{std::string{wanted.key}, std::max(1, wanted.weight), 0, {}});
    found = into.by_key.emplace(std::string_view{line->key}, line).first;
  }
  ++requests_;
  bytes_ += wanted.bytes;
  ++into.requests;
  into.bytes += wanted.bytes;
  auto& members = found->second->members;
  Member& entered = *member;
  entered.place_ = members.insert(members.end(), std::move(member));
  entered.queued_ = true;
  return true;
}

FairQueue::Held FairQueue::take(Lines::iterator line, std::list<Held>::iterator place, Ring& from) {
  Held member = std::move(*place);
  line->members.erase(place);
  member->queued_ = false;
  --requests_;
  bytes_ -= member->standing_.bytes;
  --from.requests;
  from.bytes -= member->standing_.bytes;
  if (line->members.empty()) {
    from.by_key.erase(std::string_view{line->key});
    from.lines.erase(line);
  }
  return member;
}

FairQueue::Held FairQueue::pop() {
  Ring& first = ring(Priority::interactive);
  Ring& second = ring(Priority::batch);
  const bool batch = !second.lines.empty() && (first.lines.empty() || interactive_turns_ + 1 >= batch_turn);
  Ring& from = batch ? second : first;
  if (from.lines.empty()) return nullptr;
  // Counted whether or not a batch request waits: one that gives up before the eighth turn finds it due when it comes again.
  interactive_turns_ = batch ? 0 : std::min(interactive_turns_ + 1, batch_turn);
  const auto line = from.lines.begin();
  const bool last = line->members.size() == 1;
  Held member = take(line, line->members.begin(), from);
  if (!last && ++line->taken >= line->weight) {
    line->taken = 0;
    from.lines.splice(from.lines.end(), from.lines, line);
  }
  return member;
}

bool FairQueue::remove(Member& member) {
  if (!member.queued_) return false;
  Ring& from = ring(member.standing_.priority);
  const auto line = from.by_key.find(member.standing_.key)->second;
  take(line, member.place_, from);
  return true;
}

}  // namespace turnpike::gateway
