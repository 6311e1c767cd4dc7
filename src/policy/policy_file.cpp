#include "policy/policy_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "policy/wildcard.hpp"
#include "turnpike/error.hpp"

namespace turnpike::policy {
namespace {

using catalog::nearest_hint;
using catalog::TomlKind;
using catalog::TomlPosition;

constexpr std::string_view tier_prefix = "tier:";

/// "90s", "15m", "6h", "7d".
std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<char, std::int64_t>, 4> units{
      {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}}};
  const auto decimal = catalog::parse_decimal(text.substr(0, text.empty() ? 0 : text.size() - 1));
  for (const auto& [unit, seconds] : units) {
    if (decimal && decimal->scale == 0 && text.back() == unit && decimal->mantissa > 0 &&
        decimal->mantissa <= 100000)
      return std::chrono::seconds{decimal->mantissa * seconds};
  }
  return std::nullopt;
}

template <typename Enum, std::size_t N>
Enum read_enum(catalog::TableReader& table, std::string_view key,
               const std::array<std::string, N>& words, Enum standard) {
  const auto word = table.word(key, words);
  if (!word) return standard;
  return static_cast<Enum>(std::find(words.begin(), words.end(), *word) - words.begin());
}

}  // namespace

Policy PolicyLoader::read(const Node& root) {
  Reader table{root, "file", faults_};
  policy_.catalog_hash_ = catalog_.content_hash();
  read_tiers(table);
  link_tiers();
  read_head(table);
  read_share(table);
  read_rules(table);
  read_models(table);
  read_settings(table);
  read_classifier(table);
  read_shadow(table);
  table.finish();
  std::vector<TomlPosition> tiers_at;
  tiers_at.reserve(drafts_.size());
  for (const auto& draft : drafts_) tiers_at.push_back(draft.node->at);
  if (options_.names_judged) check_targets(policy_, catalog_, options_, tiers_at, faults_);
  return std::move(policy_);
}

std::optional<TierIndex> PolicyLoader::tier_at(const std::string& what, const std::string& name,
                                               TomlPosition at) {
  if (auto index = policy_.tier_named(name)) return index;
  faults_.error(at, fmt::format("{} names tier \"{}\", not in this file{}", what, name,
                                nearest_hint(name, policy_.tier_names())));
  return std::nullopt;
}

std::optional<ModelIndex> PolicyLoader::model_at(const std::string& what, const std::string& name,
                                                 TomlPosition at) {
  if (const auto* model = catalog_.find(name)) return catalog_.index_of(*model);
  if (!options_.names_judged) return std::nullopt;
  faults_.error(at, fmt::format("{} names model \"{}\", not in providers/{}", what, name,
                                nearest_hint(name, catalog_.names())));
  return std::nullopt;
}

/// Names stand in metric labels, in lines of state files and in answers to clients: one line of plain letters.
std::string PolicyLoader::read_name(Reader& table) {
  std::string name = table.required_string("name");
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view{" _-.,:+/()'&"}.find(c) != std::string_view::npos;
  };
  const bool bare = name.empty() || (name.front() != ' ' && name.back() != ' ');
  if (name.size() <= name_bytes_max && bare && std::ranges::all_of(name, plain)) return name;
  faults_.error(table.at("name"),
                fmt::format("{}: the name {} must be 1 to {} ASCII letters, digits, blanks inside, or any of _-.,:+/()'&",
                            table.what(), quoted_for_message(name), name_bytes_max));
  return name;
}

void PolicyLoader::read_tiers(Reader& root) {
  static const std::array<std::string, 5> orders{"listed", "cheapest", "weighted", "fastest",
                                                 "balanced"};
  const auto nodes = root.tables("tier");
  if (nodes.empty()) faults_.error({1, 1}, "file: no [[tier]]");
  for (const auto* node : nodes) {
    Reader table{*node, "[[tier]]", faults_};
    Tier tier;
    tier.name = read_name(table);
    table.rename(fmt::format("tier \"{}\"", tier.name));
    if (policy_.tier_named(tier.name))
      faults_.error(table.at("name"), fmt::format("{} is written twice", table.what()));
    tier.frontier = table.boolean("frontier").value_or(false);
    tier.order = read_enum(table, "order", orders, TierOrder::listed);
    const auto index = static_cast<TierIndex>(policy_.tiers.size());
    const auto* targets = table.find("targets");
    if (targets != nullptr) read_targets(tier, index, *targets);
    if (targets == nullptr)
      faults_.error(node->at, fmt::format("{}: \"targets\" is missing", table.what()));
    table.strings("fallback");
    table.string("escalate_to");
    drafts_.push_back({node, targets, table.find("fallback"), table.find("escalate_to")});
    table.finish();
    policy_.tiers.push_back(std::move(tier));
  }
}

