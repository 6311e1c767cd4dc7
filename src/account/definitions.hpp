// The rare entries' details as values, and back. One pair of functions per kind.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/budget.hpp"
#include "account/calendar.hpp"
#include "account/key_ring.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::account {

std::string price_detail(const PriceQuote& quote);
std::optional<PriceQuote> parse_price(std::string_view detail);

std::string key_detail(const KeyInfo& key);
/// `created` is the entry's own instant, which the detail does not repeat.
std::optional<KeyInfo> parse_key(std::string_view detail, Instant created);

/// "month UTC 0 500.00": kind, zone, seconds of a rolling window, limit.
std::string rule_text(const WindowRule& rule);
std::optional<WindowRule> parse_rule(std::string_view text);
/// Rules that count the same span are one rule whose limit may change.
bool same_span(const WindowRule& a, const WindowRule& b);

/// `lifted` are rules of earlier settings that open attempts may still be charged to; only
/// checkpoints hold them.
std::string budget_detail(const BudgetSettings& settings,
                          const std::vector<WindowRule>& lifted = {});
struct BudgetDetail {
  BudgetSettings settings;
  std::vector<WindowRule> lifted;
};
std::optional<BudgetDetail> parse_budget(std::string_view detail);

struct WindowDetail {
  std::string budget;
  WindowRule rule;  // with the limit at the time; the limit in force is the last budget_set's
  Span span;
};
std::string window_detail(const WindowDetail& window);
std::optional<WindowDetail> parse_window(std::string_view detail);

struct PathDetail {
  std::string key_id;
  std::string org;
  std::string team;
  std::string user;
  // Named only where budgets with a filter, or a cap on conversations, are in force.
  std::string provider;
  std::string model;  // without the provider
  std::string tier;
  std::string conversation;
  std::vector<std::int64_t> windows;  // seqs of window_opened entries
  bool operator==(const PathDetail&) const = default;
};
std::string path_detail(const PathDetail& path);
std::optional<PathDetail> parse_path(std::string_view detail);

/// Names of the budgets that a path is charged to, where they exist, in one fixed order: all, org,
/// team, user, key, each with the filters that fit before it, then the conversation.
std::vector<std::string> budgets_of(const PathDetail& path);

inline constexpr std::string_view conversation_prefix = "conversation:";
/// The budget that caps one conversation of a key.
std::string conversation_budget(std::string_view key_id, std::string_view conversation);

}  // namespace turnpike::account
