#include "app/gauges.hpp"

#include <array>
#include <chrono>
#include <map>
#include <utility>

#include "app/price_outlook.hpp"
#include "app/window_text.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

using metrics::Gauge;
using Labels = std::vector<std::pair<std::string, std::string>>;

double credits(Credits amount) { return static_cast<double>(amount.nano()) * 1e-9; }

void add(std::vector<Gauge>& out, const char* name, const char* help, double value, Labels labels = {}) {
  out.push_back({name, help, std::move(labels), value});
}

void add_budgets(std::vector<Gauge>& out, const account::Ledger& ledger) {
  for (const auto& budget : ledger.budgets()) {
    for (const auto& window : budget.windows) {
      const Labels labels{{"budget", budget.budget}, {"window", to_string(window.rule)}};
      add(out, "turnpike_budget_limit_credits", "Limit of a budget window.", credits(window.rule.limit), labels);
      add(out, "turnpike_budget_settled_credits", "Settled in a budget window.", credits(window.settled), labels);
      add(out, "turnpike_budget_reserved_credits", "Reserved in a budget window.", credits(window.reserved), labels);
      add(out, "turnpike_budget_remaining_credits", "Limit less settled and reserved, and less what other replicas have settled.",
          credits(window.rule.limit - window.settled - window.reserved - window.elsewhere), labels);
    }
  }
}

void add_ledger(std::vector<Gauge>& out, const account::Ledger& ledger) {
  const account::LedgerFigures figures = ledger.figures();
  add(out, "turnpike_ledger_lag_seconds", "Age of the oldest entry that is not on disk.", std::chrono::duration<double>(figures.lag).count());
  add(out, "turnpike_ledger_entries_total", "Journal entries.", static_cast<double>(figures.entries));
  add(out, "turnpike_ledger_conflicts_total", "Second, differing ends of an attempt; each is a bug.", static_cast<double>(figures.conflicts));
  add(out, "turnpike_ledger_overruns_total", "Settlements above their reservation.", static_cast<double>(figures.overruns));
  add(out, "turnpike_ledger_implausible_total", "Usage reports that could not be true.", static_cast<double>(figures.implausible));
  add(out, "turnpike_ledger_records_dropped_total", "Decision records lost to a full queue.", static_cast<double>(figures.records_dropped));
  add(out, "turnpike_ledger_refusals_total", "Reservations refused.", static_cast<double>(figures.refused_exhausted), {{"cause", "exhausted"}});
  add(out, "turnpike_ledger_refusals_total", "Reservations refused.", static_cast<double>(figures.refused_contended), {{"cause", "contended"}});
  add(out, "turnpike_ledger_writable", "1 while the store accepts entries.", figures.writable ? 1 : 0);
  add(out, "turnpike_ledger_disk_full", "1 while the ledger waits for disk space.", figures.disk_full ? 1 : 0);
  add(out, "turnpike_ledger_store_errors_total", "Reads, writes and fsyncs of the ledger's files that failed.", static_cast<double>(figures.store_errors));
  add(out, "turnpike_clock_frozen", "1 while the wall clock has jumped and is not believed.", figures.clock_frozen ? 1 : 0);
  constexpr std::array actions{"none", "notify", "prefer_cheap", "cheap_only"};
  for (std::size_t level = 1; level < actions.size(); ++level) {
    add(out, "turnpike_budget_pressure_total", "Times a budget window reached a soft limit.",
        static_cast<double>(figures.pressure_crossings[level]), {{"action", actions[level]}});
  }
  add(out, "turnpike_attempts_open", "Attempts with a reservation and no end yet.", static_cast<double>(figures.attempts_open));
  add(out, "turnpike_reserved_credits", "Credits held by open attempts.", credits(figures.reserved));
  add(out, "turnpike_settled_credits", "Credits settled since start.", credits(figures.settled));
}

