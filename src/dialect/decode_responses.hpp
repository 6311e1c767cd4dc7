// Responses, as a provider answers. Source: wire-formats specification §1.3.
#pragma once

#include <memory>
#include <string>

#include "dialect/decoder.hpp"

namespace turnpike::dialect {

std::unique_ptr<Decoder> make_responses_decoder(const Candidate& candidate, std::string fallback_id);

}  // namespace turnpike::dialect
