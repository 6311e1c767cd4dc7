// The command line: flags in, one verb out.

#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <string>

#include "app/allocator.hpp"
#include "app/backtest_verb.hpp"
#include "app/budget_verbs.hpp"
#include "app/catalog_cli.hpp"
#include "app/catalog_import.hpp"
#include "app/classifier_verbs.hpp"
#include "app/commands.hpp"
#include "app/completion.hpp"
#include "app/config.hpp"
#include "app/connect.hpp"
#include "app/doctor.hpp"
#include "app/key_verbs.hpp"
#include "app/replay_verbs.hpp"
#include "app/report_verbs.hpp"
#include "app/upstream_verbs.hpp"
#include "turnpike/clock.hpp"

#ifndef TURNPIKE_VERSION
#define TURNPIKE_VERSION "development"
#endif

namespace {

using turnpike::app::Config;
using turnpike::app::Output;
using turnpike::app::Verb;

struct Flags {
  std::string config;
  Output output;
  std::string what, directory;
  bool jsonl = false;
  turnpike::app::ServeOptions serve;
  turnpike::app::ExplainOptions explain;
  turnpike::app::ConnectOptions connect;
  turnpike::app::DoctorOptions doctor;
  turnpike::app::CatalogListOptions catalog_list;
  turnpike::app::CatalogPriceOptions catalog_price;
  turnpike::app::CatalogImportOptions catalog_import;
};

void add_money(CLI::App& app, Flags& flags, Verb& verb) {
  auto* ledger = app.add_subcommand("ledger", "The journal of all spending")->require_subcommand(1);
  auto* verify = ledger->add_subcommand("verify", "Recompute every invariant from the journal");
  verify->add_option("directory", flags.directory, "A copy of a data directory; default: the configured one, live or not");
  verify->callback([&] { verb = [&](const auto& c, const auto& t) { return run_ledger_verify(c, t, flags.directory, flags.output); }; });

  ledger->add_subcommand("confirm-clock", "The wall clock has jumped and is right: go by it at once")->callback([&] {
    verb = [](const auto& c, const auto& t) { return run_ledger_confirm_clock(c, t); };
  });
}

void add_routing(CLI::App& app, Flags& flags, Verb& verb) {
  auto* serve = app.add_subcommand("serve", "Run the gateway");
  serve->add_flag("--take-over", flags.serve.take_over, "Take the listeners of the gateway that runs on the data directory, if one does, and serve when it has drained");
  serve->callback([&] { verb = [&](const auto& c, const auto& t) { return run_serve(c, t, flags.serve); }; });
  app.add_subcommand("check", "Validate providers/ and policies/: every fault with file:line:column")->callback([&] { verb = [&](const auto& c, const auto& t) { return run_check(c, t, flags.output); }; });
  app.add_subcommand("reload", "Make the running gateway read its configuration again")->callback([&] { verb = [](const auto& c, const auto& t) { return run_reload(c, t); }; });
  auto* explain = app.add_subcommand("explain", "The reasoning behind a decision");
  explain->add_option("what", flags.explain.what, "A decision id (x-turnpike-decision), or a file with a request in any dialect")->required();
  explain->add_option("--dialect", flags.explain.dialect, "Of the file: openai-chat, openai-responses, anthropic-messages, gemini-generate; default: by its shape");
  explain->add_option("--model", flags.explain.model, "Asked for in place of the file's");
  explain->callback([&] { verb = [&](const auto& c, const auto& t) { return run_explain(c, t, flags.explain, flags.output); }; });
  auto* classify = app.add_subcommand("classify", "Difficulty of the requests on standard input, one JSON object per line");
  classify->add_flag("--jsonl", flags.jsonl, "Lines of {id,text} or whole chat bodies (the only form)");
  classify->callback([&] { verb = [](const auto&, const auto&) { return turnpike::app::run_classify(); }; });
  app.add_subcommand("version", "Print the version")->callback([&] {
    verb = [](const auto&, const auto&) {
      std::cout << "turnpike " << TURNPIKE_VERSION << '\n';
      return 0;
    };
  });
}

void add_catalog(CLI::App& app, Flags& flags, Verb& verb) {
  auto* catalog = app.add_subcommand("catalog", "Models and their dated prices")->require_subcommand(1);
  auto* list = catalog->add_subcommand("list", "All models: what they can, what they cost, what changes next");
  list->add_option("--at", flags.catalog_list.at, "Date or RFC 3339 instant; default: now");
  list->add_option("--provider", flags.catalog_list.provider, "Only this provider's");
  list->callback([&] { verb = [&](const auto& c, const auto& t) { return run_catalog_list(c, t, flags.catalog_list, flags.output); }; });
  auto& asked = flags.catalog_price;
  auto* price = catalog->add_subcommand("price", "The price in force at an instant, and what a request costs then");
  price->add_option("model", asked.model, "provider/model, an id or an alias")->required();
  price->add_option("--at", asked.at, "Date or RFC 3339 instant; default: now");
  price->add_option("--prompt", asked.prompt, "Prompt tokens, cached and written ones included");
  price->add_option("--cached", asked.cached, "Of them, read from the provider's cache");
  price->add_option("--written-5m", asked.written_5m, "Of them, written to the cache for 5 minutes");
  price->add_option("--written-1h", asked.written_1h, "Of them, written to the cache for 1 hour");
  price->add_option("--output", asked.output, "Output tokens, reasoning included");
  for (std::size_t i = 0; i < turnpike::server_tools; ++i) {
    std::string name{to_string(static_cast<turnpike::ServerTool>(i))};
    std::ranges::replace(name, '_', '-');
    price->add_option("--" + name, asked.calls[i], "Calls of this server tool");
  }
  price->callback([&] { verb = [&](const auto& c, const auto& t) { return run_catalog_price(c, t, flags.catalog_price, flags.output); }; });
  auto& wanted = flags.catalog_import;
  auto* import = catalog->add_subcommand("import", "Prices of a public catalog into providers/: shows the difference, writes it on demand");
  import->add_option("file", wanted.file, "JSON as https://models.dev/api.json has it, saved by you; - for standard input")->required();
  import->add_option("--from", wanted.from, "Day on which new prices begin; default: today. Earlier prices stay as they are");
  import->add_option("--model", wanted.models, "Only these targets, with wildcards; may be repeated");
  import->add_option("--add", wanted.add, "Targets that providers/ does not have yet, with wildcards; may be repeated");
  import->add_flag("--limits", wanted.limits, "Take over context windows and output limits, too");
  import->add_flag("--force", wanted.force, "Believe changes of more than three times either way");
  import->add_flag("--write", wanted.write, "Change the files; backups stay beside them");
  import->callback([&] { verb = [&](const auto& c, const auto& t) { return run_catalog_import(c, t, flags.catalog_import, flags.output); }; });
}

void add_completion(CLI::App& app, Flags& flags, Verb& verb) {
  auto* completion = app.add_subcommand("completion", "A script that teaches the shell turnpike's verbs: eval \"$(turnpike completion bash)\"");
  completion->add_option("shell", flags.what, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&] {
    verb = [&](const auto&, const auto&) {
      std::cout << turnpike::app::completion_script(app, flags.what);
      return 0;
    };
  });
}

