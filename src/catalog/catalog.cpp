#include "catalog/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "catalog/endpoint.hpp"
#include "catalog/provider_file.hpp"
#include "turnpike/secret.hpp"

namespace turnpike::catalog {
namespace {

std::expected<std::vector<std::filesystem::path>, Fault> toml_files(
    const std::filesystem::path& folder) {
  std::error_code failure;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator it{folder, failure}, end; !failure && it != end;
       it.increment(failure)) {
    if (it->path().extension() == ".toml") files.push_back(it->path());
  }
  if (failure)
    return std::unexpected{
        Fault{folder.generic_string(), 0, 0, failure.message(), Severity::error}};
  if (files.empty())
    return std::unexpected{
        Fault{folder.generic_string(), 0, 0, "holds no *.toml", Severity::error}};
  std::sort(files.begin(), files.end());
  return files;
}

Fault fault_at(const ProviderFile& file, TomlPosition at, std::string message) {
  return {file.file, at.line, at.column, std::move(message), Severity::error};
}

Secret secret_of(const ProviderKey& key, const LoadOptions& options) {
  if (key.env.empty() || !options.secret_of) return {};
  return Secret{options.secret_of(key.env).value_or("")};
}

Error retired_error(const Model& model, Instant since) {
  auto message =
      fmt::format("model {} is no longer offered (since {})", model.target(), to_rfc3339(since));
  if (!model.successor.empty()) message += fmt::format("; use {}", model.successor);
  return client_error("model_retired", std::move(message), "model", 410);
}

/// The client's own dialect where the model is served in it; else the first that a request can be
/// translated into.
Dialect dialect_for(const Model& model, std::optional<Dialect> client) {
  const auto& served = model.dialects;
  if (client && std::find(served.begin(), served.end(), *client) != served.end()) return *client;
  const auto other = std::find_if(served.begin(), served.end(), [](Dialect dialect) {
    return dialect != Dialect::openai_responses;
  });
  return other == served.end() ? Dialect::openai_chat : *other;
}

/// When the sale that was going on before `now` ended.
std::optional<Instant> sale_ended(const Model& model, Instant now) {
  std::optional<Instant> ended;
  if (model.retired_at && *model.retired_at <= now) ended = *model.retired_at;
  for (const auto& interval : model.prices) {  // none ends after the retirement
    if (interval.until <= now) ended = std::max(ended.value_or(interval.until), interval.until);
  }
  return ended;
}

Error not_on_sale(const Model& model, Instant now) {
  if (const auto ended = sale_ended(model, now)) return retired_error(model, *ended);
  auto message =
      fmt::format("model {} has no price on {}", model.target(), to_rfc3339(now).substr(0, 10));
  if (!model.prices.empty())
    message += fmt::format("; it is offered from {}", to_rfc3339(model.prices.front().from));
  return client_error("no_price", std::move(message), "model");
}

}  // namespace

/// Gathers the files into one catalog; faults across files are found here.
class CatalogLoader {
 public:
  CatalogLoader(const LoadOptions& options, Catalog& catalog, std::vector<Fault>& faults)
      : options_(options), catalog_(catalog), faults_(faults) {}

  void read(std::span<const Catalog::File> texts) {
    auto rate = parse_decimal(options_.credits_per_usd).value_or(Decimal{});
    if (rate.mantissa <= 0) {
      faults_.push_back({"credits_per_usd", 0, 0, "must be a positive decimal", Severity::error});
      rate = {1, 0};  // so that the files are still read
    }
    files_.reserve(texts.size());
    for (const auto& text : texts) files_.push_back(read_provider_text(text.text, text.name, rate));
    for (auto& file : files_) {
      faults_.insert(faults_.end(), file.faults.begin(), file.faults.end());
      catalog_.content_hash_ = catalog_.content_hash_ * 31 + file.content_hash;
      if (file.provider) add_provider(file, *file.provider);
    }
    for (auto& file : files_) {
      for (auto& entry : file.models) add_model(file, entry);
    }
    catalog_.index_names();
    for (const auto& file : files_) check_successors(file);
  }

