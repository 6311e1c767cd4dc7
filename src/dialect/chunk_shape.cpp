#include "dialect/chunk_shape.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <functional>
#include <system_error>

#include "dialect/json_reading.hpp"

namespace turnpike::dialect {
namespace {

/// More is left to the reader, so that events of a shape stay far below the splitter's limit.
constexpr std::size_t string_bytes_max = std::size_t{64} << 10U;
constexpr std::size_t shape_bytes_max = std::size_t{16} << 10U;
constexpr int unproven_max = 8;

/// How many of the eight bytes of `word`, in the order of memory, stand before the first quote,
/// backslash or control character.
std::size_t plain_bytes(std::uint64_t word) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t tops = ones * 0x80U;
  // The top bit of each byte that is zero; above the first one others may be set, too.
  const auto zeros = [](std::uint64_t bytes) { return (bytes - ones) & ~bytes & tops; };
  const std::uint64_t controls = (word - ones * 0x20U) & ~word & tops;
  const std::uint64_t found = controls | zeros(word ^ (ones * '"')) | zeros(word ^ (ones * '\\'));
  return static_cast<std::size_t>(std::countr_zero(found)) / 8;
}

struct JsonString {
  std::size_t end = 0;  // of the closing quote
  bool escaped = false;
};

/// The string whose first byte is at `begin`; nothing if it is not whole, too long, not UTF-8 or
/// has a control character. Escapes are not looked into.
std::optional<JsonString> string_at(std::string_view bytes, std::size_t begin) {
  const std::size_t limit = std::min(bytes.size(), begin + string_bytes_max);
  JsonString found;
  std::uint64_t all = 0;
  std::size_t at = begin;
  while (true) {
    for (std::size_t plain = 8; plain == 8 && at + 8 <= limit; at += plain) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, sizeof word);
      all |= word;  // bytes behind the quote count, too: they only cost a second look
      plain = plain_bytes(word);
    }
    if (at >= limit) return std::nullopt;
    const auto byte = static_cast<unsigned char>(bytes[at]);
    if (byte == '"') break;
    if (byte < 0x20) return std::nullopt;
    all |= byte;
    found.escaped |= byte == '\\';
    at += byte == '\\' ? 2 : 1;
  }
  if ((all & 0x8080808080808080U) != 0 &&
      !simdjson::validate_utf8(bytes.data() + begin, at - begin)) {
    return std::nullopt;
  }
  found.end = at;
  return found;
}

/// Four hexadecimal digits at the front of `text`; nothing for half a surrogate pair, which the
/// reader handles.
std::optional<std::uint32_t> code_unit(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t unit = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + 4, unit, 16);
  const bool whole = fault == std::errc{} && end == text.data() + 4;
  if (!whole || (unit >= 0xD800 && unit <= 0xDFFF)) return std::nullopt;
  return unit;
}

void append_utf8(std::string& out, std::uint32_t unit) {
  if (unit < 0x80) {
    out += static_cast<char>(unit);
    return;
  }
  if (unit < 0x800) {
    out += static_cast<char>(0xC0U | (unit >> 6U));
  } else {
    out += static_cast<char>(0xE0U | (unit >> 12U));
    out += static_cast<char>(0x80U | ((unit >> 6U) & 0x3FU));
  }
  out += static_cast<char>(0x80U | (unit & 0x3FU));
}

/// False if an escape is none or is left to the reader.
bool unescape(std::string_view raw, std::string& out) {
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  out.clear();
  while (true) {
    const std::size_t backslash = raw.find('\\');
    out += raw.substr(0, backslash);
    if (backslash == std::string_view::npos) return true;
    raw.remove_prefix(backslash + 1);
    if (raw.empty()) return false;
    if (const std::size_t letter = letters.find(raw.front()); letter != std::string_view::npos) {
      out += meanings[letter];
      raw.remove_prefix(1);
      continue;
    }
    const auto unit = raw.front() == 'u' ? code_unit(raw.substr(1)) : std::nullopt;
    if (!unit) return false;
    append_utf8(out, *unit);
    raw.remove_prefix(5);
  }
}

/// All data in one line, which is the event's last: joined lines have bytes of their own. What stands before them reads
/// the same whenever it is the same.
bool is_one_line(const wire::SseEvent& event) {
  const std::string_view raw = event.raw;
  const std::less<> before;
  if (before(event.data.data(), raw.data()) || !before(event.data.data(), raw.data() + raw.size())) return false;
  const auto begin = static_cast<std::size_t>(event.data.data() - raw.data());
  const std::string_view rest = raw.substr(begin + event.data.size());
  return rest == "\n\n" || rest == "\r\n\r\n";
}

bool is_string(const RawCursor& value) { return value.text().size() > 2 && value.text()[0] == '"'; }

/// The only element of an array; outside of the document if there are more.
RawCursor only_element(const RawCursor& array) {
  const RawCursor second = array.element(1);
  return second.text().empty() ? array.element(0) : second.element(0);
}

RawCursor text_in_messages(const RawCursor& event, BlockKind kind) {
  const RawCursor delta = event.member("delta");
  if (kind == BlockKind::reasoning) return delta.member("thinking");
  return delta.member(kind == BlockKind::tool_call ? "partial_json" : "text");
}

