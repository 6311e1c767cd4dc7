#include "dialect/argument_text.hpp"

#include <string_view>

#include "wire/json_check.hpp"
#include "wire/json_document.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

namespace {

/// Leaves room for the levels of the request around it below the depth that providers parse.
constexpr std::size_t embedded_depth_max = 64;

/// True if `text` may stand inside a request as it is; lone surrogate escapes in it are replaced.
bool embeddable(std::string& text, std::string_view opening) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos || opening.find(text[first]) == std::string_view::npos)
    return false;
  if (wire::check_json(text, embedded_depth_max).fault) return false;
  wire::repair_surrogate_escapes(text);
  return true;
}

}  // namespace

bool are_arguments(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return true;
  return text[first] == '{' && !wire::check_json(text, wire::json_depth_max).fault;
}

std::string argument_object(std::string arguments) {
  if (arguments.find_first_not_of(" \t\r\n") == std::string::npos) return "{}";
  if (embeddable(arguments, "{")) return arguments;
  std::string wrapped;
  wire::JsonWriter{wrapped}.begin_object().member("_raw", std::string_view{arguments}).end_object();
  return wrapped;
}

std::string output_object(std::string output, bool is_error) {
  if (!is_error && embeddable(output, "{")) return output;
  std::string wrapped;
  wire::JsonWriter writer{wrapped};
  writer.begin_object().key(is_error ? "error" : "output");
  if (!is_error && embeddable(output, "[")) {
    writer.raw(output);
  } else {
    writer.value(std::string_view{output});
  }
  writer.end_object();
  return wrapped;
}

}  // namespace turnpike::dialect
