#include "app/connect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <ranges>
#include <utility>
#include <variant>
#include <vector>

#include "app/settings_file.hpp"
#include "app/snapshots.hpp"
#include "app/text_diff.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

const Harness* find_harness(std::string_view name) {
  const auto all = harnesses();
  const auto found = std::ranges::find(all, name, &Harness::name);
  return found == all.end() ? nullptr : &*found;
}

std::string unknown_harness(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& harness : harnesses()) names.emplace_back(harness.name);
  return fmt::format("no harness {}{}; known: {}", quoted_for_message(name),
                     catalog::nearest_hint(name, names), fmt::join(names, ", "));
}

/// Keys, names and URLs go into shells, JSON, TOML and .env files: nothing that means something
/// there.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return c > ' ' && c < 0x7f && !std::string_view{"\"'\\`$"}.contains(c); });
}

/// The gateway's root: recipes add what each client wants behind it.
std::expected<std::string, std::string> root_url(std::string_view url) {
  if (url.empty())
    return std::unexpected{"the configured listener has no fixed port; say --url http://HOST:PORT"};
  if (!is_plain(url) || (!url.starts_with("http://") && !url.starts_with("https://")))
    return std::unexpected{
        fmt::format("{} is not a URL; write http://HOST:PORT", quoted_for_message(url))};
  for (const std::string_view ending : {"/", "/v1beta", "/v1", "/"}) {
    while (url.ends_with(ending)) url.remove_suffix(ending.size());
  }
  return std::string{url};
}

std::expected<Wire, std::string> wire_for(const Harness& harness, const std::string& asked) {
  if (asked.empty()) return harness.wires.front();
  const auto wire = parse_wire(asked);
  if (wire && std::ranges::find(harness.wires, *wire) != harness.wires.end()) return *wire;
  std::vector<std::string_view> known;
  for (const auto spoken : harness.wires) known.push_back(to_string(spoken));
  return std::unexpected{fmt::format("{} cannot be told to speak {}; --wire may be {}",
                                     harness.title, quoted_for_message(asked),
                                     fmt::join(known, ", "))};
}

std::expected<Connection, std::string> connection_for(const Harness& harness,
                                                      const ConnectOptions& options,
                                                      const ConnectContext& context) {
  auto url = root_url(options.url.empty() ? context.url : options.url);
  if (!url) return std::unexpected{url.error()};
  const auto wire = wire_for(harness, options.wire);
  if (!wire) return std::unexpected{wire.error()};
  if (!is_plain(options.key) || !is_plain(options.model) || !is_plain(options.small_model))
    return std::unexpected{
        "keys and names of models hold no blanks, quotes or other special characters"};
  const auto& names = context.names;
  Connection connection;
  connection.url = std::move(*url);
  connection.wire = *wire;
  connection.model = !options.model.empty() ? options.model
                     : harness.own_auto     ? names.by_difficulty_otherwise
                                            : names.by_difficulty;
  connection.small_model = options.small_model.empty() ? names.easy : options.small_model;
  connection.quiet = options.quiet;
  connection.homes = context.homes;
  if (options.key == "env") {
    // What is shown refers to the variable; only a file gets its value.
    if (options.write) connection.key = context.key_in_environment;
    if (options.write && !connection.key)
      return std::unexpected{fmt::format("--key env: {} is not set", key_variable)};
  } else if (!options.key.empty()) {
    connection.key = options.key;
  }
  if (connection.key && !is_plain(*connection.key))
    return std::unexpected{fmt::format("{} holds something else than a key", key_variable)};
  return connection;
}

std::string_view name_of(SettingsFormat format) {
  return format == SettingsFormat::json ? "json" : format == SettingsFormat::toml ? "toml" : "env";
}

/// The verb at work on one harness.
class Connecting {
 public:
  Connecting(const Harness& harness, Connection connection, const ConnectOptions& options,
             const ConnectContext& context, Output output)
      : harness_(harness),
        connection_(std::move(connection)),
        recipe_(harness.recipe(connection_)),
        options_(options),
        now_(context.now),
        output_(output) {}

  int show(std::ostream& out) const {
    if (output_.json) {
      out << as_json().dump(2) << '\n';
      return 0;
    }
    out << fmt::format("# {} -> {}, {} wire, model {}\n", harness_.title, connection_.url,
                       to_string(connection_.wire), connection_.model);
    if (!recipe_.environment.empty()) {
      out << "\n# In the shell:\n";
      export_lines(out);
    }
    for (const auto& file : recipe_.files) {
      out << fmt::format("\n# In {}:\n{}", file.path.string(), whole(file));
    }
    if (!recipe_.files.empty())
      out << fmt::format("\n# turnpike connect {} --write puts it there.\n", harness_.name);
    if (!recipe_.commands.empty()) {
      out << "\n# Then:\n";
      for (const auto& command : recipe_.commands) out << command << '\n';
    }
    if (!recipe_.snippet.empty()) out << '\n' << recipe_.snippet;
    if (!connection_.key)
      out << fmt::format(
          "\n# {} is a key of the gateway: turnpike keys create --org ORG --name NAME\n",
          key_variable);
    return 0;
  }