RawCursor text_in_gemini(const RawCursor& chunk) {
  const RawCursor content = only_element(chunk.member("candidates")).member("content");
  return only_element(content.member("parts")).member("text");
}

/// Where the decoder takes the text of such a delta from.
RawCursor text_in(Dialect provider, const RawCursor& chunk, BlockKind kind) {
  if (provider == Dialect::anthropic_messages) return text_in_messages(chunk, kind);
  if (provider == Dialect::gemini_generate) return text_in_gemini(chunk);
  const RawCursor delta = only_element(chunk.member("choices")).member("delta");
  switch (kind) {
    case BlockKind::text:
      return delta.member("content");
    case BlockKind::reasoning: {
      const RawCursor content = delta.member("reasoning_content");
      return is_string(content) ? content : delta.member("reasoning");
    }
    case BlockKind::tool_call:
      return only_element(delta.member("tool_calls")).member("function").member("arguments");
    case BlockKind::refusal:
      break;
  }
  return delta.member({});
}

}  // namespace

void ChunkShape::learn(const wire::SseEvent& event, const StreamEvents& events) {
  const bool gemini = provider_ == Dialect::gemini_generate;
  const auto* usage = gemini && events.size() == 2 ? std::get_if<UsageReport>(&events.front()) : nullptr;
  const auto* delta = events.size() == (usage != nullptr ? 2U : 1U) ? std::get_if<Delta>(&events.back()) : nullptr;
  // A chunk of Gemini's may also sign its block or give the reason of its end. To say so twice changes nothing, but it must
  // have been said last.
  if (delta == nullptr || gemini) bytes_.clear();
  if (delta != nullptr) learn(event, *delta, usage);
}

// Escapes outside of the text could hide a second key of the same name: such chunks are not
// learned.
void ChunkShape::learn(const wire::SseEvent& event, const Delta& delta, const UsageReport* usage) {
  const bool known = provider_ != Dialect::openai_responses;
  if (!known || unproven_ >= unproven_max || event.raw.size() > shape_bytes_max || !is_one_line(event))
    return;
  ++unproven_;
  const RawCursor chunk{event.data};
  const RawCursor text = text_in(provider_, chunk, delta.kind);
  if (!is_string(text)) return;
  const auto offset = static_cast<std::size_t>(event.data.data() - event.raw.data());
  const auto inside = [offset](const RawCursor& value) {
    return Slot{offset + value.begin() + 1, offset + value.end() - 1};
  };
  const Slot slot = inside(text);
  const std::string_view raw = event.raw.substr(slot.begin, slot.end - slot.begin);
  if (!unescape(raw, decoded_) || decoded_ != delta.bytes) return;
  const std::string_view after = event.raw.substr(slot.end);
  if (event.raw.substr(0, slot.begin).contains('\\') || after.contains('\\')) return;
  const RawCursor counters = chunk.member("usageMetadata");
  const bool counts = !counters.text().empty() && provider_ == Dialect::gemini_generate;
  if (counts) {
    if (counters_ == nullptr) counters_ = std::make_unique<MovingCounters>();
    if (counters.begin() < text.end() || !counters_->learn(after, counters, offset + counters.begin() - slot.end, usage)) return;
  } else {
    counters_.reset();
  }
  const RawCursor padding = chunk.member("obfuscation");
  const bool padded = is_string(padding) && padding.begin() > text.end();
  bytes_ = event.raw;
  text_ = slot;
  padding_ = padded ? inside(padding) : Slot{bytes_.size(), bytes_.size()};
  delta_ = {delta.choice, delta.block, delta.kind, {}};
}

/// The end of the event whose text ends `at` there; 0 if it is none of this shape.
std::size_t ChunkShape::match_behind_text(std::string_view rest, std::size_t at) {
  if (counters_ != nullptr) {
    const std::size_t bytes = counters_->match(rest.substr(at));
    return bytes == 0 ? 0 : at + bytes;
  }
  if (!rest.substr(at).starts_with(middle())) return 0;
  at += middle().size();
  if (padding_.begin != bytes_.size()) {
    const auto padding = string_at(rest, at);
    if (!padding || padding->escaped) return 0;
    at = padding->end;
  }
  return rest.substr(at).starts_with(tail()) ? at + tail().size() : 0;
}

std::optional<ChunkShape::Match> ChunkShape::match(std::string_view rest) {
  if (bytes_.empty() || !rest.starts_with(head())) return std::nullopt;
  const auto text = string_at(rest, text_.begin);
  if (!text || text->end == text_.begin) return std::nullopt;
  Match found{0, delta_};
  found.delta.bytes = rest.substr(text_.begin, text->end - text_.begin);
  if (text->escaped) {
    if (!unescape(found.delta.bytes, decoded_)) return std::nullopt;
    found.delta.bytes = decoded_;
  }
  found.bytes = match_behind_text(rest, text->end);
  if (found.bytes == 0) return std::nullopt;
  unproven_ = 0;
  return found;
}

}  // namespace turnpike::dialect
