#include "app/key_sheet.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/table.hpp"
#include "app/verb_tools.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

std::string words(const ordered_json& list, std::string_view none) {
  if (list.empty()) return std::string{none};
  return fmt::format("{}", fmt::join(list.get<std::vector<std::string>>(), " "));
}

std::string owner_of(const ordered_json& key) {
  std::string owner = cell(key["org"]);
  if (key["team"] != "") owner += fmt::format(", team {}", cell(key["team"]));
  if (key["user"] != "") owner += fmt::format(", user {}", cell(key["user"]));
  return owner;
}

void line(std::ostream& out, std::string_view title, const std::string& value) {
  out << fmt::format("{:<16} {}\n", title, value);
}

/// "2026-11-22T12:00:00Z by alice"
std::string when_and_who(const ordered_json& at, const ordered_json& by) {
  return at.is_null() ? "-" : fmt::format("{} by {}", moment(at), cell(by));
}

std::string bound_text(const ordered_json& bound) {
  return bound.is_null() ? "no bound"
                         : fmt::format("{} (of {})", cell(bound["max"]), cell(bound["of"]));
}

void print_caps(const ordered_json& caps, std::ostream& out) {
  const auto& tightest = caps["tightest"];
  line(out, "admits",
       caps["admits"] == true ? "yes" : fmt::format("no: {}", cell(caps["because"])));
  line(out, "room",
       tightest.is_null()
           ? "unlimited: no budget with a limit is on its path"
           : fmt::format("{} credits, by {} for {}{}", cell(tightest["room"]),
                         cell(tightest["budget"]), cell(tightest["window"]),
                         tightest["reset"].is_null()
                             ? ""
                             : fmt::format(", begins anew {}", moment(tightest["reset"]))));
  line(out, "a request", bound_text(caps["request_cost_max"]));
  line(out, "a conversation", bound_text(caps["conversation_max"]));
  line(out, "at once", bound_text(caps["concurrency_max"]));
  line(out, "requests/min", bound_text(caps["requests_per_minute"]));
  line(out, "tokens/min", bound_text(caps["tokens_per_minute"]));
  if (caps["budgets"].empty()) return;
  Table table{{{"budget"},
               {"window"},
               {"used", Align::right},
               {"of which reserved", Align::right},
               {"limit", Align::right},
               {"room", Align::right},
               {"begins anew"},
               {"state"}}};
  for (const auto& budget : caps["budgets"]) {
    const bool frozen = budget["frozen"] == true;
    if (budget["windows"].empty())
      table.add({cell(budget["budget"]), "-", "-", "-", "-", "-", "-", frozen ? "frozen" : "-"});
    for (const auto& window : budget["windows"]) {
      table.add({cell(budget["budget"]), cell(window["span"]), cell(window["used"]),
                 cell(window["reserved"]), cell(window["limit"]), cell(window["room"]),
                 moment(window["end"]), frozen ? "frozen" : cell(window["pressure"])});
    }
  }
  out << '\n';
  table.print(out);
}

void print_models(const ordered_json& key, std::ostream& out) {
  line(out, "models", words(key["models_allowed"], "all"));
  const auto& models = key["models"];
  if (models.is_null()) {
    line(out, "",
         "(the configuration has faults, so what they reach is not known: `turnpike check`)");
    return;
  }
  for (const auto& tier : models["tiers"])
    line(out, fmt::format("  tier {}", cell(tier["tier"])), words(tier["targets"], "nothing"));
  line(out, "  by name",
       models["pins"].empty()  ? "nothing"
       : models["all"] == true ? "every target"
                               : words(models["pins"], "nothing"));
  for (const auto& pattern : models["unknown"]) line(out, "  fits nothing", cell(pattern));
}

}  // namespace

void print_keys(const ordered_json& keys, std::ostream& out) {
  Table table{{{"id"},
               {"name"},
               {"org"},
               {"team"},
               {"user"},
               {"state"},
               {"models"},
               {"expires"},
               {"created"},
               {"by"}}};
  for (const auto& key : keys) {
    std::string state = cell(key["state"]);
    if (!key["old_secret_until"].is_null() && state == "active") state = "rotating";
    table.add({cell(key["id"]), cell(key["name"]), cell(key["org"]), cell(key["team"]),
               cell(key["user"]), state, words(key["models_allowed"], "all"),
               moment(key["expires"]), cell(key["created"]).substr(0, 10),
               cell(key["created_by"])});
  }
  table.print(out);
}

void print_key(const ordered_json& key, std::ostream& out) {
  line(out, "id", cell(key["id"]));
  line(out, "name", cell(key["name"]));
  line(out, "belongs to", owner_of(key));
  line(out, "state", cell(key["state"]));
  line(out, "created", when_and_who(key["created"], key["created_by"]));
  if (!key["changed"].is_null())
    line(out, "changed", when_and_who(key["changed"], key["changed_by"]));
  if (!key["old_secret_until"].is_null())
    line(out, "old secret", fmt::format("good until {}", moment(key["old_secret_until"])));
  line(out, "expires", moment(key["expires"]));
  if (!key["revoked"].is_null())
    line(out, "revoked", when_and_who(key["revoked"], key["revoked_by"]));
  line(out, "priority",
       key["weight"] == 1 ? cell(key["priority"])
                          : fmt::format("{}, weight {}", cell(key["priority"]), cell(key["weight"])));
  line(out, "route headers", key["may_override_route"] == true ? "obeyed" : "refused");
  print_models(key, out);
  print_caps(key["caps"], out);
}

void print_history(const ordered_json& history, std::ostream& out) {
  Table table{{{"entry", Align::right}, {"when"}, {"who"}, {"what"}}};
  for (const auto& change : history) {
    auto what = change.value("event", "") == "created" ? std::string{"created"}
                                                       : words(change["changes"], "set again");
    if (!change["changes"].empty())
      what = fmt::format("{}", fmt::join(change["changes"].get<std::vector<std::string>>(), "; "));
    if (const auto why = change.value("why", ""); !why.empty()) what += fmt::format(" ({})", why);
    table.add({cell(change["entry"]), moment(change["at"]), cell(change["by"]), what});
  }
  table.print(out);
}

}  // namespace turnpike::app
