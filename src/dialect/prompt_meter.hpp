// Counts the texts of a prompt while they are read, and takes the hashes that prove where two
// prompts begin alike.
//
// What a provider bills for the beginning of a prompt is known once it was billed. That it is the
// same beginning is told by content: roles, decoded texts, calls, media, in their order. What
// carries no token does not count: blanks between JSON tokens, and cache_control marks, which
// harnesses move from message to message.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "turnpike/facts.hpp"

namespace turnpike::dialect {

/// A running XXH3-128 over texts and single bytes: two chains are equal only if they were given the
/// same ones. Why this hash: docs/decisions/0006-prompt-hash.md.
class TextChain {
 public:
  explicit TextChain(std::uint64_t key) : key_(key) {}

  void add(std::string_view text);
  void add(char tag);
  /// Of all that was added so far; more may follow. Equal chains were asked at the same places.
  PromptHash value();

 private:
  static constexpr std::size_t link_bytes = 16;  // the buffer begins with the value before it
  static constexpr std::size_t buffer_bytes = 1024;
  static constexpr std::size_t copied_bytes_max = 256;  // a longer text is hashed where it stands

  void append(const void* bytes, std::size_t count);
  void fold();

  std::uint64_t key_;
  std::size_t filled_ = link_bytes;
  alignas(16) std::array<char, buffer_bytes> buffer_{};
};

/// One request. Everything is counted; what add_*() takes is hashed as well, into the head between
/// begin_head() and end_head(), else into the messages.
class PromptMeter {
 public:
  explicit PromptMeter(std::uint64_t key) : key_(key), messages_(key), part_(key) {}

  void add_text(std::string_view text);
  /// compact_bytes() of the value.
  void add_json(const simdjson::dom::element& value);
  /// Hashed and not counted: who speaks, what a text is.
  void add_tag(char tag) { chain().add(tag); }
  /// Hashed and not counted: an image or a file. `stands_for` is its JSON.
  void add_media(const simdjson::dom::element& stands_for);
  /// What a mark asks of the provider's cache. Those inside of what add_json() takes are seen
  /// there.
  void note_cache_mark(const simdjson::dom::element& block);
  /// Counted and not hashed: what changes with every request.
  void add_unproven(std::size_t bytes) { bytes_ += static_cast<std::int64_t>(bytes); }

  /// A part of what stands in front of all messages, in whatever order its parts come. `tag` tells
  /// them apart.
  void begin_head(char tag);
  void end_head();
  /// The number of messages, known before the first: only the last ones get a mark.
  void expect_messages(std::size_t count);
  /// Behind each of the client's messages, with the counts that `facts` has by then.
  void end_message(std::int32_t messages, std::int32_t media);

  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  /// Sets text_bytes, hour_cache and trail.
  void finish(RequestFacts& facts);

 private:
  TextChain& chain() { return in_head_ ? part_ : messages_; }
  void hash_json(const simdjson::dom::element& value);
  void count_proven(std::int64_t bytes);

  std::uint64_t key_;
  TextChain messages_;
  TextChain part_;
  bool in_head_ = false;
  bool hour_cache_ = false;
  std::int64_t bytes_ = 0;
  std::int64_t message_bytes_ = 0;  // of those, proven by the messages' chain
  std::size_t unmarked_ = 0;        // messages that get no mark
  PromptTrail trail_;
};

}  // namespace turnpike::dialect
