#include "dialect/decode_responses_words.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "dialect/retry_after.hpp"
#include "dialect/upstream_error.hpp"

namespace turnpike::dialect {
namespace {

/// The faults of a request have many words in this dialect, none of which is
/// "invalid_request_error".
bool about_request(std::string_view code) {
  return code.starts_with("invalid_") || code.find("image") != std::string_view::npos;
}

/// "Please try again in 1.3s.": the only place where a stream says how long to wait.
std::optional<int> delay_in(std::string_view message) {
  constexpr std::string_view words = "try again in ";
  const std::size_t at = message.find(words);
  if (at == std::string_view::npos) return std::nullopt;
  message.remove_prefix(at + words.size());
  std::string_view span = message.substr(0, message.find_first_not_of("0123456789."));
  const std::string_view unit = message.substr(span.size());
  if (unit.starts_with("ms")) return 1;
  if (!unit.starts_with('s') || span.empty()) return std::nullopt;
  const auto delay = parse_duration(message.substr(0, span.size() + 1));
  return delay ? std::optional{delay->seconds} : std::nullopt;
}

}  // namespace

UsageReport read_responses_usage(const JsonObject& usage) {
  UsageReport report;
  CountReader reader{report.plausible};
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t reasoning = 0;
  Usage& sum = report.usage;
  reader.read(usage, "input_tokens", input);
  reader.read(usage, "output_tokens", output);
  if (const auto details = object_member(usage, "input_tokens_details")) {
    reader.read(*details, "cached_tokens", sum.input_cache_read);
    reader.read(*details, "cache_write_tokens", sum.input_cache_write_5m);
  }
  if (const auto details = object_member(usage, "output_tokens_details")) {
    reader.read(*details, "reasoning_tokens", reasoning);
  }
  const std::int64_t cached = sum.input_cache_read + sum.input_cache_write_5m;
  if (cached > input) report.plausible = false;
  sum.input_fresh = std::max<std::int64_t>(input - cached, 0);
  sum.output_reasoning = std::min(reasoning, output);
  sum.output_text = output - sum.output_reasoning;
  return report;
}

Error classify_responses_error(const Candidate& candidate, const ProviderError& error) {
  const std::string_view type = about_request(error.code) ? "invalid_request_error" : error.type;
  Error told = classify_stream_error(candidate, type, error.code, error.message);
  if (told.code != "rate_limit_exceeded") return told;
  if (const auto delay = delay_in(error.message)) told.retry_after_s = delay;
  return told;
}

}  // namespace turnpike::dialect
