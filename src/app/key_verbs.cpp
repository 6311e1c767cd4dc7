#include "app/key_verbs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "app/key_sheet.hpp"
#include "app/operator_link.hpp"
#include "app/page.hpp"
#include "app/window_text.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

struct KeyOptions {
  std::string id, name, org, team, user, expires, request_cost_max, concurrency_max,
      requests_per_minute, tokens_per_minute, priority, weight, may_override_route, by;
  std::vector<std::string> models, budgets;
  std::string grace = "1h";
  bool all = false;
  bool override_flag = false;
};

std::string path_of(const std::string& id, std::string_view rest = {}) {
  return fmt::format("/admin/keys/{}{}", percent_encode(id), rest);
}

std::string option_of(std::string field) {
  std::ranges::replace(field, '_', '-');
  return field;
}

/// "none" takes a bound away; an empty text leaves it as it is.
void put_text(ordered_json& body, const char* field, const std::string& value) {
  if (value == "none") {
    body[field] = nullptr;
  } else if (!value.empty()) {
    body[field] = value;
  }
}

/// A field and its option: "concurrency_max" is --concurrency-max.
Result<void> put_count(ordered_json& body, const char* field, const std::string& value) {
  if (value.empty()) return {};
  if (value == "none") {
    body[field] = nullptr;
    return {};
  }
  const auto number = ordered_json::parse(value, nullptr, false);
  if (!number.is_number_integer())
    return std::unexpected{client_error(
        "bad_request", fmt::format("--{} is a whole number or none, not {}", option_of(field),
                                   quoted_for_message(value)))};
  body[field] = number;
  return {};
}

/// What create and set have in common.
Result<ordered_json> bounds(const KeyOptions& options) {
  ordered_json body;
  body["by"] = options.by;
  put_text(body, "name", options.name);
  put_text(body, "expires", options.expires);
  put_text(body, "request_cost_max", options.request_cost_max);
  put_text(body, "priority", options.priority);
  for (const auto& [field, value] : {std::pair{"concurrency_max", &options.concurrency_max},
                                     {"requests_per_minute", &options.requests_per_minute},
                                     {"tokens_per_minute", &options.tokens_per_minute},
                                     {"weight", &options.weight}}) {
    if (auto good = put_count(body, field, *value); !good) return std::unexpected{good.error()};
  }
  const bool lifted = options.models == std::vector<std::string>{"none"};
  if (!options.models.empty())
    body["models_allowed"] = lifted ? ordered_json::array() : ordered_json(options.models);
  return body;
}

/// The secret alone on standard output, so that it can be piped into a file; the rest beside it.
int print_secret(const ordered_json& answer, Output output) {
  print_warnings(answer);
  if (output.json) return print_json(answer);
  std::cout << answer["key"].get<std::string>() << '\n';
  std::cerr << "This is the only time the key is shown. Its id is "
            << answer["id"].get<std::string>() << ".\n";
  return 0;
}

int create(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  auto body = bounds(options);
  if (!body) return fail(body.error());
  (*body)["org"] = options.org;
  (*body)["team"] = options.team;
  (*body)["user"] = options.user;
  (*body)["may_override_route"] = options.override_flag;
  (*body)["windows"] = options.budgets;
  const auto created = ask(config, clock, "POST", "/admin/keys", *body);
  return created ? print_secret(*created, output) : fail(created.error());
}

int list(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  const auto answer =
      ask(config, clock, "GET", options.all ? "/admin/keys?all=1" : "/admin/keys", {});
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  print_keys((*answer)["keys"], std::cout);
  return 0;
}

int show(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  const auto answer = ask(config, clock, "GET", path_of(options.id), {});
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  print_key(*answer, std::cout);
  return 0;
}

int history(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  const auto answer = ask(config, clock, "GET", path_of(options.id, "/history"), {});
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  print_history((*answer)["history"], std::cout);
  return 0;
}

