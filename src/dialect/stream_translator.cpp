#include "dialect/stream_translator.hpp"

#include <utility>

#include "dialect/answer_stream.hpp"
#include "dialect/chat_relay.hpp"
#include "dialect/event_relay.hpp"
#include "dialect/translation.hpp"

namespace turnpike::dialect {

namespace {

std::unique_ptr<AnswerStream> make_stream(const Candidate& candidate, StreamOptions options) {
  // Tools that differ upstream have to be told under the client's names, whatever the dialect.
  if (candidate.dialect != options.client || !options.tools.empty())
    return make_translation(candidate, std::move(options));
  if (options.client == Dialect::openai_chat) return make_chat_relay(candidate, std::move(options));
  return make_event_relay(candidate, std::move(options));
}

}  // namespace

StreamTranslator::StreamTranslator(const Candidate& candidate, StreamOptions options)
    : stream_(make_stream(candidate, std::move(options))) {}
StreamTranslator::StreamTranslator(Candidate&& candidate, StreamOptions options)
    : own_(std::make_unique<const Candidate>(std::move(candidate))),
      stream_(make_stream(*own_, std::move(options))) {}
StreamTranslator::StreamTranslator(StreamTranslator&&) noexcept = default;
StreamTranslator& StreamTranslator::operator=(StreamTranslator&&) noexcept = default;
StreamTranslator::~StreamTranslator() = default;

void StreamTranslator::feed(std::string_view bytes, std::string& out) { stream_->feed(bytes, out); }
void StreamTranslator::end(const Result<void>& transport, std::string& out) {
  stream_->end(transport, out);
}
void StreamTranslator::fail(const Error& error, std::string& out) { stream_->fail(error, out); }
void StreamTranslator::heartbeat(std::string& out) { stream_->heartbeat(out); }
bool StreamTranslator::content_started() const { return stream_->content_started(); }
bool StreamTranslator::complete() const { return stream_->complete(); }
const std::optional<Error>& StreamTranslator::failure() const { return stream_->failure(); }
const Tally& StreamTranslator::tally() const { return stream_->tally(); }
std::uint64_t StreamTranslator::events() const { return stream_->events(); }

}  // namespace turnpike::dialect
