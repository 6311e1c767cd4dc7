// Two attempts at one answer: whichever has content first is heard, the other one finds its client gone. Source:
// reliability specification, "Hedging".
//
//   attempt 0 --> lane 0 --+
//                          +--> the client's sink        begin() of one lane decides
//   attempt 1 --> lane 1 --+
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "turnpike/error.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::gateway {

/// What an attempt ends with whose rival was heard first. Tells nothing of its provider.
[[nodiscard]] Error lost_race();

/// One event loop. Outlives both attempts; the client's sink outlives it.
class Race final : public SinkWatcher {
 public:
  explicit Race(ResponseSink& client) : client_(client), lanes_{Lane{*this, 0}, Lane{*this, 1}} {}
  ~Race() override { client_.watch(nullptr); }
  Race(const Race&) = delete;
  Race& operator=(const Race&) = delete;

  /// What an attempt takes for its client.
  [[nodiscard]] ResponseSink& lane(std::size_t index) { return lanes_.at(index); }
  [[nodiscard]] std::optional<std::size_t> winner() const { return winner_; }
  [[nodiscard]] bool lost(std::size_t index) const { return winner_ && *winner_ != index; }

  void on_drained() override;
  void on_gone() override;

 private:
  class Lane final : public ResponseSink {
   public:
    Lane(Race& race, std::size_t index) : race_(race), index_(index) {}
    void reply(const ResponseHead& head, std::string_view body) override;
    void begin(const ResponseHead& head) override;
    SinkState write(std::string_view bytes) override;
    void write_last(std::string_view bytes) override;
    void finish() override;
    void abort() override;
    [[nodiscard]] bool head_sent() const override { return mine() && race_.client_.head_sent(); }
    [[nodiscard]] bool gone() const override { return race_.lost(index_) || race_.client_.gone(); }
    void watch(SinkWatcher* watcher) override;

   private:
    friend class Race;
    [[nodiscard]] bool mine() const { return race_.winner_ == index_; }
    Race& race_;
    std::size_t index_;
    SinkWatcher* watcher_ = nullptr;
  };

  /// True if the lane is the one that is heard, from now on at the latest.
  bool claim(std::size_t index);

  ResponseSink& client_;
  std::optional<std::size_t> winner_;
  std::array<Lane, 2> lanes_;
};

}  // namespace turnpike::gateway