  int print_env(std::ostream& out, std::ostream& err) const {
    if (recipe_.environment.empty()) {
      err << fmt::format("turnpike: {} is not set up by variables; {}\n", harness_.title,
                         recipe_.files.empty() ? "leave out --print-env" : "use --write");
      return 1;
    }
    export_lines(out);
    return 0;
  }

  int write(std::ostream& out, std::ostream& err) {
    if (recipe_.files.empty()) {
      if (!output_.json)
        out << fmt::format("# {} has no file that could be written; set it up by hand.\n",
                           harness_.title);
      return show(out);
    }
    for (const auto& file : recipe_.files) {
      auto change = planned(file);
      if (!change) {
        err << "turnpike: " << change.error() << "; nothing was written\n";
        return 1;
      }
      changes_.push_back(std::move(*change));
    }
    if (!output_.json) show_diffs(out);
    for (auto& change : changes_) {
      if (const auto done = carry_out(change); !done) {
        err << "turnpike: " << done.error() << '\n';
        return 1;
      }
    }
    output_.json ? void(out << as_json().dump(2) << '\n') : report(out);
    return 0;
  }

 private:
  struct Change {
    std::filesystem::path path;
    std::string before;
    std::string after;
    std::filesystem::path backup;
    [[nodiscard]] bool needed() const { return before != after; }
  };

  void export_lines(std::ostream& out) const {
    for (const auto& [name, value] : recipe_.environment)
      out << fmt::format("export {}={}\n", name, value);
  }

  /// The file as it would be if there were none yet.
  static std::string whole(const SettingsFile& file) {
    return edit_settings(file.format, "", file.settings).value_or("");
  }

  /// Without a key its lines are left out: a placeholder in a file would be taken for one.
  [[nodiscard]] std::vector<Setting> writable(const SettingsFile& file) const {
    auto settings = file.settings;
    if (!connection_.key) std::erase_if(settings, [](const Setting& s) { return s.holds_key; });
    return settings;
  }

  [[nodiscard]] std::expected<Change, std::string> planned(const SettingsFile& file) const {
    auto before = read_settings(file.path);
    if (!before) return std::unexpected{before.error()};
    auto after = edit_settings(file.format, *before, writable(file));
    if (!after)
      return std::unexpected{
          fmt::format("{} is left alone: {}", file.path.string(), after.error())};
    return Change{file.path, std::move(*before), std::move(*after), {}};
  }

  void show_diffs(std::ostream& out) const {
    for (const auto& change : changes_) {
      const auto name = change.path.string();
      auto diff = mask_secrets(unified_diff(change.before, change.after, name, name));
      // Wherever else the key might stand.
      const auto key = connection_.key.value_or("");
      for (auto at = diff.find(key); !key.empty() && at != std::string::npos;
           at = diff.find(key, at))
        diff.replace(at, key.size(), "…");
      out << diff;
    }
  }

  std::expected<void, std::string> carry_out(Change& change) const {
    if (!change.needed()) return {};
    auto backup = back_up(change.path, now_);
    if (!backup) return std::unexpected{backup.error()};
    change.backup = std::move(*backup);
    return replace_settings(change.path, change.after);
  }

  void report(std::ostream& out) const {
    if (std::ranges::none_of(changes_, &Change::needed)) {
      out << fmt::format("nothing to do: {} is set up already\n", harness_.title);
    }
    for (const auto& change : changes_) {
      if (!change.needed()) continue;
      out << "wrote " << change.path.string();
      if (!change.backup.empty()) out << "; what it held before is in " << change.backup.string();
      out << '\n';
    }
    tell_where_key_is(out);
  }

  void tell_where_key_is(std::ostream& out) const {
    std::string withheld;
    bool refers = false;
    for (const auto& file : recipe_.files) {
      for (const auto& setting : file.settings) {
        if (setting.holds_key && !connection_.key) withheld = setting.path.back();
        refers = refers || setting.json.contains(key_variable);
      }
    }
    if (!withheld.empty())
      out << fmt::format("no key was written: give --key KEY or --key env, or export {} yourself\n",
                         withheld);
    if (refers) out << fmt::format("{} reads the key from ${}\n", harness_.title, key_variable);
  }

