// One file of providers/, read strictly. docs/providers.md describes the format key by key.
//   file     := provider? [holidays]? [[model]]*
//   provider := [provider] [[provider.endpoint]]*
// A model without `provider` belongs to the file's own provider.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/fault.hpp"
#include "catalog/model.hpp"
#include "catalog/toml_reader.hpp"

namespace turnpike::catalog {

/// How to reach one endpoint of a provider, before overrides and keys; becomes a
/// turnpike::Endpoint.
struct EndpointSpec {
  Dialect dialect = Dialect::openai_chat;
  bool dialect_known = false;  // the file names one
  TomlPosition dialect_at;
  std::string base_url;
  TomlPosition base_url_at;
  bool insecure_http = false;
  std::string auth;  // "bearer", "x-api-key", "x-goog-api-key", "none"
  std::vector<std::pair<std::string, std::string>> headers;
  bool http2 = false;
  std::optional<std::chrono::milliseconds> connect;
  std::optional<std::chrono::milliseconds> tls;
  std::optional<std::chrono::milliseconds> response_head;
  std::optional<std::chrono::milliseconds> idle;
  std::optional<std::chrono::milliseconds> total;
  std::optional<std::chrono::milliseconds> first_content;
  std::optional<std::chrono::milliseconds> first_content_reasoning;
  std::optional<std::chrono::milliseconds> between_content;
  std::string ca_file;
  std::optional<bool> betas_passed;  // absent: by the provider's main dialect
  std::vector<std::string> betas_excepted;
  std::vector<QuirkOff> quirks_off;
  std::optional<bool> counts_tokens;  // absent: main endpoints of Messages and Gemini do
};

struct ModelEntry {
  Model model;
  std::vector<std::string> endpoints;  // dialects that serve it; empty: all of the provider's
  TomlPosition endpoints_at;
  std::optional<bool> cancel_stops_billing;  // absent: the provider's
  TomlPosition at;
  TomlPosition provider_at;
  TomlPosition successor_at;
};

struct ProviderFile {
  std::string file;
  std::optional<Provider> provider;
  TomlPosition provider_at;
  std::vector<EndpointSpec> endpoints;  // the main one first, as [provider] describes it
  std::vector<ModelEntry> models;
  std::vector<Fault> faults;
  std::uint64_t content_hash = 0;
};

using Holidays = std::map<std::string, std::vector<std::chrono::sys_days>, std::less<>>;

ProviderFile read_provider_file(const std::filesystem::path& path, Decimal credits_per_usd);
/// The same from the file's text; `file` names it in faults.
ProviderFile read_provider_text(std::string_view document, const std::string& file,
                                Decimal credits_per_usd);

/// One [[model]]; `own_provider` is the file's, or empty.
ModelEntry read_model(const TomlNode& table, const std::string& own_provider,
                      const Holidays& holidays, Decimal credits_per_usd, FaultLog& faults);

/// The credentials that [provider] names, as `key_env` or as `keys`; one without a variable if none.
std::vector<ProviderKey> read_keys(TableReader& provider);

/// Words of `key` that name quirks, as what they take away; unknown words are faults.
std::vector<QuirkOff> read_quirks_off(TableReader& table, std::string_view key);

/// The `price` entries of a model: sorted, ends filled in, ids given, overlaps and retirement
/// checked.
PriceSchedule read_prices(TableReader& model, const Model& described, const Holidays& holidays,
                          Decimal credits_per_usd);

/// Rates in a table, and the tiers below it. Calls of server tools that the table does not mention
/// cost what they cost in `around`, where there is one.
RateTable read_rate_table(TableReader& table, Decimal credits_per_usd,
                          const RateTable* around = nullptr);

}  // namespace turnpike::catalog
