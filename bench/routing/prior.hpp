// From routing data to the weights that ship.
#pragma once

#include <span>
#include <vector>

#include "classify/weights.hpp"
#include "linear_model.hpp"
#include "training_data.hpp"

namespace turnpike::routing {

/// Sets target and weight of outcome rows and of tier rows.
void set_targets(std::vector<Example>& outcomes, std::vector<Example>& tiers);

/// Whether the blocks that are set by hand are added to what was learned. Validation leaves them
/// out, since they were written with the development sets in view.
enum class HandSet : bool { without, with };

/// Fits, quantises, and fills in quantiles and version. Same examples, same weights.
classify::Weights make_prior(std::span<const Example* const> examples, const Recipe& recipe,
                             HandSet hand_set);

}  // namespace turnpike::routing
