// One rule of HTTP/1.1 about reading requests: what is sent, and what must come back.
//
// The rules are the MUST-level requirements of RFC 9110 and RFC 9112 on a server that reads
// requests, and section 12 of the reliability specification where it is stricter ("spec 12"). The
// far side is PathHandler, which answers "METHOD TARGET BODY" at /echo and 401 at /denied.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http_cases.hpp"

namespace turnpike::server::test {

struct Rule {
  const char* section;  // "9112 5.1", "9110 5.5", "spec 12"
  const char* says;
  std::string sent;
  /// The statuses of all answers in their order, then what becomes of the connection: "kept" (it
  /// serves another request), "closed" (nothing further is read as a request) or "waits" (for
  /// more).
  const char* expected;
  const char* shows = "";  // stands in the last answer
  /// False: the pieces in which it arrives may change what is sent back, as with 100-continue.
  bool cuttable = true;
};

/// RFC 9112, 2 to 5: lines, request line, targets, fields.
std::vector<Rule> message_rules();
/// RFC 9112, 6 and 7: how long a body is, and chunks.
std::vector<Rule> body_rules();
/// RFC 9112, 9, and RFC 9110: connections, versions, methods, expectations, upgrades.
std::vector<Rule> semantic_rules();

}  // namespace turnpike::server::test
