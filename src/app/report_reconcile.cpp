#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "app/operator_link.hpp"
#include "app/report_verbs.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

std::string days_of(const ordered_json& row) {
  const auto first = row["first_day"].get<std::string>();
  const auto last = row["last_day"].get<std::string>();
  return first == last ? first : first + " to " + last;
}

/// "estimates +0.01 (…)": the largest first would hide the order of the reasoning, so it is kept.
std::string causes_of(const ordered_json& causes) {
  std::string text;
  for (const auto& cause : causes) {
    const auto detail = cause["detail"].get<std::string>();
    text += fmt::format("{}{} {}{}", text.empty() ? "" : "; ", cause["cause"].get<std::string>(), cause["amount"].get<std::string>(),
                        detail.empty() ? "" : fmt::format(" ({})", detail));
  }
  return text.empty() ? "-" : text;
}

Sheet empty_sheet() {
  constexpr auto right = Align::right;
  return Sheet{{{"model", "model"},
               {"days", "days", Align::left, true, false},
               {"", "first_day", Align::left, false},
               {"", "last_day", Align::left, false},
               {"invoice", "invoice", right},
               {"ledger, exact", "ledger_exact", right},
               {"estimated", "ledger_estimated", right, false},
               {"corrections", "ledger_corrections", right, false},
               {"difference", "difference", right},
               {"causes", "causes"}}};
}

void add_rows(Sheet& sheet, const ordered_json& answer, Format format) {
  for (const auto& row : answer["rows"]) {
    const bool csv = format == Format::csv;
    sheet.add({row["model"], days_of(row), csv ? row["first_day"].get<std::string>() : "", csv ? row["last_day"].get<std::string>() : "", row["invoice"],
               row["ledger_exact"], row["ledger_estimated"], row["ledger_corrections"], row["difference"], causes_of(row["causes"])});
  }
  sheet.total({"total", "", "", "", answer["invoice"], answer["ledger_exact"], answer["ledger_estimated"], answer["ledger_corrections"], answer["difference"], causes_of(answer["causes"])});
}

void print_remarks(const ordered_json& answer) {
  const bool within = answer["within"].get<bool>();
  std::cout << fmt::format("\n{}: the models differ by {} credits in all, {} {} %\n", answer["form"].get<std::string>(), answer["apart"].get<std::string>(),
                           within ? "within" : "more than", answer["tolerance_percent"].get<std::string>());
  for (const auto& note : answer["notes"]) std::cout << "note: " << note.get<std::string>() << '\n';
  std::string ignored;
  for (const auto& column : answer["columns_ignored"]) ignored += (ignored.empty() ? "" : ", ") + column.get<std::string>();
  if (!ignored.empty()) std::cout << "note: columns not used: " << ignored << '\n';
}

}  // namespace

int run_report_reconcile(const Config& config, const Clock& clock, const ReconcileFlags& flags, Format format) {
  ordered_json body{{"provider", flags.provider}, {"ledger_provider", flags.ledger_provider}, {"rate", flags.rate}, {"keys", flags.keys}, {"tolerance", flags.tolerance}};
  body["files"] = ordered_json::array();
  for (const auto& name : flags.files) {
    std::ifstream file{name, std::ios::binary};
    if (!file) {
      std::cerr << "turnpike: " << name << " cannot be read\n";
      return exit_usage;
    }
    body["files"].push_back(std::string{std::istreambuf_iterator<char>{file}, {}});
  }
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  const auto answer = (*link)->ask("POST", "/admin/reconcile", body.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  if (!answer) return fail(answer.error());
  if (format == Format::json) {
    std::cout << answer->dump(2) << '\n';
  } else {
    auto sheet = empty_sheet();
    add_rows(sheet, *answer, format);
    if (format == Format::csv) {
      sheet.print_csv(std::cout);
    } else {
      sheet.print_table(std::cout);
      print_remarks(*answer);
    }
  }
  return (*answer)["within"].get<bool>() ? 0 : 1;
}

}  // namespace turnpike::app
