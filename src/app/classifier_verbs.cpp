#include "app/classifier_verbs.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "app/operator_link.hpp"
#include "app/page.hpp"
#include "app/table.hpp"
#include "app/verb_tools.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

struct ClassifierOptions {
  std::string group;
  std::string file;
};

std::string figure(const ordered_json& value) {
  return value.is_number() ? fmt::format("{:.3f}", value.get<double>()) : "-";
}

void print_worth(const ordered_json& progress) {
  Table table{{{"scorer"}, {"APGR", Align::right}, {"AUC", Align::right}}};
  for (const auto* const scorer : {"model", "prior", "length"})
    table.add({scorer, figure(progress[scorer]["apgr"]), figure(progress[scorer]["auc"])});
  table.print(std::cout);
}

void print_group(const ordered_json& group) {
  const auto& known = group["known_outcomes"];
  std::cout << fmt::format("\n{}{}: {}, prior at {} of its weight\n", cell(group["group"]), group["frozen"] == true ? " (frozen)" : "",
                           counted(group["lessons"].get<std::int64_t>(), "lesson"), figure(group["prior_scale"]));
  if (known["judged"] == 0) {
    std::cout << "  no known outcomes yet: shadow runs give them, or `turnpike classifier train`\n";
    return;
  }
  std::cout << fmt::format("{}; the last {} were judged before they were learned ({} with both models' outcomes); the weak model fails {}\n",
                           counted(known["outcomes"].get<std::int64_t>(), "known outcome"), cell(known["judged"]), cell(known["pairs"]), figure(known["weak_fails"]));
  print_worth(known);
  std::cout << fmt::format("calibration error {}\n", figure(known["calibration_error"]));
  if (known["beats_length"] == false) std::cout << "The model does not beat length: prompts could be sorted by their length as well.\n";
  if (known["beats_length"].is_null()) std::cout << "Fewer than 300 outcomes: too few to tell whether the model beats length.\n";
}

int print_all(const Result<ordered_json>& answer, Output output) {
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  std::cout << fmt::format("classifier {}{}\n", cell((*answer)["classifier"]), (*answer)["frozen"] == true ? ", frozen: nothing is learned" : "");
  std::string sources;
  for (const auto& [source, count] : (*answer)["outcomes"].items()) {
    if (count != 0) sources += fmt::format("{}{} {}", sources.empty() ? "" : ", ", count.get<std::int64_t>(), source);
  }
  std::cout << "outcomes: " << (sources.empty() ? "none yet" : sources) << '\n';
  for (const auto& group : (*answer)["groups"]) print_group(group);
  return 0;
}

int show(const Config& config, const Clock& clock, const ClassifierOptions&, Output output) {
  return print_all(ask(config, clock, "GET", "/admin/classifier", {}), output);
}

ordered_json body_of(const ClassifierOptions& options) {
  ordered_json body{{"by", operating_user()}};
  if (!options.group.empty()) body["group"] = options.group;
  return body;
}

int freeze(const Config& config, const Clock& clock, const ClassifierOptions& options, bool frozen, Output output) {
  auto body = body_of(options);
  body["frozen"] = frozen;
  return print_all(ask(config, clock, "POST", "/admin/classifier/freeze", body), output);
}

int reset(const Config& config, const Clock& clock, const ClassifierOptions& options, Output output) {
  return print_all(ask(config, clock, "POST", "/admin/classifier/reset", body_of(options)), output);
}

int export_all(const Config& config, const Clock& clock, const ClassifierOptions&, Output) {
  const auto answer = ask(config, clock, "GET", "/admin/classifier/export", {});
  return answer ? print_json(*answer) : fail(answer.error());
}