void PolicyLoader::read_targets(Tier& tier, TierIndex index, const Node& list) {
  const auto what = fmt::format("tier \"{}\"", tier.name);
  if (list.kind != TomlKind::array || list.items.empty()) {
    faults_.error(list.at,
                  fmt::format("{}: \"targets\" must be an array of at least one target", what));
    return;
  }
  for (const auto& item : list.items) {
    auto target = read_target(what, index, item);
    if (!target) continue;
    const bool twice =
        std::any_of(tier.targets.begin(), tier.targets.end(),
                    [&](const Target& other) { return other.model == target->model; });
    if (twice) faults_.error(item.at, fmt::format("{} lists \"{}\" twice", what, target->name));
    if (!twice) tier.targets.push_back(std::move(*target));
  }
}

/// "provider/model" or { target = "provider/model", weight = 3 }.
std::optional<Target> PolicyLoader::read_target(const std::string& what, TierIndex index,
                                                const Node& node) {
  Target target;
  target.tier = index;
  std::string name = node.text;
  TomlPosition at = node.at;
  if (node.kind == TomlKind::table) {
    Reader table{node, what + " target", faults_};
    name = table.required_string("target");
    if (const auto* value = table.find("target")) at = value->at;
    target.weight = static_cast<std::uint32_t>(table.integer("weight", 0, 1'000'000).value_or(1));
    table.finish();
  } else if (node.kind != TomlKind::string) {
    faults_.error(
        node.at,
        fmt::format("{}: a target is \"provider/model\" or {{ target = …, weight = … }}", what));
    return std::nullopt;
  }
  if (name.empty()) return std::nullopt;
  const auto model = model_at(what, name, at);
  if (!model) return std::nullopt;
  target.model = *model;
  target.name = catalog_.models()[*model].target();
  return target;
}

void PolicyLoader::link_tiers() {
  for (TierIndex i = 0; i < policy_.tiers.size(); ++i) {
    std::vector<TierIndex> path{i};
    add_fallback(i, i, path);
    link_escalation(i);
  }
  check_escalations();
  list_everyone();
}

