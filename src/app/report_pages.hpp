// Admin pages of the reports. They read the journal through the ledger's writer, so they belong on the admin loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "account/ledger.hpp"
#include "gateway/snapshot.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

struct ReportSources {
  account::Ledger& ledger;
  const Clock& clock;
  /// Catalog and policy to look ahead with: those in force or, where no gateway runs, what the files say now. Null if
  /// the files have faults.
  std::function<std::shared_ptr<const gateway::Snapshot>()> planned;
  std::string credits_per_usd = "1";  // decimal
};

/// GET /admin/spend?by=model,day&every=week&since=7d&until=…
WholeReply spend_page(const ReportSources& sources, std::string_view query);

/// GET /admin/forecast: when each budget ends, and last week's bill behind the next dated price of each model.
WholeReply forecast_page(const ReportSources& sources);

/// POST /admin/reconcile {"files": ["…"], "provider", "ledger_provider", "rate", "keys", "tolerance"}: the text of a
/// provider's exports against the ledger.
WholeReply reconcile_page(const ReportSources& sources, const std::string& body);

}  // namespace turnpike::app
