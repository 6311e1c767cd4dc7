// <data>/routing.state: what routing has learned of answers, over a restart. Written aside and renamed, so that a crash
// leaves the old one. A file that cannot be read is set aside and told of; the gateway then learns anew.
#pragma once

#include <filesystem>

#include "gateway/route_learning.hpp"

namespace turnpike::app {

class RoutingState {
 public:
  RoutingState(std::filesystem::path file, gateway::RouteLearning& learned) : file_(std::move(file)), learned_(learned) {}

  void restore();
  void save() const;

 private:
  std::filesystem::path file_;
  gateway::RouteLearning& learned_;
};

}  // namespace turnpike::app