int print_change(const Result<ordered_json>& answer, Output output) {
  if (!answer) return fail(answer.error());
  print_warnings(*answer);
  if (output.json) return print_json(*answer);
  const auto& changes = (*answer)["changes"];
  const auto name = fmt::format("{} ({})", cell((*answer)["name"]), cell((*answer)["id"]));
  if (changes.empty()) std::cout << name << ": nothing changes\n";
  for (const auto& change : changes) std::cout << name << ": " << change.get<std::string>() << '\n';
  return 0;
}

int set(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  auto body = bounds(options);
  if (!body) return fail(body.error());
  if (!options.may_override_route.empty())
    (*body)["may_override_route"] = options.may_override_route == "yes";
  if (body->size() == 1) {
    std::cerr << "turnpike: nothing to set; see `turnpike keys set --help`\n";
    return exit_usage;
  }
  return print_change(ask(config, clock, "PATCH", path_of(options.id), *body), output);
}

/// An organisation's teams and users are its own: moving to another one leaves them behind, unless
/// new ones are named.
int move(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  if (options.org.empty() && options.team.empty() && options.user.empty()) {
    std::cerr << "turnpike: say where to: --org, --team, --user\n";
    return exit_usage;
  }
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  const auto key = (*link)->ask("GET", path_of(options.id), "");
  if (!key) return fail(key.error());
  const bool elsewhere = !options.org.empty() && options.org != cell((*key)["org"]);
  ordered_json body{{"by", options.by}};
  if (!options.org.empty()) body["org"] = options.org;
  for (const auto& [field, value] : {std::pair{"team", &options.team}, {"user", &options.user}}) {
    if (!value->empty()) body[field] = *value == "none" ? "" : *value;
    if (value->empty() && elsewhere) body[field] = "";
  }
  return print_change((*link)->ask("PATCH", path_of(options.id), body.dump()), output);
}

int disable(const Config& config, const Clock& clock, const KeyOptions& options, bool disabled,
            Output output) {
  const ordered_json body{{"by", options.by}, {"disabled", disabled}};
  return print_change(ask(config, clock, "PATCH", path_of(options.id), body), output);
}

int rotate(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  const auto grace = read_duration(options.grace, "--grace");
  if (!grace) return fail(grace.error());
  const ordered_json body{{"by", options.by}, {"grace_s", grace->count()}};
  const auto answer = ask(config, clock, "POST", path_of(options.id, "/rotate"), body);
  if (!answer) return fail(answer.error());
  const auto code = print_secret(*answer, output);
  const auto& until = (*answer)["old_secret_until"];
  if (!output.json)
    std::cerr << (until.is_null() ? std::string{"The old secret ended at once."}
                                  : fmt::format("The old secret is good until {}.", moment(until)))
              << '\n';
  return code;
}

int revoke(const Config& config, const Clock& clock, const KeyOptions& options, Output output) {
  const auto answer = ask(config, clock, "DELETE", path_of(options.id), {{"by", options.by}});
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  std::cout << fmt::format("revoked {} ({}){}\n", cell((*answer)["revoked"]),
                           cell((*answer)["name"]), (*answer)["already"] == true ? ", again" : "");
  return 0;
}

/// Registers one verb after the other; what they are given is shared, since only one of them runs.
class Registry {
 public:
  Registry(CLI::App& keys, const Output& output, Verb& verb)
      : keys_(keys), output_(output), verb_(verb) {}

  void add_all() {
    add_create();
    add("list", "Keys in use, with their state", list)
        ->add_flag("--all", options_->all, "Revoked ones, too");
    named(add("show", "Everything about a key: its effective caps, and the models it may reach",
              show));
    named(add("history", "Who made and changed it, and when", history));
    add_set();
    add_move();
    changing(add("disable", "Admit nothing of it until it is enabled again",
                 [](auto& c, auto& t, auto& o, auto out) { return disable(c, t, o, true, out); }));
    changing(add("enable", "Undo disable",
                 [](auto& c, auto& t, auto& o, auto out) { return disable(c, t, o, false, out); }));
    auto* rotation = changing(add(
        "rotate", "A new secret under the same id; it is shown once, on standard output", rotate));
    rotation
        ->add_option("--grace", options_->grace,
                     "How long the old secret stays good: 15m, 1h, 7d, 0")
        ->capture_default_str();
    changing(add("revoke", "Stop a key within a second, for good", revoke));
  }

