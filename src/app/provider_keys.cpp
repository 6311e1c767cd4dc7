#include "app/provider_keys.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

/// No key is longer; a file that is was not meant.
constexpr std::size_t key_bytes_max = 16384;

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::optional<std::string> content(const std::filesystem::path& file) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(file, failed) || std::filesystem::file_size(file, failed) > key_bytes_max) return std::nullopt;
  std::ifstream stream{file, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{stream}, {}};
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(text, control)) {
    log(LogLevel::error, "provider_key_unusable",
        {{"message", "a file with a provider's key holds more than one line, or control characters: it is not used"}, {"file", std::string_view{file.native()}}});
    return std::nullopt;
  }
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace

std::optional<std::string> provider_key(std::string_view name) {
  const std::string wanted{name};
  if (auto value = variable(wanted)) return value;
  if (const auto file = variable(wanted + "_FILE")) return content(*file);
  const auto folder = variable("CREDENTIALS_DIRECTORY");
  const bool plain = wanted.find('/') == std::string::npos && !wanted.starts_with('.');
  return folder && plain ? content(std::filesystem::path{*folder} / wanted) : std::nullopt;
}

}  // namespace turnpike::app
