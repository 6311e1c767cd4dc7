// Whose turn it is, and who gives way.
#include "gateway/fair_queue.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <vector>

using namespace turnpike;
using namespace turnpike::gateway;

namespace {

struct Line {
  explicit Line(FairQueueLimits limits = {}) : queue(limits) {}

  /// False if it was turned away.
  bool add(std::string_view key, Priority priority = Priority::interactive, std::int32_t weight = 1, std::size_t bytes = 0) {
    auto member = std::make_shared<FairQueue::Member>(Standing{key, priority, weight, bytes});
    members.push_back(member);
    return queue.push(member, displaced);
  }
  /// The keys of the next `count` turns.
  std::string turns(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      const auto next = queue.pop();
      text += next ? std::string{next->standing().key} : "-";
    }
    return text;
  }

  FairQueue queue;
  std::list<FairQueue::Held> displaced;
  std::vector<FairQueue::Held> members;
};

}  // namespace

TEST_CASE("L10: a key that floods does not delay another by more than one turn", "[gateway][overload][L10]") {
  Line line;
  for (int i = 0; i < 100; ++i) REQUIRE(line.add("F"));
  REQUIRE(line.add("a"));
  REQUIRE(line.add("b"));
  REQUIRE(line.add("a"));
  CHECK(line.turns(7) == "FabFaFF");
}

TEST_CASE("A key's weight is the number of its requests in a turn", "[gateway][overload]") {
  Line line;
  for (int i = 0; i < 6; ++i) REQUIRE(line.add("h", Priority::interactive, 3));
  for (int i = 0; i < 6; ++i) REQUIRE(line.add("l"));
  CHECK(line.turns(12) == "hhhlhhhlllll");
}

TEST_CASE("Interactive requests go first, and every eighth turn is a batch request's", "[gateway][overload]") {
  Line line;
  for (int i = 0; i < 3; ++i) REQUIRE(line.add("b", Priority::batch));
  for (int i = 0; i < 20; ++i) REQUIRE(line.add("i"));
  CHECK(line.turns(24) == "iiiiiiibiiiiiiibiiiiiib-");
}

TEST_CASE("In a full queue the longest line gives way, and whoever would be the longest is turned away", "[gateway][overload]") {
  Line line{{.requests_max = 4}};
  for (int i = 0; i < 4; ++i) REQUIRE(line.add("F"));
  CHECK(line.queue.hopeless({"F"}));
  CHECK_FALSE(line.add("F"));
  CHECK(line.displaced.empty());
  CHECK_FALSE(line.queue.hopeless({"a"}));
  REQUIRE(line.add("a"));
  REQUIRE(line.displaced.size() == 1);
  CHECK(line.displaced.front() == line.members[3]);  // the newest of the flood
  REQUIRE(line.add("b"));
  CHECK(line.queue.size() == 4);
  CHECK_FALSE(line.add("a"));  // its line would be as long as the flood's
  CHECK(line.turns(5) == "FabF-");
}

TEST_CASE("Batch requests beyond an eighth of the places give way to interactive ones", "[gateway][overload]") {
  Line line{{.requests_max = 16}};
  for (int i = 0; i < 16; ++i) REQUIRE(line.add("b", Priority::batch));
  CHECK_FALSE(line.add("b", Priority::batch));
  for (int i = 0; i < 14; ++i) REQUIRE(line.add("i"));
  CHECK(line.displaced.size() == 14);
  CHECK_FALSE(line.add("i"));  // an eighth is the batch requests'
  CHECK_FALSE(line.add("b", Priority::batch));
  CHECK(line.turns(17) == "iiiiiiibiiiiiiib-");
}

TEST_CASE("A flood of interactive requests does not keep another key's batch request out", "[gateway][overload][L10]") {
  Line line{{.requests_max = 16}};
  for (int i = 0; i < 16; ++i) REQUIRE(line.add("F"));
  CHECK_FALSE(line.queue.hopeless({"w", Priority::batch}));
  REQUIRE(line.add("w", Priority::batch));
  REQUIRE(line.displaced.size() == 1);
  CHECK(line.displaced.front() == line.members[15]);
  CHECK_FALSE(line.add("F"));
  CHECK(line.turns(9) == "FFFFFFFwF");
}

