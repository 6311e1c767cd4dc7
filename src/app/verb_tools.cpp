#include "app/verb_tools.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/operator_link.hpp"

namespace turnpike::app {

using nlohmann::ordered_json;

Result<ordered_json> ask(const Config& config, const Clock& clock, std::string_view method,
                         const std::string& target, const ordered_json& body) {
  auto link = open_link(config, clock);
  if (!link) return std::unexpected{link.error()};
  return (*link)->ask(method, target,
                      body.is_null()
                          ? std::string{}
                          : body.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

std::string operating_user() {
  const auto* entry = ::getpwuid(::getuid());
  return entry != nullptr && *entry->pw_name != '\0' ? std::string{entry->pw_name}
                                                     : fmt::format("uid {}", ::getuid());
}

std::string cell(const ordered_json& value) {
  if (value.is_null()) return "-";
  if (!value.is_string()) return value.dump();
  auto text = value.get<std::string>();
  return text.empty() ? "-" : text;
}

std::string moment(const ordered_json& instant) {
  auto text = cell(instant);
  if (const auto dot = text.find('.'); dot != std::string::npos)
    text.replace(dot, std::string::npos, "Z");
  return text;
}

std::string counted(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

int print_json(const ordered_json& json) {
  std::cout << json.dump(2) << '\n';
  return 0;
}

void print_warnings(const ordered_json& answer) {
  const auto warnings = answer.find("warnings");
  if (warnings == answer.end()) return;
  for (const auto& warning : *warnings)
    std::cerr << "warning: " << warning.get<std::string>() << '\n';
}

bool on_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

}  // namespace turnpike::app
