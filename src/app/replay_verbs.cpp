#include "app/replay_verbs.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/replay.hpp"
#include "app/verb_tools.hpp"
#include "app/when.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const Replay& replay) {
  ordered_json json;
  json["records"] = replay.records;
  if (replay.first) json["first"] = turnpike::to_rfc3339(*replay.first);
  if (replay.last) json["last"] = turnpike::to_rfc3339(*replay.last);
  json["configurations"] = replay.configurations();
  json["same"] = replay.same;
  json["differ"] = replay.differ;
  json["undecided"] = replay.undecided;
  json["too_old"] = replay.too_old;
  json["damaged"] = replay.damaged;
  json["without_configuration"] = ordered_json::object();
  for (const auto& [version, unruled] : replay.without_rules)
    json["without_configuration"][version] = {{"records", unruled.records}, {"why", unruled.why}};
  json["differences"] = ordered_json::array();
  for (const auto& shown : replay.shown) json["differences"].push_back({{"decision", shown.decision}, {"at", turnpike::to_rfc3339(shown.at)}, {"what", shown.lines}});
  return json;
}

void print(const Replay& replay) {
  if (replay.records == 0) {
    std::cout << "no stored decision in this range\n";
    return;
  }
  std::cout << counted(static_cast<std::int64_t>(replay.records), "record");
  if (replay.first) std::cout << fmt::format(", {} to {}", moment(turnpike::to_rfc3339(*replay.first)), moment(turnpike::to_rfc3339(*replay.last)));
  std::cout << fmt::format(", {}\n", counted(static_cast<std::int64_t>(replay.configurations()), "configuration"));
  std::cout << fmt::format("{:>9}  came out the same, candidate by candidate and reason by reason\n{:>9}  came out differently\n", replay.same, replay.differ);
  const auto told = [](std::size_t count, std::string_view what) {
    if (count > 0) std::cout << fmt::format("{:>9}  {}\n", count, what);
  };
  told(replay.undecided, "were refused before anything was decided");
  told(replay.too_old, "are of an older form, which lacks what a decision was made from");
  told(replay.damaged, "cannot be read");
  for (const auto& [version, unruled] : replay.without_rules) told(unruled.records, "were made with a configuration that cannot be used: " + unruled.why);
  for (const auto& shown : replay.shown) {
    std::cout << fmt::format("\n{} at {}\n", shown.decision, turnpike::to_rfc3339(shown.at));
    for (const auto& line : shown.lines) std::cout << "  " << line << '\n';
  }
}

}  // namespace

CLI::Range records_range() { return {1, 1'000'000'000}; }

Result<RecordRange> read_range(const RecordFlags& flags, std::string_view standard, Instant now) {
  RecordRange range;
  range.decision = flags.decision;
  if (flags.limit > 0) range.newest = flags.limit;
  const bool all = flags.since.empty() && standard.empty();
  if (all || !range.decision.empty() || range.newest) return range;
  const auto since = read_when(flags.since.empty() ? standard : flags.since, now);
  if (!since) return std::unexpected{since.error()};
  range.since = *since;
  return range;
}

int run_replay(const Config& configured, const Clock& clock, const RecordFlags& flags, Output output) {
  const auto range = read_range(flags, "24h", clock.now());
  if (!range) return fail(range.error());
  const Config config = at_data(configured, flags.data);
  auto source = open_records(config, clock, *range);
  if (!source) return fail(source.error());
  Replay replay{ConfigArchive{config.data}};
  for (bool more = true; more;) {
    const auto records = (*source)->next();
    if (!records) return fail(records.error());
    for (const auto& record : *records) replay.add(record);
    more = !records->empty();
  }
  if (output.json) {
    print_json(to_json(replay));
  } else {
    print(replay);
  }
  if (!replay.clean()) return 1;
  return replay.compared_nothing() ? exit_nothing_compared : 0;
}

void add_replay(CLI::App& app, const Output& output, Verb& verb) {
  const auto flags = std::make_shared<RecordFlags>();
  auto* replay = app.add_subcommand("replay", "Take stored decisions again, with the configuration and the inputs of that moment; exit code 1 if one comes out differently, 2 if there is none");
  auto* since = replay->add_option("--since", flags->since, "Date, RFC 3339 instant, or a span back from now; default: 24h");
  auto* decision = replay->add_option("--decision", flags->decision, "Only this one (x-turnpike-decision)");
  auto* limit = replay->add_option("--limit", flags->limit, "Only the newest so many")->check(records_range());
  since->excludes(decision)->excludes(limit);
  decision->excludes(limit);
  replay->add_option("--data", flags->data, "A data directory or a copy of one; default: the configured one, live or not")->check(CLI::ExistingDirectory);
  replay->callback([flags, &output, &verb] {
    verb = [flags, &output](const auto& config, const auto& clock) { return run_replay(config, clock, *flags, output); };
  });
}

}  // namespace turnpike::app
