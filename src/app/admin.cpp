#include "app/admin.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "app/budget_pages.hpp"
#include "app/classifier_pages.hpp"
#include "app/upstream_pages.hpp"
#include "app/decision_pages.hpp"
#include "app/json_fields.hpp"
#include "app/json_pages.hpp"
#include "app/key_pages.hpp"
#include "app/page.hpp"
#include "app/report_pages.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

/// These pages are also called on a bare directory, where no configuration is in force.
Error not_running() { return gateway_error(503, "not_running", "no gateway is running on this data directory"); }

bool same_secret(std::string_view given, std::string_view wanted) {
  return given.size() == wanted.size() && CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
}

/// What stands in the path where the route takes an argument, percent-decoded; empty if it takes none; nothing if the
/// path is another.
std::optional<std::string> argument_of(std::string_view path, std::string_view begin, std::string_view rest) {
  if (!begin.ends_with('/')) return path == begin ? std::optional{std::string{}} : std::nullopt;
  if (!path.starts_with(begin) || !path.ends_with(rest) || path.size() <= begin.size() + rest.size()) return std::nullopt;
  return percent_decode(path.substr(begin.size(), path.size() - begin.size() - rest.size()));
}

}  // namespace

const std::vector<AdminHandler::Route>& AdminHandler::routes() {
  static const std::vector<Route> table{{"GET", "/metrics", &AdminHandler::metrics_page},
                                        {"GET", "/healthz", &AdminHandler::health},
                                        {"GET", "/admin/status", &AdminHandler::status},
                                        {"POST", "/admin/reload", &AdminHandler::reload},
                                        {"GET", "/admin/keys", &AdminHandler::list_keys},
                                        {"POST", "/admin/keys", &AdminHandler::create_key},
                                        {"GET", "/admin/keys/", &AdminHandler::key_history, "/history"},
                                        {"POST", "/admin/keys/", &AdminHandler::rotate_key, "/rotate"},
                                        {"GET", "/admin/keys/", &AdminHandler::show_key},
                                        {"PATCH", "/admin/keys/", &AdminHandler::change_key},
                                        {"DELETE", "/admin/keys/", &AdminHandler::revoke_key},
                                        {"GET", "/admin/budgets", &AdminHandler::list_budgets},
                                        {"PUT", "/admin/budgets", &AdminHandler::set_budget},
                                        {"GET", "/admin/budgets/", &AdminHandler::budget_history, "/history"},
                                        {"GET", "/admin/budgets/", &AdminHandler::show_budget},
                                        {"PATCH", "/admin/budgets/", &AdminHandler::change_budget},
                                        {"DELETE", "/admin/budgets/", &AdminHandler::lift_budget},
                                        {"GET", "/admin/decisions", &AdminHandler::decisions},
                                        {"GET", "/admin/decisions/", &AdminHandler::decision},
                                        {"GET", "/admin/spend", &AdminHandler::spend},
                                        {"GET", "/admin/forecast", &AdminHandler::forecast},
                                        {"GET", "/admin/reports/viability", &AdminHandler::viability},
                                        {"GET", "/admin/shadow/", &AdminHandler::shadow},
                                        {"POST", "/admin/reconcile", &AdminHandler::reconcile},
                                        {"GET", "/admin/classifier", &AdminHandler::classifier},
                                        {"POST", "/admin/classifier/freeze", &AdminHandler::freeze_classifier},
                                        {"POST", "/admin/classifier/reset", &AdminHandler::reset_classifier},
                                        {"POST", "/admin/classifier/train", &AdminHandler::train_classifier},
                                        {"GET", "/admin/classifier/export", &AdminHandler::export_classifier},
                                        {"GET", "/admin/upstream", &AdminHandler::upstream},
                                        {"POST", "/admin/upstream/keys", &AdminHandler::set_upstream_key},
                                        {"POST", "/admin/ledger/verify", &AdminHandler::verify},
                                        {"POST", "/admin/ledger/clock", &AdminHandler::confirm_clock}};
  return table;
}

