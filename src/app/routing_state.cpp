#include "app/routing_state.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include "app/synced_file.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

constexpr std::uintmax_t bytes_max = std::uintmax_t{4} << 20U;  // all that is learned is bounded well below

}  // namespace

void RoutingState::restore() {
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(file_, failed);
  if (failed) return;  // none yet
  Result<void> read = std::unexpected{gateway_error(500, "bad_state", "the file is too large")};
  if (bytes <= bytes_max) {
    std::ifstream stream{file_, std::ios::binary};
    read = learned_.restore(std::string{std::istreambuf_iterator<char>{stream}, {}});
  }
  if (read) return;
  const std::string kept = set_aside(file_).string();
  log(LogLevel::warn, "routing_state_ignored", {{"why", std::string_view{read.error().message}}, {"kept", std::string_view{kept}}});
}

void RoutingState::save() const {
  if (replace_synced(file_, learned_.serialise())) return;
  const std::string name = file_.string();
  log(LogLevel::error, "routing_state_not_written", {{"file", std::string_view{name}}});
}

}  // namespace turnpike::app
