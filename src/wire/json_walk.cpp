#include "wire/json_walk.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace turnpike::wire {

namespace {

constexpr std::size_t block_bytes = 64;

/// One bit for each byte of a block.
struct Marks {
  std::uint64_t quotes = 0;
  std::uint64_t backslashes = 0;
};

/// Most strings are names and a few words: how many bytes stand before the closing quote at or after `at`, if they are fewer
/// than these and none of them is a backslash.
constexpr std::size_t short_bytes = 16;

#ifdef __SSE2__
std::size_t short_length(std::string_view text, std::size_t at) {
  if (at + short_bytes > text.size()) return short_bytes;
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
  const auto mask = [&](char wanted) {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted))));
  };
  const std::uint32_t quotes = mask('"');
  const auto length = static_cast<std::size_t>(std::countr_zero(quotes));
  return quotes != 0 && (mask('\\') & (quotes - 1)) == 0 ? length : short_bytes;
}

// Code in messages has an escape every few bytes: a search for the next quote would stop at each of them.
Marks marks_of(const char* block) {
  Marks marks;
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  for (std::size_t i = 0; i < block_bytes; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + i));
    const auto mask = [&](__m128i wanted) {
      return std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, wanted)))} << i;
    };
    marks.quotes |= mask(quote);
    marks.backslashes |= mask(backslash);
  }
  return marks;
}
#else
std::size_t short_length(std::string_view text, std::size_t at) {
  const auto found = text.substr(at, short_bytes).find_first_of("\"\\");
  return found != std::string_view::npos && text[at + found] == '"' ? found : short_bytes;
}

Marks marks_of(const char* block) {
  Marks marks;
  for (std::size_t i = 0; i < block_bytes; ++i) {
    marks.quotes |= std::uint64_t{block[i] == '"'} << i;
    marks.backslashes |= std::uint64_t{block[i] == '\\'} << i;
  }
  return marks;
}
#endif

/// The bytes of a block that a backslash before them escapes. `first` says whether the block's first byte is one of them,
/// and becomes what holds for the next block. A run of backslashes escapes what follows if it is odd: the subtraction
/// carries through each run, and the alternating bits tell odd from even. After simdjson's json_escape_scanner.
std::uint64_t escaped_bytes(std::uint64_t backslashes, std::uint64_t& first) {
  constexpr std::uint64_t odd = 0xAAAAAAAAAAAAAAAAULL;
  const std::uint64_t able = backslashes & ~first;
  const std::uint64_t escapes_and_ends = (((able << 1U) | odd) - able) ^ odd;
  const std::uint64_t escaped = escapes_and_ends ^ (backslashes | first);
  first = (escapes_and_ends & backslashes) >> 63U;
  return escaped;
}

}  // namespace

std::size_t string_end(std::string_view text, std::size_t at) {
  ++at;
  if (const auto length = short_length(text, at); length < short_bytes) return at + length + 1;
  std::uint64_t escaped_first = 0;
  for (; at + block_bytes <= text.size(); at += block_bytes) {
    Marks marks = marks_of(text.data() + at);
    if ((marks.backslashes | escaped_first) != 0) marks.quotes &= ~escaped_bytes(marks.backslashes, escaped_first);
    if (marks.quotes != 0) return at + static_cast<std::size_t>(std::countr_zero(marks.quotes)) + 1;
  }
  bool escaped = escaped_first != 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '"' && !escaped) return at + 1;
    escaped = text[at] == '\\' && !escaped;
  }
  return text.size();
}

std::size_t value_end(std::string_view text, std::size_t at) {
  if (text[at] == '"') return string_end(text, at);
  if (text[at] != '{' && text[at] != '[')
    return std::min(text.find_first_of(",]} \n\r\t", at), text.size());
  std::size_t depth = 0;
  while (true) {
    switch (text[at]) {
      case '"':
        at = string_end(text, at);
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return at + 1;
        break;
      default:
        break;
    }
    ++at;
  }
}

}  // namespace turnpike::wire
