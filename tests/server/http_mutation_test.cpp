// Damaged heads and chunk streams: whatever comes, the verdict is the same however the bytes are
// cut, nothing is read past its end (sanitizers), and no accepted head is one that Beast frames
// differently.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "server/chunk_guard.hpp"
#include "server/head_parser.hpp"
#include "server/http_cases.hpp"
#include "server/http_guard.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;

namespace {

#ifdef NDEBUG
constexpr int rounds = 200'000;
#else
constexpr int rounds = 40'000;
#endif

/// Repeat a run with TURNPIKE_FUZZ_SEED; a new seed every time would make a failure of the gate
/// hard to believe.
std::uint64_t seed() {
  const char* given = std::getenv("TURNPIKE_FUZZ_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 20261122;
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t start) : random_(start) {}

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

  std::string mutate(std::string bytes, const std::string& other) {
    static const std::vector<std::string> pieces{"\r\n",
                                                 "\n",
                                                 "\r",
                                                 " ",
                                                 "\t",
                                                 ":",
                                                 ",",
                                                 ";",
                                                 "0",
                                                 "5",
                                                 "\r\n\r\n",
                                                 "\r\n ",
                                                 std::string(1, '\0'),
                                                 "\x7f",
                                                 "\xff",
                                                 "Content-Length: 5\r\n",
                                                 "Transfer-Encoding: chunked\r\n",
                                                 "Host: b\r\n",
                                                 "HTTP/1.1",
                                                 "chunked",
                                                 "@",
                                                 "#",
                                                 "%",
                                                 "ffffffffffffffff",
                                                 "0\r\n\r\n",
                                                 "Connection: close\r\n",
                                                 "Expect: 100-continue\r\n"};
    for (std::size_t n = 1 + below(4); n > 0; --n) {
      const auto at = below(bytes.size() + 1);
      switch (below(6)) {
        case 0:
          if (at < bytes.size()) bytes[at] = static_cast<char>(below(256));
          break;
        case 1:
          bytes.insert(at, pieces[below(pieces.size())]);
          break;
        case 2:
          bytes.erase(at, 1 + below(8));
          break;
        case 3:
          bytes.insert(at, bytes.substr(at, below(40)));
          break;
        case 4:
          bytes =
              bytes.substr(0, at) + other.substr(std::min(other.size(), below(other.size() + 1)));
          break;
        default:
          if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
          break;
      }
    }
    return bytes;
  }

 private:
  std::mt19937_64 random_;
};

struct HeadVerdict {
  int status = -1;  // -1: incomplete
  std::size_t bytes = 0;
  BodyFraming framing = BodyFraming::none;
  std::uint64_t length = 0;
  bool operator==(const HeadVerdict&) const = default;
};

HeadVerdict judge(const std::string& bytes, Mutator& cuts, bool whole) {
  const ServerLimits limits;
  HttpGuard guard{limits};
  std::size_t end = 0;
  while (end < bytes.size()) {
    end = whole ? bytes.size() : std::min(bytes.size(), end + 1 + cuts.below(20));
    const std::string so_far =
        bytes.substr(0, end);  // a new place each time: kept views would be seen
    const auto complete = guard.scan(so_far);
    if (!complete) return {complete.error().http_status, 0, BodyFraming::none, 0};
    if (!*complete) continue;
    const auto head =
        parse_head(std::string_view{so_far}.substr(0, guard.head_bytes()), guard.facts(), "peer");
    if (head) {
      CHECK(head->target.find_first_of(" \r\n#\\") == std::string::npos);
      for (const auto& [name, value] : head->headers) {
        CHECK(name.find_first_of("\r\n\t :") == std::string::npos);
        CHECK(value.find_first_of(std::string{"\r\n\0", 3}) == std::string::npos);
      }
    }
    // Beast may only be stricter than the guard, never the other way round.
    return {head ? accepted : head.error().http_status, guard.head_bytes(), guard.facts().framing,
            guard.facts().content_length};
  }
  return {};
}

struct ChunkVerdict {
  int status = -1;
  std::string body;
  std::size_t used = 0;
  bool operator==(const ChunkVerdict&) const = default;
};

ChunkVerdict judge_chunks(const std::string& wire, Mutator& cuts, bool whole) {
  const ServerLimits limits;
  ChunkGuard guard{limits};
  ChunkVerdict verdict;
  while (verdict.used < wire.size() && !guard.complete()) {
    const std::string piece =
        wire.substr(verdict.used, whole ? std::string::npos : 1 + cuts.below(6));
    const auto used = guard.feed(piece, verdict.body);
    if (!used) return {used.error().http_status, {}, 0};
    verdict.used += *used;
  }
  if (guard.complete()) verdict.status = accepted;
  return verdict;
}

}  // namespace

TEST_CASE("mutated heads get one verdict, however they are cut", "[server][fuzz][H13]") {
  std::cerr << "mutated heads: seed " << seed() << ", " << rounds << " rounds\n";
  Mutator mutator{seed()};
  std::vector<std::string> corpus;
  for (const auto& item : head_cases()) {
    if (item.bytes.size() < 600) corpus.push_back(item.bytes);
  }
  int taken = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto bytes =
        mutator.mutate(corpus[mutator.below(corpus.size())], corpus[mutator.below(corpus.size())]);
    const auto whole = judge(bytes, mutator, true);
    const auto cut = judge(bytes, mutator, false);
    if (whole != cut)
      FAIL("round " << round << " of seed " << seed() << ": " << Catch::Detail::stringify(bytes));
    taken += whole.status == accepted ? 1 : 0;
  }
  CHECK(taken > rounds / 100);  // else the mutations only ever meet the first check
}

TEST_CASE("mutated chunk streams get one verdict, however they are cut", "[server][fuzz][H13]") {
  std::cerr << "mutated chunks: seed " << seed() << ", " << rounds << " rounds\n";
  Mutator mutator{seed() + 1};
  std::vector<std::string> corpus;
  for (const auto& item : chunk_cases()) {
    if (item.bytes.size() < 600) corpus.push_back(item.bytes);
  }
  int taken = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto wire =
        mutator.mutate(corpus[mutator.below(corpus.size())], corpus[mutator.below(corpus.size())]);
    const auto whole = judge_chunks(wire, mutator, true);
    const auto cut = judge_chunks(wire, mutator, false);
    if (whole != cut)
      FAIL("round " << round << " of seed " << seed() << ": " << Catch::Detail::stringify(wire));
    taken += whole.status == accepted ? 1 : 0;
  }
  CHECK(taken > rounds / 100);
}