 private:
  using Run = std::function<int(const Config&, const Clock&, const KeyOptions&, Output)>;

  CLI::App* add(const std::string& name, const std::string& help, Run run) {
    auto* sub = keys_.add_subcommand(name, help);
    sub->callback([options = options_, run = std::move(run), &verb = verb_, &output = output_] {
      verb = [options, run, &output](const Config& config, const Clock& clock) {
        return run(config, clock, *options, output);
      };
    });
    return sub;
  }
  CLI::App* named(CLI::App* sub) {
    sub->add_option("key", options_->id, "Its id, or its name where only one key has it")
        ->required();
    return sub;
  }
  CLI::App* signed_(CLI::App* sub) {
    sub->add_option("--by", options_->by,
                    "Who does it, for the journal; default: your user name here")
        ->default_val(operating_user());
    return sub;
  }
  CLI::App* changing(CLI::App* sub) { return signed_(named(sub)); }

  void add_bounds(CLI::App* sub, const std::string& none) {
    sub->add_option("--models", options_->models,
                    "Targets or tiers the key may use, with wildcards" + none);
    sub->add_option("--expires", options_->expires, "Date or RFC 3339 instant" + none);
    sub->add_option("--request-cost-max", options_->request_cost_max,
                    "Credits one request may cost at most" + none);
    sub->add_option("--concurrency-max,--concurrency", options_->concurrency_max,
                    "Requests at once" + none);
    sub->add_option("--requests-per-minute,--rpm", options_->requests_per_minute,
                    "Requests a minute; more are refused with 429" + none);
    sub->add_option("--tokens-per-minute,--tpm", options_->tokens_per_minute,
                    "Tokens a minute, of prompts and answers" + none);
    sub->add_option("--priority", options_->priority,
                    "interactive, or batch: waits behind interactive requests and is shed first")
        ->check(CLI::IsMember({"interactive", "batch", "none"}));
    sub->add_option("--weight", options_->weight,
                    "Its share where keys wait for each other, 1 to 1000; 1 unless set");
  }
  void add_create() {
    auto* sub = signed_(add("create", "Make a key; it is shown once, on standard output", create));
    sub->add_option("--name", options_->name, "For people and reports")->required();
    sub->add_option("--org", options_->org, "Organisation the key's spending is charged to")
        ->required();
    sub->add_option("--team", options_->team, "Team inside the organisation");
    sub->add_option("--user", options_->user, "User");
    sub->add_option(
        "--budget", options_->budgets,
        "Limit of this key, for example 5/day or 100/month@Europe/Berlin; may be repeated");
    add_bounds(sub, "; default: no bound");
    sub->add_flag("--may-override-route", options_->override_flag,
                  "Allow x-turnpike-model and x-turnpike-tier");
  }
  void add_set() {
    auto* sub = changing(add("set", "Change what a key may do; what is not named stays", set));
    sub->alias("update");
    sub->add_option("--name", options_->name, "For people and reports");
    add_bounds(sub, "; none lifts the bound");
    sub->add_option("--may-override-route", options_->may_override_route,
                    "yes or no: x-turnpike-model and x-turnpike-tier")
        ->check(CLI::IsMember({"yes", "no"}));
  }
  void add_move() {
    auto* sub = changing(add("move", "Charge its spending elsewhere from now on", move));
    sub->add_option("--org", options_->org,
                    "Another organisation; team and user stay behind unless named");
    sub->add_option("--team", options_->team, "Another team; none for none");
    sub->add_option("--user", options_->user, "Another user; none for none");
  }

  CLI::App& keys_;
  const Output& output_;
  Verb& verb_;
  std::shared_ptr<KeyOptions> options_ = std::make_shared<KeyOptions>();
};

}  // namespace

void add_key_verbs(CLI::App& app, const Output& output, Verb& verb) {
  auto* keys = app.add_subcommand("keys", "Virtual keys: who may come in")->require_subcommand(1);
  Registry{*keys, output, verb}.add_all();
}

}  // namespace turnpike::app