int train(const Config& config, const Clock& clock, const ClassifierOptions& options, Output output) {
  std::ifstream file{options.file, std::ios::binary};
  const std::string rows = options.file == "-" ? std::string{std::istreambuf_iterator<char>{std::cin}, {}}
                                               : std::string{std::istreambuf_iterator<char>{file}, {}};
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  std::string target = "/admin/classifier/train";
  if (!options.group.empty()) target += "?group=" + percent_encode(options.group);
  const auto answer = (*link)->ask("POST", target, rows);
  if (!answer) return fail(answer.error());
  print_warnings(*answer);
  if (output.json) return print_json(*answer);
  std::cout << fmt::format("{} taught {}; {} held out\n", cell((*answer)["group"]), counted((*answer)["taught"].get<std::int64_t>(), "outcome"),
                           cell((*answer)["held_out"]));
  Table table{{{"on the held-out rows"}, {"APGR", Align::right}, {"AUC", Align::right}, {"calibration error", Align::right}}};
  const auto add = [&table](const char* name, const ordered_json& progress, const char* scorer) {
    const bool model = std::string_view{scorer} == "model";
    table.add({name, figure(progress[scorer]["apgr"]), figure(progress[scorer]["auc"]), model ? figure(progress["calibration_error"]) : ""});
  };
  add("before", (*answer)["before"], "model");
  add("after", (*answer)["after"], "model");
  add("frozen prior", (*answer)["after"], "prior");
  add("length alone", (*answer)["after"], "length");
  table.print(std::cout);
  return 0;
}

/// Registers one verb after the other; what they are given is shared, since only one of them runs.
class Registry {
 public:
  Registry(CLI::App& classifier, const Output& output, Verb& verb) : classifier_(classifier), output_(output), verb_(verb) {}

  void add_all() {
    add("show", "What each group has learned, and what it is worth beside the frozen prior and length alone", show);
    auto* training = grouped(add("train", "Learn from known outcomes; every fifth row is kept apart to measure by", train),
                             "Who learns: policy:NAME, team:ORG/TEAM or key:ID; default: the policy in force");
    training->add_option("file", options_->file, "Lines of {\"text\" or \"request\", \"learn\": {\"weak\": 0..1, \"strong\": 0..1}}; - for standard input")
        ->required()
        ->check(CLI::ExistingFile | CLI::IsMember({"-"}));
    const std::string one = "Only this group; default: all";
    grouped(add("freeze", "Learn no more; what was learned stays in use", [](auto& c, auto& t, auto& o, auto out) { return freeze(c, t, o, true, out); }), one);
    grouped(add("unfreeze", "Learn again", [](auto& c, auto& t, auto& o, auto out) { return freeze(c, t, o, false, out); }), one);
    grouped(add("reset", "Forget what was learned: the frozen prior speaks again", reset), one);
    add("export", "Everything show tells and the learned weights by name, as JSON", export_all);
  }

 private:
  using Run = std::function<int(const Config&, const Clock&, const ClassifierOptions&, Output)>;

  CLI::App* add(const std::string& name, const std::string& help, Run run) {
    auto* sub = classifier_.add_subcommand(name, help);
    sub->callback([options = options_, run = std::move(run), &verb = verb_, &output = output_] {
      verb = [options, run, &output](const Config& config, const Clock& clock) { return run(config, clock, *options, output); };
    });
    return sub;
  }
  CLI::App* grouped(CLI::App* sub, const std::string& help) {
    sub->add_option("--group", options_->group, help)->check([](const std::string& given) {
      return given.empty() ? std::string{"is empty; leave it out to mean the default"} : std::string{};
    });
    return sub;
  }

  CLI::App& classifier_;
  const Output& output_;
  Verb& verb_;
  std::shared_ptr<ClassifierOptions> options_ = std::make_shared<ClassifierOptions>();
};

}  // namespace

void add_classifier_verbs(CLI::App& app, const Output& output, Verb& verb) {
  auto* classifier = app.add_subcommand("classifier", "What was learned from outcomes about difficulty")->require_subcommand(1);
  Registry{*classifier, output, verb}.add_all();
}

}  // namespace turnpike::app
