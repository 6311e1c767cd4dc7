// One call: the state between libcurl's callbacks, which only take notes, and its receiver, which
// is told from the loop's drain step. One event loop.
//   idle -> sending -> head -> body* -> ended        cancel(), a deadline or abandon() may end it
//   anywhere
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "upstream/curl_upstream.hpp"
#include "upstream/deadlines.hpp"
#include "upstream/key_eraser.hpp"
#include "upstream/request_headers.hpp"
#include "upstream/response_head.hpp"
#include "upstream/trust_domain.hpp"

namespace turnpike::upstream {

class CurlLoop;
struct Multi;

class Call final : public std::enable_shared_from_this<Call> {
 public:
  Call(std::shared_ptr<CurlLoop> loop, UpstreamRequest request, Monotonic now);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  /// Once, right after construction.
  void start();

  // For the owner of the transfer; see Transfer.
  Task<UpstreamHead> head() { return head_result_.wait(); }
  void receive(BodyReceiver& receiver);
  void resume();
  void cancel();
  [[nodiscard]] bool fully_sent() const;
  /// The owner is gone: nothing is told to anybody any more, and the connection is closed.
  void abandon();

  // For the loop, outside any libcurl callback.
  void on_done(CURLcode code);
  /// Tells the owner what has happened since the last time. May run the owner's code, which may
  /// abandon the call.
  void deliver(Monotonic now);
  void check_deadlines(Monotonic now);

 private:
  friend class CurlLoop;

  static std::size_t on_header(char* data, std::size_t, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t, std::size_t count, void* self);
  static int on_request(void* self, char*, char*, int, int);
  static CURLcode on_handshake(CURL* easy, void* context, void* self);
  static curl_socket_t refuse_socket(void* self, curlsocktype, curl_sockaddr*);

  void prepare();
  [[nodiscard]] bool died_on_kept_connection(CURLcode code) const;
  void leave_libcurl();
  void end(Result<void> outcome);
  void queue();
  void deliver_head(Monotonic now);
  void deliver_body();
  void deliver_end();

  std::shared_ptr<CurlLoop> loop_;
  UpstreamRequest request_;
  std::size_t body_bytes_;
  RequestHeaders headers_;

  // While libcurl has the call.
  Multi* multi_ = nullptr;
  std::unique_ptr<EasyHandle> handle_;
  std::size_t slot_ = 0;  // in the loop's list of calls
  bool begun_ = false;  // connected, the request is being written
  bool repetition_refused_ = false;  // libcurl wanted to send the request a second time
  bool paused_ = false;              // libcurl holds bytes back for us

  ResponseHeadReader reader_;
  KeyEraser eraser_;
  Milestones times_;
  mutable bool fully_sent_ = false;  // caches libcurl's answer
  std::string pending_;              // received, not yet delivered
  bool fresh_bytes_ = false;         // pending_ grew since the last drain

  // Towards the owner.
  OneShot<Result<UpstreamHead>> head_result_;
  bool head_told_ = false;
  BodyReceiver* receiver_ = nullptr;
  bool held_ = false;  // the receiver said Flow::pause
  std::optional<Result<void>> outcome_;
  bool abandoned_ = false;
  bool queued_ = false;  // in the loop's dirty list
};

}  // namespace turnpike::upstream
