#include "app/classifier_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "app/json_fields.hpp"
#include "app/page.hpp"
#include "dialect/facts_line.hpp"

namespace turnpike::app {
namespace {

using classify::Judged;
using nlohmann::ordered_json;

/// Four decimals are plenty; negative means that it cannot be told.
ordered_json figure(double value) {
  if (value < 0) return nullptr;
  return std::round(value * 10000) / 10000;
}

ordered_json to_json(const classify::Worth& worth) { return {{"apgr", figure(worth.apgr)}, {"auc", figure(worth.auc)}}; }

ordered_json to_json(const classify::ProgressReport& progress) {
  ordered_json json;
  json["outcomes"] = progress.outcomes;
  json["judged"] = progress.judged;
  json["pairs"] = progress.pairs;
  json["weak_fails"] = progress.judged > 0 ? figure(progress.weak_fails) : ordered_json{};
  json["model"] = to_json(progress.model);
  json["prior"] = to_json(progress.prior);
  json["length"] = to_json(progress.length);
  json["calibration_error"] = figure(progress.calibration_error);
  json["beats_length"] = progress.beats_length ? ordered_json(*progress.beats_length) : ordered_json{};
  return json;
}

ordered_json to_json(const gateway::Learning::GroupReport& report) {
  ordered_json json{{"group", report.group}, {"frozen", report.learner.frozen}, {"lessons", report.learner.lessons}};
  json["prior_scale"] = figure(report.learner.scale);
  json["known_outcomes"] = to_json(report.learner.progress);
  return json;
}

ordered_json to_json(const gateway::Learning& learning) {
  ordered_json json{{"classifier", learning.classifier().version()}, {"frozen", learning.frozen()}};
  json["outcomes"] = ordered_json::object();
  for (std::size_t i = 0; i < static_cast<std::size_t>(OutcomeSource::count_); ++i) {
    const auto source = static_cast<OutcomeSource>(i);
    json["outcomes"][std::string{to_string(source)}] = learning.outcomes(source);
  }
  json["groups"] = ordered_json::array();
  for (const auto& report : learning.report()) json["groups"].push_back(to_json(report));
  return json;
}

struct Rows {
  std::vector<FactsRow> rows;
  std::size_t held_out = 0;
};
constexpr std::size_t held_out_every = 5;
bool held_out(std::size_t row) { return row % held_out_every == held_out_every - 1; }

/// All rows, or the first that cannot be read.
Result<std::vector<FactsRow>> read_rows(std::string_view text) {
  std::vector<FactsRow> rows;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string line{text.substr(0, end)};
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto row = dialect::read_facts_line(line);
    if (!row) return std::unexpected{client_error("bad_row", fmt::format("line {}: {}", number, row.error().message))};
    if (!row->learn)
      return std::unexpected{client_error("bad_row", fmt::format("line {}: no \"learn\": {{\"weak\": 0..1, \"strong\": 0..1}}", number))};
    rows.push_back(std::move(*row));
  }
  if (rows.empty()) return std::unexpected{client_error("bad_row", "there is no row")};
  return rows;
}

classify::ProgressReport measure(const gateway::Learning& learning, const std::string& group, const std::vector<FactsRow>& rows) {
  std::vector<Judged> judged;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!held_out(i)) continue;
    const auto& row = rows[i];
    const Difficulty difficulty = learning.classify(group, row.facts);
    judged.push_back({.score = difficulty.score,
                      .prior = difficulty.prior,
                      .words = static_cast<float>(learning.footprint(row.facts).view().words),
                      .said = difficulty.weak_fails,
                      .weak_failed = 1 - row.learn->weak,
                      .strong_right = row.learn->strong.value_or(-1)});
  }
  return classify::report_of(judged, judged.size());
}

/// The group that is named or, where only one can be meant, that one.
Result<std::string> wanted_group(const PageSources& sources, std::string_view query) {
  if (auto named = query_field(query, "group"); named && !named->empty()) {
    const auto colon = named->find(':');
    const auto kind = named->substr(0, colon);
    if (colon != std::string::npos && (kind == "policy" || kind == "team" || kind == "key") && named->size() <= 300) return *named;
    return std::unexpected{bad_field("group", "is policy:NAME, team:ORG/TEAM or key:ID")};
  }
  const auto snapshot = sources.planned();
  if (!snapshot) return std::unexpected{client_error("no_policy", "the policy cannot be read; name a group")};
  if (snapshot->policy.classifier.learn == policy::LearnPer::policy) return "policy:" + snapshot->policy.name;
  return std::unexpected{client_error("group_needed", "the policy does not learn as a whole; name a group: team:ORG/TEAM or key:ID")};
}

