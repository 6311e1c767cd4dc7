// What models exist, what they accept and what they cost at an instant. Immutable after load; any
// thread may ask.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/fault.hpp"
#include "catalog/model.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/error.hpp"

namespace turnpike {
struct Endpoint;
}

namespace turnpike::catalog {

struct LoadOptions {
  /// Decimal; prices in files are USD.
  std::string credits_per_usd = "1";
  /// Plain http to hosts other than loopback, for every provider (a provider file can allow it for
  /// itself).
  bool insecure_http_allowed = false;
  /// Provider id → base URL, in place of the file's main one (the app points providers at the
  /// simulator with it). Further endpoints keep their path relative to it (overridden_base_url()).
  std::map<std::string, std::string, std::less<>> base_url_overrides;
  /// Value of a variable named by key_env. Unset: endpoints have no key and no key is missed.
  std::function<std::optional<std::string>(std::string_view env_name)> secret_of;
};

class Catalog {
 public:
  /// Every *.toml of the folder, in the order of their names. On failure: all faults, warnings
  /// included.
  static std::expected<Catalog, std::vector<Fault>> load(const std::filesystem::path& providers_dir,
                                                         const LoadOptions& options = {});
  /// A file of the folder: its name as faults tell it, and its text.
  struct File {
    std::string name;
    std::string text;
  };
  /// The same from texts, in their order. `faults` have been found before.
  static std::expected<Catalog, std::vector<Fault>> read(std::span<const File> files,
                                                         const LoadOptions& options = {},
                                                         std::vector<Fault> faults = {});

  /// By "provider/model", or by a bare id or alias that only one model has. nullptr: unknown or
  /// ambiguous.
  [[nodiscard]] const Model* find(std::string_view target) const;
  [[nodiscard]] std::span<const Model> models() const { return models_; }
  [[nodiscard]] std::uint32_t index_of(const Model& model) const {
    return static_cast<std::uint32_t>(&model - models_.data());
  }
  [[nodiscard]] std::span<const Provider> providers() const { return providers_; }
  [[nodiscard]] const Provider* provider(std::string_view id) const;
  [[nodiscard]] const Provider& provider_of(const Model& model) const {
    return providers_[model.provider_index];
  }
  /// Where to call, with the credential of Provider::keys[key]; nullptr for an unknown provider or
  /// key and for a dialect it does not speak. Shared, so that a stream may outlive the configuration.
  [[nodiscard]] std::shared_ptr<const Endpoint> endpoint(std::string_view provider, Dialect dialect,
                                                         std::size_t key = 0) const;

  /// A candidate with its price pinned; `tier` is left empty. It is reached in the client's dialect
  /// where the model is served in it, so that the bytes pass through; else, or for no client, in
  /// the first of its dialects that a request can be translated into. Errors: 410 model_retired
  /// (names the successor), 400 no_price.
  [[nodiscard]] Result<Candidate> candidate(const Model& model, Instant now,
                                            std::chrono::seconds horizon,
                                            std::optional<Dialect> client = std::nullopt) const;
  /// Why the model cannot be used at this instant, or nothing if it can. Cheaper than candidate().
  [[nodiscard]] std::optional<Error> unusable(const Model& model, Instant now) const;
  [[nodiscard]] std::optional<Instant> next_price_change(const Model& model, Instant now) const;

  /// All names find() knows, for hints.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] const std::vector<Fault>& warnings() const { return warnings_; }
  /// Hash of the files' bytes: two catalogs with the same value hold the same data.
  [[nodiscard]] std::uint64_t content_hash() const { return content_hash_; }

 private:
  friend class CatalogLoader;
  struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  static constexpr std::uint32_t ambiguous = UINT32_MAX;

  void add_name(const std::string& name, std::uint32_t index);
  void index_names();

  std::vector<Model> models_;
  std::vector<Provider> providers_;
  /// Parallel to providers_ and, within one, to Provider::endpoints; of each, one for each key.
  std::vector<std::vector<std::vector<std::shared_ptr<const Endpoint>>>> endpoints_;
  std::unordered_map<std::string, std::uint32_t, StringHash, std::equal_to<>> by_name_;
  std::vector<Fault> warnings_;
  std::uint64_t content_hash_ = 0;
};

}  // namespace turnpike::catalog
