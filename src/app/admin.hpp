// The operator's listener: metrics, reload, keys, budgets, decisions, spend, ledger verification. Loopback only, with a
// token of its own; the data port serves none of it.
//
//   GET  /metrics                 Prometheus text          GET    /admin/status
//   POST /admin/reload                                     GET    /admin/decisions[?count=N]   /admin/decisions/{id}
//   GET  /admin/spend?by=model&every=day&since=…&until=…   GET    /admin/forecast
//   POST /admin/ledger/verify     POST /admin/ledger/clock (believe a clock that jumped)
//   GET  /admin/reports/viability (a candidate on trial)   GET    /admin/shadow/{decision}
//   GET  /healthz (no token)      POST /admin/reconcile (a provider's exports)
//   /admin/classifier…: classifier_pages.hpp   /admin/upstream…: upstream_pages.hpp
//   /admin/keys…: key_pages.hpp   /admin/budgets…: budget_pages.hpp
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "account/ledger.hpp"
#include "app/page_sources.hpp"
#include "catalog/fault.hpp"
#include "gateway/snapshot.hpp"
#include "metrics/metrics.hpp"
#include "turnpike/handler.hpp"
#include "turnpike/secret.hpp"

namespace turnpike::app {

struct AdminParts {
  account::Ledger& ledger;
  const metrics::Metrics& metrics;
  Secret token;
  /// Re-reads the configuration; empty: the new one is in force, else why the old one stays.
  std::function<std::vector<catalog::Fault>()> reload;
  std::function<std::shared_ptr<const gateway::Snapshot>()> snapshot;
  PageSources sources;
  std::function<bool()> loops_tick = {};  // none: nothing runs that could be stuck
};

/// Runs on the admin loop alone; may wait for the ledger's writer.
class AdminHandler final : public Handler {
 public:
  explicit AdminHandler(AdminParts parts) : parts_(std::move(parts)) {}
  std::expected<std::shared_ptr<const Admission>, WholeReply> on_head(const RequestHead& head) override;
  asio::awaitable<void> handle(ClientRequest request, ResponseSink& sink) override;
  WholeReply error_reply(std::string_view target, const Error& error) override;

 private:
  struct Route {
    std::string_view method;
    std::string_view path;  // a trailing '/' takes an argument, percent-decoded
    WholeReply (AdminHandler::*answer)(const ClientRequest& request, std::string_view argument);
    std::string_view rest = {};  // behind the argument: "/history"
  };
  static const std::vector<Route>& routes();

  WholeReply metrics_page(const ClientRequest& request, std::string_view argument);
  WholeReply health(const ClientRequest& request, std::string_view argument);
  WholeReply status(const ClientRequest& request, std::string_view argument);
  WholeReply reload(const ClientRequest& request, std::string_view argument);
  WholeReply list_keys(const ClientRequest& request, std::string_view argument);
  WholeReply create_key(const ClientRequest& request, std::string_view argument);
  WholeReply show_key(const ClientRequest& request, std::string_view argument);
  WholeReply change_key(const ClientRequest& request, std::string_view argument);
  WholeReply rotate_key(const ClientRequest& request, std::string_view argument);
  WholeReply revoke_key(const ClientRequest& request, std::string_view argument);
  WholeReply key_history(const ClientRequest& request, std::string_view argument);
  WholeReply list_budgets(const ClientRequest& request, std::string_view argument);
  WholeReply set_budget(const ClientRequest& request, std::string_view argument);
  WholeReply show_budget(const ClientRequest& request, std::string_view argument);
  WholeReply change_budget(const ClientRequest& request, std::string_view argument);
  WholeReply lift_budget(const ClientRequest& request, std::string_view argument);
  WholeReply budget_history(const ClientRequest& request, std::string_view argument);
  WholeReply decisions(const ClientRequest& request, std::string_view argument);
  WholeReply decision(const ClientRequest& request, std::string_view argument);
  WholeReply spend(const ClientRequest& request, std::string_view argument);
  WholeReply viability(const ClientRequest& request, std::string_view argument);
  WholeReply shadow(const ClientRequest& request, std::string_view argument);
  WholeReply forecast(const ClientRequest& request, std::string_view argument);
  WholeReply reconcile(const ClientRequest& request, std::string_view argument);
  WholeReply classifier(const ClientRequest& request, std::string_view argument);
  WholeReply freeze_classifier(const ClientRequest& request, std::string_view argument);
  WholeReply reset_classifier(const ClientRequest& request, std::string_view argument);
  WholeReply train_classifier(const ClientRequest& request, std::string_view argument);
  WholeReply export_classifier(const ClientRequest& request, std::string_view argument);
  WholeReply upstream(const ClientRequest& request, std::string_view argument);
  WholeReply set_upstream_key(const ClientRequest& request, std::string_view argument);
  WholeReply verify(const ClientRequest& request, std::string_view argument);
  WholeReply confirm_clock(const ClientRequest& request, std::string_view argument);

  AdminParts parts_;
};

}  // namespace turnpike::app
