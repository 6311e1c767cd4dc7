#include "app/snapshots.hpp"

#include <fmt/format.h>

#include <utility>

#include "app/provider_keys.hpp"
#include "catalog/toml_reader.hpp"

namespace turnpike::app {
namespace {

bool same_share(const policy::Policy& left, const policy::Policy& right) {
  if (!left.share || !right.share) return !left.share && !right.share;
  return left.share->target == right.share->target && left.share->of == right.share->of &&
         left.share->per == right.share->per && left.share->window == right.share->window;
}

std::vector<dialect::ModelInfo> list_models(const catalog::Catalog& catalog, const policy::Policy& policy) {
  std::vector<dialect::ModelInfo> models;
  for (auto& name : policy.public_names()) {
    dialect::ModelInfo info;
    if (const catalog::Model* model = catalog.find(name)) {
      info.owned_by = model->provider;
      info.context_tokens = model->context_tokens;
      info.output_tokens_max = model->output_tokens_max;
    }
    info.id = std::move(name);
    models.push_back(std::move(info));
  }
  return models;
}

/// What is in force must be what its version says.
std::vector<catalog::Fault> changed_meanwhile(const std::filesystem::path& policy) {
  return {{policy.generic_string(), 0, 0, "it or a provider's file changed while it was read; try again", catalog::Severity::error}};
}

}  // namespace

catalog::LoadOptions load_options(const Config& config) {
  catalog::LoadOptions options;
  options.credits_per_usd = config.credits_per_usd;
  options.insecure_http_allowed = config.insecure_http;
  options.base_url_overrides = config.base_url_overrides;
  options.secret_of = provider_key;
  return options;
}

std::filesystem::path policy_file(const Config& config) {
  if (config.policy.ends_with(".toml")) return config.policy;
  return config.policies / (config.policy + ".toml");
}

std::expected<std::shared_ptr<const gateway::Snapshot>, std::vector<catalog::Fault>> build_snapshot(
    const Config& config, Instant now, const gateway::Snapshot* previous, ConfigFiles* files) {
  auto read = read_config_files(config);
  auto catalog = catalog::Catalog::load(config.providers, load_options(config));
  if (!catalog) return std::unexpected{catalog.error()};
  const auto file = policy_file(config);
  auto policy = policy::Policy::load(file, *catalog, {.now = now});
  if (!policy) return std::unexpected{policy.error()};
  if (const auto again = read_config_files(config); !read || !again || *again != *read) return std::unexpected{changed_meanwhile(file)};
  read->keys_missing = keys_missing(*catalog);

  auto snapshot = std::make_shared<gateway::Snapshot>();
  snapshot->catalog = std::move(*catalog);
  snapshot->policy = std::move(*policy);
  snapshot->classifier = &classify::Classifier::built_in();
  snapshot->decision_headers = config.decision_headers;
  snapshot->log_requests = config.log_requests;
  snapshot->version = read->version();
  snapshot->models = list_models(snapshot->catalog, snapshot->policy);
  if (snapshot->policy.share) {
    if (previous != nullptr && previous->share && same_share(previous->policy, snapshot->policy)) {
      snapshot->share = previous->share;
    } else {
      snapshot->share = std::make_shared<policy::ShareController>(*snapshot->policy.share, snapshot->classifier->quantiles());
    }
  }
  if (files != nullptr) *files = *std::move(read);
  return snapshot;
}

std::shared_ptr<const gateway::Snapshot> planning_snapshot(const Config& config, Instant now) {
  auto options = load_options(config);
  options.secret_of = nullptr;
  auto catalog = catalog::Catalog::load(config.providers, options);
  if (!catalog) return nullptr;
  auto policy = policy::Policy::load(policy_file(config), *catalog, {.now = now});
  if (!policy) return nullptr;
  auto snapshot = std::make_shared<gateway::Snapshot>();
  snapshot->catalog = std::move(*catalog);
  snapshot->policy = std::move(*policy);
  snapshot->classifier = &classify::Classifier::built_in();
  return snapshot;
}

}  // namespace turnpike::app
