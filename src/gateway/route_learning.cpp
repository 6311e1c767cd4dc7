#include "gateway/route_learning.hpp"

#include <fmt/format.h>

namespace turnpike::gateway {
namespace {

constexpr std::string_view header = "turnpike-routing 1\n";

}  // namespace

std::string RouteLearning::serialise() const {
  return std::string{header} + cache.serialise() + lengths.serialise() + paces.serialise() + outputs.serialise();
}

Result<void> RouteLearning::take(std::string_view text) {
  if (!text.starts_with(header)) return std::unexpected{gateway_error(500, "bad_state", "line 1: not a routing state of version 1")};
  text.remove_prefix(header.size());
  for (int number = 2; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto blank = line.find(' ');
    const auto word = line.substr(0, blank);
    const auto rest = blank == std::string_view::npos ? std::string_view{} : line.substr(blank + 1);
    const bool whole = end != std::string_view::npos;
    const bool good = whole && (word == "cache"    ? cache.restore_line(rest)
                                : word == "length" ? lengths.restore_line(rest)
                                : word == "pace"   ? paces.restore_line(rest)
                                : word == "output" ? outputs.restore_line(rest)
                                                   : false);
    if (!good) return std::unexpected{gateway_error(500, "bad_state", fmt::format("line {}: malformed", number))};
  }
  return {};
}

Result<void> RouteLearning::restore(std::string_view text) {
  RouteLearning rehearsal;  // a file that breaks off in its middle must not half arrive
  if (auto read = rehearsal.take(text); !read) return read;
  return take(text);
}

}  // namespace turnpike::gateway
