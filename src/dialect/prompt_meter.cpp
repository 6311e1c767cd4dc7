#include "dialect/prompt_meter.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <utility>

#include "dialect/compact_bytes.hpp"

namespace turnpike::dialect {

using simdjson::dom::element;
using simdjson::dom::element_type;

namespace {

/// {"type":"ephemeral", …} under "cache_control": where a cacheable prefix ends, said to the
/// provider and not to the model.
bool is_cache_mark(std::string_view key, const element& value) {
  std::string_view type;
  return key == "cache_control" && value.is_object() &&
         value["type"].get(type) == simdjson::SUCCESS && type == "ephemeral";
}

bool lives_an_hour(const element& mark) {
  std::string_view lifetime;
  return mark.is_object() && mark["ttl"].get(lifetime) == simdjson::SUCCESS && lifetime == "1h";
}

}  // namespace

// ---- the chain

void TextChain::append(const void* bytes, std::size_t count) {
  if (count == 0) return;  // `bytes` may be null: a text that is absent
  if (filled_ + count > buffer_.size()) fold();
  std::memcpy(buffer_.data() + filled_, bytes, count);
  filled_ += count;
}

void TextChain::fold() {
  const XXH128_hash_t link = XXH3_128bits_withSeed(buffer_.data(), filled_, key_);
  std::memcpy(buffer_.data(), &link.low64, 8);
  std::memcpy(buffer_.data() + 8, &link.high64, 8);
  filled_ = link_bytes;
}

/// The length goes first, so that no two sequences of texts look alike.
void TextChain::add(std::string_view text) {
  const std::uint64_t length = text.size();
  append(&length, sizeof length);
  if (text.size() <= copied_bytes_max) return append(text.data(), text.size());
  const XXH128_hash_t hash = XXH3_128bits_withSeed(text.data(), text.size(), key_);
  const std::array words{hash.low64, hash.high64};
  append(words.data(), sizeof words);
}

void TextChain::add(char tag) { append(&tag, 1); }

PromptHash TextChain::value() {
  fold();
  PromptHash hash;
  std::memcpy(&hash.low, buffer_.data(), 8);
  std::memcpy(&hash.high, buffer_.data() + 8, 8);
  return hash;
}

// ---- the meter

void PromptMeter::count_proven(std::int64_t bytes) {
  bytes_ += bytes;
  (in_head_ ? trail_.head_bytes : message_bytes_) += bytes;
}

void PromptMeter::add_text(std::string_view text) {
  count_proven(static_cast<std::int64_t>(text.size()));
  chain().add('t');
  chain().add(text);
}

void PromptMeter::add_json(const element& value) {
  count_proven(compact_bytes(value));
  hash_json(value);
}

void PromptMeter::note_cache_mark(const element& block) {
  element mark;
  if (block.is_object() && block["cache_control"].get(mark) == simdjson::SUCCESS) {
    hour_cache_ = hour_cache_ || lives_an_hour(mark);
  }
}

void PromptMeter::add_media(const element& stands_for) {
  chain().add('m');
  hash_json(stands_for);
}

void PromptMeter::hash_json(const element& value) {
  TextChain& into = chain();
  switch (value.type()) {
    case element_type::OBJECT:
      into.add('{');
      for (const auto& [key, member] : simdjson::dom::object{value}) {
        if (is_cache_mark(key, member)) {
          hour_cache_ = hour_cache_ || lives_an_hour(member);
          continue;
        }
        into.add(key);
        hash_json(member);
      }
      return into.add('}');
    case element_type::ARRAY:
      into.add('[');
      for (const element member : simdjson::dom::array{value}) hash_json(member);
      return into.add(']');
    case element_type::STRING:
      into.add('"');
      return into.add(std::string_view{value});
    case element_type::BOOL:
      return into.add(bool{value} ? '1' : '0');
    case element_type::NULL_VALUE:
      return into.add('n');
    default:
      break;
  }
  // Numbers that are equal and of different kinds (1 and 1.0) are as good as different.
  const double number = value.type() == element_type::DOUBLE ? double{value} : 0;
  const std::uint64_t whole = value.type() == element_type::UINT64 ? std::uint64_t{value}
                              : value.type() == element_type::INT64
                                  ? static_cast<std::uint64_t>(std::int64_t{value})
                                  : 0;
  std::array<char, 16> bits{};
  std::memcpy(bits.data(), &number, 8);
  std::memcpy(bits.data() + 8, &whole, 8);
  into.add('0' + static_cast<char>(value.type()));
  into.add(std::string_view{bits.data(), bits.size()});
}

void PromptMeter::begin_head(char tag) {
  in_head_ = true;
  part_ = TextChain{key_};
  part_.add(tag);
}

void PromptMeter::end_head() {
  // A sum: "tools" may stand before or behind "system".
  const PromptHash part = part_.value();
  trail_.head.low += part.low;
  trail_.head.high += part.high;
  in_head_ = false;
}

void PromptMeter::expect_messages(std::size_t count) {
  unmarked_ = count > PromptTrail::marks_max ? count - PromptTrail::marks_max : 0;
  trail_.marks.reserve(count - unmarked_);
}

void PromptMeter::end_message(std::int32_t messages, std::int32_t media) {
  messages_.add('.');
  // Taken for every message: taking it moves the chain on, and a mark must not depend on how many
  // follow.
  const PromptHash hash = messages_.value();
  if (unmarked_ > 0) {
    --unmarked_;
    return;
  }
  trail_.marks.push_back({hash, message_bytes_, messages, media});
}

void PromptMeter::finish(RequestFacts& facts) {
  facts.text_bytes = bytes_;
  facts.hour_cache = hour_cache_;
  facts.trail = std::move(trail_);
}

}  // namespace turnpike::dialect
