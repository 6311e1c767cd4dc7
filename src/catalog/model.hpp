// One model of one provider, as the files describe it. Immutable after loading.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/price.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/dialect.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::catalog {

/// A peculiarity of a model that one endpoint of its provider does not have.
struct QuirkOff {
  bool ModelQuirks::* quirk = nullptr;
  bool usual = false;  // what the flag is without the quirk
};

/// One of the APIs a provider speaks.
struct ProviderEndpoint {
  Dialect dialect = Dialect::openai_chat;
  std::string base_url;       // after overrides, no trailing slash
  bool betas_passed = false;  // values of anthropic-beta, but for the exceptions
  std::vector<std::string> betas_excepted;
  std::vector<QuirkOff> quirks_off;
  bool counts_tokens = false;  // has a free endpoint that counts a prompt's tokens
};

/// One credential of a provider: an account of its own, or a second key of the same.
struct ProviderKey {
  std::string id;             // in metrics, records and `turnpike upstream`: never the secret
  std::string env;            // name of the environment variable; empty: the provider needs no key
  std::int64_t weight = 1;    // share of the conversations, against the other keys' weights
  std::int64_t in_flight_max = in_flight_max_default;
  bool missing = false;       // was looked for and is not there
  std::string fingerprint;    // of the secret: what was held against one key is not held against its successor
  /// More than a process has descriptors for: the provider says by its refusals what is too much, not a guess of ours.
  static constexpr std::int64_t in_flight_max_default = 20'000;
};

struct Provider {
  std::string id;
  std::string catalog_id;                   // its name in the public catalog of models.dev
  std::vector<ProviderEndpoint> endpoints;  // the main one first; each dialect at most once
  std::vector<ProviderKey> keys;  // never empty; a provider that needs no key has one without a variable
  std::string key_env;       // of the first key; empty: the provider needs no key
  bool key_missing = false;  // a key is needed, and none of them is there
  std::chrono::milliseconds total_timeout{600'000};  // no answer of it takes longer
  bool cancel_stops_billing = true;
  bool cache_marked = false;  // prompts are cached where a request marks them; else all are
  std::chrono::seconds cache_lifetime{300};  // of an unused entry, as documented
  std::vector<std::string> data_tags;  // data-handling promises: "no_training", "eu_only"

  /// How far ahead a reservation looks for dearer prices: to the end of the longest answer, or to `least`.
  [[nodiscard]] std::chrono::seconds price_horizon(std::chrono::seconds least) const {
    return std::max(least, std::chrono::ceil<std::chrono::seconds>(total_timeout));
  }

  [[nodiscard]] const ProviderEndpoint* endpoint(Dialect dialect) const {
    for (const auto& endpoint : endpoints) {
      if (endpoint.dialect == dialect) return &endpoint;
    }
    return nullptr;
  }
};

struct Model {
  std::string provider;
  std::string id;
  std::vector<std::string> aliases;
  std::string family;
  /// Of the provider's endpoints those that serve the model, in the provider's order. Never empty;
  /// one at least is a dialect that requests of other dialects can be translated into.
  std::vector<Dialect> dialects;
  std::int64_t context_tokens = 0;
  std::int64_t output_tokens_max = 0;
  std::int64_t tokens_per_image_max = 2048;
  std::int64_t server_calls_max = server_calls_max_default;
  std::uint8_t server_tools_once = 0;  // as Candidate has them
  Needs can;  // capabilities, in the words of what a request may need
  ThinkingStyle thinking = ThinkingStyle::none;
  std::vector<std::string> efforts;  // from least to most
  std::int64_t thinking_budget_min = 0;
  std::int64_t thinking_budget_max = 0;
  ModelQuirks quirks;
  bool cancel_stops_billing = true;
  std::vector<std::string> data_tags;  // the provider's and its own
  std::string as_of;                   // day the entry was checked against its source
  std::string source;
  PriceSchedule prices;
  std::optional<Instant> retired_at;
  std::string successor;              // target that takes over; may be empty
  std::optional<Rates> shadow_price;  // what a free model would cost, for reports
  std::uint32_t provider_index = 0;   // into Catalog::providers()

  [[nodiscard]] std::string target() const { return provider + "/" + id; }
};

}  // namespace turnpike::catalog
