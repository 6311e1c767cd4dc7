// Proof that an attempt is paid for. An UpstreamRequest cannot be made without one, so no route to a provider is unmetered.
#pragma once

#include <string>
#include <utility>

namespace turnpike {

namespace account {
class Reservation;
}

/// Made only by account::Reservation::dispatch(), which has put the attempt's reserve entry into the journal first.
class DispatchPermit {
 public:
  DispatchPermit(DispatchPermit&&) = default;
  DispatchPermit& operator=(DispatchPermit&&) = default;
  DispatchPermit(const DispatchPermit&) = delete;
  DispatchPermit& operator=(const DispatchPermit&) = delete;
  ~DispatchPermit() = default;
  [[nodiscard]] const std::string& attempt_id() const { return attempt_id_; }

 private:
  friend class account::Reservation;
  explicit DispatchPermit(std::string attempt_id) : attempt_id_(std::move(attempt_id)) {}
  std::string attempt_id_;
};

}  // namespace turnpike
