#include "gateway/admission_gate.hpp"

namespace turnpike::gateway {

/// True: entered after all. False: counted as waiting, so that whoever leaves now looks into the line.
bool AdmissionGate::enter_or_announce() {
  std::uint64_t seen = state_.load(std::memory_order_relaxed);
  for (;;) {
    const bool room = has_room(seen);
    if (state_.compare_exchange_weak(seen, room ? seen + 1 : seen + one_waiting, std::memory_order_acq_rel, std::memory_order_relaxed))
      return room;
  }
}

AdmissionGate::Entry AdmissionGate::join(std::shared_ptr<Waiter> waiter) {
  std::list<FairQueue::Held> displaced;
  bool in_line = false;
  {
    const std::lock_guard lock{mutex_};
    if (closed_) return {};
    if (enter_or_announce()) return {Joined::entered, Place{*this}};
    in_line = queue_.push(std::move(waiter), displaced);
    const std::uint64_t gone = displaced.size() + (in_line ? 0 : 1);
    state_.fetch_sub(gone * one_waiting, std::memory_order_acq_rel);
  }
  for (const auto& other : displaced) static_cast<Waiter&>(*other).decided({});
  return {in_line ? Joined::waiting : Joined::turned_away, {}};
}

bool AdmissionGate::withdraw(Waiter& waiter) {
  const std::lock_guard lock{mutex_};
  if (!queue_.remove(waiter)) return false;
  state_.fetch_sub(one_waiting, std::memory_order_acq_rel);
  return true;
}

bool AdmissionGate::hopeless(const Standing& wanted) const {
  if (waiting() == 0) return false;
  const std::lock_guard lock{mutex_};
  return queue_.hopeless(wanted);
}

void AdmissionGate::leave() {
  std::uint64_t seen = state_.load(std::memory_order_relaxed);
  while (waiting_of(seen) == 0) {
    if (state_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_relaxed)) return;
  }
  hand_on();
}

/// The place of somebody who leaves goes to the next in line; nobody can slip in between, since they are counted.
void AdmissionGate::hand_on() {
  FairQueue::Held next;
  {
    const std::lock_guard lock{mutex_};
    if (!closed_) next = queue_.pop();
    state_.fetch_sub(next ? one_waiting : 1, std::memory_order_acq_rel);
  }
  if (next) static_cast<Waiter&>(*next).decided(Place{*this});
}

void AdmissionGate::close() {
  const std::lock_guard lock{mutex_};
  closed_ = true;
}

std::size_t AdmissionGate::waiting_bytes() const {
  const std::lock_guard lock{mutex_};
  return queue_.bytes();
}

}  // namespace turnpike::gateway
