#include "catalog/provider_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace turnpike::catalog {
namespace {

constexpr std::int64_t timeout_ms_max = 3'600'000;

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

std::optional<std::chrono::milliseconds> read_timeout(TableReader& table, std::string_view key) {
  const auto value = table.integer(key, 1, timeout_ms_max);
  if (!value) return std::nullopt;
  return std::chrono::milliseconds{*value};
}

/// A header that could end the head early, or carry a credential that belongs into key_env, is
/// refused.
bool acceptable_header(std::string_view name, std::string_view value) {
  static constexpr std::string_view token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
  static constexpr std::array<std::string_view, 6> reserved{"authorization",     "x-api-key",
                                                            "x-goog-api-key",    "host",
                                                            "transfer-encoding", "content-length"};
  const bool known_bytes = !name.empty() && name.find_first_not_of(token) == std::string_view::npos;
  const bool harmless = std::none_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  return known_bytes && harmless &&
         std::find(reserved.begin(), reserved.end(), name) == reserved.end();
}

/// A header named again replaces the provider's.
void read_headers(TableReader& provider, EndpointSpec& endpoint) {
  const auto* headers = provider.table("headers");
  if (headers == nullptr) return;
  for (const auto& entry : headers->entries) {
    if (entry.value.kind != TomlKind::string || !acceptable_header(entry.key, entry.value.text)) {
      provider.faults().error(
          entry.at, fmt::format("{}: header \"{}\" needs a lower-case name, a plain string and no "
                                "credential (use key_env)",
                                provider.what(), entry.key));
      continue;
    }
    std::erase_if(endpoint.headers, [&](const auto& known) { return known.first == entry.key; });
    endpoint.headers.emplace_back(entry.key, entry.value.text);
  }
}

void read_timeouts(TableReader& provider, EndpointSpec& endpoint) {
  const auto* node = provider.table("timeouts");
  if (node == nullptr) return;
  TableReader table{*node, "[provider] timeouts", provider.faults()};
  endpoint.connect = read_timeout(table, "connect_ms");
  endpoint.tls = read_timeout(table, "tls_ms");
  endpoint.response_head = read_timeout(table, "response_head_ms");
  endpoint.idle = read_timeout(table, "idle_ms");
  endpoint.total = read_timeout(table, "total_ms");
  endpoint.first_content = read_timeout(table, "first_content_ms");
  endpoint.first_content_reasoning = read_timeout(table, "first_content_reasoning_ms");
  endpoint.between_content = read_timeout(table, "between_content_ms");
  table.finish();
}

/// The keys that [provider] and [[provider.endpoint]] have in common.
void read_endpoint(TableReader& table, EndpointSpec& endpoint) {
  static const std::array<std::string, 4> auths{"bearer", "x-api-key", "x-goog-api-key", "none"};
  static const std::array<std::string, 2> betas{"pass", "strip"};
  const auto dialect = table.required_string("dialect");
  endpoint.dialect_at = table.at("dialect");
  const auto parsed = parse_dialect(dialect);
  endpoint.dialect_known = parsed.has_value();
  if (parsed) {
    endpoint.dialect = *parsed;
  } else if (!dialect.empty()) {
    table.faults().error(endpoint.dialect_at,
                         fmt::format("{}: unknown dialect \"{}\"; known: openai-chat, "
                                     "openai-responses, anthropic-messages, gemini-generate",
                                     table.what(), dialect));
  }
  endpoint.base_url = table.required_string("base_url");
  endpoint.base_url_at = table.at("base_url");
  if (auto auth = table.word("auth", auths)) endpoint.auth = std::move(*auth);
  if (const auto word = table.word("betas", betas)) endpoint.betas_passed = *word == "pass";
  endpoint.betas_excepted = table.strings("beta_exceptions");
  endpoint.quirks_off = read_quirks_off(table, "quirks_off");
  endpoint.counts_tokens = table.boolean("count_tokens");
  read_headers(table, endpoint);
}

/// A further endpoint is reached like the main one, but for what it says itself.
EndpointSpec read_further_endpoint(const TomlNode& node, const EndpointSpec& main,
                                   FaultLog& faults) {
  TableReader table{node, "[[provider.endpoint]]", faults};
  EndpointSpec endpoint = main;
  endpoint.betas_passed.reset();
  read_endpoint(table, endpoint);
  table.finish();
  return endpoint;
}

/// A request of one dialect can be translated into Chat Completions, Messages and generateContent;
/// Responses is only passed through.
void check_dialects(const std::vector<EndpointSpec>& endpoints, FaultLog& faults) {
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const auto& endpoint = endpoints[i];
    const bool twice = std::any_of(
        endpoints.begin(), endpoints.begin() + static_cast<std::ptrdiff_t>(i),
        [&](const auto& e) { return e.dialect_known && e.dialect == endpoint.dialect; });
    if (endpoint.dialect_known && twice)
      faults.error(endpoint.dialect_at,
                   fmt::format("[[provider.endpoint]]: the provider has an endpoint of dialect "
                               "\"{}\" already",
                               to_string(endpoint.dialect)));
  }
  const bool responses_only = std::all_of(endpoints.begin(), endpoints.end(), [](const auto& e) {
    return e.dialect == Dialect::openai_responses;
  });
  if (responses_only)
    faults.error(endpoints.front().dialect_at,
                 "[provider]: a provider that speaks openai-responses needs a second endpoint "
                 "([[provider.endpoint]]) of dialect openai-chat, anthropic-messages or "
                 "gemini-generate for the clients of other dialects");
}