/// A single gateway is a replica that lacks nothing, so that alerts need not know which it is.
void add_replica(std::vector<Gauge>& out, const account::Ledger& ledger) {
  const account::ReplicaFigures figures = ledger.replica();
  add(out, "turnpike_central_reachable", "1 while the central ledger answers, or without one.", !figures.on || figures.reachable ? 1 : 0);
  add(out, "turnpike_central_superseded", "1 if another process took this replica's name: nothing is admitted.", figures.superseded ? 1 : 0);
  add(out, "turnpike_central_exchanges_total", "Questions to the central ledger.", static_cast<double>(figures.exchanges));
  add(out, "turnpike_central_failures_total", "Of those, without an answer.", static_cast<double>(figures.failures));
  add(out, "turnpike_central_leased_credits", "Leased by all replicas and not reported as settled.", credits(figures.leased));
  add(out, "turnpike_central_quarantine_credits", "Leased by replicas that have been silent for too long.", credits(figures.quarantine));
  add(out, "turnpike_replicas_live", "Replicas with leases in force.", static_cast<double>(figures.on ? figures.live : 1));
  add(out, "turnpike_lease_usable", "1 while this replica's leases are in force, or without any.", !figures.on || figures.usable ? 1 : 0);
  add(out, "turnpike_lease_spare_credits", "Leased by this replica, neither settled nor reserved.", credits(figures.spare));
  add(out, "turnpike_lease_exposed_credits", "Allowed without a lease while the central ledger was away.", credits(figures.exposed));
  add(out, "turnpike_lease_waits_total", "Reservations that waited for a larger lease.", static_cast<double>(figures.awaited));
}

/// With a share per key there may be thousands of scopes: only the busiest are shown, all are counted.
constexpr std::size_t share_scopes_shown = 100;

void add_share(std::vector<Gauge>& out, const gateway::Snapshot& snapshot, Instant now) {
  if (!snapshot.share) return;
  add(out, "turnpike_frontier_scopes", "Scopes whose frontier share is held.", static_cast<double>(snapshot.share->scopes().size()));
  for (const auto& report : snapshot.share->busiest(share_scopes_shown, now)) {
    const Labels labels{{"scope", report.scope}};
    add(out, "turnpike_frontier_share", "Share of the window that went to the frontier tier.", report.share, labels);
    add(out, "turnpike_frontier_share_target", "Target of the frontier share.", report.target, labels);
    add(out, "turnpike_frontier_share_error", "Share less target.", report.share - report.target, labels);
    add(out, "turnpike_frontier_share_debt", "Sent to the frontier beyond the target, in steps of mean weight.", report.debt, labels);
    add(out, "turnpike_frontier_threshold", "Difficulty from which a step goes to the frontier.", report.threshold, labels);
    add(out, "turnpike_frontier_escalation_allowed", "1 while the share leaves room for escalations.", report.escalation_allowed ? 1 : 0, labels);
    add(out, "turnpike_frontier_steps_open", "Steps that are decided and have no outcome yet.", static_cast<double>(report.open), labels);
    for (const bool frontier : {false, true}) {
      const auto steps = frontier ? report.frontier_steps : report.steps - report.frontier_steps;
      add(out, "turnpike_frontier_steps_total", "Steps that ran, by side of the frontier.", static_cast<double>(steps),
          {{"scope", report.scope}, {"frontier", frontier ? "true" : "false"}});
    }
  }
}

void add_prices(std::vector<Gauge>& out, const gateway::Snapshot& snapshot, Instant now) {
  for (const auto& model : snapshot.catalog.models()) {
    const auto candidate = snapshot.catalog.candidate(model, now, std::chrono::seconds{1});
    if (!candidate) continue;
    add(out, "turnpike_price_active", "1 for the price interval in force.", 1,
        {{"target", model.target()}, {"price_id", candidate->quote.price_id}});
    if (const auto change = snapshot.catalog.next_price_change(model, now)) {
      add(out, "turnpike_price_seconds_to_change", "Until the next price of this target.",
          std::chrono::duration<double>(*change - now).count(), {{"target", model.target()}});
    }
    if (const auto change = next_dated_change(model, now)) {
      add(out, "turnpike_price_dated_change_seconds", "Until a price interval of this target ends: another price, the end of a promotion or of a free period, retirement.",
          std::chrono::duration<double>(change->at - now).count(), {{"target", model.target()}, {"kind", std::string{to_string(change->kind)}}});
    }
  }
}

/// Every target of the policy, so that "all ejected" can be told from "none has failed yet".
void add_health(std::vector<Gauge>& out, gateway::Backends& backends, const gateway::Snapshot& snapshot) {
  const auto& policy = snapshot.policy;
  std::map<std::string, double> levels;
  for (const auto& tier : policy.tiers) {
    for (const auto& target : tier.targets) levels.emplace(target.name, 0);
    for (const auto& target : tier.fallback) levels.emplace(target.name, 0);
  }
  const HealthView view = backends.view(snapshot.catalog);
  for (const auto& [target, health] : view.troubled()) levels[target] = health == Health::degraded ? 1 : 2;
  for (const auto& [target, level] : levels) {
    add(out, "turnpike_target_health", "0 ok, 1 every key rests after a 429, 2 no key can be asked.", level, {{"target", target}});
  }
}

