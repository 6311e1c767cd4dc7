#include "turnpike/error.hpp"

#include <fmt/format.h>

namespace turnpike {

std::string quoted_for_message(std::string_view client_text) {
  constexpr std::size_t bytes_max = 256;
  std::string quoted = "\"";
  for (const char raw : client_text) {
    const auto byte = static_cast<unsigned char>(raw);
    std::string piece;
    if (byte == '"' || byte == '\\') {
      piece = {'\\', raw};
    } else if (byte < 0x20 || byte >= 0x7f) {
      piece = fmt::format("\\x{:02x}", byte);
    } else {
      piece = {raw};
    }
    if (quoted.size() + piece.size() > bytes_max - 4) {
      quoted += "...";
      break;
    }
    quoted += piece;
  }
  return quoted + "\"";
}

}  // namespace turnpike
