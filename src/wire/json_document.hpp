// A whole JSON body, strictly checked before anything is decided: UTF-8, grammar, one document,
// depth, no BOM.
//
// Lone surrogate escapes (agents make them by cutting text) are replaced in place by "\ufffd" of
// the same length, so byte offsets stay what they were. Source: reliability specification, "JSON
// input rules".
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/error.hpp"
#include "wire/json_places.hpp"
#include "wire/json_walk.hpp"

namespace turnpike::wire {

inline constexpr std::size_t json_depth_max = 128;
inline constexpr std::size_t json_slack =
    simdjson::SIMDJSON_PADDING;  // spare capacity a body needs behind its last byte

/// Valid until the next parse on the same thread: the tape lives in a thread-local parser. A body
/// above 1 MiB gets a parser of its own, which goes with the last copy of the document. Use it,
/// then let it go; never keep it across a co_await.
///
/// Numbers beyond the range of 64-bit integers and doubles are valid JSON and accepted; root()
/// shows such a number as some finite double, so whoever needs an integer sees a wrong type, and
/// the bytes stay what they were.
class JsonDocument {
 public:
  /// Checks and indexes `body`; may write "\ufffd" over lone surrogate escapes in it (repaired()
  /// counts them). Errors are 400 with code invalid_json, invalid_utf8, too_deep or empty_body, and
  /// say at which byte.
  static Result<JsonDocument> parse(std::string& body);
  [[nodiscard]] simdjson::dom::element root() const { return root_; }
  /// As long as the body is where it was when it was parsed.
  [[nodiscard]] const JsonPlaces& places() const { return places_; }
  [[nodiscard]] std::uint32_t repaired() const { return repaired_; }

 private:
  JsonDocument(simdjson::dom::element root, JsonPlaces places, std::uint32_t repaired,
               std::shared_ptr<simdjson::dom::parser> own_parser)
      : root_(root), places_(places), repaired_(repaired), own_parser_(std::move(own_parser)) {}
  simdjson::dom::element root_;
  JsonPlaces places_;
  std::uint32_t repaired_;
  std::shared_ptr<simdjson::dom::parser> own_parser_;  // only behind large bodies
};

/// Writes "\ufffd" over every lone surrogate escape of not yet checked JSON text, in place; how
/// many there were.
std::uint32_t repair_surrogate_escapes(std::string& text);

/// Top-level members of a body that JsonDocument::parse has accepted and whose root is an object.
/// Linear; skips nested values without looking into them.
std::vector<MemberSpan> top_level_members(std::string_view validated_object);

}  // namespace turnpike::wire
