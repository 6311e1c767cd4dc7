// Keeps what the classifier has learned over a restart, in <data>/classifier.state, and says when length would do as
// well as the model. Runs on the admin loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "gateway/learning.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

class ClassifierState {
 public:
  static constexpr std::chrono::seconds save_interval{30};  // what a crash may forget

  ClassifierState(gateway::Learning& learning, std::filesystem::path file)
      : learning_(learning), file_(std::move(file)) {}

  /// A damaged file, or one of other features, is set aside under another name with a log line; learning begins anew.
  void load();
  /// Writes beside the file and renames; nothing if nothing was learned since. False, with a log line, if the disk
  /// refuses: the old file stays.
  bool save();
  void on_tick(Monotonic now);

 private:
  void remark();

  gateway::Learning& learning_;
  std::filesystem::path file_;
  std::uint64_t saved_revision_ = 0;
  Monotonic saved_at_{};
  std::set<std::string> no_better_than_length_;  // groups for which that has been said
};

}  // namespace turnpike::app
