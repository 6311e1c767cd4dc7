#include "app/share_state.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include "app/data_directory.hpp"
#include "app/synced_file.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {

void ShareState::save(const gateway::Snapshot& from) const {
  if (!from.share) return;
  if (replace_synced(file_, from.share->serialise())) return;
  log(LogLevel::warn, "share_state_not_saved", {{"file", std::string_view{file_.native()}}});
}

void ShareState::restore(const gateway::Snapshot& into) const {
  std::ifstream stream{file_};
  if (!stream || !into.share) return;
  const std::string text{std::istreambuf_iterator<char>{stream}, {}};
  if (auto restored = into.share->restore(text); !restored) {
    const std::string kept = set_aside(file_).string();
    log(LogLevel::warn, "share_state_ignored", {{"why", std::string_view{restored.error().message}}, {"kept", std::string_view{kept}}});
  }
}

}  // namespace turnpike::app
