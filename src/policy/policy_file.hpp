// Reads one file of policies/ and resolves its names. docs/policies.md describes the format key by
// key.
//   file := [policy] [[tier]]+ [frontier_share]? [[rule]]* [models]? [escalation]? [budget]?
//   [conversation]? [order]? [classifier]? [shadow]?
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "catalog/toml_reader.hpp"
#include "policy/policy.hpp"

namespace turnpike::policy {

/// Works through the document once; every fault goes to the log and the rest is read on.
class PolicyLoader {
 public:
  PolicyLoader(const catalog::Catalog& catalog, const Policy::Options& options,
               catalog::FaultLog& faults)
      : catalog_(catalog), options_(options), faults_(faults) {}

  Policy read(const catalog::TomlNode& root);
  void keep_warnings(Policy& policy, std::vector<Fault> warnings) {
    policy.warnings_ = std::move(warnings);
  }

 private:
  using Node = catalog::TomlNode;
  using Reader = catalog::TableReader;

  /// What a tier's table says before tiers know one another.
  struct TierDraft {
    const Node* node = nullptr;
    const Node* targets = nullptr;
    const Node* fallback = nullptr;
    const Node* escalate_to = nullptr;
  };

  static constexpr std::size_t name_bytes_max = 64;
  std::string read_name(Reader& table);
  void read_tiers(Reader& root);
  void read_targets(Tier& tier, TierIndex index, const Node& list);
  std::optional<Target> read_target(const std::string& what, TierIndex index, const Node& node);
  void link_tiers();
  void link_escalation(TierIndex index);
  void add_fallback(TierIndex owner, TierIndex from, std::vector<TierIndex>& path);
  void check_escalations();
  void list_everyone();
  void read_head(Reader& root);
  void choose_tiers(Reader& head);
  void read_share(Reader& root);
  void read_rules(Reader& root);
  Rule read_rule(const Node& node);
  void read_models(Reader& root);
  void read_settings(Reader& root);
  void read_classifier(Reader& root);
  void read_escalation(Reader& root);
  void read_conversation(Reader& root);
  void read_order(Reader& root);
  void read_shadow(Reader& root);
  std::optional<Action> read_action(const std::string& what, const Node& value);

  std::optional<TierIndex> tier_at(const std::string& what, const std::string& name,
                                   catalog::TomlPosition at);
  std::optional<ModelIndex> model_at(const std::string& what, const std::string& name,
                                     catalog::TomlPosition at);

  const catalog::Catalog& catalog_;
  const Policy::Options& options_;
  catalog::FaultLog& faults_;
  Policy policy_;
  std::vector<TierDraft> drafts_;
};

/// What an operator should know of the tiers' targets at `options.now`: retirements, missing prices
/// and keys, ends of promotions, missing capabilities, outdated holiday lists. A tier with nothing
/// on sale has options.unusable_tier.
void check_targets(const Policy& policy, const catalog::Catalog& catalog,
                   const Policy::Options& options,
                   const std::vector<catalog::TomlPosition>& tiers_at, catalog::FaultLog& faults);

}  // namespace turnpike::policy