std::expected<std::shared_ptr<const Admission>, WholeReply> AdminHandler::on_head(const RequestHead& head) {
  if (head.path == "/healthz") return nullptr;
  const std::string_view authorization = head.header("authorization").value_or("");
  constexpr std::string_view bearer = "Bearer ";
  if (authorization.starts_with(bearer) && same_secret(authorization.substr(bearer.size()), parts_.token.reveal())) {
    return nullptr;
  }
  WholeReply refusal = fault_page(client_error(
      "invalid_admin_token", "Send Authorization: Bearer with the token of the admin token file.", {}, 401));
  refusal.head.headers.emplace_back("www-authenticate", "Bearer");
  return std::unexpected{std::move(refusal)};
}

asio::awaitable<void> AdminHandler::handle(ClientRequest request, ResponseSink& sink) {
  bool path_known = false;
  WholeReply reply = fault_page(client_error("not_found", "No such admin page.", {}, 404));
  for (const auto& route : routes()) {
    const auto argument = argument_of(request.head.path, route.path, route.rest);
    if (!argument) continue;
    path_known = true;
    if (request.head.method != route.method) continue;
    reply = (this->*route.answer)(request, *argument);
    sink.reply(reply.head, reply.body);
    co_return;
  }
  if (path_known) reply = fault_page(client_error("method_not_allowed", "This page takes another method.", {}, 405));
  sink.reply(reply.head, reply.body);
}

WholeReply AdminHandler::error_reply(std::string_view, const Error& error) { return fault_page(error); }

WholeReply AdminHandler::metrics_page(const ClientRequest&, std::string_view) {
  WholeReply reply;
  reply.head.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = metrics::text_page(parts_.metrics);
  return reply;
}

WholeReply AdminHandler::health(const ClientRequest&, std::string_view) {
  if (parts_.loops_tick && !parts_.loops_tick()) return page({{"status", "stuck"}}, 503);
  return page({{"status", "ok"}});
}

WholeReply AdminHandler::status(const ClientRequest&, std::string_view) {
  const auto snapshot = parts_.snapshot();
  if (!snapshot) return fault_page(not_running());
  ordered_json body;
  body["policy"] = snapshot->policy.name;
  body["config_version"] = snapshot->version;
  body["models"] = snapshot->catalog.models().size();
  body["ledger"] = to_json(parts_.ledger.figures());
  return page(body);
}

WholeReply AdminHandler::reload(const ClientRequest&, std::string_view) {
  if (!parts_.snapshot()) return fault_page(not_running());
  const auto faults = parts_.reload();
  ordered_json body;
  body["faults"] = ordered_json::array();
  for (const auto& fault : faults) body["faults"].push_back(to_string(fault));
  const bool refused = catalog::has_errors(faults);
  body["result"] = refused ? "rejected" : "applied";
  body["policy"] = parts_.snapshot()->policy.name;
  body["config_version"] = parts_.snapshot()->version;
  return page(body, refused ? 422 : 200);
}

WholeReply AdminHandler::list_keys(const ClientRequest& request, std::string_view) { return list_keys_page(parts_.sources, request.head.query); }
WholeReply AdminHandler::create_key(const ClientRequest& request, std::string_view) { return create_key_page(parts_.sources, request.body); }
WholeReply AdminHandler::show_key(const ClientRequest&, std::string_view key) { return show_key_page(parts_.sources, key); }
WholeReply AdminHandler::change_key(const ClientRequest& request, std::string_view key) { return change_key_page(parts_.sources, key, request.body); }
WholeReply AdminHandler::rotate_key(const ClientRequest& request, std::string_view key) { return rotate_key_page(parts_.sources, key, request.body); }
WholeReply AdminHandler::revoke_key(const ClientRequest& request, std::string_view key) { return revoke_key_page(parts_.sources, key, request.body); }
WholeReply AdminHandler::key_history(const ClientRequest&, std::string_view key) { return key_history_page(parts_.sources, key); }

