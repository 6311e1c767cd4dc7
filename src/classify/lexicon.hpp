// Word signatures and the closed list of words that count as more than n-grams.
//
// A signature is made of a word's first and last letter and of the sum of its letters' codes, so
// two swapped inner letters (the commonest typing slip) do not change it. Anagrams that share both
// ends collide; that is the price.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "classify/text_features.hpp"

namespace turnpike::classify {

constexpr std::uint64_t mix64(std::uint64_t x) {  // the finaliser of splitmix64
  x ^= x >> 30U;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27U;
  x *= 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

inline constexpr std::array<std::uint64_t, 256> letter_codes = [] {
  std::array<std::uint64_t, 256> codes{};
  std::uint64_t state = 0;
  for (auto& code : codes) code = mix64(state += 0x9E3779B97F4A7C15ULL);
  return codes;
}();

constexpr std::uint64_t word_signature(std::uint64_t letters_sum, unsigned char first,
                                       unsigned char last) {
  return letters_sum + letter_codes[first] * 3 + letter_codes[last] * 5;
}

constexpr std::uint64_t word_signature(std::string_view lower_case) {
  std::uint64_t sum = 0;
  for (const char c : lower_case) sum += letter_codes[static_cast<unsigned char>(c)];
  return word_signature(sum, static_cast<unsigned char>(lower_case.front()),
                        static_cast<unsigned char>(lower_case.back()));
}

/// What a listed word counts towards. `courtesy` words are passed over as if they were not there;
/// `label` words are, when a colon follows at the start of a line ("Answer:").
enum class WordClass : std::uint8_t {
  none,
  courtesy,
  label,
  negation,
  condition,
  quantity,
  reason,
  lookup,
  heavy_verb,
  light_verb,
  hard_matter
};

WordClass word_class(std::uint64_t signature);

}  // namespace turnpike::classify