void add_clients(CLI::App& app, Flags& flags, Verb& verb) {
  auto* doctor = app.add_subcommand("doctor", "Try each client dialect on each target through the running gateway; spends a few credits");
  doctor->add_option("--url", flags.doctor.url, "The gateway; default: the configured listener");
  doctor->add_option("--key", flags.doctor.key, "A virtual key")->envname("TURNPIKE_KEY");
  doctor->add_option("--target", flags.doctor.targets, "provider/model or a name the policy knows; may be repeated. Default: one model of each provider");
  doctor->add_option("--dialect", flags.doctor.dialects, "openai-chat, openai-responses, anthropic-messages, gemini-generate; default: all");
  doctor->callback([&] { verb = [&](const auto& c, const auto&) { return run_doctor(c, flags.doctor, flags.output); }; });
}

void add_connect(CLI::App& app, Flags& flags, Verb& verb) {
  auto& options = flags.connect;
  auto* connect = app.add_subcommand("connect", "How a harness or SDK is pointed at the gateway; with --write, done");
  std::string names;
  for (const auto& harness : turnpike::app::harnesses()) names += (names.empty() ? "" : ", ") + std::string{harness.name};
  connect->add_option("harness", options.harness, names)->required();
  connect->add_option("--url", options.url, "The gateway's root; default: the configured listener");
  connect->add_option("--key", options.key, "A key of the gateway, or \"env\" for the one in TURNPIKE_KEY; default: a placeholder");
  connect->add_option("--model", options.model, "Default: the policy's name for routing by difficulty");
  connect->add_option("--small-model", options.small_model, "For titles and side calls; default: the policy's name for its easy tier");
  connect->add_option("--wire", options.wire, "chat, messages, responses or gemini, where the harness has the choice");
  connect->add_option("--dir", options.home, "Home folder whose settings are meant; default: your own");
  connect->add_flag("--write", options.write, "Change the harness's settings files: shows the difference, keeps a backup");
  connect->add_flag("--print-env", options.print_env, "Only the variables, as lines to be evaluated by a shell");
  connect->add_flag("--quiet-client", options.quiet, "Switch off the harness's telemetry, updates and side traffic, too");
  connect->callback([&] { verb = [&](const auto& c, const auto& t) { return run_connect(c, t, flags.connect, flags.output); }; });
}