TEST_CASE("A batch request that could not wait for its turn finds it due when it comes again", "[gateway][overload]") {
  Line line;
  for (int i = 0; i < 20; ++i) REQUIRE(line.add("F"));
  REQUIRE(line.add("w", Priority::batch));
  CHECK(line.turns(3) == "FFF");
  REQUIRE(line.queue.remove(*line.members.back()));  // its wait is over
  CHECK(line.turns(5) == "FFFFF");
  REQUIRE(line.add("w", Priority::batch));
  REQUIRE(line.add("w", Priority::batch));
  CHECK(line.turns(3) == "wFF");
}

TEST_CASE("A large interactive request that nobody else of its kind waits beside goes before the batch requests' share", "[gateway][overload]") {
  Line line{{.requests_max = 100, .bytes_max = 800}};
  REQUIRE(line.add("w", Priority::batch, 1, 90));
  REQUIRE(line.add("a", Priority::interactive, 1, 750));
  CHECK(line.displaced.size() == 1);
  CHECK(line.turns(2) == "a-");
}

TEST_CASE("An eighth of the bytes is the batch requests', and no more", "[gateway][overload]") {
  Line line{{.requests_max = 100, .bytes_max = 800}};
  REQUIRE(line.add("F", Priority::interactive, 1, 400));
  REQUIRE(line.add("F", Priority::interactive, 1, 400));
  CHECK_FALSE(line.add("w", Priority::batch, 1, 101));
  REQUIRE(line.add("w", Priority::batch, 1, 100));
  REQUIRE(line.add("w", Priority::batch, 1, 300));  // into room that nobody needs
  REQUIRE(line.add("a", Priority::interactive, 1, 300));
  CHECK(line.displaced.size() == 2);
  CHECK(line.displaced.back() == line.members.at(4));
}

TEST_CASE("The queue is bounded by bytes as well", "[gateway][overload]") {
  Line line{{.requests_max = 100, .bytes_max = 1000}};
  REQUIRE(line.add("F", Priority::interactive, 1, 400));
  REQUIRE(line.add("F", Priority::interactive, 1, 400));
  CHECK_FALSE(line.add("F", Priority::interactive, 1, 400));
  CHECK_FALSE(line.add("a", Priority::interactive, 1, 1001));
  REQUIRE(line.add("a", Priority::interactive, 1, 600));
  CHECK(line.displaced.size() == 1);
  CHECK(line.queue.bytes() == 1000);
  line.turns(2);
  CHECK(line.queue.bytes() == 0);
}

TEST_CASE("A queue of no requests turns everybody away", "[gateway][overload]") {
  Line line{{.requests_max = 0}};
  CHECK(line.queue.hopeless({"a"}));
  CHECK_FALSE(line.add("a"));
  CHECK(line.turns(1) == "-");
}

TEST_CASE("Whatever comes and goes, the queue holds its bounds, loses nobody and serves a key in order", "[gateway][overload]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random{seed};
  const auto pick = [&](std::size_t below) { return random() % below; };
  constexpr FairQueueLimits limits{.requests_max = 20, .bytes_max = 500};
  const std::vector<std::string> keys{"a", "b", "c", "d", "e"};
  Line line{limits};
  std::size_t in = 0;
  std::size_t out = 0;
  std::map<FairQueue::Member*, std::size_t> number;
  std::map<std::pair<std::string, Priority>, std::size_t> last;
  for (int i = 0; i < 20'000; ++i) {
    const auto action = pick(10);
    if (action < 6) {
      const auto priority = pick(3) == 0 ? Priority::batch : Priority::interactive;
      const Standing wanted{keys[pick(keys.size())], priority, 1, pick(120)};
      const bool hopeless = line.queue.hopeless(wanted);
      const bool entered = line.add(wanted.key, priority, wanted.weight, wanted.bytes);
      REQUIRE(entered != hopeless);
      in += entered ? 1 : 0;
      number[line.members.back().get()] = static_cast<std::size_t>(i) + 1;
    } else if (action < 9) {
      const auto next = line.queue.pop();
      REQUIRE((next != nullptr || line.queue.size() == 0));
      if (!next) continue;
      ++out;
      auto& before = last[{std::string{next->standing().key}, next->standing().priority}];
      REQUIRE(number[next.get()] > before);
      before = number[next.get()];
    } else if (!line.members.empty()) {
      out += line.queue.remove(*line.members[pick(line.members.size())]) ? 1 : 0;
    }
    REQUIRE(line.queue.size() <= limits.requests_max);
    REQUIRE(line.queue.bytes() <= limits.bytes_max);
    REQUIRE(line.queue.size() == in - out - line.displaced.size());
  }
}
