#include "app/admin.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "app/json_pages.hpp"
#include "app/page.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

/// These pages are also called on a bare directory, where no configuration is in force.
Error not_running() { return gateway_error(503, "not_running", "no gateway is running on this data directory"); }

bool same_secret(std::string_view given, std::string_view wanted) {
  return given.size() == wanted.size() && CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) == 0;
}

/// A budget that can bind nobody is a typing mistake.
Result<void> check_budget(const account::BudgetSettings& settings, const account::Ledger& ledger) {
  const std::string& name = settings.budget;
  const auto fault = [&](std::string_view why) {
    return std::unexpected{client_error("bad_request", quoted_for_message(name) + std::string{why}, "budget")};
  };
  const std::string path = name.substr(std::min(name.size(), name.find(':') + 1));
  if ((name.starts_with("team:") || name.starts_with("user:")) && path.find('/') == std::string::npos) {
    return fault(" needs its organisation: team:ORG/NAME, user:ORG/NAME");
  }
  if (name.starts_with("key:")) {
    const auto keys = ledger.keys();
    if (std::ranges::none_of(keys, [&](const auto& key) { return key.account.key_id == path; })) {
      return fault(" names no key; `turnpike keys list` shows their ids");
    }
  }
  return {};
}

Result<ordered_json> parse_body(const ClientRequest& request) {
  auto body = ordered_json::parse(request.body, nullptr, false);
  if (body.is_discarded()) return std::unexpected{client_error("invalid_json", "The body is not valid JSON.")};
  return body;
}

}  // namespace

const std::vector<AdminHandler::Route>& AdminHandler::routes() {
  static const std::vector<Route> table{{"GET", "/metrics", &AdminHandler::metrics_page},
                                        {"GET", "/healthz", &AdminHandler::health},
                                        {"GET", "/admin/status", &AdminHandler::status},
                                        {"POST", "/admin/reload", &AdminHandler::reload},
                                        {"GET", "/admin/keys", &AdminHandler::list_keys},
                                        {"POST", "/admin/keys", &AdminHandler::create_key},
                                        {"DELETE", "/admin/keys/", &AdminHandler::revoke_key},
                                        {"GET", "/admin/budgets", &AdminHandler::list_budgets},
                                        {"PUT", "/admin/budgets", &AdminHandler::set_budget},
                                        {"GET", "/admin/decisions", &AdminHandler::decisions},
                                        {"GET", "/admin/decisions/", &AdminHandler::decision},
                                        {"GET", "/admin/spend", &AdminHandler::spend},
                                        {"GET", "/admin/forecast", &AdminHandler::forecast},
                                        {"POST", "/admin/reconcile", &AdminHandler::reconcile},
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
    const std::string_view path = request.head.path;
    const bool takes_argument = route.path.ends_with('/');
    if (takes_argument ? !path.starts_with(route.path) || path.size() == route.path.size() : path != route.path) continue;
    path_known = true;
    if (request.head.method != route.method) continue;
    reply = (this->*route.answer)(request, takes_argument ? path.substr(route.path.size()) : std::string_view{});
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

WholeReply AdminHandler::health(const ClientRequest&, std::string_view) { return page({{"status", "ok"}}); }

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

WholeReply AdminHandler::list_keys(const ClientRequest&, std::string_view) {
  ordered_json body;
  body["keys"] = ordered_json::array();
  for (const auto& key : parts_.ledger.keys()) body["keys"].push_back(to_json(key));
  return page(body);
}

WholeReply AdminHandler::create_key(const ClientRequest& request, std::string_view) {
  auto body = parse_body(request);
  if (!body) return fault_page(body.error());
  auto wanted = read_new_key(*body);
  if (!wanted) return fault_page(wanted.error());
  auto created = parts_.ledger.create_key(*wanted);
  if (!created) return fault_page(created.error());
  return page({{"id", created->id}, {"key", created->key.reveal()}}, 201);
}

WholeReply AdminHandler::revoke_key(const ClientRequest&, std::string_view argument) {
  auto revoked = parts_.ledger.revoke_key(argument, "admin");
  if (!revoked) return fault_page(revoked.error());
  return page({{"revoked", argument}});
}

WholeReply AdminHandler::list_budgets(const ClientRequest&, std::string_view) {
  ordered_json body;
  body["budgets"] = ordered_json::array();
  for (const auto& budget : parts_.ledger.budgets()) body["budgets"].push_back(to_json(budget));
  return page(body);
}

WholeReply AdminHandler::set_budget(const ClientRequest& request, std::string_view) {
  auto body = parse_body(request);
  if (!body) return fault_page(body.error());
  auto settings = read_budget(*body);
  if (!settings) return fault_page(settings.error());
  if (auto known = check_budget(*settings, parts_.ledger); !known) return fault_page(known.error());
  // Freezing is a switch of its own: the windows stay.
  if (settings->frozen && settings->windows.empty()) {
    for (const auto& budget : parts_.ledger.budgets()) {
      if (budget.budget != settings->budget) continue;
      for (const auto& window : budget.windows) settings->windows.push_back(window.rule);
    }
  }
  auto done = parts_.ledger.set_budget(*settings);
  if (!done) return fault_page(done.error());
  return page({{"budget", settings->budget}});
}

WholeReply AdminHandler::decisions(const ClientRequest& request, std::string_view) {
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

WholeReply AdminHandler::spend(const ClientRequest& request, std::string_view) { return spend_page(parts_.reports, request.head.query); }

WholeReply AdminHandler::forecast(const ClientRequest&, std::string_view) { return forecast_page(parts_.reports); }

WholeReply AdminHandler::reconcile(const ClientRequest& request, std::string_view) { return reconcile_page(parts_.reports, request.body); }

WholeReply AdminHandler::confirm_clock(const ClientRequest&, std::string_view) {
  if (auto confirmed = parts_.ledger.confirm_clock("admin"); !confirmed) return fault_page(confirmed.error());
  return page({{"clock", "confirmed"}});
}

WholeReply AdminHandler::verify(const ClientRequest&, std::string_view) {
  auto report = parts_.ledger.verify();
  if (!report) return fault_page(report.error());
  return page(to_json(*report), report->ok() ? 200 : 409);
}

}  // namespace turnpike::app
