#include "dialect/line_separators.hpp"

#include <cstddef>
#include <utility>

namespace turnpike::dialect {

void escape_line_separators(std::string& json) {
  std::size_t at = json.find("\xE2\x80");
  if (at == std::string::npos) return;
  std::string out;
  out.reserve(json.size() + 64);
  std::size_t copied = 0;
  for (; at != std::string::npos; at = json.find("\xE2\x80", at + 2)) {
    const char last = at + 2 < json.size() ? json[at + 2] : '\0';
    if (last != '\xA8' && last != '\xA9') continue;
    out.append(json, copied, at - copied);
    out += last == '\xA8' ? "\\u2028" : "\\u2029";
    copied = at + 3;
  }
  out.append(json, copied, std::string::npos);
  json = std::move(out);
}

}  // namespace turnpike::dialect
