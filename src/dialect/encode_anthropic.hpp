// Writes Anthropic Messages, streamed and whole, from StreamEvents. Source: wire-formats specification §1.4, §7.
#pragma once

#include <memory>

#include "dialect/encoder.hpp"

namespace turnpike::dialect {

std::unique_ptr<StreamEncoder> make_anthropic_stream_encoder(const StreamOptions& options, const Candidate& candidate);
std::unique_ptr<BodyEncoder> make_anthropic_body_encoder(const StreamOptions& options, const Candidate& candidate);

}  // namespace turnpike::dialect