  [[nodiscard]] ordered_json as_json() const {
    ordered_json json{{"harness", harness_.name},
                      {"url", connection_.url},
                      {"wire", to_string(connection_.wire)},
                      {"model", connection_.model},
                      {"small_model", connection_.small_model}};
    json["env"] = ordered_json::object();
    if (!options_.write) {
      for (const auto& [name, value] : recipe_.environment) json["env"][name] = value;
    }
    json["files"] = ordered_json::array();
    for (std::size_t i = 0; i < recipe_.files.size(); ++i) {
      const auto& file = recipe_.files[i];
      ordered_json entry{{"path", file.path.string()}, {"format", name_of(file.format)}};
      if (changes_.empty()) {
        entry["content"] = whole(file);
      } else {
        entry["changed"] = changes_[i].needed();
        if (!changes_[i].backup.empty()) entry["backup"] = changes_[i].backup.string();
      }
      json["files"].push_back(std::move(entry));
    }
    json["commands"] = recipe_.commands;
    if (!recipe_.snippet.empty()) json["snippet"] = recipe_.snippet;
    return json;
  }

  const Harness& harness_;
  Connection connection_;
  Recipe recipe_;
  const ConnectOptions& options_;
  Instant now_;
  Output output_;
  std::vector<Change> changes_;  // parallel to recipe_.files once planned
};

/// The gateway's own names say what they mean better than those borrowed from vendors.
const std::string& own_name(const std::vector<std::string>& names) {
  const auto own =
      std::ranges::find_if(names, [](const auto& name) { return name.starts_with("turnpike"); });
  return own == names.end() ? names.front() : *own;
}

RoutingNames names_of(const policy::Policy& policy) {
  std::vector<std::string> by_difficulty;
  std::vector<std::string> easy;
  for (const auto& entry : policy.models) {
    if (entry.pattern.contains('*')) continue;
    if (std::holds_alternative<policy::ToAuto>(entry.action))
      by_difficulty.push_back(entry.pattern);
    const auto* tier = std::get_if<policy::ToTier>(&entry.action);
    if (tier != nullptr && tier->tier == policy.easy_tier) easy.push_back(entry.pattern);
  }
  RoutingNames names;
  if (by_difficulty.empty()) return names;
  const bool has_auto = std::ranges::find(by_difficulty, "auto") != by_difficulty.end();
  names.by_difficulty_otherwise = own_name(by_difficulty);
  names.by_difficulty = has_auto ? "auto" : names.by_difficulty_otherwise;
  names.easy = easy.empty() ? names.by_difficulty : own_name(easy);
  return names;
}

/// "http://127.0.0.1:8080"; an address that means every interface is reached by loopback. Empty:
/// the port is not fixed.
std::string url_of(const Config& config) {
  const ListenAddress& listen = config.listen;
  const std::string_view scheme = config.tls_on() ? "https" : "http";
  if (listen.port == 0) return "";
  const bool anywhere = listen.host == "0.0.0.0" || listen.host == "::";
  if (anywhere) return fmt::format("{}://127.0.0.1:{}", scheme, listen.port);
  const bool v6 = listen.host.contains(':');
  return v6 ? fmt::format("{}://[{}]:{}", scheme, listen.host, listen.port)
            : fmt::format("{}://{}:{}", scheme, listen.host, listen.port);
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

/// A home that was named stands alone: the variables speak of the user's own.
Homes homes_of(const std::string& named) {
  const std::filesystem::path home = !named.empty() ? named : variable("HOME").value_or(".");
  const auto place = [&](const char* name, const char* usual) {
    const auto value = named.empty() ? variable(name) : std::nullopt;
    return value ? std::filesystem::path{*value} : home / usual;
  };
  return {home, place("CLAUDE_CONFIG_DIR", ".claude"), place("CODEX_HOME", ".codex"),
          place("XDG_CONFIG_HOME", ".config")};
}

}  // namespace

int connect(const ConnectOptions& options, const ConnectContext& context, Output output,
            std::ostream& out, std::ostream& err) {
  const auto refuse = [&err](const std::string& why) {
    err << "turnpike: " << why << '\n';
    return exit_usage;
  };
  const auto* harness = find_harness(options.harness);
  if (harness == nullptr) return refuse(unknown_harness(options.harness));
  if (options.write && options.print_env)
    return refuse("--write and --print-env exclude each other");
  auto connection = connection_for(*harness, options, context);
  if (!connection) return refuse(connection.error());
  Connecting connecting{*harness, std::move(*connection), options, context, output};
  if (options.print_env) return connecting.print_env(out, err);
  return options.write ? connecting.write(out, err) : connecting.show(out);
}

int run_connect(const Config& config, const Clock& clock, const ConnectOptions& options,
                Output output) {
  ConnectContext context;
  context.url = url_of(config);
  context.homes = homes_of(options.home);
  context.key_in_environment = variable(std::string{key_variable}.c_str());
  context.now = clock.now();
  if (const auto snapshot = build_snapshot(config, context.now, nullptr)) {
    context.names = names_of((*snapshot)->policy);
  } else if (options.model.empty() || options.small_model.empty()) {
    std::cerr << "turnpike: the policy cannot be read here (turnpike check tells why); "
                 "models are called \"auto\"\n";
  }
  return connect(options, context, output, std::cout, std::cerr);
}

}  // namespace turnpike::app
