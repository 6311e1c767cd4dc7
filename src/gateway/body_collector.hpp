// Reads a whole upstream body, up to a bound.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "turnpike/stream.hpp"
#include "turnpike/task.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::gateway {

enum class Overflow : std::uint8_t { fail, keep_head };

class BodyCollector final : public BodyReceiver {
 public:
  /// `fail` ends with bad_upstream above the bound; `keep_head` is content with the first bytes (error bodies).
  BodyCollector(std::size_t bytes_max, Overflow overflow) : bytes_max_(bytes_max), overflow_(overflow) {}

  /// Await once.
  Task<std::string> read(Transfer& transfer) {
    transfer_ = &transfer;
    transfer.receive(*this);
    co_return co_await done_.wait();
  }

  Flow on_bytes(std::string_view bytes) override {
    if (body_.size() + bytes.size() <= bytes_max_) {
      body_.append(bytes);
      return Flow::proceed;
    }
    if (overflow_ == Overflow::fail) {
      failed_ = true;
      transfer_->cancel();
    } else {
      body_.append(bytes.substr(0, bytes_max_ - body_.size()));
    }
    return Flow::proceed;
  }

  void on_end(const Result<void>& outcome) override {
    if (failed_) {
      done_.set(std::unexpected{upstream_error(502, Retry::next_candidate, "bad_upstream",
                                               "The provider's answer is larger than the gateway accepts.")});
    } else if (!outcome && overflow_ == Overflow::fail) {
      done_.set(std::unexpected{outcome.error()});
    } else {
      done_.set(std::move(body_));
    }
  }

 private:
  std::size_t bytes_max_;
  Overflow overflow_;
  bool failed_ = false;
  Transfer* transfer_ = nullptr;
  std::string body_;
  OneShot<Result<std::string>> done_;
};

}  // namespace turnpike::gateway
