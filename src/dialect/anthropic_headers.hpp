// Request headers of Anthropic Messages towards one provider.
//
// anthropic-version and anthropic-beta are open sets: a beta and the body fields it unlocks travel
// as a pair, and servers other than the vendor's own answer 400 to flags they do not know. Source:
// wire-formats specification §1.4.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/decision.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::dialect {

/// Lets the gateway ask that replayed thinking which no longer fits its prefix is dropped instead
/// of refused.
inline constexpr std::string_view binding_controls_beta = "thinking-binding-controls-2026-08-01";

/// Candidate::betas_passed and its exceptions.
bool passes_beta(const Candidate& candidate, std::string_view beta);

struct AnthropicHeaders {
  HeaderList headers;                 // to be sent; the client's own lines if none is changed
  std::vector<std::string> passed;    // values of anthropic-beta, each once, in the client's order
  std::vector<std::string> stripped;  // those that stay here
  bool sampling_refused = false;  // the asked anthropic-version knows no temperature, top_p, top_k

  /// Body members whose beta has been stripped and that are refused without it.
  [[nodiscard]] std::vector<std::string_view> orphaned_fields() const;
};

/// `client` may be null: the request came in another dialect. `added` are betas that the gateway
/// itself needs; those that do not pass are left out.
AnthropicHeaders anthropic_headers(const HeaderList* client, const Candidate& candidate,
                                   std::span<const std::string_view> added = {});

}  // namespace turnpike::dialect
