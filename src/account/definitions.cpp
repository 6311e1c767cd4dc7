#include "account/definitions.hpp"

#include <algorithm>
#include <charconv>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "account/fields.hpp"

namespace turnpike::account {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

/// Six numbers, and one for each server tool if one of them costs.
std::string rates_text(const Rates& rates) {
  auto text = fmt::format("{} {} {} {} {} {}", rates.input, rates.cache_read, rates.cache_write_5m,
                          rates.cache_write_1h, rates.output, rates.per_request);
  if (rates.items != PerServerTool{}) text += fmt::format(" {}", fmt::join(rates.items, " "));
  return text;
}

constexpr std::size_t rates_shortest = 6;

std::optional<Rates> rates_from(std::span<const std::int64_t> numbers) {
  Rates rates;
  if (numbers.size() == rates_shortest + server_tools) {
    std::ranges::copy(numbers.subspan(rates_shortest), rates.items.begin());
  } else if (numbers.size() != rates_shortest) {
    return std::nullopt;
  }
  rates.input = numbers[0];
  rates.cache_read = numbers[1];
  rates.cache_write_5m = numbers[2];
  rates.cache_write_1h = numbers[3];
  rates.output = numbers[4];
  rates.per_request = numbers[5];
  return rates;
}

std::string mac_text(const KeyMac& mac) {
  std::string text;
  for (const auto byte : mac) {
    text += hex_digits[byte >> 4U];
    text += hex_digits[byte & 15U];
  }
  return text;
}

std::optional<KeyMac> parse_mac(std::string_view text) {
  KeyMac mac{};
  if (text.size() != 2 * mac.size()) return std::nullopt;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const auto* end = text.data() + 2 * i + 2;
    const auto [stop, fault] = std::from_chars(end - 2, end, mac[i], 16);
    if (fault != std::errc{} || stop != end) return std::nullopt;
  }
  return mac;
}

std::int64_t micros(Instant instant) { return instant.time_since_epoch().count(); }
Instant from_micros(std::int64_t count) { return Instant{std::chrono::microseconds{count}}; }

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const auto end = text.find(separator);
    words.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return words;
}

std::optional<PressureThresholds> parse_thresholds(std::string_view text) {
  std::vector<std::int32_t> numbers;
  for (const auto word : split(text, ',')) {
    const auto number = parse_numbers(word);
    if (!number || number->size() != 1) return std::nullopt;
    numbers.push_back(static_cast<std::int32_t>(number->front()));
  }
  if (numbers.size() != 4) return std::nullopt;
  return PressureThresholds{numbers[0], numbers[1], numbers[2], numbers[3]};
}

bool read_credits(const Fields& fields, std::string_view key, std::optional<Credits>& amount) {
  const auto text = fields.text(key);
  if (text.empty()) return true;
  const auto read = parse_credits(text);
  if (read) amount = *read;
  return read.has_value();
}

bool read_rules(const std::vector<std::string>& lines, std::vector<WindowRule>& rules) {
  for (const auto& line : lines) {
    auto rule = parse_rule(line);
    if (!rule) return false;
    rules.push_back(*std::move(rule));
  }
  return true;
}

}  // namespace

std::string price_detail(const PriceQuote& quote) {
  Fields fields;
  fields.add("price", quote.price_id);
  fields.add("ceiling", rates_text(quote.ceiling));
  for (std::size_t i = 0; i < quote.tier_count; ++i) {
    const auto& tier = quote.tiers[i];
    fields.add("tier", fmt::format("{} {}", tier.prompt_tokens_above, rates_text(tier.rates)));
  }
  return fields.str();
}

std::optional<PriceQuote> parse_price(std::string_view detail) {
  const Fields fields{detail};
  PriceQuote quote;
  quote.price_id = fields.text("price");
  const auto ceiling = parse_numbers(fields.text("ceiling"));
  const auto tiers = fields.all("tier");
  if (!ceiling) return std::nullopt;
  const auto ceiling_rates = rates_from(*ceiling);
  if (!ceiling_rates || tiers.empty() || tiers.size() > PriceQuote::tiers_max) return std::nullopt;
  quote.ceiling = *ceiling_rates;
  quote.tier_count = static_cast<std::uint8_t>(tiers.size());
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    const auto numbers = parse_numbers(tiers[i]);
    if (!numbers || numbers->empty()) return std::nullopt;
    const auto rates = rates_from(std::span{*numbers}.subspan(1));
    if (!rates) return std::nullopt;
    quote.tiers[i] = {numbers->front(), *rates};
  }
  return quote;
}

