// What becomes of a policy's targets on a given day.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "policy/policy_file.hpp"

namespace turnpike::policy {
namespace {

using catalog::Model;
using catalog::Severity;
using catalog::TomlPosition;

constexpr std::chrono::days promotion_notice{7};  // product specification, "Dated prices"

std::string day_of(Instant instant) { return to_rfc3339(instant).substr(0, 10); }

/// Remarks on one model that do not depend on the tier it stands in.
class ModelCheck {
 public:
  ModelCheck(const Policy& policy, const catalog::Catalog& catalog, Instant now,
             catalog::FaultLog& faults)
      : policy_(policy), catalog_(catalog), now_(now), faults_(faults) {}

  void run(const Model& model, TomlPosition at) {
    if (!seen_.insert(&model).second) return;
    if (const auto wrong = catalog_.unusable(model, now_)) {
      faults_.warning(at, wrong->message);
      return;
    }
    const auto& provider = catalog_.provider_of(model);
    if (provider.key_missing)
      faults_.warning(at, fmt::format("{} cannot be used: no key in the environment variable {}",
                                      model.target(), provider.key_env));
    if (!model.can.tools)
      faults_.warning(
          at, fmt::format("{} has no tools: steps that carry tools skip it", model.target()));
    check_tags(model, at);
    check_calendar(model, at);
  }

 private:
  void check_tags(const Model& model, TomlPosition at) {
    for (const auto& tag : policy_.data_tags) {
      if (std::find(model.data_tags.begin(), model.data_tags.end(), tag) == model.data_tags.end())
        faults_.warning(at,
                        fmt::format("{} lacks the data tag \"{}\" of this policy and is never used",
                                    model.target(), tag));
    }
  }

  void check_calendar(const Model& model, TomlPosition at) {
    const auto* interval = catalog::interval_at(model.prices, now_);
    if (interval == nullptr) return;
    const bool ends_soon =
        interval->until != catalog::forever && interval->until - now_ <= promotion_notice;
    if (ends_soon)
      faults_.warning(
          at, fmt::format("price {} ends on {}", interval->id, to_rfc3339(interval->until)));
    for (const auto& window : interval->windows) {
      if (window.excepted.empty() || day_of(window.excepted.back()) >= day_of(now_).substr(0, 4))
        continue;
      faults_.warning(at, fmt::format("price {}: the holidays of window \"{}\" end on {}",
                                      interval->id, window.name, day_of(window.excepted.back())));
    }
  }

  const Policy& policy_;
  const catalog::Catalog& catalog_;
  Instant now_;
  catalog::FaultLog& faults_;
  std::set<const Model*> seen_;
};

void report(catalog::FaultLog& faults, Severity severity, TomlPosition at, std::string message) {
  if (severity == Severity::error) {
    faults.error(at, std::move(message));
  } else {
    faults.warning(at, std::move(message));
  }
}

}  // namespace

void check_targets(const Policy& policy, const catalog::Catalog& catalog,
                   const Policy::Options& options, const std::vector<TomlPosition>& tiers_at,
                   catalog::FaultLog& faults) {
  ModelCheck check{policy, catalog, options.now, faults};
  for (std::size_t i = 0; i < policy.tiers.size(); ++i) {
    const auto& tier = policy.tiers[i];
    bool on_sale = tier.targets.empty();  // an empty tier has been reported as such
    bool tools = tier.targets.empty();
    for (const auto& target : tier.targets) {
      const auto& model = catalog.models()[target.model];
      const bool usable = !catalog.unusable(model, options.now);
      on_sale = on_sale || usable;
      tools = tools || (usable && model.can.tools);
    }
    if (!on_sale)
      report(faults, options.unusable_tier, tiers_at[i],
             fmt::format("tier \"{}\" has no target with a price on {}", tier.name,
                         day_of(options.now)));
    if (on_sale && !tools)
      faults.warning(
          tiers_at[i],
          fmt::format("tier \"{}\" has no target with tools: agent steps leave it for its "
                      "fallback",
                      tier.name));
    for (const auto& target : tier.targets) check.run(catalog.models()[target.model], tiers_at[i]);
    for (const auto& target : tier.fallback) check.run(catalog.models()[target.model], tiers_at[i]);
  }
}

}  // namespace turnpike::policy