/// Of a group that nobody's requests belong to at present: most likely misspelt. It is taught nevertheless, because a policy
/// or a key may come later.
std::vector<std::string> group_warnings(const PageSources& sources, const std::string& group) {
  if (sources.learning->learner(group)) return {};
  const auto colon = group.find(':');
  const auto kind = group.substr(0, colon);
  const auto name = group.substr(colon + 1);
  if (kind == "policy") {
    const auto snapshot = sources.planned();
    if (!snapshot || snapshot->policy.name == name) return {};
    return {fmt::format("the policy in force is {}, not {}: what was taught counts once that is", snapshot->policy.name, quoted_for_message(name))};
  }
  const auto keys = sources.ledger.keys();
  const bool known = std::ranges::any_of(keys, [&](const auto& key) {
    return kind == "key" ? key.account.key_id == name : fmt::format("{}/{}", key.account.org, key.account.team) == name;
  });
  if (known) return {};
  return {fmt::format("{} {}: what was taught counts once there is one", kind == "key" ? "no key has the id" : "no key is of team", quoted_for_message(name))};
}

/// "" means all and is said by leaving the field out: an empty variable in a script must not forget everything.
Result<std::string> group_or_all(const ordered_json& body) {
  const auto group = read_text(body, "group");
  if (!group) return std::unexpected{group.error()};
  if (*group && (*group)->empty()) return std::unexpected{bad_field("group", "is empty; leave it out to mean all groups")};
  return group->value_or("");
}

}  // namespace

WholeReply classifier_page(const PageSources& sources) { return page(to_json(*sources.learning)); }

WholeReply classifier_freeze_page(const PageSources& sources, const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  if (auto good = check_fields(*body, {"group", "frozen", "by"}); !good) return fault_page(good.error());
  const auto group = group_or_all(*body);
  if (!group) return fault_page(group.error());
  const auto frozen = read_flag(*body, "frozen");
  if (!frozen) return fault_page(frozen.error());
  if (auto done = sources.learning->freeze(*group, frozen->value_or(true)); !done) return fault_page(done.error());
  return classifier_page(sources);
}

WholeReply classifier_reset_page(const PageSources& sources, const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  if (auto good = check_fields(*body, {"group", "by"}); !good) return fault_page(good.error());
  const auto group = group_or_all(*body);
  if (!group) return fault_page(group.error());
  if (auto done = sources.learning->reset(*group); !done) return fault_page(done.error());
  return classifier_page(sources);
}

WholeReply classifier_train_page(const PageSources& sources, std::string_view query, const std::string& body) {
  const auto group = wanted_group(sources, query);
  if (!group) return fault_page(group.error());
  const auto rows = read_rows(body);
  if (!rows) return fault_page(rows.error());
  auto& learning = *sources.learning;
  if (const auto learner = learning.learner(*group); (learner && learner->frozen()) || (!learner && learning.frozen()))
    return fault_page(client_error("frozen", *group + " is frozen; unfreeze it first", {}, 409));
  const auto warnings = group_warnings(sources, *group);
  const auto before = measure(learning, *group, *rows);
  std::size_t taught = 0;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const auto& row = (*rows)[i];
    if (held_out(i)) continue;
    learning.learn(*group, row.facts, {.source = OutcomeSource::taught, .weak_failed = 1 - row.learn->weak, .strong_right = row.learn->strong});
    ++taught;
  }
  const auto after = measure(learning, *group, *rows);
  return page({{"group", *group}, {"taught", taught}, {"held_out", after.judged}, {"before", to_json(before)}, {"after", to_json(after)},
               {"warnings", warnings}});
}

WholeReply classifier_export_page(const PageSources& sources) {
  ordered_json json = to_json(*sources.learning);
  for (auto& group : json["groups"]) {
    const auto learner = sources.learning->learner(group["group"].get<std::string>());
    if (!learner) continue;  // forgotten in between
    group["weights"] = ordered_json::object();
    for (const auto& [name, weight] : learner->weights()) group["weights"][std::string{name}] = weight;
    group["ngrams_touched"] = learner->ngrams_touched();
    group["weak_fails_by_score"] = ordered_json::array();
    for (int tenth = 0; tenth <= 10; ++tenth) group["weak_fails_by_score"].push_back(figure(double{learner->weak_fails(static_cast<float>(tenth) / 10)}));
  }
  return page(json);
}

}  // namespace turnpike::app
