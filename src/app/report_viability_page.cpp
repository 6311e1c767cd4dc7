// GET /admin/reports/viability and /admin/shadow/{decision}: the verdict on a candidate, and the pairs of one step.

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "account/shadow_file.hpp"
#include "app/page.hpp"
#include "app/report_pages.hpp"
#include "app/shadow_json.hpp"
#include "app/viability.hpp"
#include "app/viability_bill.hpp"
#include "app/when.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

Error bad_query(const std::string& field, const std::string& wanted) {
  return client_error("bad_request", field + " must be " + wanted, field);
}

/// A decimal in (least, most), or the standard where the query says nothing.
Result<double> read_part(std::string_view query, const std::string& field, double standard) {
  const auto text = query_field(query, field);
  if (!text) return standard;
  double value = 0;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (failed != std::errc{} || end != text->data() + text->size() || !(value >= 0) || value > 1) return std::unexpected{bad_query(field, "a number from 0 to 1")};
  return value;
}

Result<ViabilityQuestion> read_question(std::string_view query) {
  ViabilityQuestion question;
  question.candidate = query_field(query, "candidate").value_or("");
  if (question.candidate.empty()) return std::unexpected{bad_query("candidate", "a target, provider/model")};
  for (const auto& [field, target] : {std::pair{"share", &question.share}, {"margin", &question.margin}, {"confidence", &question.confidence}}) {
    const auto value = read_part(query, field, *target);
    if (!value) return std::unexpected{value.error()};
    *target = *value;
  }
  if (question.confidence < 0.5 || question.confidence > 0.9999) return std::unexpected{bad_query("confidence", "between 0.5 and 0.9999")};
  if (query_field(query, "baseline_agreement")) {
    const auto value = read_part(query, "baseline_agreement", 1);
    if (!value) return std::unexpected{value.error()};
    question.baseline_agreement = *value;
  }
  return question;
}

struct Found {
  std::vector<ShadowPair> pairs;
  std::int64_t unreadable = 0;
};

/// `candidate` empty: all pairs; else its own and the self pairs, which any verdict may need.
Result<Found> read_pairs(const PageSources& sources, const account::ShadowQuery& query, std::string_view candidate) {
  Found found;
  const auto done = account::read_shadow_rows(sources.data, query, [&](const account::ShadowRow& row) {
    if (!candidate.empty() && row.candidate != candidate && !is_self_text(row.measures)) return true;
    if (auto pair = parse_shadow_pair(row.measures)) {
      found.pairs.push_back(std::move(*pair));
    } else {
      ++found.unreadable;
    }
    return true;
  });
  if (!done) return std::unexpected{done.error()};
  return found;
}

ordered_json interval_json(const Interval& interval) { return ordered_json::array({interval.low, interval.high}); }

ordered_json cell_json(const ViabilityCell& cell) {
  ordered_json json;
  json["name"] = cell.name;
  json["answer"] = to_string(cell.answer);
  json["because"] = cell.because;
  json["pairs"] = cell.pairs;
  json["conversations"] = cell.conversations;
  json["steps"] = cell.steps;
  json["live_usable"] = cell.live_usable;
  json["candidate_usable"] = cell.candidate_usable;
  json["usable_gap"] = {{"value", cell.usable_gap.value}, {"interval", interval_json(cell.usable_gap.interval)}};
  json["agreement"] = cell.agreement;
  json["agreement_wilson"] = interval_json(cell.agreement_once);
  json["baseline"] = cell.baseline;
  json["baseline_from"] = to_string(cell.baseline_from);
  json["agreement_gap"] = {{"value", cell.agreement_gap.value}, {"interval", interval_json(cell.agreement_gap.interval)}};
  return json;
}