std::string key_detail(const KeyInfo& key) {
  const auto& account = key.account;
  Fields fields;
  fields.add("key", account.key_id);
  fields.add("name", account.key_name);
  fields.add("org", account.org);
  fields.add("team", account.team);
  fields.add("user", account.user);
  fields.add("mac", mac_text(key.mac));
  fields.add("by", key.created_by);
  for (const auto& pattern : account.models_allowed) fields.add("model", pattern);
  if (account.may_override_route) fields.add("may_override_route", 1);
  if (account.request_cost_max)
    fields.add("request_cost_max", to_string(*account.request_cost_max));
  fields.add_if("concurrency_max", account.concurrency_max);
  fields.add_if("requests_per_minute", account.requests_per_minute);
  fields.add_if("tokens_per_minute", account.tokens_per_minute);
  if (account.priority != Priority::interactive) fields.add("priority", to_string(account.priority));
  if (account.weight != 1) fields.add("weight", account.weight);
  if (key.expires) fields.add("expires", micros(*key.expires));
  if (key.disabled) fields.add("disabled", 1);
  if (!key.changed_by.empty()) fields.add("changed_by", key.changed_by);
  if (key.previous_mac && key.previous_until) {
    fields.add("previous_mac", mac_text(*key.previous_mac));
    fields.add("previous_until", micros(*key.previous_until));
  }
  return fields.str();
}

std::optional<KeyInfo> parse_key(std::string_view detail, Instant created) {
  const Fields fields{detail};
  KeyInfo key;
  key.created = created;
  key.created_by = fields.text("by");
  auto& account = key.account;
  account.key_id = fields.text("key");
  account.key_name = fields.text("name");
  account.org = fields.text("org");
  account.team = fields.text("team");
  account.user = fields.text("user");
  account.models_allowed = fields.all("model");
  account.may_override_route = fields.number("may_override_route").value_or(0) != 0;
  if (!read_credits(fields, "request_cost_max", account.request_cost_max)) return std::nullopt;
  for (const auto& [field, bound] : {std::pair{"concurrency_max", &account.concurrency_max},
                                     {"requests_per_minute", &account.requests_per_minute},
                                     {"tokens_per_minute", &account.tokens_per_minute}}) {
    if (const auto count = fields.number(field)) *bound = static_cast<std::int32_t>(*count);
  }
  if (const auto word = fields.text("priority"); !word.empty()) {
    const auto priority = parse_priority(word);
    if (!priority) return std::nullopt;
    account.priority = *priority;
  }
  account.weight = static_cast<std::int32_t>(fields.number("weight").value_or(1));
  if (const auto expires = fields.number("expires")) key.expires = from_micros(*expires);
  key.disabled = fields.number("disabled").value_or(0) != 0;
  key.changed_by = fields.text("changed_by");
  if (const auto until = fields.number("previous_until")) {
    key.previous_until = from_micros(*until);
    key.previous_mac = parse_mac(fields.text("previous_mac"));
    if (!key.previous_mac) return std::nullopt;
  }
  const auto mac = parse_mac(fields.text("mac"));
  if (!mac || account.key_id.empty()) return std::nullopt;
  key.mac = *mac;
  return key;
}

std::string rule_text(const WindowRule& rule) {
  auto text = fmt::format("{} {} {} {}", to_string(rule.kind), rule.zone, rule.duration.count(),
                          to_string(rule.limit));
  if (rule.thresholds) {
    const auto& soft = *rule.thresholds;
    text += fmt::format(" soft:{},{},{},{}", soft.notify, soft.prefer_cheap, soft.cheap_only,
                        soft.release_points);
  }
  if (rule.paced) text += " paced";
  return text;
}