/// Labels come from the provider files alone.
void add_backends(std::vector<Gauge>& out, gateway::Backends& backends, const catalog::Catalog& catalog) {
  for (const auto& key : backends.keys(catalog)) {
    const Labels labels{{"provider", key.provider}, {"key", key.key}};
    const int state_of_key = key.missing ? 3 : key.out_of_service ? 2 : key.cooling_s > 0 ? 1 : 0;
    add(out, "turnpike_provider_key_state", "0 in service, 1 resting after a 429, 2 out of service, 3 its variable is not set.", state_of_key, labels);
    add(out, "turnpike_provider_key_in_flight", "Attempts in flight with a key.", static_cast<double>(key.in_flight), labels);
    add(out, "turnpike_provider_key_limit", "How many may be.", static_cast<double>(key.limit), labels);
    add(out, "turnpike_provider_key_headroom", "Left of the key's rate limit, as its last answer told.", static_cast<double>(key.headroom), labels);
    for (const auto& model : key.models) {
      const Labels backend{{"provider", key.provider}, {"model", model.model}, {"key", key.key}};
      const int state = model.state == gateway::BackendState::ok ? 0 : model.state == gateway::BackendState::probing ? 1 : 2;
      add(out, "turnpike_backend_state", "0 ok, 1 probing, 2 ejected.", state, backend);
      add(out, "turnpike_backend_ejections_total", "Ejections of a model with a key.", static_cast<double>(model.ejections), backend);
      add(out, "turnpike_backend_probes_total", "Probes of an ejected backend.", static_cast<double>(model.probes), backend);
    }
  }
  for (const auto& one : backends.retries(catalog)) {
    const Labels labels{{"provider", one.provider}};
    add(out, "turnpike_retries_total", "Attempts at a provider that had failed the same request.", static_cast<double>(one.retries), labels);
    add(out, "turnpike_retries_refused_total", "Of those, not sent for the retry budget.", static_cast<double>(one.refused), labels);
  }
}

void add_opaque(std::vector<Gauge>& out, const GaugeSources& sources) {
  const auto opaque = sources.opaque.figures();
  add(out, "turnpike_opaque_entries", "Calls and turns with signatures or reasoning kept for clients that drop them.", static_cast<double>(opaque.entries));
  add(out, "turnpike_opaque_bytes", "Signatures and reasoning kept for clients that drop them.", static_cast<double>(opaque.bytes));
  add(out, "turnpike_opaque_evictions_total", "Of those, dropped for room.", static_cast<double>(opaque.evictions));
  if (sources.opaque_file == nullptr) return;
  const auto file = sources.opaque_file->figures();
  add(out, "turnpike_opaque_file_bytes", "Of those, kept on disk for the next start.", static_cast<double>(file.bytes));
  add(out, "turnpike_opaque_file_lost_total", "Changes that did not reach the disk.", static_cast<double>(file.dropped), {{"cause", "queue_full"}});
  add(out, "turnpike_opaque_file_lost_total", "Changes that did not reach the disk.", static_cast<double>(file.failed), {{"cause", "disk"}});
}

void add_process(std::vector<Gauge>& out, const GaugeSources& sources) {
  add(out, "turnpike_conversations", "Conversations remembered.", static_cast<double>(sources.conversations.size()));
  add(out, "turnpike_open_requests", "Requests being answered.", static_cast<double>(sources.open_requests()));
  add(out, "turnpike_log_lines_dropped_total", "Log lines lost to a slow reader.", static_cast<double>(log_lines_dropped()));
  add(out, "turnpike_config_reload_failed", "1 if the last reload was rejected.", sources.reload_failed() ? 1 : 0);
}

}  // namespace

std::function<void(std::vector<Gauge>&)> gauges(GaugeSources sources) {
  return [sources = std::move(sources)](std::vector<Gauge>& out) {
    const auto snapshot = sources.snapshot();
    const Instant now = sources.clock.now();
    add(out, "turnpike_config_info", "The configuration in force.", 1, {{"policy", snapshot->policy.name}, {"version", snapshot->version}});
    add_ledger(out, sources.ledger);
    add_replica(out, sources.ledger);
    add_budgets(out, sources.ledger);
    add_share(out, *snapshot, now);
    add_prices(out, *snapshot, now);
    add_health(out, sources.backends, *snapshot);
    add_backends(out, sources.backends, snapshot->catalog);
    add_opaque(out, sources);
    add_process(out, sources);
  };
}

}  // namespace turnpike::app
