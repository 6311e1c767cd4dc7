// The client's side of a response, kept in memory; can leave, and can refuse to take more for a while.
#pragma once

#include <string>
#include <string_view>

#include "turnpike/stream.hpp"

namespace turnpike::test {

class RecordingSink final : public ResponseSink {
 public:
  ResponseHead head;
  std::string body;
  bool replied = false, began = false, finished = false, aborted = false, left = false;
  std::size_t full_above = SIZE_MAX;
  std::size_t unread = 0;

  [[nodiscard]] std::string header(std::string_view name) const {
    for (const auto& [key, value] : head.headers) {
      if (key == name) return value;
    }
    return {};
  }
  void leave() {
    left = true;
    if (watcher_ != nullptr) watcher_->on_gone();
  }
  void drain() {
    unread = 0;
    if (watcher_ != nullptr) watcher_->on_drained();
  }

  void reply(const ResponseHead& given, std::string_view bytes) override {
    head = given;
    body = bytes;
    replied = true;
  }
  void begin(const ResponseHead& given) override {
    head = given;
    began = true;
  }
  SinkState write(std::string_view bytes) override {
    if (left) return SinkState::gone;
    body += bytes;
    unread += bytes.size();
    return unread > full_above ? SinkState::full : SinkState::open;
  }
  void finish() override { finished = true; }
  void abort() override { aborted = true; }
  [[nodiscard]] bool head_sent() const override { return began || replied; }
  [[nodiscard]] bool gone() const override { return left; }
  void watch(SinkWatcher* watcher) override { watcher_ = watcher; }

 private:
  SinkWatcher* watcher_ = nullptr;
};

}  // namespace turnpike::test
