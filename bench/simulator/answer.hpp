// What the pretended model says: decided by the request alone, so that a repeated run reads the
// same.
#pragma once

#include "exchange.hpp"

namespace turnpike::simulator {

/// Thinking, then text, then calls; cut to the output limit. Ids and signatures are not filled in
/// yet.
Answer compose(const Ask& ask);

/// Output tokens of `answer`: bytes / 4 per block, at least 1 in all.
void count_output(const Answer& answer, Tokens& usage);

}  // namespace turnpike::simulator
