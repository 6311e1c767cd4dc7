#include "app/catalog_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "app/price_import.hpp"
#include "app/provider_edit.hpp"
#include "app/settings_file.hpp"
#include "app/snapshots.hpp"
#include "app/text_diff.hpp"
#include "policy/check.hpp"
#include "policy/wildcard.hpp"

namespace turnpike::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct ProviderText {
  fs::path path;
  std::string before;
  std::string after;
  catalog::ProviderFile read;
  fs::path backup;
  [[nodiscard]] bool changed() const { return before != after; }
};

struct AddedModel {
  std::string target;
  std::string why_not;  // empty: added
};

bool matches(const std::vector<std::string>& patterns, std::string_view target) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return policy::wildcard_match(pattern, target);
  });
}

std::expected<std::string, std::string> read_all(const std::string& file) {
  if (file == "-") return std::string{std::istreambuf_iterator<char>{std::cin}, {}};
  std::ifstream stream{file, std::ios::binary};
  if (!stream) return std::unexpected{fmt::format("{} cannot be read", quoted_for_message(file))};
  return std::string{std::istreambuf_iterator<char>{stream}, {}};
}

class Import {
 public:
  Import(const Config& config, const CatalogImportOptions& options, Instant now, Instant from)
      : config_(config), options_(options), now_(now), rules_{from, options.force} {}

  std::expected<void, std::string> plan(const PublicCatalog& there) {
    if (auto loaded = load_files(); !loaded) return loaded;
    for (std::size_t file = 0; file < files_.size(); ++file) compare_file(file, there);
    for (const auto& difference : differences_) {
      if (auto done = apply(difference); !done) return done;
    }
    return add_models(there);
  }

