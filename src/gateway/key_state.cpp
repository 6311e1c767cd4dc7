#include "gateway/key_state.hpp"

#include <array>
#include <chrono>

namespace turnpike::gateway {
namespace {

/// A request can bring a 403 upon itself (another account's file, say): it must not take a model away for good, nor at once
/// where the key serves that model.
constexpr std::chrono::minutes forbidden_for{10};
constexpr std::chrono::minutes proven_for{10};
constexpr std::uint32_t forbidden_in_row_max = 3;

}  // namespace

std::string_view to_string(KeyFault fault) {
  static constexpr std::array<std::string_view, 3> names{"refused", "out_of_credit", "operator"};
  return names.at(static_cast<std::size_t>(fault));
}

ModelState& KeyState::model(std::string_view name) {
  const auto found = models.find(name);
  return found != models.end() ? found->second : models.try_emplace(std::string{name}).first->second;
}

void KeyState::forbid(ModelState& model, Monotonic now) {
  ++model.forbidden_in_row;
  const bool proven = model.served_at != Monotonic{} && now - model.served_at < proven_for;
  if (!proven || model.forbidden_in_row >= forbidden_in_row_max) model.forbidden_until = now + forbidden_for;
}

void KeyState::forgive() {
  ++generation;
  out_of_service.reset();
  cooled_until = {};
  headroom = {};
  for (auto& [name, model] : models) model = {};
}

void KeyState::replaced() {
  const auto word = out_of_service && out_of_service->fault == KeyFault::by_operator ? out_of_service : std::nullopt;
  forgive();
  out_of_service = word;
}

Availability availability(KeyState& key, const ModelState& model, Monotonic now, Instant wall) {
  if (key.out_of_service && key.out_of_service->until && wall >= *key.out_of_service->until) key.out_of_service.reset();
  if (key.out_of_service) {
    return {key.out_of_service->fault == KeyFault::out_of_credit ? Unavailable::out_of_credit : Unavailable::refused, {}, false};
  }
  if (now < model.forbidden_until) return {Unavailable::refused, model.forbidden_until, false};
  if (now < key.cooled_until) return {Unavailable::cooling, key.cooled_until, false};
  const bool probe = model.breaker.probe_due(now);
  if (model.breaker.state() == BackendState::probing) return {Unavailable::probing, now, false};
  if (model.breaker.state() == BackendState::ejected && !probe) return {Unavailable::ejected, model.breaker.next_probe(), false};
  if (key.in_flight >= key.limit.limit()) return {Unavailable::busy, now, false};
  return {std::nullopt, {}, probe};
}

}  // namespace turnpike::gateway
