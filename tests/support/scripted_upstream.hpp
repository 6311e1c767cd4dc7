// An upstream that follows a script: for each call a head or an error, chunks, and an end. Keeps what it was sent.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "turnpike/upstream.hpp"

namespace turnpike::test {

struct Script {
  std::optional<Error> head_error;  // instead of a head
  UpstreamHead head{200, "text/event-stream", {}};
  std::vector<std::string> chunks;
  Result<void> end;
  bool fully_sent = true;
  int repeat_last = 1;     // how often the last chunk comes
  bool throws = false;     // instead of sending: a fault of the program itself
  bool waits = false;      // with head or error until Sent::proceed()
  bool hold_open = false;  // after the chunks: neither more bytes nor an end, until cancelled
};

class ScriptedUpstream final : public Upstream {
 public:
  explicit ScriptedUpstream(asio::io_context& loop) : loop_(loop) {}

  struct Sent {
    std::string provider;
    std::string path;
    std::string body;
    std::string key;  // id of the provider's key
    bool fresh = false;  // on a connection of its own
    bool cancelled = false;
    std::size_t delivered = 0;  // bytes of the body
    std::function<void()> proceed;
  };

  void expect(Script script) { scripts_.push_back(std::move(script)); }
  void clear() { scripts_.clear(); }
  std::vector<std::shared_ptr<Sent>> sent;

  std::unique_ptr<Transfer> send(UpstreamRequest request) override {
    sent.push_back(std::make_shared<Sent>(Sent{request.endpoint->provider, request.path, request.body, request.endpoint->key_id, request.fresh_connection}));
    Script script;
    if (scripts_.empty()) {
      script.head_error = upstream_error(502, Retry::next_candidate, "connect_failed", "no script left");
      script.fully_sent = false;
    } else {
      script = std::move(scripts_.front());
      scripts_.pop_front();
    }
    if (script.throws) throw std::runtime_error{"injected"};
    return std::make_unique<Played>(loop_, std::move(script), sent.back());
  }

 private:
  class Played final : public Transfer {
   public:
    Played(asio::io_context& loop, Script script, std::shared_ptr<Sent> sent)
        : loop_(loop), script_(std::move(script)), sent_(std::move(sent)), alive_(std::make_shared<bool>(true)) {}
    ~Played() override { *alive_ = false; }

    Task<UpstreamHead> head() override {
      sent_->proceed = [this, alive = alive_] {
        if (*alive) tell_head();
      };
      if (!script_.waits) tell_head();
      co_return co_await head_.wait();
    }
    void receive(BodyReceiver& receiver) override {
      receiver_ = &receiver;
      later();
    }
    void resume() override {
      paused_ = false;
      later();
    }
    void cancel() override {
      sent_->cancelled = true;
      asio::post(loop_, [this, alive = alive_] {
        if (!*alive) return;
        const Error cancelled = upstream_error(499, Retry::never, "cancelled", "cancelled");
        head_.set(std::unexpected{cancelled});
        if (!*alive) return;
        if (receiver_ != nullptr && !ended_) {
          ended_ = true;
          receiver_->on_end(std::unexpected{cancelled});
        }
      });
    }
    [[nodiscard]] bool fully_sent() const override { return script_.fully_sent; }

   private:
    void tell_head() {
      if (script_.head_error) {
        head_.set(std::unexpected{*script_.head_error});
      } else if (!script_.hold_open || !script_.chunks.empty()) {
        head_.set(script_.head);
      }
    }
    void later() {
      asio::post(loop_, [this, alive = alive_] {
        if (*alive) step(alive);
      });
    }
    void step(const std::shared_ptr<bool>& alive) {
      while (!paused_ && !ended_ && next_ < script_.chunks.size()) {
        const std::string& bytes = script_.chunks[next_];
        const bool again = next_ + 1 == script_.chunks.size() && ++shown_ < script_.repeat_last;
        if (!again) ++next_;
        sent_->delivered += bytes.size();
        const Flow flow = receiver_->on_bytes(bytes);
        if (!*alive) return;
        paused_ = flow == Flow::pause;
      }
      if (paused_ || ended_ || script_.hold_open || next_ < script_.chunks.size()) return;
      ended_ = true;
      receiver_->on_end(script_.end);
    }

    asio::io_context& loop_;
    Script script_;
    std::shared_ptr<Sent> sent_;
    std::shared_ptr<bool> alive_;
    BodyReceiver* receiver_ = nullptr;
    std::size_t next_ = 0;
    int shown_ = 0;  // times the last chunk has come
    bool paused_ = false;
    bool ended_ = false;
    OneShot<Result<UpstreamHead>> head_;
  };

  asio::io_context& loop_;
  std::deque<Script> scripts_;
};

}  // namespace turnpike::test
