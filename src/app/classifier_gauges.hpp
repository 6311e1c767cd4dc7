// What the classifier has learned, and what it is worth, at the moment of a scrape.
#pragma once

#include <functional>
#include <vector>

#include "gateway/learning.hpp"
#include "metrics/metrics.hpp"

namespace turnpike::app {

/// `learning` is borrowed for the life of the metrics.
std::function<void(std::vector<metrics::Gauge>&)> classifier_gauges(const gateway::Learning& learning);

}  // namespace turnpike::app
