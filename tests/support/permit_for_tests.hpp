// A DispatchPermit without a ledger, for test programs that do not link the account room.
#pragma once

#include <string>
#include <utility>

#include "turnpike/permit.hpp"

namespace turnpike::account {

class Reservation {
 public:
  static DispatchPermit permit(std::string attempt_id) {
    return DispatchPermit{std::move(attempt_id)};
  }
};

}  // namespace turnpike::account
