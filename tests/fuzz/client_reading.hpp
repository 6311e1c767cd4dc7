// Reads answers as the clients of each dialect do, far enough to tell how an answer ended and
// whether a tool could be run with arguments that are none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "turnpike/dialect.hpp"

namespace turnpike::fuzz {

struct ClientReading {
  bool terminated = false;  // by the dialect's own end of a good answer
  bool error = false;       // an error has been told
  /// Texts that break the rules of any dialect: data that is no JSON object, an event behind the
  /// end.
  std::vector<std::string> faults;
  /// Calls that a client would run, with arguments that are no JSON object.
  std::vector<std::string> broken_calls;
};

ClientReading read_stream(Dialect client, std::string_view stream);
/// `body` is the text of one JSON object.
ClientReading read_body(Dialect client, std::string_view body);

}  // namespace turnpike::fuzz
