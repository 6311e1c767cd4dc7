// Writes Anthropic Messages, streamed and whole, from StreamEvents. Source: wire-formats
// specification §1.4, §7.
//
//   stream := message_start block* message_delta message_stop
//   block  := content_block_start content_block_delta* content_block_stop
//
// One block is open at a time and indexes have no gaps: pieces of a block that has to wait are held
// back until those before it have ended. A block is opened by its first real piece, never on
// suspicion; one that turns out to be blank is not shown, because the vendor refuses empty texts
// when they come back. Thinking ends with the gateway's own token where Claude's signature would
// stand (issuer_tag.hpp).
//
// A call's last event goes out only when its arguments are a JSON object: harnesses run the tool on
// it. No arguments at all are the empty object once the answer has ended in good order. A call that
// the length limit has cut is shown as the vendor would, unfinished, or not at all if nothing of it
// has been shown.
#pragma once

#include <memory>

#include "dialect/encoder.hpp"

namespace turnpike::dialect {

std::unique_ptr<StreamEncoder> make_anthropic_stream_encoder(const StreamOptions& options,
                                                             const Candidate& candidate);
std::unique_ptr<BodyEncoder> make_anthropic_body_encoder(const StreamOptions& options,
                                                         const Candidate& candidate);

}  // namespace turnpike::dialect