 private:
  void add_provider(const ProviderFile& file, Provider provider) {
    if (catalog_.provider(provider.id) != nullptr) {
      faults_.push_back(fault_at(file, file.provider_at,
                                 fmt::format("provider \"{}\" is described twice", provider.id)));
      return;
    }
    const auto secrets = look_up_keys(provider);
    auto& reachable = catalog_.endpoints_.emplace_back();
    for (const auto& spec : file.endpoints) {
      auto& endpoint = provider.endpoints.emplace_back();
      endpoint.dialect = spec.dialect;
      endpoint.base_url = base_url(provider.id, file.endpoints.front(), spec);
      const auto wrong =
          base_url_fault(endpoint.base_url, options_.insecure_http_allowed || spec.insecure_http);
      if (wrong && !spec.base_url.empty())
        faults_.push_back(fault_at(
            file, spec.base_url_at,
            fmt::format("{}: {}",
                        &spec == &file.endpoints.front() ? "[provider]" : "[[provider.endpoint]]",
                        *wrong)));
      const bool speaks_messages =
          provider.endpoints.front().dialect == Dialect::anthropic_messages;
      endpoint.betas_passed = spec.betas_passed.value_or(speaks_messages);
      endpoint.betas_excepted = spec.betas_excepted;
      endpoint.quirks_off = spec.quirks_off;
      endpoint.counts_tokens = spec.counts_tokens.value_or(
          &spec == &file.endpoints.front() && (spec.dialect == Dialect::anthropic_messages ||
                                               spec.dialect == Dialect::gemini_generate));
      auto& per_key = reachable.emplace_back();
      for (std::size_t i = 0; i < secrets.size(); ++i)
        per_key.push_back(make_endpoint(provider, spec, endpoint.base_url, i, secrets[i]));
    }
    catalog_.providers_.push_back(std::move(provider));
  }

  /// Parallel to the provider's keys; those that are not there are marked.
  std::vector<Secret> look_up_keys(Provider& provider) const {
    std::vector<Secret> secrets;
    provider.key_missing = true;
    for (auto& key : provider.keys) {
      const auto& secret = secrets.emplace_back(secret_of(key, options_));
      key.missing = secret.empty() && !key.env.empty() && options_.secret_of != nullptr;
      if (!secret.empty()) key.fingerprint = secret.fingerprint();
      if (!key.missing) provider.key_missing = false;
    }
    return secrets;
  }

  std::string base_url(const std::string& provider, const EndpointSpec& main,
                       const EndpointSpec& spec) const {
    const auto found = options_.base_url_overrides.find(provider);
    if (found == options_.base_url_overrides.end()) return spec.base_url;
    if (&spec == &main) return found->second;
    return overridden_base_url(main.base_url, spec.base_url, found->second);
  }

  /// All of the provider's endpoints, or those the file names.
  std::vector<Dialect> dialects_of(const ProviderFile& file, const ModelEntry& entry,
                                   const Provider& provider) {
    std::vector<Dialect> named;
    for (const auto& word : entry.endpoints) {
      const auto dialect = parse_dialect(word);
      if (dialect && provider.endpoint(*dialect) != nullptr) {
        named.push_back(*dialect);
        continue;
      }
      std::vector<std::string> known;
      known.reserve(provider.endpoints.size());
      for (const auto& endpoint : provider.endpoints)
        known.emplace_back(to_string(endpoint.dialect));
      faults_.push_back(fault_at(
          file, entry.endpoints_at,
          fmt::format("model \"{}\": provider \"{}\" has no endpoint of dialect \"{}\"; it has: {}",
                      entry.model.id, provider.id, word, fmt::join(known, ", "))));
    }
    std::vector<Dialect> dialects;
    for (const auto& endpoint : provider.endpoints) {
      const bool serves = entry.endpoints.empty() ||
                          std::find(named.begin(), named.end(), endpoint.dialect) != named.end();
      if (serves) dialects.push_back(endpoint.dialect);
    }
    const bool all_known = named.size() == entry.endpoints.size();
    if (dialects == std::vector{Dialect::openai_responses} && !named.empty() && all_known)
      faults_.push_back(
          fault_at(file, entry.endpoints_at,
                   fmt::format("model \"{}\": \"endpoints\" must name another dialect than "
                               "openai-responses too, for the clients of other dialects",
                               entry.model.id)));
    return dialects;
  }

