// The same answer in the words of each provider dialect, event by event, in the shapes of recorded
// traffic.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "turnpike/dialect.hpp"

namespace turnpike::bench {

/// Pieces of content in every answer: what costs are divided by.
inline constexpr std::size_t pieces = 200;

enum class Content {
  text,   // one text in `pieces` deltas
  tools,  // twenty calls whose arguments come in ten pieces each; Gemini sends each call whole
};

struct Answer {
  std::vector<std::string> events;  // as they stand on the wire
  std::size_t content_bytes = 0;    // decoded text and arguments
};

Answer answer_of(Dialect provider, Content content);

}  // namespace turnpike::bench
