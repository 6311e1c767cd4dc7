// `turnpike report viability`: can a share of the steps move to the candidate?

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/operator_link.hpp"
#include "app/page.hpp"
#include "app/report_verbs.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

std::string per_cent(const ordered_json& part) { return fmt::format("{:.1f} %", 100 * part.get<double>()); }
std::string points(const ordered_json& gap) {
  return fmt::format("{:+.1f} ({:+.1f} … {:+.1f})", 100 * gap["value"].get<double>(), 100 * gap["interval"][0].get<double>(), 100 * gap["interval"][1].get<double>());
}

Sheet cell_sheet(const ordered_json& answer) {
  constexpr auto right = Align::right;
  Sheet sheet{{{"steps", "name"},
               {"answer", "answer"},
               {"pairs", "pairs", right},
               {"conversations", "conversations", right},
               {"live usable", "live_usable", right},
               {"candidate usable", "candidate_usable", right},
               {"gap, points", "usable_gap"},
               {"agreement", "agreement", right},
               {"baseline", "baseline", right},
               {"gap, points", "agreement_gap"}}};
  const auto add = [&](const ordered_json& cell) {
    sheet.add({cell["name"], cell["answer"], cell["pairs"].dump(), cell["conversations"].dump(), per_cent(cell["live_usable"]), per_cent(cell["candidate_usable"]),
               points(cell["usable_gap"]), per_cent(cell["agreement"]),
               per_cent(cell["baseline"]) + (cell["baseline_from"] == "unknown" ? " (unknown)" : ""), points(cell["agreement_gap"])});
  };
  add(answer["overall"]);
  for (const auto& cell : answer["by_step"]) add(cell);
  for (const auto& cell : answer["by_band"]) add(cell);
  return sheet;
}

void print_bill(const ordered_json& bill) {
  if (bill.is_null()) return;
  Sheet sheet{{{"prices", "prices"}, {"as served", "as_is", Align::right}, {"share moved", "moved", Align::right}, {"warm", "moved_warm", Align::right}, {"rest cold", "moved_rest_cold", Align::right}}};
  const auto add = [&](const std::string& name, const ordered_json& cost) { sheet.add({name, cost["as_is"], cost["moved"], cost["moved_warm"], cost["moved_rest_cold"]}); };
  add("today", bill["now"]);
  if (!bill["then"].is_null()) add("from " + bill["change"]["at"].get<std::string>().substr(0, 16), bill["then"]);
  std::cout << fmt::format("\nThe bill of about {:.0f} steps, in credits; read from caches: live {}, candidate {}\n", bill["steps"].get<double>(), per_cent(bill["cache_read_share_live"]),
                           per_cent(bill["cache_read_share_candidate"]));
  sheet.print_table(std::cout);
}

}  // namespace

int run_report_viability(const Config& config, const Clock& clock, const ViabilityFlags& flags, Format format) {
  std::string target = "/admin/reports/viability?candidate=" + percent_encode(flags.candidate);
  for (const auto& [name, value] : {std::pair{"share", &flags.share}, {"since", &flags.since}, {"until", &flags.until}, {"margin", &flags.margin},
                                    {"confidence", &flags.confidence}, {"baseline_agreement", &flags.baseline_agreement}}) {
    if (!value->empty()) target += fmt::format("&{}={}", name, percent_encode(*value));
  }
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  const auto answer = (*link)->ask("GET", target, "");
  if (!answer) return fail(answer.error());
  if (format == Format::json) {
    std::cout << answer->dump(2) << '\n';
    return 0;
  }
  if (format == Format::csv) {
    cell_sheet(*answer).print_csv(std::cout);
    return 0;
  }
  std::cout << fmt::format("Can {:.0f} % of the steps move to {}?  {}\n{}\n\n", 100 * (*answer)["share"].get<double>(), (*answer)["candidate"].get<std::string>(),
                           (*answer)["answer"].get<std::string>(), (*answer)["because"].get<std::string>());
  cell_sheet(*answer).print_table(std::cout);
  print_bill((*answer)["bill"]);
  if (!(*answer)["worst"].empty()) std::cout << "\nWorst examples (turnpike explain ID)\n";
  for (const auto& example : (*answer)["worst"]) {
    std::cout << fmt::format("  {}  {}, percentile {:.2f}: {}\n", example["decision"].get<std::string>(), example["step"].get<std::string>(), example["percentile"].get<double>(),
                             example["what"].get<std::string>());
  }
  std::cout << "\nThe rule\n";
  for (const auto& line : (*answer)["rule"]) std::cout << "  " << line.get<std::string>() << '\n';
  return 0;
}

}  // namespace turnpike::app
