// A public catalog in the JSON form of models.dev: provider -> models -> cost, limit, abilities.
// Prices are USD per million tokens; they become exact decimals here, or are refused.
//
//   catalog  := { provider-id: provider } | { "providers": { provider-id: provider } }
//   provider := { id, name, env: [name], npm, api?, doc, models: { model-id: model } }
//   cost     := { input, output, cache_read?, cache_write?, reasoning?, tiers?: [rates + { tier: {
//   type, size } }],
//                 context_over_200k?: rates, input_audio?, output_audio? }
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/usage.hpp"

namespace turnpike::app {

/// Pico-USD per token; only what the catalog states.
struct PublicRates {
  std::int64_t prompt_tokens_above = 0;
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::optional<std::int64_t> cache_read;
  std::optional<std::int64_t> cache_write;  // for 5 minutes
};

struct PublicModel {
  std::string id;
  std::string updated;  // "2026-10-07"; may be empty
  bool deprecated = false;
  bool tools = false;
  bool parallel_tools = false;
  bool reasoning = false;
  bool json_schema = false;
  bool images = false;
  bool documents = false;
  bool audio = false;
  std::int64_t context_tokens = 0;  // 0: not told
  std::int64_t output_tokens_max = 0;
  /// The base and then its tiers by size of the prompt, rising. Empty: not told, or not
  /// expressible; `unpriced` says why.
  std::vector<PublicRates> rates;
  std::string unpriced;
};

struct PublicProvider {
  std::string id;
  std::string api;      // base URL; empty: not told
  std::string package;  // "@ai-sdk/openai-compatible"
  std::string key_env;  // first of `env`
  std::map<std::string, PublicModel, std::less<>> models;
};

using PublicCatalog = std::map<std::string, PublicProvider, std::less<>>;

/// The error is a sentence for the user.
std::expected<PublicCatalog, std::string> read_public_catalog(std::string_view json);

}  // namespace turnpike::app
