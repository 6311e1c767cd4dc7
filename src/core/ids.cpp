#include "turnpike/ids.hpp"

#include <openssl/rand.h>

#include <cstdlib>
#include <random>

namespace turnpike {

std::uint64_t SystemRandomness::next() {
  thread_local std::mt19937_64 generator{[] {
    std::uint64_t seed = 0;
    // Without entropy nothing here is safe to run: ids would repeat between processes.
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&seed), sizeof seed) != 1) std::abort();
    return seed;
  }()};
  return generator();
}

std::string make_id(Instant now, Randomness& randomness) {
  constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  std::string id(26, '0');
  auto time = static_cast<std::uint64_t>(millis);
  for (std::size_t i = 10; i-- > 0; time >>= 5U) id[i] = alphabet[time & 31U];
  // 80 random bits, 40 from each draw: 8 characters apiece.
  for (const std::size_t from : {std::size_t{10}, std::size_t{18}}) {
    std::uint64_t bits = randomness.next();
    for (std::size_t i = from; i < from + 8; ++i, bits >>= 5U) id[i] = alphabet[bits & 31U];
  }
  return id;
}

}  // namespace turnpike
