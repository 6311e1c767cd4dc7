// What every fuzz target is made of.
//
//   input := 4 bytes of setting, the rest is the text under test
//
// Built as a libFuzzer program (option TURNPIKE_FUZZ) and, in every build, into a driver that runs
// the committed corpus and ten thousand seeded mutations of it. A broken invariant is thrown:
// libFuzzer takes that for a crash and keeps the input, the driver tells the seed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
// The names are libFuzzer's. NOLINTBEGIN(readability-identifier-naming)
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                    unsigned seed);
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
// NOLINTEND(readability-identifier-naming)
}

namespace turnpike::fuzz {

inline constexpr std::size_t setting_bytes = 4;

struct Input {
  std::uint8_t setting[setting_bytes] = {};
  std::string_view text;
};

/// Shorter inputs have settings of 0.
inline Input read_input(const std::uint8_t* data, std::size_t size) {
  Input input;
  std::size_t at = 0;
  for (; at < setting_bytes && at < size; ++at) input.setting[at] = data[at];
  if (at < size) input.text = {reinterpret_cast<const char*>(data) + at, size - at};
  return input;
}

inline void require(bool kept, const std::string& invariant) {
  if (!kept) throw std::logic_error(invariant);
}

/// Pieces of 1 to `longest` bytes, chosen by the seed.
inline std::vector<std::string_view> cut(std::string_view text, unsigned seed,
                                         std::size_t longest) {
  std::minstd_rand random{seed};
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const std::size_t length = 1 + random() % longest;
    pieces.push_back(text.substr(0, length));
    text.remove_prefix(std::min(length, text.size()));
  }
  return pieces;
}

}  // namespace turnpike::fuzz
