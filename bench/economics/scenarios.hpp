// The kinds of work that are played, each with the policy and the day whose prices it is played at.
#pragma once

#include <string>
#include <vector>

#include "traffic.hpp"

namespace turnpike::economics {

struct Scenario {
  std::string name;
  std::string about;
  std::string policy;  // file, from the root of the sources
  Instant start{};
  Work work;
};

const std::vector<Scenario>& scenarios();

}  // namespace turnpike::economics
