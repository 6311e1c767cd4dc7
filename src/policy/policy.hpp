// A routing policy, with every name resolved against a catalog. Immutable; any thread may read it.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "catalog/catalog.hpp"
#include "catalog/fault.hpp"
#include "policy/learning.hpp"
#include "policy/shadow.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::policy {

using catalog::Fault;
using TierIndex = std::uint32_t;
using ModelIndex =
    std::uint32_t;  // into Catalog::models() of the catalog the policy was loaded with

struct Target {
  ModelIndex model = 0;
  std::string name;  // "deepseek/deepseek-flash"
  TierIndex tier =
      0;  // the tier it counts for: its own, also when it stands in another tier's fallback
  std::uint32_t weight = 1;  // with TierOrder::weighted; 0: only after the others
};

enum class TierOrder : std::uint8_t {
  listed,    // as written
  cheapest,  // by expected price of this step now, cache included
  weighted,  // the first by weight, stable for a conversation; the rest as written
  fastest,   // by measured time to the answer's likely last token
  balanced,  // by price times that time
};

struct Tier {
  std::string name;
  bool frontier = false;
  TierOrder order = TierOrder::listed;
  std::vector<Target> targets;
  std::vector<Target>
      fallback;  // tried after the targets: other tiers' targets and single ones, flattened
  std::optional<TierIndex> escalate_to;
};

struct ToAuto {
  bool operator==(const ToAuto&) const = default;
};
struct ToTier {
  TierIndex tier = 0;
  bool operator==(const ToTier&) const = default;
};
struct ToTarget {
  ModelIndex model = 0;
  bool operator==(const ToTarget&) const = default;
};
struct ToAsked {  // the model the client named
  bool operator==(const ToAsked&) const = default;
};
using Action = std::variant<ToAuto, ToTier, ToTarget, ToAsked>;

/// All given conditions must hold; an absent one holds always. The first matching rule of the file
/// counts.
struct Rule {
  std::string name;
  std::vector<std::string> models;  // wildcards on the asked name
  std::vector<StepKind> steps;
  std::vector<std::string> keys;   // wildcards on key id or key name
  std::vector<std::string> teams;  // wildcards
  Action action;
};

/// One line of [models]: a name or wildcard and what it means.
struct ModelName {
  std::string pattern;
  Action action;
};

enum class ShareOf : std::uint8_t { steps, tokens, spend };
enum class SharePer : std::uint8_t { key, team, all };

struct FrontierShare {
  double target = 0.3;
  ShareOf of = ShareOf::steps;
  SharePer per = SharePer::key;
  std::chrono::seconds window = std::chrono::hours{6};
};

/// Evidence inside a tool loop that the model at work is out of its depth. 0 switches a sign off.
struct Escalation {
  std::int32_t error_streak = 3;
  std::int32_t errors_recent = 4;
  std::int32_t repeats_recent = 3;
  bool unusable_answer = true;
  /// An escalated loop may move up once more after so many steps: by then the signs are of its new model.
  std::int32_t settle_steps = 3;
  /// A conversation moves down again at the first human turn that comes after so many steps without a sign of trouble.
  std::int32_t calm_steps = 2;
};

/// How a thin budget moves the decision. notify changes nothing here.
struct PressureActions {
  float prefer_cheap_raise = 0.15F;  // added to the threshold
  bool cheap_only_pins = true;  // under cheap_only a client's pin to a frontier target still holds
};

/// Whether a conversation changes its model at a human turn.
struct Switching {
  bool stay_in_tool_loop = true;
  std::int32_t steps_expected =
      10;  // likely further steps of the conversation, over which a switch must pay
  float saving_min = 0.2F;  // share of the cost of staying that must be saved
  /// How far into the hard share (0 at the threshold, 1 at its top) a step must be to move a conversation up where the
  /// lost cache would be all that its rest costs; in proportion where it is less.
  float climb_margin = 1.0F;
  /// Output tokens the new model needs to think again what it cannot read of the old one's
  /// thoughts.
  std::int64_t rethink_tokens = 2000;
};

/// What moves a target behind the others of its tier, whatever the tier's order.
struct OrderLimits {
  float headroom_min = 0.05F;  // share of its provider's rate limit that must be left
};

class Policy {
 public:
  struct Options {
    Instant now{};  // prices and retirements are judged at this instant
    /// A tier without any target on sale: an error in the policy in force, a warning in one kept
    /// for later.
    catalog::Severity unusable_tier = catalog::Severity::error;
    /// False: the catalog could not be loaded, so names of models are not judged; everything else
    /// is.
    bool names_judged = true;
  };

  /// All faults of the file; warnings alone do not refuse it.
  static std::expected<Policy, std::vector<Fault>> load(const std::filesystem::path& path,
                                                        const catalog::Catalog& catalog,
                                                        const Options& options);
  /// The same from the text of a file; `file` names it in faults.
  static std::expected<Policy, std::vector<Fault>> read(std::string_view document,
                                                        const std::string& file,
                                                        const catalog::Catalog& catalog,
                                                        const Options& options);

  std::string name;
  std::string description;
  std::vector<Tier> tiers;             // from cheap to strong
  std::vector<Target> everyone;        // each target of all tiers and fallbacks once, by name
  TierIndex default_tier = 0;          // when the classifier abstains
  TierIndex easy_tier = 0;             // below the threshold
  std::optional<TierIndex> hard_tier;  // from the threshold on; absent: nothing goes to a frontier
  std::optional<FrontierShare> share;
  std::optional<ShadowPlan> shadow;  // steps that a candidate is asked as well
  std::vector<Rule> rules;
  std::vector<ModelName> models;       // exact names first, then the most literal wildcard first
  std::vector<std::string> data_tags;  // every target must carry them
  bool client_pins_allowed = true;     // "provider/model" in a request
  bool known_models_pinned = false;    // a bare catalog name that [models] does not mention
  bool unknown_models_auto = false;    // a name nobody knows is routed instead of refused
  Escalation escalation;
  PressureActions pressure;
  Switching switching;
  ClassifierSettings classifier;
  OrderLimits order_limits;
  std::chrono::seconds price_horizon{
      600};  // total time-out: the ceiling of a quote looks so far ahead

  [[nodiscard]] std::vector<std::string> tier_names() const;
  [[nodiscard]] std::optional<TierIndex> tier_named(std::string_view tier) const;
  /// The first tier that lists the model among its own targets.
  [[nodiscard]] std::optional<TierIndex> tier_of(ModelIndex model) const;
  /// Names a client may ask for: the plain names of [models], then every target as
  /// "provider/model".
  [[nodiscard]] std::vector<std::string> public_names() const;
  [[nodiscard]] const std::vector<Fault>& warnings() const { return warnings_; }
  /// Of the catalog whose indexes the policy holds; decide() must be given a catalog with the same
  /// content.
  [[nodiscard]] std::uint64_t catalog_hash() const { return catalog_hash_; }

 private:
  friend class PolicyLoader;
  std::vector<Fault> warnings_;
  std::uint64_t catalog_hash_ = 0;
};

}  // namespace turnpike::policy