  void add_model(const ProviderFile& file, ModelEntry& entry) {
    Model& model = entry.model;
    const auto* provider = catalog_.provider(model.provider);
    if (provider == nullptr) {
      std::vector<std::string> known;
      known.reserve(catalog_.providers_.size());
      for (const auto& p : catalog_.providers_) known.push_back(p.id);
      if (!model.provider.empty())
        faults_.push_back(
            fault_at(file, entry.provider_at,
                     fmt::format("model \"{}\" names provider \"{}\", not in providers/{}",
                                 model.id, model.provider, nearest_hint(model.provider, known))));
      return;
    }
    const bool twice =
        std::any_of(catalog_.models_.begin(), catalog_.models_.end(), [&](const Model& other) {
          return other.provider == model.provider && other.id == model.id;
        });
    if (twice)
      faults_.push_back(
          fault_at(file, entry.at, fmt::format("model {} is described twice", model.target())));
    model.provider_index = static_cast<std::uint32_t>(provider - catalog_.providers_.data());
    model.dialects = dialects_of(file, entry, *provider);
    model.cancel_stops_billing =
        entry.cancel_stops_billing.value_or(provider->cancel_stops_billing);
    model.data_tags.insert(model.data_tags.end(), provider->data_tags.begin(),
                           provider->data_tags.end());
    catalog_.models_.push_back(std::move(model));
    placed_.emplace_back(&file, &entry, catalog_.models_.size() - 1);
  }

  void check_successors(const ProviderFile& file) {
    for (const auto& [owner, entry, index] : placed_) {
      const auto& model = catalog_.models_[index];
      if (owner != &file || model.successor.empty()) continue;
      const auto* successor = catalog_.find(model.successor);
      if (successor == nullptr)
        faults_.push_back(fault_at(
            file, entry->successor_at,
            fmt::format("model \"{}\": successor \"{}\" is not in providers/{}", model.id,
                        model.successor, nearest_hint(model.successor, catalog_.names()))));
      if (successor == &model)
        faults_.push_back(fault_at(file, entry->successor_at,
                                   fmt::format("model \"{}\" succeeds itself", model.id)));
    }
  }

  struct Placed {
    const ProviderFile* file;
    const ModelEntry* entry;
    std::size_t index;
  };

  const LoadOptions& options_;
  Catalog& catalog_;
  std::vector<Fault>& faults_;
  std::vector<ProviderFile> files_;
  std::vector<Placed> placed_;
};

std::expected<Catalog, std::vector<Fault>> Catalog::load(const std::filesystem::path& providers_dir,
                                                         const LoadOptions& options) {
  const auto paths = toml_files(providers_dir);
  if (!paths) return std::unexpected{std::vector{paths.error()}};
  std::vector<File> files;
  std::vector<Fault> unread;
  for (const auto& path : *paths) {
    if (auto text = read_file(path)) {
      files.push_back({path.generic_string(), std::move(*text)});
    } else {
      unread.push_back(text.error());
    }
  }
  return read(files, options, std::move(unread));
}

