#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/operator_link.hpp"
#include "app/report_verbs.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

/// "2026-11-27 14:00" of "2026-11-27T14:00:12.5Z".
std::string minute_of(const ordered_json& instant) {
  if (instant.is_null()) return "-";
  const auto text = instant.get<std::string>();
  return text.substr(0, 10) + " " + text.substr(11, 5);
}

/// "3 days", "5 hours": the larger unit alone, rounded down.
std::string span_between(Instant from, Instant to) {
  const auto minutes = std::chrono::floor<std::chrono::minutes>(to - from).count();
  const auto unit = [](std::int64_t count, std::string_view name) { return fmt::format("{} {}{}", count, name, count == 1 ? "" : "s"); };
  if (minutes >= 2 * 1440) return unit(minutes / 1440, "day");
  return minutes >= 120 ? unit(minutes / 60, "hour") : unit(minutes, "minute");
}

std::string outlook_of(const ordered_json& window) {
  const auto outlook = window["outlook"].get<std::string>();
  if (outlook == "spent") return window["end"].is_null() ? "spent" : "spent until " + minute_of(window["end"]);
  if (outlook == "idle") return "nothing spent of late";
  if (outlook == "lasts" && window["at_end"].is_null()) return "lasts";
  if (outlook == "lasts") return fmt::format("lasts: {} {}", window["at_end"].get<std::string>(), window["end"].is_null() ? "in the long run" : "at its end");
  std::string text = "spent on " + minute_of(window["spent_at"]);
  const auto spent = parse_instant(window["spent_at"].get<std::string>());
  const auto end = window["end"].is_null() ? Result<Instant>{std::unexpected{Error{}}} : parse_instant(window["end"].get<std::string>());
  if (spent && end) text += fmt::format(", {} before its window ends", span_between(*spent, *end));
  return text;
}

std::string basis_of(const ordered_json& window) {
  const auto minutes = window["basis_seconds"].get<std::int64_t>() / 60;
  return minutes % 60 == 0 ? fmt::format("{} h", minutes / 60) : fmt::format("{} min", minutes);
}

Sheet budget_sheet(const ordered_json& answer) {
  constexpr auto right = Align::right;
  Sheet sheet{{{"budget", "budget"},
               {"window", "window"},
               {"settled", "settled", right},
               {"elsewhere", "elsewhere", right, false},
               {"limit", "limit", right},
               {"looked back", "basis_seconds", right},
               {"burned", "burned", right},
               {"per day", "per_day", right},
               {"at this rate", "outlook"},
               {"spent at", "spent_at", Align::left, false}}};
  for (const auto& window : answer["budgets"]) {
    sheet.add({window["budget"], window["window"], window["settled"], window["elsewhere"], window["limit"], basis_of(window), window["burned"], window["per_day"],
               outlook_of(window), ""});
  }
  return sheet;
}

/// One figure a column and instants whole: for programs.
Sheet budget_csv(const ordered_json& answer) {
  std::vector<SheetColumn> columns;
  for (const char* field : {"budget", "window", "settled", "elsewhere", "reserved", "limit", "end", "basis_seconds", "burned", "per_day", "outlook", "spent_at", "at_end"}) {
    columns.push_back({field, field});
  }
  Sheet sheet{columns};
  for (const auto& window : answer["budgets"]) {
    std::vector<std::string> row;
    for (const auto& column : columns) {
      const auto& value = window[column.field];
      row.push_back(value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump());
    }
    sheet.add(std::move(row));
  }
  return sheet;
}

std::string change_of(const ordered_json& change) {
  if (change.is_null()) return "-";
  const auto kind = change["kind"].get<std::string>();
  const auto when = minute_of(change["at"]);
  const auto successor = change["successor"].get<std::string>();
  if (kind == "retirement") return fmt::format("{} retired{}", when, successor.empty() ? "" : ", then " + successor);
  if (kind == "free") return when + " no longer free";
  return fmt::format("{} {}", when, kind == "promotion" ? "promotion ends" : "another price");
}

std::string tiers_of(const ordered_json& order) {
  std::vector<std::string> tiers;
  for (const auto& tier : order) tiers.push_back(tier["tier"].get<std::string>());
  return fmt::format("{}", fmt::join(tiers, ", "));
}

Sheet bill_sheet(const ordered_json& bill) {
  constexpr auto right = Align::right;
  Sheet sheet{{{"model", "model"},
               {"attempts", "attempts", right},
               {"last 7 days", "settled", right},
               {"behind its next price", "then", right},
               {"unpriced", "unpriced", right, false},
               {"next dated change (UTC)", "change"},
               {"in tiers", "tiers"}}};
  for (const auto& model : bill["models"]) {
    sheet.add({model["model"], model["attempts"].dump(), model["settled"], model["then"], model["unpriced"].dump(), change_of(model["change"]),
               tiers_of(model["order"])});
  }
  sheet.total({"total", "", bill["settled"], bill["then"], bill["unpriced"].dump(), "", ""});
  return sheet;
}

/// A tier whose order changes, in words.
void print_orders(const ordered_json& bill) {
  for (const auto& model : bill["models"]) {
    for (const auto& tier : model["order"]) {
      if (tier["before"] == tier["after"]) continue;
      const auto names = [](const ordered_json& list) {
        const auto texts = list.get<std::vector<std::string>>();
        return texts.empty() ? std::string{"nobody"} : fmt::format("{}", fmt::join(texts, ", "));
      };
      std::cout << fmt::format("\nFrom {} the tier {} is tried in another order:\n  before: {}\n  after:  {}\n", minute_of(model["change"]["at"]),
                               tier["tier"].get<std::string>(), names(tier["before"]), names(tier["after"]));
    }
  }
}

}  // namespace

int run_report_forecast(const Config& config, const Clock& clock, Format format) {
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  const auto answer = (*link)->ask("GET", "/admin/forecast", "");
  if (!answer) return fail(answer.error());
  const auto& bill = (*answer)["bill"];
  if (format == Format::json) {
    std::cout << answer->dump(2) << '\n';
  } else if (format == Format::csv) {
    budget_csv(*answer).print_csv(std::cout);
    std::cout << '\n';
    bill_sheet(bill).print_csv(std::cout);
  } else {
    budget_sheet(*answer).print_table(std::cout);
    std::cout << '\n';
    bill_sheet(bill).print_table(std::cout);
    print_orders(bill);
  }
  return 0;
}

}  // namespace turnpike::app
