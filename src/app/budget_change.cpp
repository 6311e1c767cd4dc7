#include "app/budget_change.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/budget_json.hpp"
#include "app/json_fields.hpp"
#include "app/window_text.hpp"

namespace turnpike::app {
namespace {

using account::BudgetSettings;
using account::BudgetState;
using account::WindowKind;
using account::WindowRule;
using account::WindowState;
using nlohmann::ordered_json;

bool same_span(const WindowRule& a, const WindowRule& b) {
  return a.kind == b.kind && a.zone == b.zone && a.duration == b.duration;
}

const WindowRule* find_span(const std::vector<WindowRule>& rules, const WindowRule& wanted) {
  const auto found =
      std::ranges::find_if(rules, [&](const auto& rule) { return same_span(rule, wanted); });
  return found == rules.end() ? nullptr : &*found;
}

Result<std::optional<LimitChange>> read_limit_change(const ordered_json& body) {
  std::optional<LimitChange> change;
  for (const auto& [field, direction] :
       {std::pair{"raise", Direction::raise}, {"lower", Direction::lower}}) {
    const auto found = body.find(field);
    if (found == body.end()) continue;
    if (change) return std::unexpected{bad_field("lower", "and raise cannot come together")};
    if (auto good = check_fields(*found, {"amount", "window"}); !good)
      return std::unexpected{good.error()};
    auto amount = read_text(*found, "amount");
    if (!amount) return std::unexpected{amount.error()};
    if (!*amount) return std::unexpected{bad_field("amount", "is missing")};
    auto window = read_text(*found, "window");
    if (!window) return std::unexpected{window.error()};
    change = LimitChange{direction, **std::move(amount), (*std::move(window)).value_or("")};
  }
  return change;
}

/// The window that is meant: the only one, or the one of this span, or of this kind if it is the
/// only one.
Result<std::size_t> find_window(const BudgetSettings& settings, const std::string& wanted) {
  const auto& rules = settings.windows;
  std::vector<std::string> spans;
  std::vector<std::size_t> of_kind;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    spans.push_back(span_text(rules[i]));
    if (spans.back() == wanted) return i;
    if (wanted.empty() || account::to_string(rules[i].kind) == wanted) of_kind.push_back(i);
  }
  if (of_kind.size() == 1) return of_kind.front();
  if (rules.empty()) {
    return std::unexpected{
        client_error("no_window",
                     fmt::format("budget {} has no limit yet; set one with `turnpike budgets set`",
                                 settings.budget),
                     "budget")};
  }
  const auto what = wanted.empty() ? std::string{"several windows; say which"}
                                   : fmt::format("no single window {}", quoted_for_message(wanted));
  return std::unexpected{client_error(
      "no_window",
      fmt::format("budget {} has {}: {}", settings.budget, what, fmt::join(spans, ", ")),
      "window")};
}

Result<Credits> new_limit(const LimitChange& change, Credits limit) {
  std::string_view text = change.amount;
  const bool relative = text.starts_with('+') || text.starts_with('-');
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto amount = parse_credits(text);
  if (!amount) {
    return std::unexpected{
        bad_field("amount", fmt::format("is \"150\" or \"+50\" or \"-20\", not {}",
                                        quoted_for_message(change.amount)))};
  }
  const Credits wanted = relative ? limit + *amount : *amount;
  const bool raise = change.direction == Direction::raise;
  if (wanted < Credits{})
    return std::unexpected{bad_field(
        "amount", fmt::format("takes more than the limit of {}", turnpike::to_string(limit)))};
  if (raise ? wanted > limit : wanted < limit) return wanted;
  return std::unexpected{
      client_error(raise ? "not_a_raise" : "not_a_cut",
                   fmt::format("the limit is {} and would become {}; to {} it use `budgets {}`",
                               turnpike::to_string(limit), turnpike::to_string(wanted),
                               raise ? "lower" : "raise", raise ? "lower" : "raise"),
                   "amount")};
}

std::string number_text(const std::optional<Credits>& amount) {
  return amount ? turnpike::to_string(*amount) : "none";
}
std::string number_text(const std::optional<std::int32_t>& count) {
  return count ? fmt::format("{}", *count) : "none";
}

/// Text after the limit and the span, if there is any: "paced,notify=70".
std::string soft_text(const WindowRule& rule) {
  const auto text = to_string(rule);
  const auto comma = text.find(',');
  return comma == std::string::npos ? "usual" : text.substr(comma + 1);
}

std::string until_text(const WindowState& window) {
  if (window.end) return fmt::format("until {}", to_rfc3339(*window.end));
  if (window.rule.kind == WindowKind::rolling)
    return fmt::format("until enough has left the last {}",
                       span_text(window.rule).substr(std::string_view{"rolling:"}.size()));
  return "until the limit is raised";
}

std::string effect_of(const WindowState& window, const WindowRule& after) {
  const Credits used = used_in(window);
  const auto begin = fmt::format("{}: used {} of {}", span_text(after), turnpike::to_string(used),
                                 turnpike::to_string(window.rule.limit));
  const auto limit = after.limit == window.rule.limit
                         ? std::string{"limit unchanged"}
                         : fmt::format("new limit {}", turnpike::to_string(after.limit));
  if (settled_in(window) >= after.limit)
    return fmt::format("{}, {}: admission stops {}; running requests finish", begin, limit,
                       until_text(window));
  if (used >= after.limit)
    return fmt::format("{}, {}: admission stops until running requests give back what they hold",
                       begin, limit);
  return fmt::format("{}, {}: {} left", begin, limit, turnpike::to_string(after.limit - used));
}

}  // namespace

