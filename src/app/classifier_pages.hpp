// Admin pages about what the classifier has learned. A group is "policy:NAME", "team:ORG/TEAM" or "key:ID".
//
//   GET  /admin/classifier                       what each group has learned, and what it is worth
//   POST /admin/classifier/freeze  {group?, frozen}    learn no more, or again; without a group: all
//   POST /admin/classifier/reset   {group?}            forget; without a group: all
//   POST /admin/classifier/train?group=G               rows of outcomes, one JSON object a line, as the body
//   GET  /admin/classifier/export                the above and the weights by name of feature
#pragma once

#include <string>
#include <string_view>

#include "app/page_sources.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

WholeReply classifier_page(const PageSources& sources);
WholeReply classifier_freeze_page(const PageSources& sources, const std::string& body);
WholeReply classifier_reset_page(const PageSources& sources, const std::string& body);
/// Every fifth row teaches nothing: before and after are measured on those.
WholeReply classifier_train_page(const PageSources& sources, std::string_view query, const std::string& body);
WholeReply classifier_export_page(const PageSources& sources);

}  // namespace turnpike::app
