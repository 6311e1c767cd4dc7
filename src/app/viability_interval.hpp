// Intervals around means of sampled steps: of steps that stand for others, and that come in conversations.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace turnpike::app {

/// One step's value, for example 1 if the candidate's answer was usable. At most 1 apart from the others'.
struct Observation {
  double value = 0;
  double weight = 1;          // steps it stands for
  std::string_view conversation;  // steps of one are not independent of each other; outlives this
};

/// A mean and how well it is known.
struct Mean {
  double value = 0;
  double variance = 0;            // of the mean, by conversations
  std::int64_t pairs = 0;
  std::int64_t conversations = 0; // independent parts
};

/// Weighted mean with the variance between conversations. To the variance one whole step of disagreement is added: a sample
/// in which all agree does not prove that all do.
Mean mean_of(const std::vector<Observation>& observations);

/// Half the width, in standard errors, of a confidence sequence over `parts` independent parts: with probability
/// `confidence` the true mean lies inside at every number of parts at once, so that a report may be looked at as often as
/// one likes. Asymptotic, two-sided, tightest at 500 parts.
/// Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
/// sequences", Annals of Statistics 52 (2024), equation (4).
double sequence_width(std::int64_t parts, double confidence);

struct Interval {
  double low = 0;
  double high = 0;
};
/// Wilson's score interval for one look at a share among `n` (may be an effective number).
Interval wilson(double share, double n, double confidence);

}  // namespace turnpike::app