WholeReply AdminHandler::list_budgets(const ClientRequest&, std::string_view) { return list_budgets_page(parts_.sources); }
WholeReply AdminHandler::set_budget(const ClientRequest& request, std::string_view) { return set_budget_page(parts_.sources, request.body); }
WholeReply AdminHandler::show_budget(const ClientRequest&, std::string_view name) { return show_budget_page(parts_.sources, name); }
WholeReply AdminHandler::change_budget(const ClientRequest& request, std::string_view name) { return change_budget_page(parts_.sources, name, request.body); }
WholeReply AdminHandler::lift_budget(const ClientRequest& request, std::string_view name) { return lift_budget_page(parts_.sources, name, request.body); }
WholeReply AdminHandler::budget_history(const ClientRequest&, std::string_view name) { return budget_history_page(parts_.sources, name); }

WholeReply AdminHandler::decisions(const ClientRequest& request, std::string_view) {
  if (asks_in_order(request.head.query)) return decisions_in_order(parts_.ledger, request.head.query);
  std::size_t count = 50;
  if (const auto asked = query_field(request.head.query, "count")) {
    std::from_chars(asked->data(), asked->data() + asked->size(), count);
  }
  WholeReply reply;
  reply.body = R"({"decisions":[)";
  bool first = true;
  for (const auto& record : parts_.ledger.recent_decisions(std::min<std::size_t>(count, 1000))) {
    if (!first) reply.body += ',';
    first = false;
    reply.body += record;
  }
  reply.body += "]}";
  return reply;
}

WholeReply AdminHandler::decision(const ClientRequest&, std::string_view argument) {
  auto record = parts_.ledger.decision_json(argument);
  if (!record) return fault_page(client_error("decision_not_found", "No decision " + quoted_for_message(argument) + " is stored.", {}, 404));
  WholeReply reply;
  reply.body = std::move(*record);
  return reply;
}

WholeReply AdminHandler::spend(const ClientRequest& request, std::string_view) { return spend_page(parts_.sources, request.head.query); }

WholeReply AdminHandler::forecast(const ClientRequest&, std::string_view) { return forecast_page(parts_.sources); }

WholeReply AdminHandler::viability(const ClientRequest& request, std::string_view) { return viability_page(parts_.sources, request.head.query); }

WholeReply AdminHandler::shadow(const ClientRequest&, std::string_view decision) { return shadow_page(parts_.sources, decision); }

WholeReply AdminHandler::reconcile(const ClientRequest& request, std::string_view) { return reconcile_page(parts_.sources, request.body); }

WholeReply AdminHandler::classifier(const ClientRequest&, std::string_view) { return classifier_page(parts_.sources); }
WholeReply AdminHandler::freeze_classifier(const ClientRequest& request, std::string_view) { return classifier_freeze_page(parts_.sources, request.body); }
WholeReply AdminHandler::reset_classifier(const ClientRequest& request, std::string_view) { return classifier_reset_page(parts_.sources, request.body); }
WholeReply AdminHandler::train_classifier(const ClientRequest& request, std::string_view) { return classifier_train_page(parts_.sources, request.head.query, request.body); }
WholeReply AdminHandler::upstream(const ClientRequest&, std::string_view) { return upstream_page(parts_.sources); }
WholeReply AdminHandler::set_upstream_key(const ClientRequest& request, std::string_view) { return upstream_key_page(parts_.sources, request.body); }
WholeReply AdminHandler::export_classifier(const ClientRequest&, std::string_view) { return classifier_export_page(parts_.sources); }

WholeReply AdminHandler::confirm_clock(const ClientRequest& request, std::string_view) {
  const auto body = parse_body(request.body);
  if (!body) return fault_page(body.error());
  const auto by = read_by(*body);
  if (!by) return fault_page(by.error());
  if (auto confirmed = parts_.ledger.confirm_clock(*by); !confirmed) return fault_page(confirmed.error());
  return page({{"clock", "confirmed"}});
}

WholeReply AdminHandler::verify(const ClientRequest&, std::string_view) {
  auto report = parts_.ledger.verify();
  if (!report) return fault_page(report.error());
  return page(to_json(*report), report->ok() ? 200 : 409);
}

}  // namespace turnpike::app