void PolicyLoader::list_everyone() {
  auto& all = policy_.everyone;
  for (const auto& tier : policy_.tiers) {
    all.insert(all.end(), tier.targets.begin(), tier.targets.end());
    all.insert(all.end(), tier.fallback.begin(), tier.fallback.end());
  }
  std::sort(all.begin(), all.end(),
            [](const Target& a, const Target& b) { return std::tie(a.name, a.tier) < std::tie(b.name, b.tier); });
  const auto same = [](const Target& a, const Target& b) { return a.model == b.model; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
}

/// Appends what tier `from` falls back to, following other tiers to their own ends. `path` is the
/// way here.
void PolicyLoader::add_fallback(TierIndex owner, TierIndex from, std::vector<TierIndex>& path) {
  const auto* list = drafts_[from].fallback;
  if (list == nullptr || list->kind != TomlKind::array) return;
  const auto what = fmt::format("tier \"{}\" fallback", policy_.tiers[from].name);
  auto& chain = policy_.tiers[owner].fallback;
  for (const auto& item : list->items) {
    if (item.kind != TomlKind::string) continue;  // already reported as a wrong type
    if (!item.text.starts_with(tier_prefix)) {
      auto target = read_target(what, from, item);
      if (!target) continue;
      target->tier = policy_.tier_of(target->model).value_or(from);
      chain.push_back(std::move(*target));
      continue;
    }
    const auto next = tier_at(what, item.text.substr(tier_prefix.size()), item.at);
    if (!next) continue;
    if (std::find(path.begin(), path.end(), *next) != path.end()) {
      if (*next == owner)
        faults_.error(item.at,
                      fmt::format("{} comes back to tier \"{}\"", what, policy_.tiers[owner].name));
      continue;
    }
    const auto& targets = policy_.tiers[*next].targets;
    chain.insert(chain.end(), targets.begin(), targets.end());
    path.push_back(*next);
    add_fallback(owner, *next, path);
    path.pop_back();
  }
}

void PolicyLoader::link_escalation(TierIndex index) {
  const auto* node = drafts_[index].escalate_to;
  auto& tier = policy_.tiers[index];
  if (node == nullptr || node->kind != TomlKind::string) return;
  tier.escalate_to =
      tier_at(fmt::format("tier \"{}\" escalate_to", tier.name), node->text, node->at);
}

void PolicyLoader::check_escalations() {
  for (TierIndex start = 0; start < policy_.tiers.size(); ++start) {
    auto next = policy_.tiers[start].escalate_to;
    for (std::size_t hops = 0; next && *next != start && hops < policy_.tiers.size(); ++hops)
      next = policy_.tiers[*next].escalate_to;
    if (next && *next == start)
      faults_.error(
          drafts_[start].escalate_to->at,
          fmt::format("tier \"{}\" escalate_to comes back to itself", policy_.tiers[start].name));
  }
}

void PolicyLoader::read_head(Reader& root) {
  static const std::array<std::string, 2> pins{"refused", "allowed"};
  static const std::array<std::string, 2> known{"auto", "pin"};
  static const std::array<std::string, 2> unknown{"refuse", "auto"};
  static const Node empty;
  const auto* node = root.table("policy");
  if (node == nullptr) faults_.error({1, 1}, "file: [policy] is missing");
  Reader head{node == nullptr ? empty : *node, "[policy]", faults_};
  if (node != nullptr) policy_.name = read_name(head);
  policy_.description = head.string("description").value_or("");
  policy_.client_pins_allowed = read_enum(head, "client_pins", pins, 1) == 1;
  policy_.known_models_pinned = read_enum(head, "known_models", known, 0) == 1;
  policy_.unknown_models_auto = read_enum(head, "unknown_models", unknown, 0) == 1;
  policy_.data_tags = head.strings("data");
  policy_.price_horizon =
      std::chrono::seconds{head.integer("price_horizon_s", 1, 86400).value_or(600)};
  choose_tiers(head);
  head.finish();
}

void PolicyLoader::choose_tiers(Reader& head) {
  std::optional<TierIndex> first_plain;
  std::optional<TierIndex> first_frontier;
  for (TierIndex i = 0; i < policy_.tiers.size(); ++i) {
    auto& first = policy_.tiers[i].frontier ? first_frontier : first_plain;
    if (!first) first = i;
  }
  const auto named = [&](std::string_view key) -> std::optional<TierIndex> {
    const auto name = head.string(key);
    return name ? tier_at(fmt::format("[policy] {}", key), *name, head.find(key)->at)
                : std::nullopt;
  };
  policy_.easy_tier = named("easy_tier").value_or(first_plain.value_or(0));
  const auto hard = named("hard_tier");
  policy_.hard_tier = hard ? hard : first_frontier;
  policy_.default_tier = named("default_tier").value_or(policy_.easy_tier);
  // Failing loops go up to the hard tier unless a tier says otherwise.
  for (TierIndex i = 0; policy_.hard_tier && i < policy_.tiers.size(); ++i) {
    auto& tier = policy_.tiers[i];
    if (!tier.frontier && drafts_[i].escalate_to == nullptr && i != *policy_.hard_tier)
      tier.escalate_to = policy_.hard_tier;
  }
}

void PolicyLoader::read_share(Reader& root) {
  static const std::array<std::string, 3> measures{"steps", "tokens", "spend"};
  static const std::array<std::string, 3> scopes{"key", "team", "all"};
  const auto* node = root.table("frontier_share");
  const bool needed = policy_.hard_tier && *policy_.hard_tier != policy_.easy_tier;
  if (node == nullptr) {
    if (needed)
      faults_.error({1, 1},
                    "file: [frontier_share] is missing, which divides the steps between the tiers");
    return;
  }
  Reader table{*node, "[frontier_share]", faults_};
  FrontierShare share;
  share.target = table.number("target", 0, 1).value_or(share.target);
  if (table.find("target") == nullptr)
    faults_.error(node->at, "[frontier_share]: \"target\" is missing");
  share.of = read_enum(table, "of", measures, ShareOf::steps);
  share.per = read_enum(table, "per", scopes, SharePer::key);
  if (const auto text = table.string("window")) {
    const auto window = parse_duration(*text);
    if (!window)
      faults_.error(table.find("window")->at,
                    "[frontier_share]: \"window\" must be a duration such as \"90s\", \"15m\", "
                    "\"6h\" or \"7d\"");
    share.window = window.value_or(share.window);
  }
  table.finish();
  if (!needed)
    faults_.warning(node->at,
                    "[frontier_share] has no effect: the policy has no second tier to share with");
  policy_.share = share;
}

std::optional<Action> PolicyLoader::read_action(const std::string& what, const Node& value) {
  if (value.kind != TomlKind::string) {
    faults_.error(value.at, fmt::format("{} must be \"auto\", \"asked\", \"tier:…\" or "
                                        "\"provider/model\" (a name with a dot needs "
                                        "quotes)",
                                        what));
    return std::nullopt;
  }
  if (value.text == "auto") return ToAuto{};
  if (value.text == "asked") return ToAsked{};
  if (value.text.starts_with(tier_prefix)) {
    const auto tier = tier_at(what, value.text.substr(tier_prefix.size()), value.at);
    return tier ? std::optional<Action>{ToTier{*tier}} : std::nullopt;
  }
  const auto model = model_at(what, value.text, value.at);
  return model ? std::optional<Action>{ToTarget{*model}} : std::nullopt;
}

Rule PolicyLoader::read_rule(const Node& node) {
  Reader table{node, "[[rule]]", faults_};
  Rule rule;
  rule.name = read_name(table);
  table.rename(fmt::format("rule \"{}\"", rule.name));
  rule.models = table.strings("model");
  rule.keys = table.strings("key");
  rule.teams = table.strings("team");
  for (const auto& word : table.strings("step")) {
    const auto step = parse_step_kind(word);
    if (!step)
      faults_.error(table.at("step"),
                    fmt::format("{}: unknown step kind \"{}\"", table.what(), word));
    if (step) rule.steps.push_back(*step);
  }
  const auto* route = table.find("route");
  if (route == nullptr)
    faults_.error(node.at, fmt::format("{}: \"route\" is missing", table.what()));
  if (route != nullptr)
    rule.action = read_action(table.what() + " route", *route).value_or(ToAuto{});
  table.finish();
  return rule;
}

void PolicyLoader::read_rules(Reader& root) {
  for (const auto* node : root.tables("rule")) {
    auto rule = read_rule(*node);
    const bool twice = std::any_of(policy_.rules.begin(), policy_.rules.end(),
                                   [&](const Rule& other) { return other.name == rule.name; });
    if (twice) faults_.error(node->at, fmt::format("rule \"{}\" is written twice", rule.name));
    policy_.rules.push_back(std::move(rule));
  }
}

void PolicyLoader::read_models(Reader& root) {
  const auto* node = root.table("models");
  if (node == nullptr) return;
  for (const auto& entry : node->entries) {
    const auto action = read_action(fmt::format("[models] \"{}\"", entry.key), entry.value);
    if (action) policy_.models.push_back({entry.key, *action});
  }
  std::sort(policy_.models.begin(), policy_.models.end(),
            [](const ModelName& a, const ModelName& b) {
              const auto rank = [](const ModelName& m) {
                const bool wild = m.pattern.find('*') != std::string::npos;
                return std::tuple{wild, wild ? SIZE_MAX - literal_count(m.pattern) : 0,
                                  std::string_view{m.pattern}};
              };
              return rank(a) < rank(b);
            });
}

void PolicyLoader::read_settings(Reader& root) {
  read_escalation(root);
  read_conversation(root);
  read_order(root);
  if (const auto* node = root.table("budget")) {
    Reader table{*node, "[budget]", faults_};
    auto& p = policy_.pressure;
    p.prefer_cheap_raise = static_cast<float>(
        table.number("prefer_cheap_raise", 0, 1).value_or(double{p.prefer_cheap_raise}));
    p.cheap_only_pins = table.boolean("cheap_only_pins").value_or(p.cheap_only_pins);
    table.finish();
  }
}

std::expected<Policy, std::vector<Fault>> Policy::load(const std::filesystem::path& path,
                                                       const catalog::Catalog& catalog,
                                                       const Options& options) {
  const auto document = catalog::read_file(path);
  if (!document) return std::unexpected{std::vector{document.error()}};
  return read(*document, path.generic_string(), catalog, options);
}

std::expected<Policy, std::vector<Fault>> Policy::read(std::string_view document,
                                                       const std::string& file,
                                                       const catalog::Catalog& catalog,
                                                       const Options& options) {
  const auto root = catalog::parse_toml(document, file);
  if (!root) return std::unexpected{std::vector{root.error()}};
  catalog::FaultLog faults{file};
  PolicyLoader loader{catalog, options, faults};
  Policy policy = loader.read(*root);
  auto found = faults.take();
  catalog::sort_faults(found);
  if (catalog::has_errors(found)) return std::unexpected{std::move(found)};
  loader.keep_warnings(policy, std::move(found));
  return policy;
}

}  // namespace turnpike::policy
