#include "app/upstream_verbs.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "app/table.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

struct KeyOptions {
  std::string provider;
  std::string key;
};

/// What there is to say of a key beside its state, in one cell.
std::string why(const ordered_json& key) {
  if (key["state"] == "missing") return fmt::format("no value in {}", cell(key["env"]));
  if (key["state"] == "cooling") return fmt::format("rate limit; {} s left", cell(key["cooling_s"]));
  if (key["state"] != "out_of_service") return {};
  const auto until = key["until"].is_null() ? std::string{"until enabled"} : "until " + moment(key["until"]);
  return fmt::format("{}, {}", cell(key["cause"]), until);
}

void add_models(const ordered_json& key, std::vector<std::string>& troubles) {
  for (const auto& model : key["models"]) {
    const auto name = fmt::format("{}/{} with key {}", cell(key["provider"]), cell(model["model"]), cell(key["key"]));
    if (model.contains("forbidden")) troubles.push_back(name + ": the provider forbids it");
    if (model["state"] == "probing") troubles.push_back(name + ": ejected, a probe is under way");
    if (model["state"] == "ejected")
      troubles.push_back(fmt::format("{}: ejected, next probe in {} s", name, model.contains("next_probe_s") ? cell(model["next_probe_s"]) : "0"));
  }
}

int print_keys(const Result<ordered_json>& answer, Output output) {
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  Table table{{{"provider"}, {"key"}, {"state"}, {"in flight", Align::right}, {"limit", Align::right}, {"headroom", Align::right}, {"why"}}};
  std::vector<std::string> troubles;
  for (const auto& key : (*answer)["keys"]) {
    const auto headroom = fmt::format("{:.0f} %", key["headroom"].get<double>() * 100);
    table.add({cell(key["provider"]), cell(key["key"]), cell(key["state"]), cell(key["in_flight"]), cell(key["limit"]), headroom, why(key)});
    add_models(key, troubles);
  }
  table.print(std::cout);
  for (const auto& trouble : troubles) std::cout << trouble << '\n';
  return 0;
}

int show(const Config& config, const Clock& clock, Output output) { return print_keys(ask(config, clock, "GET", "/admin/upstream", {}), output); }

int set(const Config& config, const Clock& clock, const KeyOptions& options, bool enabled, Output output) {
  ordered_json body{{"provider", options.provider}, {"enabled", enabled}, {"by", operating_user()}};
  if (!options.key.empty()) body["key"] = options.key;
  return print_keys(ask(config, clock, "POST", "/admin/upstream/keys", body), output);
}

}  // namespace

void add_upstream_verbs(CLI::App& app, const Output& output, Verb& verb) {
  auto* upstream = app.add_subcommand("upstream", "The providers' keys: which are in service, which rest")->require_subcommand(1);
  upstream->add_subcommand("keys", "State of every key, and the models that are ejected")->callback([&] {
    verb = [&](const Config& config, const Clock& clock) { return show(config, clock, output); };
  });
  const auto add = [&](const char* name, const char* help, bool enabled) {
    const auto options = std::make_shared<KeyOptions>();
    auto* sub = upstream->add_subcommand(name, help);
    sub->add_option("provider", options->provider, "The provider's id")->required();
    sub->add_option("key", options->key, "The key's id; default: all of the provider's");
    sub->callback([&verb, &output, options, enabled] {
      verb = [&output, options, enabled](const Config& config, const Clock& clock) { return set(config, clock, *options, enabled, output); };
    });
  };
  add("enable", "Take a key into service again: its refusals, its rest and its ejections are forgotten", true);
  add("disable", "Send nothing with a key until it is enabled", false);
}

}  // namespace turnpike::app