int run(const Flags& flags, const Verb& verb) {
  Config config;
  const std::string file = !flags.config.empty() ? flags.config : std::filesystem::exists("turnpike.toml") ? "turnpike.toml" : "";
  if (!file.empty()) {
    auto read = turnpike::app::load_config(std::filesystem::absolute(file));
    if (!read) {
      turnpike::app::print_faults(read.error());
      return turnpike::app::exit_config;
    }
    config = std::move(*read);
  } else {
    config.admin_token_file = config.data / "admin.token";
  }
  const turnpike::SystemClock clock;
  return verb(config, clock);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  turnpike::app::keep_freed_pages();
  // Keys and prompts live in memory: no core file of it may lie around.
  ::prctl(PR_SET_DUMPABLE, 0);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  CLI::App app{"turnpike: routes each step of an agent's loop to the model that should do it"};
  app.require_subcommand(1);
  Flags flags;
  Verb verb;
  app.add_option("--config", flags.config, "turnpike.toml (default: ./turnpike.toml if it exists)");
  app.add_flag("--json", flags.output.json, "Machine-readable output");
  app.fallthrough();
  add_routing(app, flags, verb);
  turnpike::app::add_replay(app, flags.output, verb);
  turnpike::app::add_backtest(app, flags.output, verb);
  turnpike::app::add_key_verbs(app, flags.output, verb);
  turnpike::app::add_budget_verbs(app, flags.output, verb);
  turnpike::app::add_classifier_verbs(app, flags.output, verb);
  turnpike::app::add_upstream_verbs(app, flags.output, verb);
  add_money(app, flags, verb);
  turnpike::app::add_reports(app, flags.output, verb);
  add_connect(app, flags, verb);
  add_catalog(app, flags, verb);
  add_clients(app, flags, verb);
  add_completion(app, flags, verb);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : turnpike::app::exit_usage;
  }
  try {
    return run(flags, verb);
  } catch (const std::exception& failed) {
    std::cerr << "turnpike: " << failed.what() << '\n';
    return 1;
  }
}
