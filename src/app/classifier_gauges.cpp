#include "app/classifier_gauges.hpp"

#include <string>
#include <utility>

namespace turnpike::app {
namespace {

using metrics::Gauge;
using Labels = std::vector<std::pair<std::string, std::string>>;

/// Figures that cannot be told yet are left out.
void add_worth(std::vector<Gauge>& out, const std::string& group, const char* scorer, const classify::Worth& worth) {
  const Labels labels{{"group", group}, {"scorer", scorer}};
  if (worth.apgr >= 0) {
    out.push_back({"turnpike_classifier_apgr", "Area under the share of the gap recovered, over the last known outcomes; random is 0.5.", labels,
                   worth.apgr});
  }
  if (worth.auc >= 0)
    out.push_back({"turnpike_classifier_auc", "Chance that a step the weak model fails scores above one it manages; random is 0.5.", labels, worth.auc});
}

void add_group(std::vector<Gauge>& out, const gateway::Learning::GroupReport& report) {
  const auto& [group, learner] = report;
  const Labels labels{{"group", group}};
  out.push_back({"turnpike_classifier_lessons_total", "Outcomes that a group has learned from, hints among them.", labels,
                 static_cast<double>(learner.lessons)});
  out.push_back({"turnpike_classifier_known_outcomes_total", "Of those, known ones: shadow pairs and taught rows.", labels,
                 static_cast<double>(learner.progress.outcomes)});
  out.push_back({"turnpike_classifier_prior_scale", "What is left of the frozen prior's weight; 1 as shipped.", labels, learner.scale});
  out.push_back({"turnpike_classifier_frozen", "1 while a group learns nothing.", labels, learner.frozen ? 1.0 : 0.0});
  add_worth(out, group, "model", learner.progress.model);
  add_worth(out, group, "prior", learner.progress.prior);
  add_worth(out, group, "length", learner.progress.length);
  if (learner.progress.calibration_error >= 0) {
    out.push_back({"turnpike_classifier_calibration_error", "Mean distance of the stated chance of a weak failure from its rate.", labels,
                   learner.progress.calibration_error});
  }
  if (learner.progress.beats_length) {
    out.push_back({"turnpike_classifier_beats_length", "0 if prompts could as well be sorted by length; from 300 known outcomes on.", labels,
                   *learner.progress.beats_length ? 1.0 : 0.0});
  }
}

}  // namespace

std::function<void(std::vector<Gauge>&)> classifier_gauges(const gateway::Learning& learning) {
  return [&learning](std::vector<Gauge>& out) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(OutcomeSource::count_); ++i) {
      const auto source = static_cast<OutcomeSource>(i);
      out.push_back({"turnpike_classifier_outcomes_total", "Outcomes that were learned from, by where they came from.",
                     {{"source", std::string{to_string(source)}}}, static_cast<double>(learning.outcomes(source))});
    }
    const auto groups = learning.report();
    out.push_back({"turnpike_classifier_groups", "Policies, teams or keys with something learned of their own.", {}, static_cast<double>(groups.size())});
    for (const auto& group : groups) add_group(out, group);
  };
}

}  // namespace turnpike::app