Result<BudgetChangeRequest> read_budget_change(const ordered_json& body) {
  if (auto good =
          check_fields(body, {"raise", "lower", "frozen", "concurrency_max", "request_cost_max",
                              "conversation_max", "why", "by", "dry_run"});
      !good) {
    return std::unexpected{good.error()};
  }
  BudgetChangeRequest change;
  auto limit = read_limit_change(body);
  if (!limit) return std::unexpected{limit.error()};
  change.limit = *std::move(limit);
  const auto frozen = read_flag(body, "frozen");
  if (!frozen) return std::unexpected{frozen.error()};
  change.frozen = *frozen;
  const auto attempts = read_count_bound(body, "concurrency_max");
  if (!attempts) return std::unexpected{attempts.error()};
  change.concurrency_max = *attempts;
  for (const auto& [field, target] : {std::pair{"request_cost_max", &change.request_cost_max},
                                      {"conversation_max", &change.conversation_max}}) {
    const auto amount = read_credits_bound(body, field);
    if (!amount) return std::unexpected{amount.error()};
    *target = *amount;
  }
  return change;
}

Result<BudgetSettings> changed(const BudgetSettings& settings, const BudgetChangeRequest& change) {
  BudgetSettings after = settings;
  if (change.limit) {
    const auto index = find_window(settings, change.limit->window);
    if (!index) return std::unexpected{index.error()};
    auto& rule = after.windows[*index];
    const auto limit = new_limit(*change.limit, rule.limit);
    if (!limit) return std::unexpected{limit.error()};
    rule.limit = *limit;
  }
  if (change.frozen) after.frozen = *change.frozen;
  if (change.concurrency_max) after.concurrency_max = *change.concurrency_max;
  if (change.request_cost_max) after.request_cost_max = *change.request_cost_max;
  if (change.conversation_max) after.conversation_max = *change.conversation_max;
  return after;
}

std::vector<std::string> differences(const BudgetSettings& before, const BudgetSettings& after) {
  std::vector<std::string> lines;
  for (const auto& rule : after.windows) {
    const auto* old = find_span(before.windows, rule);
    if (old == nullptr) {
      lines.push_back(fmt::format("new window {}", to_string(rule)));
      continue;
    }
    if (old->limit != rule.limit) {
      lines.push_back(fmt::format("limit of {} {} -> {}", span_text(rule),
                                  turnpike::to_string(old->limit),
                                  turnpike::to_string(rule.limit)));
    }
    if (soft_text(*old) != soft_text(rule))
      lines.push_back(fmt::format("soft limits of {} {} -> {}", span_text(rule), soft_text(*old),
                                  soft_text(rule)));
  }
  for (const auto& rule : before.windows) {
    if (find_span(after.windows, rule) == nullptr)
      lines.push_back(fmt::format("window {} is gone", to_string(rule)));
  }
  if (before.frozen != after.frozen)
    lines.emplace_back(after.frozen ? "frozen" : "no longer frozen");
  const auto compare = [&lines](std::string_view field, const auto& from, const auto& to) {
    if (from != to)
      lines.push_back(fmt::format("{} {} -> {}", field, number_text(from), number_text(to)));
  };
  compare("concurrency_max", before.concurrency_max, after.concurrency_max);
  compare("request_cost_max", before.request_cost_max, after.request_cost_max);
  compare("conversation_max", before.conversation_max, after.conversation_max);
  return lines;
}

std::vector<std::string> effects(const BudgetState& before, const BudgetSettings& after) {
  std::vector<std::string> lines;
  if (after.frozen) lines.emplace_back("frozen: nothing is admitted; running requests finish");
  for (const auto& rule : after.windows) {
    const auto known = std::ranges::find_if(
        before.windows, [&](const auto& window) { return same_span(window.rule, rule); });
    if (known == before.windows.end()) {
      lines.push_back(fmt::format("{}: {}, counted from now on", span_text(rule),
                                  turnpike::to_string(rule.limit)));
    } else {
      lines.push_back(effect_of(*known, rule));
    }
  }
  if (after.concurrency_max)
    lines.push_back(fmt::format("at most {} attempts at once ({} now)", *after.concurrency_max,
                                before.open_attempts));
  if (after.request_cost_max)
    lines.push_back(
        fmt::format("a request may cost at most {}", turnpike::to_string(*after.request_cost_max)));
  if (after.conversation_max)
    lines.push_back(fmt::format("a conversation may cost at most {}",
                                turnpike::to_string(*after.conversation_max)));
  if (lines.empty()) lines.emplace_back("the budget binds nobody any more");
  return lines;
}

}  // namespace turnpike::app
