// What the share controller has counted, across restarts: <data>/share.state.
#pragma once

#include <filesystem>
#include <utility>

#include "gateway/snapshot.hpp"

namespace turnpike::app {

class ShareState {
 public:
  explicit ShareState(std::filesystem::path file) : file_(std::move(file)) {}

  /// A file that cannot be read is set aside with a warning: the share then begins anew.
  void restore(const gateway::Snapshot& into) const;
  /// A failure is logged, and costs what was counted since the last save.
  void save(const gateway::Snapshot& from) const;

 private:
  std::filesystem::path file_;
};

}  // namespace turnpike::app