  /// The files as they would be, held against the rules of `turnpike check`.
  std::expected<void, std::vector<catalog::Fault>> check() const {
    auto pattern = (fs::temp_directory_path() / "turnpike-import-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      return std::unexpected{std::vector{catalog::Fault{pattern, 0, 0, "cannot be made"}}};
    for (const auto& file : files_)
      std::ofstream{fs::path{pattern} / file.path.filename(), std::ios::binary} << file.after;
    auto faults =
        policy::check_all(pattern, config_.policies, config_.policy, load_options(config_), now_);
    std::error_code ignored;
    fs::remove_all(pattern, ignored);
    std::erase_if(faults, [](const catalog::Fault& fault) {
      return fault.severity != catalog::Severity::error;
    });
    if (faults.empty()) return {};
    return std::unexpected{std::move(faults)};
  }

  std::expected<void, std::string> write() {
    for (auto& file : files_) {
      if (!file.changed()) continue;
      auto backup = back_up(file.path, now_);
      if (!backup) return std::unexpected{backup.error()};
      file.backup = std::move(*backup);
      if (auto replaced = replace_settings(file.path, file.after); !replaced) return replaced;
    }
    return {};
  }

  /// True if something is left that a person must look at.
  [[nodiscard]] bool left_over() const {
    return std::ranges::any_of(differences_,
                               [](const Difference& d) {
                                 return d.finding == Finding::implausible ||
                                        d.finding == Finding::by_hand;
                               }) ||
           std::ranges::any_of(added_,
                               [](const AddedModel& model) { return !model.why_not.empty(); });
  }

  void print(std::ostream& out) const {
    for (const auto& file : files_)
      out << unified_diff(file.before, file.after, file.path.string(), file.path.string());
    for (const auto& difference : differences_) {
      if (difference.finding == Finding::change) continue;
      out << fmt::format(
          "{}: {}: {}{}\n", advice(difference.finding), difference.target, difference.detail,
          difference.finding == Finding::limit && options_.limits ? " (taken over)" : "");
    }
    for (const auto& model : added_)
      out << fmt::format("{}: {}\n", model.target,
                         model.why_not.empty() ? "added" : "not added: " + model.why_not);
    const auto changes = std::ranges::count(differences_, Finding::change, &Difference::finding);
    out << fmt::format(
        "{} models compared, {} prices change from {}, {} models of these providers are not in "
        "providers/\n",
        compared_, changes, to_rfc3339(rules_.from), elsewhere_);
    for (const auto& file : files_) {
      if (!file.backup.empty())
        out << fmt::format("wrote {}; what it held before is in {}\n", file.path.string(),
                           file.backup.string());
      else if (file.changed() && options_.write)
        out << fmt::format("wrote {}\n", file.path.string());
    }
    const bool pending = std::ranges::any_of(files_, &ProviderText::changed) && !options_.write;
    if (pending) out << "nothing is written without --write\n";
  }

  [[nodiscard]] ordered_json as_json() const {
    ordered_json json{{"from", to_rfc3339(rules_.from)},
                      {"written", options_.write},
                      {"compared", compared_},
                      {"not_here", elsewhere_}};
    json["differences"] = ordered_json::array();
    for (const auto& difference : differences_)
      json["differences"].push_back({{"finding", to_string(difference.finding)},
                                     {"target", difference.target},
                                     {"detail", difference.detail}});
    json["added"] = ordered_json::array();
    for (const auto& model : added_) {
      json["added"].push_back({{"target", model.target}, {"added", model.why_not.empty()}});
      if (!model.why_not.empty()) json["added"].back()["why_not"] = model.why_not;
    }
    json["files"] = ordered_json::array();
    for (const auto& file : files_) {
      if (!file.changed()) continue;
      ordered_json entry{
          {"path", file.path.string()},
          {"diff", unified_diff(file.before, file.after, file.path.string(), file.path.string())}};
      if (!file.backup.empty()) entry["backup"] = file.backup.string();
      json["files"].push_back(std::move(entry));
    }
    return json;
  }

 private:
  static std::string_view advice(Finding finding) {
    switch (finding) {
      case Finding::implausible:
        return "implausible, left out without --force";
      case Finding::by_hand:
        return "to be edited by hand";
      case Finding::limit:
        return "limit differs (--limits takes it over)";
      case Finding::change:
        break;
    }
    return "changes";
  }

  std::expected<void, std::string> load_files() {
    std::error_code failure;
    for (fs::directory_iterator it{config_.providers, failure}, end; !failure && it != end;
         it.increment(failure)) {
      if (it->path().extension() != ".toml") continue;
      auto text = read_settings(it->path());
      if (!text) return std::unexpected{text.error()};
      files_.push_back({it->path(), *text, *text, {}, {}});
    }
    if (failure || files_.empty())
      return std::unexpected{fmt::format("{} holds no provider files", config_.providers.string())};
    std::ranges::sort(files_, {}, &ProviderText::path);
    // In USD, as the files and the public catalog are.
    for (auto& file : files_) {
      file.read = catalog::read_provider_file(file.path, {1, 0});
      for (const auto& fault : file.read.faults) {
        if (fault.severity == catalog::Severity::error) return std::unexpected{to_string(fault)};
      }
    }
    return {};
  }

  /// The provider's public entry; null if it has none.
  [[nodiscard]] const PublicProvider* public_provider(const PublicCatalog& there,
                                                      std::string_view provider) const {
    for (const auto& file : files_) {
      if (!file.read.provider || file.read.provider->id != provider) continue;
      const auto found = there.find(file.read.provider->catalog_id);
      return found == there.end() ? nullptr : &found->second;
    }
    return nullptr;
  }

  static const PublicModel* public_model(const PublicProvider& provider,
                                         const catalog::Model& model) {
    if (const auto found = provider.models.find(model.id); found != provider.models.end())
      return &found->second;
    for (const auto& alias : model.aliases) {
      if (const auto found = provider.models.find(alias); found != provider.models.end())
        return &found->second;
    }
    return nullptr;
  }

  void compare_file(std::size_t file, const PublicCatalog& there) {
    const auto& models = files_[file].read.models;
    for (std::size_t i = 0; i < models.size(); ++i) {
      const auto& model = models[i].model;
      if (!options_.models.empty() && !matches(options_.models, model.target())) continue;
      const auto* provider = public_provider(there, model.provider);
      const auto* other = provider == nullptr ? nullptr : public_model(*provider, model);
      if (other == nullptr) continue;
      ++compared_;
      for (auto& difference : compare_model(model, *other, rules_)) {
        difference.file = file;
        difference.model = i;
        differences_.push_back(std::move(difference));
      }
    }
  }

  std::expected<void, std::string> apply(const Difference& difference) {
    auto& file = files_[difference.file];
    const bool limit = difference.finding == Finding::limit && options_.limits;
    if (difference.finding != Finding::change && !limit) return {};
    auto edited = limit ? set_number(file.after, difference.model, difference.key, difference.value)
                        : add_price(file.after, difference.model, rules_.from, difference.lines);
    if (!edited)
      return std::unexpected{
          fmt::format("{}: {}: {}", file.path.string(), difference.target, edited.error())};
    file.after = std::move(*edited);
    return {};
  }

  /// Models of the providers here that only the public catalog has.
  std::expected<void, std::string> add_models(const PublicCatalog& there) {
    for (auto& file : files_) {
      if (!file.read.provider) continue;
      const auto& id = file.read.provider->id;
      const auto* provider = public_provider(there, id);
      if (provider == nullptr) continue;
      for (const auto& [name, model] : provider->models) {
        const auto target = id + "/" + name;
        if (is_here(id, name)) continue;
        ++elsewhere_;
        if (!matches(options_.add, target)) continue;
        const auto lines = model_lines(model, rules_.from);
        if (!lines) {
          added_.push_back({target, model.unpriced.empty() ? "its name or its limits are not told"
                                                           : model.unpriced});
          continue;
        }
        auto edited = add_model(file.after, *lines);
        if (!edited)
          return std::unexpected{
              fmt::format("{}: {}: {}", file.path.string(), target, edited.error())};
        file.after = std::move(*edited);
        added_.push_back({target, {}});
      }
    }
    return {};
  }

  [[nodiscard]] bool is_here(std::string_view provider, std::string_view name) const {
    for (const auto& file : files_) {
      for (const auto& entry : file.read.models) {
        const auto& model = entry.model;
        if (model.provider == provider &&
            (model.id == name || std::ranges::find(model.aliases, name) != model.aliases.end()))
          return true;
      }
    }
    return false;
  }

  const Config& config_;
  const CatalogImportOptions& options_;
  Instant now_;
  ImportRules rules_;
  std::vector<ProviderText> files_;
  std::vector<Difference> differences_;
  std::vector<AddedModel> added_;
  std::size_t compared_ = 0;
  std::size_t elsewhere_ = 0;
};

int refuse(std::string_view why) {
  std::cerr << "turnpike: " << why << '\n';
  return 1;
}

}  // namespace

