// The calendar of budgets for an examiner that has one of its own: reads lines "zone kind instant"
// (an IANA name, a window kind, microseconds since 1970) and answers each with "start end", the
// bounds of the window that holds the instant, in microseconds. tests/stress/window_spans.py asks.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "account/calendar.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;

std::string_view next_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

/// Nothing if the line is not a question.
std::optional<std::string> answer(std::string_view line) {
  WindowRule rule;
  rule.zone = next_word(line);
  const auto kind = parse_window_kind(next_word(line));
  std::int64_t micros = 0;
  const auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), micros);
  if (!kind || fault != std::errc{} || end != line.data() + line.size()) return std::nullopt;
  rule.kind = *kind;
  if (!check_rule(rule)) return std::nullopt;
  const auto span = span_at(rule, Instant{std::chrono::microseconds{micros}});
  if (!span.end) return std::nullopt;
  return fmt::format("{} {}\n", span.start.time_since_epoch().count(),
                     span.end->time_since_epoch().count());
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto text = answer(line);
    if (!text) {
      fmt::print(stderr, "window_spans: not a question: {}\n", line);
      return 1;
    }
    std::fwrite(text->data(), 1, text->size(), stdout);
  }
  return 0;
}
