#include "dialect/anthropic_headers.hpp"

#include <algorithm>
#include <array>

#include "dialect/rule_checks.hpp"

namespace turnpike::dialect {

namespace {

/// From this one on sampling fields are refused (client notes, "Consequences for the gateway").
/// Versions are dates, so that later ones compare greater.
constexpr std::string_view version_without_sampling = "2026-10-21";

struct Pair {
  std::string_view beta_prefix;  // betas carry the date of their newest form
  std::string_view field;
};
constexpr auto pairs = std::to_array<Pair>({
    {"context-management-", "context_management"},
    {"mcp-client-", "mcp_servers"},
    {"fast-mode-", "speed"},
});

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

void add_once(std::vector<std::string>& list, std::string_view value) {
  if (std::ranges::find(list, value) == list.end()) list.emplace_back(value);
}

bool any_begins_with(const std::vector<std::string>& list, std::string_view prefix) {
  return std::ranges::any_of(list, [&](const auto& value) { return value.starts_with(prefix); });
}

std::string joined(const std::vector<std::string>& values) {
  std::string line;
  for (const auto& value : values) {
    if (!line.empty()) line += ',';
    line += value;
  }
  return line;
}

}  // namespace

bool passes_beta(const Candidate& candidate, std::string_view beta) {
  const bool excepted =
      std::ranges::find(candidate.betas_excepted, beta) != candidate.betas_excepted.end();
  return candidate.betas_passed != excepted;
}

std::vector<std::string_view> AnthropicHeaders::orphaned_fields() const {
  std::vector<std::string_view> fields;
  for (const auto& pair : pairs) {
    if (any_begins_with(stripped, pair.beta_prefix) && !any_begins_with(passed, pair.beta_prefix))
      fields.push_back(pair.field);
  }
  return fields;
}

AnthropicHeaders anthropic_headers(const HeaderList* client, const Candidate& candidate,
                                   std::span<const std::string_view> added) {
  AnthropicHeaders result;
  HeaderList beta_lines;
  const auto sort_in = [&](std::string_view values) {
    while (!values.empty()) {
      const auto comma = std::min(values.find(','), values.size());
      const auto beta = trimmed(values.substr(0, comma));
      values.remove_prefix(std::min(comma + 1, values.size()));
      if (beta.empty()) continue;
      add_once(passes_beta(candidate, beta) ? result.passed : result.stripped, beta);
    }
  };
  for (const auto& [name, value] : client != nullptr ? *client : HeaderList{}) {
    if (equal_but_for_case(name, "anthropic-version")) {
      result.headers.emplace_back("anthropic-version", value);
      result.sampling_refused = value >= version_without_sampling;
    } else if (equal_but_for_case(name, "anthropic-beta")) {
      beta_lines.emplace_back("anthropic-beta", value);
      sort_in(value);
    }
  }
  const auto from_client = result.passed.size();
  for (const auto beta : added) {
    if (passes_beta(candidate, beta)) add_once(result.passed, beta);
  }
  if (result.stripped.empty() && result.passed.size() == from_client) {
    result.headers.insert(result.headers.end(), beta_lines.begin(), beta_lines.end());
  } else if (!result.passed.empty()) {
    result.headers.emplace_back("anthropic-beta", joined(result.passed));
  }
  return result;
}

}  // namespace turnpike::dialect
