// From a public catalog to changes of provider files: which prices differ, which of the differences
// are believed, and what stays for a person to decide. Pure: no file is read or written here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/models_dev.hpp"
#include "catalog/provider_file.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

/// A price that grows or shrinks by more than this is taken for a mistake. Source: product
/// specification, "Dated prices".
inline constexpr std::int64_t plausible_factor = 3;

enum class Finding : std::uint8_t {
  change,       // a new interval
  limit,        // a context window or output limit differs
  implausible,  // a change of more than plausible_factor, or from or to nothing
  by_hand,      // a difference that the public form cannot express
};
std::string_view to_string(Finding finding);

/// One difference between a model here and there.
struct Difference {
  Finding finding = Finding::change;
  std::string target;
  std::size_t file = 0;   // index of the provider file
  std::size_t model = 0;  // of the model in it
  std::string detail;     // "input_per_mtok 0.75 -> 1.5, …"
  std::string lines;      // change: the interval in TOML, without its header
  std::string key;        // limit: "context_tokens"
  std::int64_t value = 0;
};

struct ImportRules {
  Instant from{};  // when new prices begin
  bool force = false;
};

/// What differs for one model of a provider file.
std::vector<Difference> compare_model(const catalog::Model& here, const PublicModel& there,
                                      const ImportRules& rules);

/// A model that is not in providers/, as the table of a [[model]]; nothing if it has no usable
/// price or limits.
std::optional<std::string> model_lines(const PublicModel& model, Instant from);

}  // namespace turnpike::app
