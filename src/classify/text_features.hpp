// What the words of a prompt tell: hashed 1-2-grams and some forty counts, all integers.
//
// Built so that what a person would call the same question gives the same features: letter case,
// blanks and empty lines, the kind of list markers, courtesies and swapped inner letters of a word
// change nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace turnpike::classify {

/// Buckets of the hashed n-grams: one signed byte of weight each, 448 KiB.
inline constexpr std::uint32_t ngram_buckets = 7U << 16;
/// Longest text that is looked at; the rest of a longer one is not read. The fact reader's window
/// is shorter.
inline constexpr std::size_t text_bytes_max = 8192 + 64;
/// A text of one-letter words has that many n-grams; should one have more, they are left out.
inline constexpr std::size_t ngrams_max = text_bytes_max;

/// Fixed point: 256 is 1.0.
inline constexpr std::int32_t feature_one = 256;

enum class TextFeature : std::uint8_t {
  length,           // log2 of 1 + words
  length_squared,   // the same, squared, over 8
  short_question,   // 1 below 12 words, falling to 0 at 24
  word_length,      // mean letters of a word
  long_words,       // share of words with 10 letters or more
  identifiers,      // log2 of 1 + words with digits or underscores inside
                    // (a_b, c1)
  variety,          // different words over words, by a 2048-bit sketch
  sentences,        // log2 of 1 + sentence ends
  sentence_length,  // log2 of words per sentence
  commas,           // per sentence
  questions,        // log2 of 1 + question marks
  numbers,          // log2 of 1 + numbers
  number_share,     // numbers per word
  number_digits,    // mean digits of a number
  decimals,         // log2 of 1 + numbers with a fraction
  math_symbols,     // log2 of 1 + $ ^ = + < > | % and such
  math_share,       // the same per word
  latex_commands,   // log2 of 1 + \word
  code_marks,       // log2 of 1 + { } ; _ ( ) [ ] pairs that code has
  code_share,       // the same per word
  paths,            // log2 of 1 + words joined by '/' or '.' to the next without a blank
  quotes,           // log2 of 1 + quotation marks
  negations,        // log2 of 1 + not, except, never ...
  conditions,       // log2 of 1 + if, when, unless, suppose ...
  quantities,       // log2 of 1 + how many, maximum, total, probability ...
  reasons,          // log2 of 1 + why, explain, because ...
  lookups,          // log2 of 1 + who, where, which, name ...
  heavy_verbs,      // log2 of 1 + prove, design, diagnose ...
  light_verbs,      // log2 of 1 + list, rename, show, summarise ...
  hard_matters,     // log2 of 1 + deadlock, consistency, migration ...
  other_script,     // share of letters outside ASCII
  items,            // log2 of 1 + list items: lines that begin with "A.", "1)", "-"
  many_items,       // 1 from 6 items on
  item_length,      // log2 of 1 + mean words of an item
  item_numbers,     // share of items that begin with a number
  item_share,       // share of words that stand in items
  lead_length,      // log2 of 1 + words before the first item
  lead_question,    // 1 if these end with a question mark
  count_,
};
inline constexpr std::size_t text_feature_count = static_cast<std::size_t>(TextFeature::count_);
std::string_view to_string(TextFeature feature);

struct TextScan {
  std::array<std::int32_t, text_feature_count> features{};  // in feature_one
  std::uint32_t words = 0;                                  // without courtesies and list markers
  std::uint32_t ngrams = 0;                                 // how many of `buckets` are filled
};

/// Fills `buckets` (at least ngrams_max) with the hashed n-grams of `text` in order, repeats
/// included.
TextScan scan_text(std::string_view text, std::span<std::uint32_t> buckets);

/// log2(1 + n) in feature_one, linear between powers of two: the same on every machine.
std::int32_t log2_plus_one(std::uint64_t n);

}  // namespace turnpike::classify
