// Runs a fuzz target without libFuzzer: the corpus, then mutations of it from a seed.
//
// usage: fuzz_<target>_driver <corpus folder or file> [rounds] [seed]
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz_target.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t input_bytes_max = 16384;

std::minstd_rand& byte_random() {
  static std::minstd_rand random;
  return random;
}

std::vector<Bytes> read_corpus(const std::filesystem::path& where) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(where)) {
    for (const auto& entry : std::filesystem::directory_iterator{where})
      files.push_back(entry.path());
  } else if (std::filesystem::exists(where)) {
    files.push_back(where);
  }
  std::ranges::sort(files);  // a seed means the same everywhere
  std::vector<Bytes> corpus;
  for (const auto& file : files) {
    std::ifstream in{file, std::ios::binary};
    corpus.emplace_back(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
  }
  return corpus;
}

/// False after telling what broke and with which bytes.
bool holds(const Bytes& input, const std::string& name) {
  try {
    LLVMFuzzerTestOneInput(input.data(), input.size());
    return true;
  } catch (const std::exception& broken) {
    const std::string file = "fuzz-finding.bin";
    std::ofstream{file, std::ios::binary}.write(reinterpret_cast<const char*>(input.data()),
                                                static_cast<std::streamsize>(input.size()));
    std::cerr << "BROKEN by " << name << ", kept in " << file << ": " << broken.what() << "\n";
    return false;
  }
}

Bytes mutated(const Bytes& from, std::minstd_rand& random) {
  Bytes input = from;
  std::size_t size = std::min(input.size(), input_bytes_max);
  input.resize(input_bytes_max);
  for (auto count = 1 + random() % 4; count > 0; --count) {
    size =
        LLVMFuzzerCustomMutator(input.data(), size, input.size(), static_cast<unsigned>(random()));
  }
  input.resize(size);
  input.shrink_to_fit();  // reading behind the end is seen by the address sanitizer
  return input;
}

std::uint64_t number(const char* text) {
  std::uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text, text + std::strlen(text), value);
  if (fault != std::errc{} || *end != '\0') {
    std::cerr << "no number: " << text << "\n";
    std::exit(2);
  }
  return value;
}

}  // namespace

/// Stands in for libFuzzer's: flips, drops, doubles and moves bytes.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                        std::size_t max_size) {
  auto& random = byte_random();
  if (size == 0) {
    data[0] = static_cast<std::uint8_t>(random());
    return 1;
  }
  const std::size_t at = random() % size;
  const std::size_t length = std::min<std::size_t>(1 + random() % 64, size - at);
  switch (random() % 4) {
    case 0:
      data[at] = static_cast<std::uint8_t>(random() >> 8U);
      return size;
    case 1:
      std::copy(data + at + length, data + size, data + at);
      return size - length;
    case 2:
      std::copy_n(data + at, length, data + random() % (size - length + 1));
      return size;
    default: {
      const std::size_t grown = std::min(size + length, max_size);
      std::copy_backward(data + at, data + (size - (size + length - grown)), data + grown);
      return grown;
    }
  }
}

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: " << arguments[0] << " <corpus folder or file> [rounds] [seed]\n";
    return 2;
  }
  const auto corpus = read_corpus(arguments[1]);
  const std::uint64_t rounds = count > 2 ? number(arguments[2]) : 0;
  const std::uint64_t seed = count > 3 ? number(arguments[3]) : std::random_device{}();
  std::cout << corpus.size() << " inputs, " << rounds << " mutations, seed " << seed << std::endl;
  if (corpus.empty()) return 1;
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    if (!holds(corpus[i], "input " + std::to_string(i))) return 1;
  }
  std::minstd_rand random{static_cast<unsigned>(seed)};
  byte_random().seed(static_cast<unsigned>(seed) + 1);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Bytes& from = corpus[random() % corpus.size()];
    if (!holds(mutated(from, random), "mutation " + std::to_string(round))) return 1;
  }
  return 0;
}
