#include "policy/policy.hpp"

#include <algorithm>

namespace turnpike::policy {

std::vector<std::string> Policy::tier_names() const {
  std::vector<std::string> names;
  names.reserve(tiers.size());
  for (const auto& tier : tiers) names.push_back(tier.name);
  return names;
}

std::optional<TierIndex> Policy::tier_named(std::string_view tier) const {
  for (TierIndex i = 0; i < tiers.size(); ++i) {
    if (tiers[i].name == tier) return i;
  }
  return std::nullopt;
}

std::optional<TierIndex> Policy::tier_of(ModelIndex model) const {
  for (TierIndex i = 0; i < tiers.size(); ++i) {
    const auto& targets = tiers[i].targets;
    if (std::any_of(targets.begin(), targets.end(),
                    [model](const Target& t) { return t.model == model; }))
      return i;
  }
  return std::nullopt;
}

std::vector<std::string> Policy::public_names() const {
  std::vector<std::string> names;
  const auto add = [&names](const std::string& added) {
    if (std::find(names.begin(), names.end(), added) == names.end()) names.push_back(added);
  };
  for (const auto& entry : models) {
    if (entry.pattern.find('*') == std::string::npos) add(entry.pattern);
  }
  if (!client_pins_allowed) return names;
  for (const auto& tier : tiers) {
    for (const auto& target : tier.targets) add(target.name);
    for (const auto& target : tier.fallback) add(target.name);
  }
  return names;
}

}  // namespace turnpike::policy
