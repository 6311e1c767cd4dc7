// Last step of the decision: from a tier to the list of candidates that can serve this request, in
// the order of trying.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.hpp"
#include "policy/policy.hpp"
#include "policy/situation.hpp"
#include "policy/tier_order.hpp"
#include "turnpike/account.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike::policy {

inline constexpr std::size_t candidates_max = 8;  // more than a request may be tried anyway

/// True if the key's allow-list admits the target, by its own name or by the tier it is in; `tier` is
/// empty for one that is in none.
bool key_allows(const Account& key, std::string_view target, std::string_view tier);

/// Every target of the tier and its fallback that can serve the request; if there is none, those of
/// the other tiers. `keep` comes first if it is among the tier's own. Never empty on success.
Result<std::vector<Candidate>> candidates_of(const Policy& policy, const catalog::Catalog& catalog,
                                             const Situation& situation, TierIndex tier,
                                             const std::string& keep, std::vector<Why>& why);

/// The target that would come first if the request went to this tier; nullopt if none of its own can serve it.
std::optional<Pick> first_able(const Policy& policy, const catalog::Catalog& catalog,
                               const Situation& situation, TierIndex tier);

/// The one candidate of a pin, or the error that tells why it cannot be.
Result<std::vector<Candidate>> pinned_candidate(const Policy& policy,
                                                const catalog::Catalog& catalog,
                                                const Situation& situation, ModelIndex model,
                                                std::vector<Why>& why);

}  // namespace turnpike::policy
