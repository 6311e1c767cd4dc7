// A client's request in a provider's own words.
//
// Same dialect on both sides: the original bytes with single values replaced. Otherwise: body ->
// blocks (ir.hpp) -> the provider's JSON. Pure and deterministic: the same body, candidate, options
// and stored state give the same bytes, and the messages of turn n stay a prefix of those of turn
// n+1, because providers bind caches and signatures to prefixes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dialect/opaque_store.hpp"
#include "dialect/request_rules.hpp"
#include "dialect/tool_alias.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::dialect {

/// How much of what goes upstream the client has not sent: kept reasoning and signatures, in the order of the turns they
/// were put back into. The same turns give the same sizes, so two lists tell what is new in the longer one.
struct PutBack {
  std::vector<std::int64_t> sizes;  // bytes, one entry per turn, call or text

  void add(const OpaqueState& state) {
    std::int64_t bytes = 0;
    for (const auto& block : state.blocks) bytes += static_cast<std::int64_t>(block.text.size() + block.signature.size());
    sizes.push_back(bytes);
  }
};

struct TranslateOptions {
  const OpaqueStore* opaque = nullptr;  // none: every look-up misses
  std::string owner;                    // key id, the scope of look-ups in `opaque`
  /// Upper bound the gateway puts on the answer (what the budget can pay); below the client's own
  /// limit or instead of it.
  std::optional<std::int64_t> output_tokens_cap;
  bool cache_hints = true;  // place cache_control marks for Anthropic
  /// The client's request headers: a beta and the body fields it unlocks travel as a pair. May be null.
  const HeaderList* client_headers = nullptr;
  /// The answer named by the client's previous_response_id was given by this candidate's provider to this very
  /// account. Otherwise a request that continues one is refused.
  bool continues_own_response = false;
  /// Write a request that only asks for the prompt's token count; path and body are those of the provider's counting
  /// endpoint (Messages, Gemini).
  bool count_only = false;
  /// Told what translation puts back; may be null.
  PutBack* put_back = nullptr;

  void note_put_back(const OpaqueState& state) const {
    if (put_back != nullptr) put_back->add(state);
  }
};

struct Outgoing {
  std::string path;  // appended to the provider's base_url: "/chat/completions"
  std::string body;
  HeaderList headers;
  /// What the target cannot express and was left out: names of client fields from the closed list
  /// in losses.hpp, each once, in alphabetical order. Metric labels.
  std::vector<std::string> losses;
  ToolAliases tools;  // those that differ upstream
  /// For StreamOptions::echo.
  std::string echo;
};

/// `body` must be the bytes that `view` was read from. Errors: 400 unsupported_parameter where the
/// target cannot do what was asked (retry: next_candidate), 400 invalid_request_error for malformed
/// messages.
Result<Outgoing> translate(Dialect client, const std::string& body, const RequestView& view,
                           const Candidate& candidate, const TranslateOptions& options);

}  // namespace turnpike::dialect