int run_catalog_import(const Config& config, const Clock& clock,
                       const CatalogImportOptions& options, Output output) {
  const auto today = std::chrono::floor<std::chrono::days>(clock.now());
  Instant from = today;
  if (!options.from.empty()) {
    const auto asked = parse_instant(options.from);
    if (!asked) return refuse("--from: " + asked.error().message), exit_usage;
    if (*asked < Instant{today})
      return refuse("--from lies in the past; prices that have been charged do not change"),
             exit_usage;
    from = *asked;
  }
  const auto text = read_all(options.file);
  if (!text) return refuse(text.error());
  const auto there = read_public_catalog(*text);
  if (!there) return refuse(fmt::format("{}: {}", quoted_for_message(options.file), there.error()));
  Import import{config, options, clock.now(), from};
  if (const auto planned = import.plan(*there); !planned) return refuse(planned.error());
  if (const auto sound = import.check(); !sound) {
    print_faults(sound.error());
    return refuse("the files would not pass `turnpike check`; nothing is written"), exit_config;
  }
  if (options.write) {
    if (const auto written = import.write(); !written) return refuse(written.error());
  }
  output.json ? void(std::cout << import.as_json().dump(2) << '\n') : import.print(std::cout);
  return import.left_over() ? 1 : 0;
}

}  // namespace turnpike::app
