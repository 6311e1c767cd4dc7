#include "app/window_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

namespace turnpike::app {
namespace {

using account::PressureThresholds;
using account::WindowKind;
using account::WindowRule;

constexpr std::string_view rolling_word = "rolling:";

Error bad(std::string_view text, std::string_view why) {
  return client_error(
      "bad_request",
      fmt::format("{} is not a limit: {}; write \"100/month\", \"5/day@Europe/Berlin\", "
                  "\"20/lifetime\", \"3/rolling:6h\" or \"100/month,paced,notify=70\"",
                  quoted_for_message(text), why),
      "windows");
}

std::optional<std::int64_t> whole_number(std::string_view digits, std::int64_t most) {
  std::int64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, fault] = std::from_chars(digits.data(), end, number);
  if (digits.empty() || fault != std::errc{} || stop != end || number < 0 || number > most) {
    return std::nullopt;
  }
  return number;
}

std::optional<std::chrono::seconds> duration_of(std::string_view text) {
  constexpr std::int64_t most = 1'000'000;
  if (text == "0") return std::chrono::seconds{0};
  if (text.empty()) return std::nullopt;
  const auto number = whole_number(text.substr(0, text.size() - 1), most);
  if (!number) return std::nullopt;
  switch (text.back()) {
    case 's':
      return std::chrono::seconds{*number};
    case 'm':
      return std::chrono::minutes{*number};
    case 'h':
      return std::chrono::hours{*number};
    case 'd':
      return std::chrono::hours{*number * 24};
    default:
      return std::nullopt;
  }
}

/// The shortest form that says the same: "6h", "90m", "7d".
std::string duration_text(std::chrono::seconds duration) {
  const auto seconds = duration.count();
  if (seconds % 86400 == 0) return fmt::format("{}d", seconds / 86400);
  if (seconds % 3600 == 0) return fmt::format("{}h", seconds / 3600);
  return seconds % 60 == 0 ? fmt::format("{}m", seconds / 60) : fmt::format("{}s", seconds);
}

/// Where the option's percentage goes; null if there is no such option.
std::int32_t* threshold_named(PressureThresholds& thresholds, std::string_view name) {
  if (name == "notify") return &thresholds.notify;
  if (name == "prefer_cheap") return &thresholds.prefer_cheap;
  if (name == "cheap_only") return &thresholds.cheap_only;
  return name == "release" ? &thresholds.release_points : nullptr;
}

/// What is wrong with the option; empty if it was taken.
std::string_view take_option(WindowRule& rule, std::string_view option) {
  if (option == "paced") {
    rule.paced = true;
    return {};
  }
  const auto equals = option.find('=');
  if (equals == std::string_view::npos)
    return "after a comma comes paced, notify=, prefer_cheap=, cheap_only= or release=";
  auto thresholds = rule.thresholds.value_or(PressureThresholds{});
  auto* target = threshold_named(thresholds, option.substr(0, equals));
  if (target == nullptr)
    return "its options are paced, notify, prefer_cheap, cheap_only and release";
  const auto value = option.substr(equals + 1);
  const auto percent = value == "off" ? std::optional<std::int64_t>{PressureThresholds::off}
                                      : whole_number(value, 100);
  if (!percent) return "a threshold is a whole percentage of the limit, or off";
  *target = static_cast<std::int32_t>(*percent);
  rule.thresholds = thresholds;
  return {};
}

std::string_view take_span(WindowRule& rule, std::string_view span) {
  if (span.starts_with(rolling_word)) {
    const auto duration = duration_of(span.substr(rolling_word.size()));
    if (!duration || duration->count() == 0) return "a duration is a number and m, h or d";
    rule.kind = WindowKind::rolling;
    rule.duration = *duration;
    return {};
  }
  const auto kind = account::parse_window_kind(span);
  if (!kind || *kind == WindowKind::rolling)
    return "the span is lifetime, hour, day, week, month or rolling:6h";
  rule.kind = *kind;
  return {};
}

std::string options_text(const WindowRule& rule) {
  std::string text = rule.paced ? ",paced" : "";
  if (!rule.thresholds) return text;
  const auto& soft = *rule.thresholds;
  const auto add = [&text](std::string_view name, std::int32_t percent) {
    text += percent == PressureThresholds::off ? fmt::format(",{}=off", name)
                                               : fmt::format(",{}={}", name, percent);
  };
  add("notify", soft.notify);
  add("prefer_cheap", soft.prefer_cheap);
  add("cheap_only", soft.cheap_only);
  if (soft.release_points != PressureThresholds{}.release_points)
    text += fmt::format(",release={}", soft.release_points);
  return text;
}

}  // namespace

Result<WindowRule> read_window(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::unexpected{bad(text, "there is no span")};
  const auto limit = parse_credits(text.substr(0, slash));
  if (!limit) return std::unexpected{bad(text, "the amount is no decimal")};
  WindowRule rule;
  rule.limit = *limit;
  auto rest = text.substr(slash + 1);
  auto span = rest.substr(0, rest.find(','));
  rest.remove_prefix(span.size());
  if (const auto at = span.find('@'); at != std::string_view::npos) {
    rule.zone = span.substr(at + 1);
    span = span.substr(0, at);
  }
  if (const auto wrong = take_span(rule, span); !wrong.empty())
    return std::unexpected{bad(text, wrong)};
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto option = rest.substr(0, rest.find(','));
    rest.remove_prefix(option.size());
    if (const auto wrong = take_option(rule, option); !wrong.empty())
      return std::unexpected{bad(text, wrong)};
  }
  return rule;
}

std::string span_text(const WindowRule& rule) {
  if (rule.kind == WindowKind::rolling)
    return fmt::format("{}{}", rolling_word, duration_text(rule.duration));
  std::string text{account::to_string(rule.kind)};
  if (rule.zone != "UTC" && rule.kind != WindowKind::lifetime) text += "@" + rule.zone;
  return text;
}

std::string to_string(const WindowRule& rule) {
  return fmt::format("{}/{}{}", turnpike::to_string(rule.limit), span_text(rule),
                     options_text(rule));
}

Result<std::chrono::seconds> read_duration(std::string_view text, std::string_view field) {
  if (const auto duration = duration_of(text)) return *duration;
  return std::unexpected{client_error(
      "bad_request",
      fmt::format("{} is no duration; write 90s, 15m, 6h, 7d or 0", quoted_for_message(text)),
      std::string{field})};
}

}  // namespace turnpike::app
