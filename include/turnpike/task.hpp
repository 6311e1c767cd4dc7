// Coroutines, exactly where one waits: server, gateway, upstream.
// g++ 12 destroys braced temporaries and capturing lambdas inside a co_await expression twice: name them first.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "turnpike/error.hpp"

namespace turnpike {

namespace asio = boost::asio;

template <typename T = void>
using Task = asio::awaitable<Result<T>>;

/// A value that arrives once, awaited by at most one coroutine of the same loop. Not thread-safe: set() and
/// wait() belong to one event loop. set() before wait() is fine; a second set() is ignored. The waiting
/// coroutine resumes from inside set(), so call set() last, when no member is touched afterwards.
template <typename T>
class OneShot {
 public:
  OneShot() = default;
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;

  void set(T value) {
    if (value_ || done_) return;
    if (!resume_) {
      value_.emplace(std::move(value));
      return;
    }
    done_ = true;
    auto resume = std::move(resume_);
    resume_ = nullptr;
    resume(std::move(value));
  }

  [[nodiscard]] bool is_set() const { return done_ || value_.has_value(); }

  asio::awaitable<T> wait() {
    if (value_) {
      done_ = true;
      T value = std::move(*value_);
      value_.reset();
      co_return value;
    }
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(T)>(
        Starter{this}, asio::use_awaitable);
  }

 private:
  struct Starter {
    OneShot* self;
    template <typename Handler>
    void operator()(Handler&& handler) const {
      auto shared = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
      self->resume_ = [shared](T value) { (*shared)(std::move(value)); };
    }
  };

  std::optional<T> value_;
  bool done_ = false;
  std::function<void(T)> resume_;
};

}  // namespace turnpike
