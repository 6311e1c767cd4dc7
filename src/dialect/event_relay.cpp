#include "dialect/event_relay.hpp"

#include <utility>

#include "dialect/translation.hpp"

namespace turnpike::dialect {

std::unique_ptr<AnswerStream> make_event_relay(const Candidate& candidate, StreamOptions options) {
  return make_translation(candidate, std::move(options));
}

}  // namespace turnpike::dialect
