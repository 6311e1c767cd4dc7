#include "app/upstream_pages.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "app/disabled_keys.hpp"
#include "app/json_fields.hpp"
#include "app/page.hpp"
#include "gateway/backends.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

using gateway::Backends;
using nlohmann::ordered_json;

ordered_json seconds(double value) { return std::round(value * 10) / 10; }

/// In the order in which the next attempt would notice them.
std::string_view state_of(const Backends::KeyReport& key) {
  if (key.missing) return "missing";
  if (key.out_of_service) return "out_of_service";
  return key.cooling_s > 0 ? "cooling" : "ok";
}

ordered_json to_json(const Backends::ModelReport& model) {
  ordered_json json{{"model", model.model}, {"state", to_string(model.state)}, {"ejections", model.ejections}, {"probes", model.probes}};
  if (model.next_probe_s > 0) json["next_probe_s"] = seconds(model.next_probe_s);
  if (model.forbidden) json["forbidden"] = true;
  return json;
}

ordered_json to_json(const Backends::KeyReport& key) {
  ordered_json json{{"provider", key.provider}, {"key", key.key}, {"env", key.env}, {"state", state_of(key)}};
  if (key.out_of_service) {
    json["cause"] = to_string(key.out_of_service->fault);
    json["since"] = to_rfc3339(key.out_of_service->since);
    json["until"] = key.out_of_service->until ? ordered_json(to_rfc3339(*key.out_of_service->until)) : ordered_json{};
  }
  if (key.cooling_s > 0) json["cooling_s"] = seconds(key.cooling_s);
  json["in_flight"] = key.in_flight;
  json["limit"] = key.limit;
  json["headroom"] = std::round(static_cast<double>(key.headroom) * 1000) / 1000;
  json["models"] = ordered_json::array();
  for (const auto& model : key.models) json["models"].push_back(to_json(model));
  return json;
}

Error not_running() { return gateway_error(503, "not_running", "no gateway runs on this data directory: there are no keys in service; start the gateway, then give the command again"); }

struct Change {
  std::string provider;
  std::string key;  // empty: all
  bool enabled = false;
  std::string by;
};

Result<Change> read_change(const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return std::unexpected{body.error()};
  if (auto known = check_fields(*body, {"provider", "key", "enabled", "by"}); !known) return std::unexpected{known.error()};
  const auto provider = read_text(*body, "provider");
  const auto key = read_text(*body, "key");
  const auto enabled = read_flag(*body, "enabled");
  const auto by = read_by(*body);
  if (!provider) return std::unexpected{provider.error()};
  if (!key) return std::unexpected{key.error()};
  if (!enabled) return std::unexpected{enabled.error()};
  if (!by) return std::unexpected{by.error()};
  if (!*provider) return std::unexpected{bad_field("provider", "is missing")};
  if (!*enabled) return std::unexpected{bad_field("enabled", "is missing")};
  return Change{**provider, key->value_or(""), **enabled, *by};
}

}  // namespace

WholeReply upstream_page(const PageSources& sources) {
  const auto snapshot = sources.planned();
  if (sources.backends == nullptr || !snapshot) return fault_page(not_running());
  ordered_json json{{"keys", ordered_json::array()}, {"retries", ordered_json::array()}};
  for (const auto& key : sources.backends->keys(snapshot->catalog)) json["keys"].push_back(to_json(key));
  for (const auto& one : sources.backends->retries(snapshot->catalog))
    json["retries"].push_back({{"provider", one.provider}, {"retries", one.retries}, {"refused", one.refused}});
  return page(json);
}

WholeReply upstream_key_page(const PageSources& sources, const std::string& text) {
  const auto snapshot = sources.planned();
  if (sources.backends == nullptr || !snapshot) return fault_page(not_running());
  const auto wanted = read_change(text);
  if (!wanted) return fault_page(wanted.error());
  const auto* provider = snapshot->catalog.provider(wanted->provider);
  if (provider == nullptr) return fault_page(client_error("unknown_provider", "no provider " + quoted_for_message(wanted->provider), "provider", 404));
  bool found = false;
  for (std::size_t i = 0; i < provider->keys.size(); ++i) {
    if (!wanted->key.empty() && provider->keys[i].id != wanted->key) continue;
    found = true;
    if (wanted->enabled) {
      sources.backends->enable(*provider, i);
    } else {
      sources.backends->disable(*provider, i);
    }
  }
  if (!found)
    return fault_page(client_error("unknown_key", fmt::format("provider \"{}\" has no key {}", provider->id, quoted_for_message(wanted->key)), "key", 404));
  log(LogLevel::info, "provider_key_set",
      {{"provider", std::string_view{provider->id}},
       {"key", std::string_view{wanted->key}},
       {"enabled", wanted->enabled},
       {"by", std::string_view{wanted->by}}});
  if (!save_disabled_keys(disabled_keys_file(sources.data), snapshot->catalog, *sources.backends)) {
    return fault_page(gateway_error(500, "store_failed", fmt::format("it is in force, but {} could not be written, so a restart will forget it: make room or mend its permissions, "
                                                                     "then give the same command again",
                                                                     disabled_keys_file(sources.data).string())));
  }
  return upstream_page(sources);
}

}  // namespace turnpike::app
