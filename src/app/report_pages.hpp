// Admin pages of the reports. They read the journal through the ledger's writer, so they belong on the admin loop.
#pragma once

#include <string>
#include <string_view>

#include "app/page_sources.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

using ReportSources = PageSources;

/// GET /admin/spend?by=model,day&every=week&since=7d&until=…
WholeReply spend_page(const ReportSources& sources, std::string_view query);

/// GET /admin/forecast: when each budget ends, and last week's bill behind the next dated price of each model.
WholeReply forecast_page(const ReportSources& sources);

/// GET /admin/reports/viability?candidate=provider/model&share=0.7&since=…&until=…&margin=…&confidence=…&baseline_agreement=…
WholeReply viability_page(const ReportSources& sources, std::string_view query);

/// GET /admin/shadow/{decision}: the pairs of one step, usually none.
WholeReply shadow_page(const ReportSources& sources, std::string_view decision);

/// POST /admin/reconcile {"files": ["…"], "provider", "ledger_provider", "rate", "keys", "tolerance"}: the text of a
/// provider's exports against the ledger.
WholeReply reconcile_page(const ReportSources& sources, const std::string& body);

}  // namespace turnpike::app