/// Where a provider's prompt cache differs from what its dialect makes likely.
void read_cache(TableReader& table, const EndpointSpec& main, Provider& provider) {
  static const std::array<std::string, 2> ways{"automatic", "marked"};
  const bool likely = main.dialect == Dialect::anthropic_messages;
  const auto way = table.word("cache", ways);
  provider.cache_marked = way ? *way == "marked" : likely;
  if (const auto seconds = table.integer("cache_lifetime_s", 1, 30 * 86'400))
    provider.cache_lifetime = std::chrono::seconds{*seconds};
}

void read_provider(const TomlNode& node, ProviderFile& out, FaultLog& faults) {
  static const std::array<std::string, 2> versions{"1.1", "2"};
  TableReader table{node, "[provider]", faults};
  Provider provider;
  provider.id = table.required_string("id");
  if (provider.id.find('/') != std::string::npos || provider.id.find('*') != std::string::npos)
    faults.error(table.at("id"), "[provider]: \"id\" must not contain '/' or '*'");
  provider.catalog_id = table.string("catalog_id").value_or(provider.id);
  provider.keys = read_keys(table);
  provider.key_env = provider.keys.front().env;
  EndpointSpec main;
  main.auth = provider.key_env.empty() ? "none" : "bearer";
  read_endpoint(table, main);
  main.http2 = table.word("http_version", versions).value_or("1.1") == "2";
  main.insecure_http = table.boolean("insecure_http").value_or(false);
  main.ca_file = table.string("ca_file").value_or("");
  provider.cancel_stops_billing = table.boolean("cancel_stops_billing").value_or(true);
  read_cache(table, main, provider);
  provider.data_tags = table.strings("data");
  read_timeouts(table, main);
  provider.total_timeout = main.total.value_or(provider.total_timeout);
  out.endpoints.push_back(main);
  for (const auto* further : table.tables("endpoint"))
    out.endpoints.push_back(read_further_endpoint(*further, main, faults));
  check_dialects(out.endpoints, faults);
  table.finish();
  out.provider_at = node.at;
  out.provider = std::move(provider);
}

Holidays read_holidays(const TomlNode* node, FaultLog& faults) {
  Holidays holidays;
  if (node == nullptr) return holidays;
  for (const auto& entry : node->entries) {
    auto& days = holidays[entry.key];
    for (const auto& item : entry.value.items) {
      if (item.kind == TomlKind::instant) {
        days.push_back(std::chrono::floor<std::chrono::days>(item.instant));
      } else {
        faults.error(item.at, fmt::format("[holidays]: \"{}\" must hold dates, not {}", entry.key,
                                          to_string(item.kind)));
      }
    }
    if (days.empty())
      faults.error(entry.at,
                   fmt::format("[holidays]: \"{}\" must be an array of dates", entry.key));
  }
  return holidays;
}

}  // namespace

ProviderFile read_provider_file(const std::filesystem::path& path, Decimal credits_per_usd) {
  const auto document = read_file(path);
  if (document) return read_provider_text(*document, path.generic_string(), credits_per_usd);
  ProviderFile unread;
  unread.file = path.generic_string();
  unread.faults.push_back(document.error());
  return unread;
}

ProviderFile read_provider_text(std::string_view document, const std::string& file,
                                Decimal credits_per_usd) {
  ProviderFile out;
  out.file = file;
  FaultLog faults{out.file};
  out.content_hash = fnv1a(document);
  const auto root = parse_toml(document, out.file);
  if (!root) {
    out.faults.push_back(root.error());
    return out;
  }
  TableReader table{*root, "file", faults};
  if (const auto* provider = table.table("provider")) read_provider(*provider, out, faults);
  const auto holidays = read_holidays(table.table("holidays"), faults);
  const std::string own = out.provider ? out.provider->id : "";
  for (const auto* model : table.tables("model"))
    out.models.push_back(read_model(*model, own, holidays, credits_per_usd, faults));
  table.finish();
  out.faults = faults.take();
  return out;
}

}  // namespace turnpike::catalog
