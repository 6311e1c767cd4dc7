// Who waits for a place, and whose turn is next: fair between keys, interactive before batch.
//
//   interactive:  key A  [1 2 3 4 5 …]      a turn of A takes `weight` requests, then B has its turn, …
//                 key B  [1]
//   batch:        key C  [1 2]              has a turn when no interactive request waits, and every 8th all the same
//
// When it is full the longest line gives way, not who comes last: a key that floods crowds out itself alone. Batch requests
// give way to interactive ones, but for an eighth of the places, which is theirs whoever floods.
// Source: reliability specification, "Overload and slow clients".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "turnpike/account.hpp"

namespace turnpike::gateway {

/// What is known of a request before its body is looked at.
struct Standing {
  std::string_view key;  // its id; outlives the waiting
  Priority priority = Priority::interactive;
  std::int32_t weight = 1;  // turns of this key for one of a key of weight 1
  std::size_t bytes = 0;    // of the body
};

struct FairQueueLimits {
  std::size_t requests_max = 1024;
  std::size_t bytes_max = std::size_t{64} << 20U;
};

/// One thread at a time.
class FairQueue {
 public:
  /// A member of the queue; whoever puts one in keeps it until it has come out.
  class Member {
   public:
    explicit Member(Standing standing) : standing_(standing) {}
    virtual ~Member() = default;
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    [[nodiscard]] const Standing& standing() const { return standing_; }

   private:
    friend class FairQueue;
    Standing standing_;
    bool queued_ = false;
    std::list<std::shared_ptr<Member>>::iterator place_;
  };
  using Held = std::shared_ptr<Member>;

  explicit FairQueue(FairQueueLimits limits) : limits_(limits) {}

  /// True if push() of such a request would turn it away.
  [[nodiscard]] bool hopeless(const Standing& wanted) const;
  /// Puts it in line. What had to give way for it is moved to `displaced`. False: it is turned away itself.
  bool push(Held member, std::list<Held>& displaced);
  /// The next in turn; null if nobody waits.
  Held pop();
  /// False if it is not in the queue (any more).
  bool remove(Member& member);

  [[nodiscard]] std::size_t size() const { return requests_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Line {
    std::string key;
    std::int32_t weight = 1;
    std::int32_t taken = 0;  // of this turn
    std::list<Held> members;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Lines = std::list<Line>;
  /// The lines of one priority; the first has its turn.
  struct Ring {
    Lines lines;
    std::unordered_map<std::string_view, Lines::iterator, Hash, std::equal_to<>> by_key;  // keys live in the lines
    std::size_t requests = 0;
    std::size_t bytes = 0;
  };
  static constexpr int batch_turn = 8;

  [[nodiscard]] bool full_for(std::size_t bytes) const;
  [[nodiscard]] bool in_batch_share(std::size_t requests, std::size_t bytes) const;
  [[nodiscard]] const Line* longest(Priority priority) const;
  [[nodiscard]] const Line* longest_but_for(const Standing& wanted) const;
  [[nodiscard]] const Line* gives_way_to(const Standing& wanted) const;
  Ring& ring(Priority priority) { return rings_[static_cast<std::size_t>(priority)]; }
  [[nodiscard]] const Ring& ring(Priority priority) const { return rings_[static_cast<std::size_t>(priority)]; }
  Held take(Lines::iterator line, std::list<Held>::iterator place, Ring& from);

  FairQueueLimits limits_;
  std::array<Ring, 2> rings_;
  std::size_t requests_ = 0;
  std::size_t bytes_ = 0;
  int interactive_turns_ = 0;  // in a row, at most batch_turn
};

}  // namespace turnpike::gateway