std::expected<Catalog, std::vector<Fault>> Catalog::read(std::span<const File> files,
                                                         const LoadOptions& options,
                                                         std::vector<Fault> faults) {
  Catalog catalog;
  CatalogLoader{options, catalog, faults}.read(files);
  sort_faults(faults);
  if (has_errors(faults)) return std::unexpected{std::move(faults)};
  catalog.warnings_ = std::move(faults);
  return catalog;
}

void Catalog::add_name(const std::string& name, std::uint32_t index) {
  const auto [place, fresh] = by_name_.emplace(name, index);
  if (!fresh && place->second != index) place->second = ambiguous;
}

// A full target is unique; a bare id or an alias may belong to several providers and is then no
// name at all.
void Catalog::index_names() {
  for (std::uint32_t i = 0; i < models_.size(); ++i) {
    const auto& model = models_[i];
    by_name_.insert_or_assign(model.target(), i);
    add_name(model.id, i);
    for (const auto& alias : model.aliases) {
      add_name(alias, i);
      by_name_.emplace(model.provider + "/" + alias, i);
    }
  }
}

const Model* Catalog::find(std::string_view target) const {
  const auto found = by_name_.find(target);
  return found == by_name_.end() || found->second == ambiguous ? nullptr : &models_[found->second];
}

const Provider* Catalog::provider(std::string_view id) const {
  for (const auto& provider : providers_) {
    if (provider.id == id) return &provider;
  }
  return nullptr;
}

std::shared_ptr<const Endpoint> Catalog::endpoint(std::string_view provider, Dialect dialect,
                                                  std::size_t key) const {
  for (std::size_t i = 0; i < providers_.size(); ++i) {
    if (providers_[i].id != provider) continue;
    const auto& described = providers_[i].endpoints;
    for (std::size_t k = 0; k < described.size(); ++k) {
      if (described[k].dialect == dialect && key < endpoints_[i][k].size()) return endpoints_[i][k][key];
    }
  }
  return nullptr;
}

std::optional<Error> Catalog::unusable(const Model& model, Instant now) const {
  if (interval_at(model.prices, now) != nullptr) return std::nullopt;
  return not_on_sale(model, now);
}

Result<Candidate> Catalog::candidate(const Model& model, Instant now, std::chrono::seconds horizon,
                                     std::optional<Dialect> client) const {
  auto quote = quote_at(model.prices, now, horizon);
  if (!quote) return std::unexpected{not_on_sale(model, now)};
  Candidate candidate;
  candidate.provider = model.provider;
  candidate.model = model.id;
  candidate.family = model.family;
  candidate.dialect = dialect_for(model, client);
  candidate.context_tokens = model.context_tokens;
  candidate.output_tokens_max = model.output_tokens_max;
  candidate.tokens_per_image_max = model.tokens_per_image_max;
  candidate.server_calls_max = model.server_calls_max;
  candidate.server_tools_once = model.server_tools_once;
  candidate.thinking = model.thinking;
  candidate.efforts = model.efforts;
  candidate.thinking_budget_min = model.thinking_budget_min;
  candidate.thinking_budget_max = model.thinking_budget_max;
  candidate.quirks = model.quirks;
  candidate.quote = std::move(*quote);
  candidate.cancel_stops_billing = model.cancel_stops_billing;
  if (const auto* endpoint = provider_of(model).endpoint(candidate.dialect)) {
    candidate.counts_tokens = endpoint->counts_tokens;
    candidate.betas_passed = endpoint->betas_passed;
    candidate.betas_excepted = endpoint->betas_excepted;
    for (const auto& off : endpoint->quirks_off) candidate.quirks.*(off.quirk) = off.usual;
  }
  return candidate;
}

std::optional<Instant> Catalog::next_price_change(const Model& model, Instant now) const {
  return next_change(model.prices, now);
}

std::vector<std::string> Catalog::names() const {
  std::vector<std::string> names;
  names.reserve(by_name_.size());
  for (const auto& [name, index] : by_name_) {
    if (index != ambiguous) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace turnpike::catalog
