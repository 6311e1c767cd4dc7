#include "app/models_dev.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "catalog/decimal.hpp"

namespace turnpike::app {
namespace {

using nlohmann::json;

constexpr std::size_t digits_max =
    15;  // every decimal of so many digits survives the way through a double
constexpr std::int64_t over_200k = 200'000;

const json* member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const json& object, const char* key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string{};
}

bool flag_of(const json& object, const char* key) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::int64_t count_of(const json& object, const char* key) {
  const auto* value = member(object, key);
  if (value == nullptr || !value->is_number()) return 0;
  const double number = value->get<double>();
  return number >= 1 && number <= 1e12 ? static_cast<std::int64_t>(number) : 0;
}

bool lists(const json& object, const char* key, std::string_view word) {
  const auto* value = member(object, key);
  return value != nullptr && value->is_array() &&
         std::ranges::any_of(*value, [&](const json& item) {
           return item.is_string() && item.get<std::string>() == word;
         });
}

/// "1e-7" has no exact decimal here: such a price is refused, not rounded.
std::expected<std::int64_t, std::string> price_of(const json& value, const char* key) {
  if (!value.is_number()) return std::unexpected{fmt::format("\"{}\" is no number", key)};
  const auto text = value.dump();
  const auto written = text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
  const auto digits = std::ranges::count_if(written, [](char c) { return c >= '0' && c <= '9'; });
  const auto decimal = static_cast<std::size_t>(digits) <= digits_max
                           ? catalog::parse_decimal(written)
                           : std::nullopt;
  if (!decimal) return std::unexpected{fmt::format("\"{}\" {} has no exact decimal", key, text)};
  auto pico = catalog::pico_per_token(*decimal, {1, 0});
  if (!pico) return std::unexpected{fmt::format("\"{}\" {}: {}", key, text, pico.error())};
  return pico;
}

std::expected<PublicRates, std::string> rates_of(const json& cost) {
  PublicRates rates;
  for (const auto& [key, into] :
       {std::pair{"input", &rates.input}, std::pair{"output", &rates.output}}) {
    const auto* value = member(cost, key);
    if (value == nullptr) return std::unexpected{fmt::format("\"{}\" is missing", key)};
    const auto price = price_of(*value, key);
    if (!price) return std::unexpected{price.error()};
    *into = *price;
  }
  for (const auto& [key, into] :
       {std::pair{"cache_read", &rates.cache_read}, std::pair{"cache_write", &rates.cache_write}}) {
    const auto* value = member(cost, key);
    if (value == nullptr) continue;
    const auto price = price_of(*value, key);
    if (!price) return std::unexpected{price.error()};
    *into = *price;
  }
  if (const auto* value = member(cost, "reasoning")) {
    const auto price = price_of(*value, "reasoning");
    if (!price) return std::unexpected{price.error()};
    if (*price != 0 && *price != rates.output)
      return std::unexpected{"reasoning costs something else than output"};
  }
  return rates;
}

/// `tiers` says the sizes; the older `context_over_200k` is one tier, and is left aside where both
/// are there.
std::expected<std::vector<PublicRates>, std::string> all_rates(const json& cost) {
  auto base = rates_of(cost);
  if (!base) return std::unexpected{base.error()};
  std::vector<PublicRates> all{*base};
  const auto add = [&all](const json& entry,
                          std::int64_t above) -> std::expected<void, std::string> {
    auto rates = rates_of(entry);
    if (!rates) return std::unexpected{rates.error()};
    rates->prompt_tokens_above = above;
    all.push_back(*rates);
    return {};
  };
  if (const auto* tiers = member(cost, "tiers");
      tiers != nullptr && tiers->is_array() && !tiers->empty()) {
    for (const auto& entry : *tiers) {
      const auto* tier = member(entry, "tier");
      const auto above = tier == nullptr ? 0 : count_of(*tier, "size");
      if (tier == nullptr || text_of(*tier, "type") != "context" || above == 0)
        return std::unexpected{"a tier is not by the size of the context"};
      if (const auto added = add(entry, above); !added) return std::unexpected{added.error()};
    }
  } else if (const auto* large = member(cost, "context_over_200k")) {
    if (const auto added = add(*large, over_200k); !added) return std::unexpected{added.error()};
  }
  std::ranges::sort(all, {}, &PublicRates::prompt_tokens_above);
  const auto twice = std::ranges::adjacent_find(all, {}, &PublicRates::prompt_tokens_above);
  if (twice != all.end()) return std::unexpected{"two tiers begin at the same size"};
  if (all.size() > PriceQuote::tiers_max) return std::unexpected{"it has too many tiers"};
  return all;
}

PublicModel model_of(const std::string& id, const json& object) {
  PublicModel model;
  model.id = id;
  model.updated = text_of(object, "last_updated");
  model.deprecated = text_of(object, "status") == "deprecated";
  const auto* tools = member(object, "tool_call");
  model.tools = flag_of(object, "tool_call") || (tools != nullptr && flag_of(*tools, "supported"));
  model.parallel_tools = tools != nullptr && flag_of(*tools, "parallel");
  model.reasoning = flag_of(object, "reasoning");
  model.json_schema = flag_of(object, "structured_output");
  if (const auto* modalities = member(object, "modalities")) {
    model.images = lists(*modalities, "input", "image");
    model.documents = lists(*modalities, "input", "pdf");
    model.audio = lists(*modalities, "input", "audio");
  }
  if (const auto* limit = member(object, "limit")) {
    model.context_tokens = count_of(*limit, "context");
    model.output_tokens_max = count_of(*limit, "output");
  }
  const auto* cost = member(object, "cost");
  if (cost == nullptr) {
    model.unpriced = "it has no price";
  } else if (auto rates = all_rates(*cost)) {
    model.rates = std::move(*rates);
  } else {
    model.unpriced = rates.error();
  }
  return model;
}

PublicProvider provider_of(const std::string& id, const json& object) {
  PublicProvider provider;
  provider.id = id;
  provider.api = text_of(object, "api");
  provider.package = text_of(object, "npm");
  if (const auto* env = member(object, "env");
      env != nullptr && env->is_array() && !env->empty() && env->front().is_string())
    provider.key_env = env->front().get<std::string>();
  for (const auto& [model, described] : member(object, "models")->items()) {
    if (described.is_object()) provider.models.emplace(model, model_of(model, described));
  }
  return provider;
}

}  // namespace

std::expected<PublicCatalog, std::string> read_public_catalog(std::string_view text) {
  const auto document = json::parse(text, nullptr, false);
  if (!document.is_object()) return std::unexpected{"it is not a JSON object"};
  const auto* wrapped = member(document, "providers");
  const json& providers = wrapped != nullptr && wrapped->is_object() ? *wrapped : document;
  PublicCatalog catalog;
  for (const auto& [id, described] : providers.items()) {
    const auto* models = member(described, "models");
    if (models != nullptr && models->is_object()) catalog.emplace(id, provider_of(id, described));
  }
  if (catalog.empty())
    return std::unexpected{"it holds no provider with models, as https://models.dev/api.json does"};
  return catalog;
}

}  // namespace turnpike::app
