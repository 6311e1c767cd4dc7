#include "upstream/curl_call.hpp"

#include <utility>

#include "upstream/curl_loop.hpp"
#include "upstream/failures.hpp"

namespace turnpike::upstream {

Call::Call(std::shared_ptr<CurlLoop> loop, UpstreamRequest request, Monotonic now)
    : loop_(std::move(loop)),
      request_(std::move(request)),
      body_bytes_(request_.body.size()),
      reader_(loop_->limits().head_bytes_max, loop_->limits().head_fields_max),
      eraser_(request_.endpoint->key.reveal()) {
  times_.started = now;
  times_.stream = request_.stream;
  times_.secure = request_.endpoint->base_url.starts_with("https://");
}

Call::~Call() { leave_libcurl(); }

void Call::start() {
  auto built = headers_.build(*request_.endpoint, request_.headers);
  if (!built) return end(std::unexpected{std::move(built.error())});
  loop_->attach(*this);
}

// Options of this one call, on a handle that already has the common ones.
void Call::prepare() {
  CURL* easy = handle_->easy.get();
  const auto& endpoint = *request_.endpoint;
  const std::string url = endpoint.base_url + request_.path;
  const bool http2 = endpoint.version == HttpVersion::http2;
  const long version = http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
  // libcurl has one limit for the way to a usable connection. Its parts are judged by deadlines.hpp;
  // this one bounds their sum.
  const auto& timeouts = endpoint.timeouts;
  const auto connect = timeouts.connect + (times_.secure ? timeouts.tls : std::chrono::milliseconds{0});
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect.count()));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.list());
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_bytes_));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                   request_.body.data());  // not copied: stays here until the end
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request_.fresh_connection ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, nullptr);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, &Call::on_handshake);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Call::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Call::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &Call::on_request);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
}

std::size_t Call::on_header(char* data, std::size_t /*size*/, std::size_t count, void* self) {
  auto& call = *static_cast<Call*>(self);
  const auto before = call.reader_.state();
  const auto after = call.reader_.feed({data, count});
  if (after == ResponseHeadReader::State::refused) return 0;  // ends the transfer
  if (after != before) call.queue();
  return count;
}

std::size_t Call::on_body(char* data, std::size_t /*size*/, std::size_t count, void* self) {
  auto& call = *static_cast<Call*>(self);
  call.queue();
  if (call.held_ || call.pending_.size() >= call.loop_->limits().buffered_bytes_max) {
    call.paused_ = true;
    return CURL_WRITEFUNC_PAUSE;  // takes nothing: libcurl shows the same bytes again later
  }
  if (call.pending_.empty()) call.pending_ = call.loop_->take_buffer();
  call.pending_.append(data, count);
  call.fresh_bytes_ = true;
  return count;
}

// Connected, about to write the request. libcurl repeats a request by itself when a reused
// connection dies before any response byte, and has no option against it. A repetition is an attempt
// that has to be paid for: from here on the handle may use no other kept connection and open no new
// one, so that libcurl's repetition ends before it has sent a byte.
int Call::on_request(void* self, char* /*remote*/, char* /*local*/, int /*port*/, int /*port*/) {
  auto& call = *static_cast<Call*>(self);
  call.begun_ = true;
  CURL* easy = call.handle_->easy.get();
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Call::refuse_socket);
  call.queue();
  return CURL_PREREQFUNC_OK;
}

curl_socket_t Call::refuse_socket(void* self, curlsocktype /*purpose*/, curl_sockaddr* /*address*/) {
  static_cast<Call*>(self)->repetition_refused_ = true;
  return CURL_SOCKET_BAD;
}

void Call::receive(BodyReceiver& receiver) {
  receiver_ = &receiver;
  times_.last_activity = loop_->now();
  queue();
}

void Call::resume() {
  held_ = false;
  times_.last_activity = loop_->now();
  queue();
}

void Call::cancel() {
  if (outcome_) {
    // It has ended, and only its telling is held back: who calls it off takes the rest, usage included.
    held_ = false;
    return queue();
  }
  pending_.clear();
  eraser_.forget();
  end(std::unexpected{cancelled(request_.endpoint->provider)});
}

void Call::abandon() {
  abandoned_ = true;
  receiver_ = nullptr;
  leave_libcurl();
}

