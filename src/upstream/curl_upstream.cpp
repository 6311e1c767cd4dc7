#include "upstream/curl_upstream.hpp"

#include <curl/curl.h>

#include <stdexcept>
#include <utility>

#include "upstream/curl_call.hpp"
#include "upstream/curl_loop.hpp"

namespace turnpike::upstream {

namespace {

/// What the gateway holds. Its end is the call's end.
class CurlTransfer final : public Transfer {
 public:
  explicit CurlTransfer(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;
  ~CurlTransfer() override { call_->abandon(); }

  Task<UpstreamHead> head() override { return call_->head(); }
  void receive(BodyReceiver& receiver) override { call_->receive(receiver); }
  void resume() override { call_->resume(); }
  void cancel() override { call_->cancel(); }
  [[nodiscard]] bool fully_sent() const override { return call_->fully_sent(); }

 private:
  std::shared_ptr<Call> call_;
};

// Once per process and never undone: other threads may still be using the library when one loop
// ends.
void initialise_libcurl() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (result != CURLE_OK) throw std::runtime_error{"libcurl cannot be initialised"};
}

}  // namespace

CurlUpstream::CurlUpstream(asio::io_context& loop, const Clock& clock, CurlLimits limits) {
  initialise_libcurl();
  loop_ = std::make_shared<CurlLoop>(loop, clock, limits);
  loop_->open();
}

CurlUpstream::~CurlUpstream() { loop_->shut_down(); }

std::unique_ptr<Transfer> CurlUpstream::send(UpstreamRequest request) {
  auto call = std::make_shared<Call>(loop_, std::move(request), loop_->now());
  call->start();
  return std::make_unique<CurlTransfer>(std::move(call));
}

void CurlUpstream::on_tick(Monotonic now) { loop_->on_tick(now); }

std::size_t CurlUpstream::active() const { return loop_->active(); }

}  // namespace turnpike::upstream
