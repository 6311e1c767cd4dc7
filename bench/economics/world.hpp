// What really happens: which cache entries live, what an answer costs, whether a step succeeds. No router sees into it; they
// see the answers.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "catalog/catalog.hpp"
#include "traffic.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::economics {

/// Assumptions that no file tells. Each is stated in docs/economics.md.
struct Assumptions {
  double fails_under_routed = 0.6;  // a hard step on the bulk tier
  double fails_on_frontier = 0.1;   // a hard step there
  int attempts_max = 6;             // then the turn is given up
  std::int64_t rethink_tokens = 1000;  // further output of the first answer after a change of family
  double cache_misses = 0.03;       // of live entries, where caching is the provider's own affair
  std::int64_t output_human = 800;  // median tokens of an answer to a person
  std::int64_t output_loop = 350;   // and of a step in a loop
  std::int64_t printed_bytes = 1500;  // median of what a tool prints
  int automatic_life_s = 8 * 3600;  // of caches that keep everything
  int marked_life_s = 300;          // of caches that keep what is marked
};

struct Step {
  const Conversation* conversation = nullptr;
  std::uint64_t number = 0;  // of the conversation, over all turns and attempts
  RequestFacts facts;
  bool hard = false;
  Instant at{};
};

struct Answer {
  Usage usage;
  Credits cost;
  Instant ended{};
};

class World {
 public:
  World(const catalog::Catalog& catalog, const Measured& measured, std::uint64_t seed) : catalog_(catalog), measured_(measured), chance_(seed) {}

  Answer answer(const Step& step, const std::string& target);
  [[nodiscard]] bool succeeds(const Step& step, bool frontier) const;
  /// Bytes that the answer and the tool it calls add to the next prompt.
  [[nodiscard]] std::int64_t growth(const Step& step) const;
  [[nodiscard]] const Assumptions& assumed() const { return assumed_; }
  [[nodiscard]] const Chance& chance() const { return chance_; }

 private:
  struct Entry {
    std::int64_t tokens = 0;
    Instant used_at{};
  };
  [[nodiscard]] std::int64_t alive(const std::string& key, bool marked, Instant at) const;

  const catalog::Catalog& catalog_;
  const Measured& measured_;
  Chance chance_;
  Assumptions assumed_;
  std::unordered_map<std::string, Entry> caches_;               // of conversations and of heads
  std::unordered_map<std::uint64_t, std::string> last_family_;  // of each conversation
};

}  // namespace turnpike::economics
