#include "app/classifier_state.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

/// All of `bytes`, on the disk when this returns true.
bool write_synced(const std::filesystem::path& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  bool good = true;
  while (good && !bytes.empty()) {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    good = written > 0;
    if (good) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  good = good && ::fsync(file) == 0;
  return ::close(file) == 0 && good;
}

std::filesystem::path with_suffix(std::filesystem::path path, const char* suffix) { return path += suffix; }

}  // namespace

void ClassifierState::load() {
  std::ifstream stream{file_, std::ios::binary};
  if (!stream) return;
  const std::string bytes{std::istreambuf_iterator<char>{stream}, {}};
  if (auto restored = learning_.restore(bytes); !restored) {
    const auto aside = with_suffix(file_, ".damaged");
    std::error_code failed;
    std::filesystem::rename(file_, aside, failed);
    log(LogLevel::warn, "classifier_state_set_aside",
        {{"why", std::string_view{restored.error().message}}, {"kept_as", std::string_view{aside.filename().native()}}});
  }
  saved_revision_ = learning_.revision();
}

bool ClassifierState::save() {
  const auto revision = learning_.revision();  // before the state is read: what comes in between is saved next time
  if (revision == saved_revision_) return true;
  const auto fresh = with_suffix(file_, ".new");
  if (!write_synced(fresh, learning_.state()) || std::rename(fresh.c_str(), file_.c_str()) != 0) {
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
