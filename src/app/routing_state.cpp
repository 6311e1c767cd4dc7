#include "app/routing_state.hpp"

#include <fstream>
#include <iterator>
#include <string>

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
  std::filesystem::path damaged = file_;
  damaged += ".damaged";
  std::filesystem::rename(file_, damaged, failed);
  const std::string kept = damaged.string();
  log(LogLevel::warn, "routing_state_ignored", {{"why", std::string_view{read.error().message}}, {"kept", std::string_view{kept}}});
}

void RoutingState::save() const {
  std::filesystem::path fresh = file_;
  fresh += ".new";
  std::ofstream stream{fresh, std::ios::trunc | std::ios::binary};
  stream << learned_.serialise();
  stream.close();
  std::error_code failed;
  if (stream) std::filesystem::rename(fresh, file_, failed);
  const std::string name = file_.string();
  if (!stream || failed) log(LogLevel::error, "routing_state_not_written", {{"file", std::string_view{name}}});
}

}  // namespace turnpike::app