bool Call::fully_sent() const {
  if (fully_sent_ || !handle_ || !begun_ || repetition_refused_) return fully_sent_;
  curl_off_t sent = 0;
  curl_easy_getinfo(handle_->easy.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
  fully_sent_ = std::cmp_greater_equal(sent, body_bytes_);
  return fully_sent_;
}

// libcurl tries to repeat only when reading fails; a reset met while a long body is being written is
// told as what it is.
bool Call::died_on_kept_connection(CURLcode code) const {
  if (repetition_refused_) return true;
  const bool died =
      code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
  if (!died || !begun_ || reader_.bytes() != 0) return false;
  long connects = 0;
  curl_easy_getinfo(handle_->easy.get(), CURLINFO_NUM_CONNECTS, &connects);
  return connects == 0;
}

void Call::on_done(CURLcode code) {
  const auto& provider = request_.endpoint->provider;
  if (died_on_kept_connection(code)) {
    return end(std::unexpected{kept_connection_closed(provider)});
  }
  if (reader_.state() == ResponseHeadReader::State::refused) {
    return end(std::unexpected{bad_upstream(provider, reader_.fault())});
  }
  if (code == CURLE_OK) {
    if (reader_.state() == ResponseHeadReader::State::complete) return end({});
    return end(std::unexpected{failure_of(CURLE_GOT_NOTHING, provider, {}, 0)});
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {  // no other libcurl time-out is set
    const auto phase = times_.connected ? Expiry::tls : Expiry::connect;
    return end(std::unexpected{failure_of(phase, provider, request_.endpoint->timeouts)});
  }
  long os_errno = 0;
  curl_easy_getinfo(handle_->easy.get(), CURLINFO_OS_ERRNO, &os_errno);
  end(std::unexpected{failure_of(code, provider, handle_->error.data(), os_errno)});
}

// The handshake begins, so TCP is there: the only sign of it that libcurl 7.88 gives before the whole
// connection is.
CURLcode Call::on_handshake(CURL* /*easy*/, void* context, void* self) {
  auto& call = *static_cast<Call*>(self);
  call.times_.connected = call.loop_->now();
  return call.multi_->trust->set_up(context);
}

void Call::check_deadlines(Monotonic now) {
  times_.begun = begun_;
  if (!times_.fully_sent && fully_sent()) times_.fully_sent = now;
  times_.held = held_ || receiver_ == nullptr;
  const auto& timeouts = request_.endpoint->timeouts;
  if (const auto expiry = expired(times_, timeouts, now)) {
    end(std::unexpected{failure_of(*expiry, request_.endpoint->provider, timeouts)});
  }
}

void Call::leave_libcurl() {
  if (!handle_) return;
  fully_sent_ = fully_sent();
  loop_->detach(*this);
}

void Call::end(Result<void> outcome) {
  leave_libcurl();
  outcome_ = std::move(outcome);
  queue();
}

void Call::queue() {
  if (queued_ || abandoned_) return;
  queued_ = true;
  loop_->mark(shared_from_this());
}

// The owner's code runs in each of the three steps and may abandon the call; the loop's reference
// keeps it alive.
void Call::deliver(Monotonic now) {
  queued_ = false;
  if (std::exchange(fresh_bytes_, false)) times_.last_activity = now;
  if (!times_.fully_sent && begun_ && fully_sent()) times_.fully_sent = now;
  if (!head_told_) deliver_head(now);
  if (head_told_ && !abandoned_) deliver_body();
  if (head_told_ && !abandoned_) deliver_end();
}

void Call::deliver_head(Monotonic now) {
  const bool complete = reader_.state() == ResponseHeadReader::State::complete;
  const bool called_off = outcome_ && !*outcome_ && outcome_->error().code == "cancelled";
  if (complete && !called_off) {
    head_told_ = true;
    times_.head = now;
    // The request cannot be needed again: a long prompt is not held for as long as its answer
    // streams.
    if (!outcome_ && fully_sent()) std::string{}.swap(request_.body);
    auto head = reader_.take();
    eraser_.erase(head.content_type);
    for (auto& [name, value] : head.headers) eraser_.erase(value);
    return head_result_.set(std::move(head));
  }
  if (!outcome_) return;
  head_told_ = true;
  auto error = std::move(outcome_->error());
  outcome_.reset();  // told here; there is no body to end
  head_result_.set(std::unexpected{std::move(error)});
}

void Call::deliver_body() {
  if (receiver_ == nullptr) return;
  const bool ended = outcome_.has_value();
  if (!held_ && (!pending_.empty() || (ended && eraser_.holding()))) {
    auto bytes = std::exchange(pending_, {});
    eraser_.pass(bytes, ended);
    if (!bytes.empty()) held_ = receiver_->on_bytes(bytes) == Flow::pause;
    loop_->give_buffer(std::move(bytes));
  }
  if (abandoned_ || held_ || !paused_ || !handle_) return;
  paused_ = false;
  curl_easy_pause(handle_->easy.get(), CURLPAUSE_CONT);  // may call on_body at once
}

void Call::deliver_end() {
  if (!outcome_ || receiver_ == nullptr || !pending_.empty() || eraser_.holding()) return;
  if (held_ && outcome_->has_value()) return;  // a tidy end waits for resume(), a failure does not
  const auto outcome = std::move(*outcome_);
  outcome_.reset();
  std::exchange(receiver_, nullptr)->on_end(outcome);
}

}  // namespace turnpike::upstream
