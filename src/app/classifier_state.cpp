#include "app/classifier_state.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "app/synced_file.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {

void ClassifierState::load() {
  std::ifstream stream{file_, std::ios::binary};
  if (!stream) return;
  const std::string bytes{std::istreambuf_iterator<char>{stream}, {}};
  if (auto restored = learning_.restore(bytes); !restored) {
    const auto aside = set_aside(file_);
    log(LogLevel::warn, "classifier_state_set_aside",
        {{"why", std::string_view{restored.error().message}}, {"kept_as", std::string_view{aside.filename().native()}}});
  }
  saved_revision_ = learning_.revision();
}

bool ClassifierState::save() {
  const auto revision = learning_.revision();  // before the state is read: what comes in between is saved next time
  if (revision == saved_revision_) return true;
  if (!replace_synced(file_, learning_.state())) {
    log(LogLevel::error, "classifier_state_not_saved", {{"why", std::string_view{std::strerror(errno)}}});
    return false;
  }
  saved_revision_ = revision;
  return true;
}

void ClassifierState::on_tick(Monotonic now) {
  if (now - saved_at_ < save_interval) return;
  saved_at_ = now;
  if (learning_.revision() == saved_revision_) return;
  save();
  remark();
}

void ClassifierState::remark() {
  for (const auto& [group, learner] : learning_.report()) {
    const auto& progress = learner.progress;
    if (!progress.beats_length) continue;
    if (*progress.beats_length) {
      no_better_than_length_.erase(group);
    } else if (no_better_than_length_.insert(group).second) {
      log(LogLevel::warn, "classifier_does_not_beat_length",
          {{"group", std::string_view{group}},
           {"outcomes", static_cast<std::int64_t>(progress.judged)},
           {"model_apgr", progress.model.apgr},
           {"length_apgr", progress.length.apgr},
           {"model_auc", progress.model.auc},
           {"length_auc", progress.length.auc}});
    }
  }
}

}  // namespace turnpike::app