ordered_json cost_json(const ViabilityCost& cost) {
  ordered_json json;
  for (const auto& [name, amount] : {std::pair{"as_is", cost.as_is}, {"moved", cost.moved}, {"moved_warm", cost.moved_warm}, {"moved_rest_cold", cost.moved_rest_cold}}) {
    json[name] = turnpike::to_string(amount);
    json[std::string{name} + "_nano"] = amount.nano();
  }
  return json;
}

ordered_json bill_json(const ViabilityBill& bill) {
  ordered_json json;
  json["steps"] = bill.steps;
  json["unpriced_pairs"] = bill.unpriced;
  json["now"] = cost_json(bill.now);
  json["change"] = nullptr;
  json["then"] = nullptr;
  if (bill.change) json["change"] = {{"at", to_rfc3339(bill.change->at)}, {"kind", to_string(bill.change->kind)}, {"price_id", bill.change->price_id}, {"next_price_id", bill.change->next_price_id}};
  if (bill.then) json["then"] = cost_json(*bill.then);
  json["cache_read_share_live"] = bill.cache_live;
  json["cache_read_share_candidate"] = bill.cache_candidate;
  return json;
}

ordered_json verdict_json(const Viability& verdict) {
  ordered_json json;
  json["answer"] = to_string(verdict.overall.answer);
  json["because"] = verdict.overall.because;
  json["overall"] = cell_json(verdict.overall);
  for (const auto& [name, cells] : {std::pair{"by_step", &verdict.by_step}, {"by_band", &verdict.by_band}}) {
    json[name] = ordered_json::array();
    for (const auto& cell : *cells) json[name].push_back(cell_json(cell));
  }
  json["worst"] = ordered_json::array();
  for (const auto& example : verdict.worst) {
    json["worst"].push_back({{"decision", example.decision_id}, {"what", example.what}, {"step", to_string(example.step)}, {"percentile", example.percentile}});
  }
  return json;
}

}  // namespace

WholeReply viability_page(const ReportSources& sources, std::string_view query) {
  const Instant now = sources.clock.now();
  auto question = read_question(query);
  if (!question) return fault_page(question.error());
  account::ShadowQuery wanted;
  for (const auto& [name, target] : {std::pair{"since", &wanted.since}, std::pair{"until", &wanted.until}}) {
    const auto text = query_field(query, name);
    if (!text) continue;
    const auto instant = read_when(*text, now);
    if (!instant) return fault_page(instant.error());
    *target = *instant;
  }
  const auto planned = sources.planned();
  if (planned && planned->catalog.find(question->candidate) == nullptr) {
    return fault_page(client_error("model_not_found", quoted_for_message(question->candidate) + " is not in providers/", "candidate", 404));
  }
  auto found = read_pairs(sources, wanted, question->candidate);
  if (!found) return fault_page(found.error());
  rank_by_difficulty(found->pairs, question->candidate);
  ordered_json body;
  body["candidate"] = question->candidate;
  body["share"] = question->share;
  body["margin"] = question->margin;
  body["confidence"] = question->confidence;
  body["since"] = wanted.since ? ordered_json(to_rfc3339(*wanted.since)) : ordered_json(nullptr);
  body["until"] = wanted.until ? ordered_json(to_rfc3339(*wanted.until)) : ordered_json(nullptr);
  body.update(verdict_json(judge_viability(found->pairs, *question)));
  body["bill"] = planned ? bill_json(project_bill(found->pairs, *question, planned->catalog, now)) : ordered_json(nullptr);
  body["rule"] = viability_rule(*question);
  body["rows_unreadable"] = found->unreadable;
  return page(body);
}

WholeReply shadow_page(const ReportSources& sources, std::string_view decision) {
  const auto found = read_pairs(sources, {.since = {}, .until = {}, .decision = std::string{decision}}, {});
  if (!found) return fault_page(found.error());
  ordered_json body;
  body["pairs"] = ordered_json::array();
  for (const auto& pair : found->pairs) body["pairs"].push_back(to_json(pair));
  return page(body);
}

}  // namespace turnpike::app
