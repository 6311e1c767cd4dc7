// Writes Gemini generateContent, streamed (alt=sse) and whole, from StreamEvents. Source:
// wire-formats specification §1.5, §7, §10.
//
// Lines end with CRLF and hold no raw U+2028 or U+2029: the vendor's client library breaks its
// lines there. Comments break it too, so that the heartbeat is an event without candidates. Every
// functionCall bears the gateway's issuer tag as its thoughtSignature; the vendor's own stays in
// the OpaqueStore. Thoughts go out only with StreamOptions::include_reasoning.
#pragma once

#include <memory>

#include "dialect/encoder.hpp"

namespace turnpike::dialect {

std::unique_ptr<StreamEncoder> make_gemini_stream_encoder(const StreamOptions& options,
                                                          const Candidate& candidate);
std::unique_ptr<BodyEncoder> make_gemini_body_encoder(const StreamOptions& options,
                                                      const Candidate& candidate);

}  // namespace turnpike::dialect