std::optional<WindowRule> parse_rule(std::string_view text) {
  const auto words = split(text, ' ');
  if (words.size() < 4) return std::nullopt;
  const auto kind = parse_window_kind(words[0]);
  const auto duration = parse_numbers(words[2]);
  const auto limit = parse_credits(words[3]);
  if (!kind || !duration || duration->size() != 1 || !limit) return std::nullopt;
  WindowRule rule;
  rule.kind = *kind;
  rule.zone = words[1];
  rule.duration = std::chrono::seconds{duration->front()};
  rule.limit = *limit;
  for (std::size_t i = 4; i < words.size(); ++i) {
    if (words[i] == "paced") {
      rule.paced = true;
    } else if (words[i].starts_with("soft:")) {
      rule.thresholds = parse_thresholds(words[i].substr(5));
      if (!rule.thresholds) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return rule;
}

bool same_span(const WindowRule& a, const WindowRule& b) {
  return a.kind == b.kind && a.zone == b.zone && a.duration == b.duration;
}

std::string budget_detail(const BudgetSettings& settings, const std::vector<WindowRule>& lifted) {
  Fields fields;
  fields.add("budget", settings.budget);
  fields.add("by", settings.by);
  if (settings.frozen) fields.add("frozen", 1);
  fields.add_if("concurrency_max", settings.concurrency_max);
  if (settings.request_cost_max)
    fields.add("request_cost_max", to_string(*settings.request_cost_max));
  if (settings.conversation_max)
    fields.add("conversation_max", to_string(*settings.conversation_max));
  if (!settings.why.empty()) fields.add("why", settings.why);
  for (const auto& rule : settings.windows) fields.add("window", rule_text(rule));
  for (const auto& rule : lifted) fields.add("lifted", rule_text(rule));
  return fields.str();
}

std::optional<BudgetDetail> parse_budget(std::string_view detail) {
  const Fields fields{detail};
  BudgetDetail budget;
  budget.settings.budget = fields.text("budget");
  budget.settings.by = fields.text("by");
  budget.settings.frozen = fields.number("frozen").value_or(0) != 0;
  if (const auto count = fields.number("concurrency_max")) {
    budget.settings.concurrency_max = static_cast<std::int32_t>(*count);
  }
  budget.settings.why = fields.text("why");
  if (budget.settings.budget.empty() ||
      !read_credits(fields, "request_cost_max", budget.settings.request_cost_max) ||
      !read_credits(fields, "conversation_max", budget.settings.conversation_max) ||
      !read_rules(fields.all("window"), budget.settings.windows) ||
      !read_rules(fields.all("lifted"), budget.lifted)) {
    return std::nullopt;
  }
  return budget;
}

std::string window_detail(const WindowDetail& window) {
  Fields fields;
  fields.add("budget", window.budget);
  fields.add("window", rule_text(window.rule));
  fields.add("start", micros(window.span.start));
  if (window.span.end) fields.add("end", micros(*window.span.end));
  return fields.str();
}

std::optional<WindowDetail> parse_window(std::string_view detail) {
  const Fields fields{detail};
  auto rule = parse_rule(fields.text("window"));
  const auto start = fields.number("start");
  WindowDetail window;
  window.budget = fields.text("budget");
  if (!rule || !start || window.budget.empty()) return std::nullopt;
  window.rule = *std::move(rule);
  window.span.start = from_micros(*start);
  if (const auto end = fields.number("end")) window.span.end = from_micros(*end);
  return window;
}

std::string path_detail(const PathDetail& path) {
  Fields fields;
  fields.add("key", path.key_id);
  fields.add("org", path.org);
  fields.add("team", path.team);
  fields.add("user", path.user);
  for (const auto& [name, value] : {std::pair{"provider", &path.provider},
                                    {"model", &path.model},
                                    {"tier", &path.tier},
                                    {"conversation", &path.conversation}}) {
    if (!value->empty()) fields.add(name, *value);
  }
  for (const auto window : path.windows) fields.add("window", window);
  return fields.str();
}

std::optional<PathDetail> parse_path(std::string_view detail) {
  const Fields fields{detail};
  PathDetail path;
  path.key_id = fields.text("key");
  path.org = fields.text("org");
  path.team = fields.text("team");
  path.user = fields.text("user");
  path.provider = fields.text("provider");
  path.model = fields.text("model");
  path.tier = fields.text("tier");
  path.conversation = fields.text("conversation");
  for (const auto& line : fields.all("window")) {
    const auto window = parse_numbers(line);
    if (!window || window->size() != 1) return std::nullopt;
    path.windows.push_back(window->front());
  }
  if (path.key_id.empty()) return std::nullopt;
  return path;
}

std::string conversation_budget(std::string_view key_id, std::string_view conversation) {
  return fmt::format("{}{}/{}", conversation_prefix, key_id, conversation);
}

std::vector<std::string> budgets_of(const PathDetail& path) {
  std::vector<std::string> filters;
  if (!path.provider.empty()) filters.push_back("provider:" + path.provider);
  if (!path.model.empty()) filters.push_back(fmt::format("model:{}/{}", path.provider, path.model));
  if (!path.tier.empty()) filters.push_back("tier:" + path.tier);
  std::vector<std::string> names{"all"};
  names.insert(names.end(), filters.begin(), filters.end());
  const auto add = [&](std::string scope) {
    for (const auto& filter : filters) names.push_back(fmt::format("{} {}", scope, filter));
    names.push_back(std::move(scope));
  };
  if (!path.org.empty()) add(fmt::format("org:{}", path.org));
  if (!path.team.empty()) add(fmt::format("team:{}/{}", path.org, path.team));
  if (!path.user.empty()) add(fmt::format("user:{}/{}", path.org, path.user));
  add(fmt::format("key:{}", path.key_id));
  if (!path.conversation.empty())
    names.push_back(conversation_budget(path.key_id, path.conversation));
  return names;
}

}  // namespace turnpike::account
