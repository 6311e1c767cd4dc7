#include "playback.hpp"

#include <algorithm>

#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::chrono::hours for_ever{24};

Tokens input_only(const Tokens& usage) {
  auto tokens = usage;
  tokens.output_text = tokens.output_reasoning = tokens.web_searches = 0;
  return tokens;
}

}  // namespace

Playback::Playback(const Wire& wire, Records& records, const Settings& settings, Exchange exchange,
                   Instant started, bool close_after)
    : wire_(wire),
      habits_(wire.habits()),
      records_(records),
      exchange_(std::move(exchange)),
      wishes_(exchange_.ask.directives),
      steps_(exchange_.ask.stream ? wire.plan(exchange_) : std::vector<Step>{}),
      sent_(input_only(exchange_.usage)),
      then_(close_after || wishes_.has("close") ? Then::close : Then::finished),
      started_(started),
      begins_(started + std::chrono::milliseconds{wishes_.number("delay_ms", 0)}),
      content_begins_(
          begins_ + Micros{wishes_.number(
                        "think_us", wishes_.number("think_ms", settings.think_us / 1000) * 1000)}),
      next_comment_(begins_),
      cadence_(wishes_.number("cadence_us", wishes_.has("cadence_ms")
                                                ? wishes_.number("cadence_ms", 0) * 1000
                                                : settings.cadence_us)) {
  records_.count_open(1);
  // Gemini has nothing harmless to send while it thinks, so its head waits as well.
  if (habits_.head_waits) begins_ = content_begins_;
}

Playback::~Playback() {
  if (!billed_) client_gone(started_);
  records_.count_open(-1);
}

Reply::Next Playback::pump(Instant now, std::string& out) {
  if (!held_.empty()) return drip(out);
  const auto before = out.size();
  Next next{Then::finished};
  switch (phase_) {
    case Phase::waiting:
      next = begin(now, out);
      break;
    case Phase::thinking:
      next = think(now, out);
      break;
    case Phase::steps:
      next = play(now, out);
      break;
    case Phase::body:
      next = play_body(now, out);
      break;
    case Phase::stalled:
      next = stall(now, out);
      break;
    case Phase::over:
      next = {then_};
      break;
  }
  if (out.size() > before && first_byte_us_ < 0) {
    first_byte_us_ = std::chrono::duration_cast<Micros>(now - started_).count();
  }
  if (wishes_.has("drip") && out.size() > before && next.then != Then::reset) {
    held_ = out.substr(before);
    out.resize(before);
    if (next.then == Then::finished || next.then == Then::close)
      phase_ = Phase::over, then_ = next.then;
    return drip(out);
  }
  return next;
}

void Playback::client_gone(Instant now) {
  if (billed_) return;
  end(now, fault_.empty() ? Outcome::aborted : Outcome::fault, Then::close);
}

Reply::Next Playback::begin(Instant now, std::string& out) {
  if (now < begins_) return {Then::at, begins_};
  Next next;
  if (whole_fault(now, out, next)) return next;
  if (!exchange_.ask.stream) {
    phase_ = Phase::body;
    const auto speaking = cadence_ * (exchange_.usage.output());
    content_begins_ += cadence_.count() > 0 ? speaking : Micros{0};
    return {Then::more};
  }
  write_head(200, wire_.headers(exchange_), out);
  phase_ = Phase::thinking;
  std::string preamble;
  while (next_step_ < steps_.size() && steps_[next_step_].kind == StepKind::start)
    render_step(steps_[next_step_++], preamble);
  if (wishes_.has("duplicate_start") && next_step_ > 0) render_step(steps_[0], preamble);
  if (!preamble.empty()) write_chunk(preamble, out);
  return {Then::more};
}

bool Playback::whole_fault(Instant now, std::string& out, Next& next) {
  const auto status = static_cast<int>(wishes_.number("status", 200));
  const Headers html{{"Content-Type", "text/html; charset=utf-8"},
                     {"x-request-id", exchange_.request_id}};
  for (const auto* name : {"refuse", "redirect", "html", "empty", "error_first"}) {
    if (wishes_.has(name)) fault_ = name;
  }
  if (status >= 400) fault_ = "status=" + std::to_string(status);
  if (fault_.empty()) return false;
  if (fault_ == "refuse") {
    next = end(now, Outcome::fault, Then::reset);
    return true;
  }
  if (fault_ == "error_first") {
    auto headers = wire_.headers(exchange_);
    headers[0].second = "text/event-stream; charset=utf-8";
    write_head(200, headers, out);
    std::string event;
    wire_.render_error(exchange_,
                       static_cast<int>(wishes_.number("error_first", 1)) > 1
                           ? static_cast<int>(wishes_.number("error_first", 529))
                           : 529,
                       0, event);
    write_chunk(event, out);
    out += "0\r\n\r\n";
  } else if (fault_ == "redirect") {
    status_ = 302;
    write_whole(302, {{"Location", "http://127.0.0.1:1/elsewhere"}}, "", out);
  } else if (fault_ == "html") {
    write_whole(200, html,
                "<!doctype html><title>Welcome</title><p>Please sign in to the network.</p>\n",
                out);
  } else if (fault_ == "empty") {
    write_whole(200,
                {{"Content-Type", exchange_.ask.stream ? "text/event-stream" : "application/json"}},
                "", out);
  } else {
    status_ = status;
    auto refusal = wire_.failure(status, wishes_);
    refusal.headers.emplace_back("x-request-id", exchange_.request_id);
    write_whole(status, refusal.headers, refusal.body, out);
  }
  next = end(now, status_ >= 400 ? Outcome::refused : Outcome::fault, then_);
  return true;
}

// Until the first token is due: comments or pings, one at once and then every keepalive_ms.
Reply::Next Playback::think(Instant now, std::string& out) {
  const std::chrono::milliseconds pause{
      std::max<std::int64_t>(1, wishes_.number("keepalive_ms", 1000))};
  const bool wants_comment = habits_.opening_comment || content_begins_ > begins_;
  if (wants_comment && now >= next_comment_) {
    std::string comment;
    wire_.render(exchange_, ping(), sent_, comment);
    if (!comment.empty()) write_chunk(comment, out);
    next_comment_ = now + pause;
  }
  if (now < content_begins_) return {Then::at, std::min(content_begins_, next_comment_)};
  phase_ = Phase::steps;
  return {Then::more};
}

Reply::Next Playback::play(Instant now, std::string& out) {
  constexpr std::size_t batch_bytes_max = 16'384;
  std::string batch;
  std::string broken;  // what a fault leaves behind the batch, framed already
  Next next{Then::more};
  bool stopped = false;
  while (next_step_ < steps_.size() && batch.size() < batch_bytes_max && !stopped) {
    stopped = !play_step(now, batch, broken, next);
  }
  if (!batch.empty()) write_chunk(batch, out);
  out += broken;
  if (stopped || next_step_ < steps_.size()) return next;
  out += "0\r\n\r\n";
  return end(now, fault_.empty() ? Outcome::complete : Outcome::fault, then_);
}

// False when the stream waits for its time or does not go on: `next` says which.
bool Playback::play_step(Instant now, std::string& batch, std::string& broken, Next& next) {
  const auto step = steps_[next_step_];
  const bool content = counts_as_content(step);
  if (content || step.kind == StepKind::finish) {
    if (now < due()) {
      next = {Then::at, due()};
      return false;
    }
    if (garbage_is_due()) append_garbage(batch);
    if (fault_here(now, broken, next)) return false;
  }
  ++next_step_;
  if (left_out(step)) return true;
  note_progress(step);
  render_step(step, batch);
  if (content) ++content_events_;
  return true;
}

bool Playback::left_out(const Step& step) {
  const bool ending = step.kind == StepKind::finish || step.kind == StepKind::end;
  if (ending && wishes_.has("no_terminator")) {
    fault_ = "no_terminator";
    return true;
  }
  if (step.kind != StepKind::end || !wishes_.has("no_done")) return false;
  fault_ = "no_done";
  return true;
}

bool Playback::garbage_is_due() const {
  return wishes_.has("garbage") && wishes_.number("garbage", 1) == content_events_ &&
         fault_ != "garbage";
}

void Playback::append_garbage(std::string& out) {
  fault_ = "garbage";
  wire_.render_garbage(out);
}

bool Playback::fault_here(Instant now, std::string& out, Next& next) {
  const auto at = [&](const char* name) { return wishes_.number(name, -1) == content_events_; };
  if (at("stall_after")) {
    fault_ = "stall";
    phase_ = Phase::stalled;
    next = {Then::more};
    return true;
  }
  if (at("error_after")) {
    fault_ = "error_after";
    std::string event;
    wire_.render_error(exchange_, static_cast<int>(wishes_.number("error", 529)),
                       steps_[next_step_].number, event);
    write_chunk(event, out);
    out += "0\r\n\r\n";
    next = end(now, Outcome::fault, then_);
    return true;
  }
  return at("cut_after") && cut(now, out, next);
}

bool Playback::cut(Instant now, std::string& out, Next& next) {
  const auto how = wishes_.text("cut", "rst");
  fault_ = "cut=" + how;
  if (how == "truncate") out += "fff\r\ndata: {\"id\":\"cut in the mid";
  if (how == "tidy") out += "0\r\n\r\n";
  next = end(now, Outcome::fault, how == "rst" ? Then::reset : how == "tidy" ? then_ : Then::close);
  return true;
}

Reply::Next Playback::stall(Instant now, std::string& out) {
  const auto pause = wishes_.number("pings_ms", 0);
  if (pause <= 0) return {Then::at, now + for_ever};
  std::string event;
  wire_.render(exchange_, ping(), sent_, event);
  if (!event.empty()) write_chunk(event, out);
  return {Then::at, now + std::chrono::milliseconds{pause}};
}

Reply::Next Playback::play_body(Instant now, std::string& out) {
  // DeepSeek keeps a waiting caller's line alive with blank lines before the JSON.
  const bool blank_lines = habits_.blank_lines && content_begins_ > begins_;
  if (blank_lines && now >= next_comment_) {
    if (next_comment_ == begins_) write_head(200, wire_.headers(exchange_), out);
    write_chunk("\n", out);
    next_comment_ = now + std::chrono::milliseconds{
                              std::max<std::int64_t>(1, wishes_.number("keepalive_ms", 1000))};
  }
  if (now < content_begins_)
    return {Then::at, blank_lines ? std::min(content_begins_, next_comment_) : content_begins_};
  auto body = wire_.body(exchange_);
  if (wishes_.has("cut_after") || wishes_.has("stall_after")) return half_body(now, body, out);
  if (wishes_.has("garbage")) {
    body.resize(body.size() / 2);
    fault_ = "garbage";
  }
  usage_sent_ = !wishes_.has("no_usage");
  if (blank_lines) {
    write_chunk(body, out);
    out += "0\r\n\r\n";
  } else {
    write_whole(200, wire_.headers(exchange_), body, out);
  }
  sent_ = exchange_.usage;
  return end(now, fault_.empty() ? Outcome::complete : Outcome::fault, then_);
}

Reply::Next Playback::half_body(Instant now, const std::string& body, std::string& out) {
  auto headers = wire_.headers(exchange_);
  headers.emplace_back("Content-Length", std::to_string(body.size()));
  out += response_head(200, headers);
  out += body.substr(0, body.size() / 2);
  if (wishes_.has("cut_after")) {
    fault_ = "cut";
    return end(now, Outcome::fault,
               wishes_.text("cut", "rst") == "rst" ? Then::reset : Then::close);
  }
  fault_ = "stall";
  phase_ = Phase::stalled;
  return {Then::at, now + for_ever};
}

void Playback::render_step(const Step& step, std::string& out) {
  wire_.render(exchange_, step, sent_, out);
  if (step.kind == StepKind::finish && shows_usage(exchange_) && exchange_.ask.usage_asked)
    usage_sent_ = true;
}

// What the client has been given is what a cancelled stream is billed for.
void Playback::note_progress(const Step& step) {
  if (step.kind == StepKind::finish) {
    sent_ = exchange_.usage;
    return;
  }
  if (step.kind != StepKind::delta && step.kind != StepKind::open) return;
  sent_ = input_only(exchange_.usage);
  const auto& blocks = exchange_.answer.blocks;
  for (std::size_t i = 0; i <= step.block && i < blocks.size(); ++i) {
    const auto bytes = i < step.block ? blocks[i].text.size() : static_cast<std::size_t>(step.to);
    (blocks[i].kind == BlockKind::thinking ? sent_.output_reasoning : sent_.output_text) +=
        static_cast<std::int64_t>((bytes + 3) / 4);
  }
}

Step Playback::ping() const {
  Step step{StepKind::ping};
  if (next_step_ < steps_.size()) step.number = steps_[next_step_].number;
  return step;
}

bool Playback::counts_as_content(const Step& step) const {
  if (step.kind == StepKind::delta) return step.to > step.from;
  return step.kind == StepKind::open && habits_.whole_calls;
}

void Playback::write_head(int status, Headers headers, std::string& out) {
  headers.emplace_back("Transfer-Encoding", "chunked");
  headers.emplace_back("Connection", then_ == Then::close ? "close" : "keep-alive");
  out += response_head(status, headers);
}

void Playback::write_chunk(std::string_view payload, std::string& out) {
  auto hex = to_hex(static_cast<std::uint64_t>(payload.size()));
  out += hex.substr(std::min(hex.find_first_not_of('0'), hex.size() - 1));
  out += "\r\n";
  out += payload;
  out += "\r\n";
}

void Playback::write_whole(int status, Headers headers, std::string_view body, std::string& out) {
  headers.emplace_back("Content-Length", std::to_string(body.size()));
  headers.emplace_back("Connection", then_ == Then::close ? "close" : "keep-alive");
  out += response_head(status, headers);
  out += body;
}

Reply::Next Playback::end(Instant now, Outcome outcome, Then then) {
  billed_ = true;
  phase_ = Phase::over;
  BillingEntry entry{.exchange = &exchange_,
                     .outcome = outcome,
                     .status = status_,
                     .usage_sent = usage_sent_,
                     .fault = fault_};
  // Hanging up stops the meter of a stream at DeepSeek and Anthropic; at Gemini, and for whole
  // answers, it does not.
  const bool runs_on = !exchange_.ask.stream || habits_.bills_the_rest;
  const bool in_full =
      outcome == Outcome::complete || usage_sent_ || (outcome == Outcome::aborted && runs_on);
  const bool for_free = outcome == Outcome::refused || fault_ == "refuse" || fault_ == "html" ||
                        fault_ == "redirect" || fault_ == "empty" || fault_ == "error_first";
  if (!for_free) entry.billed = in_full ? exchange_.usage : sent_;
  entry.wall_us = std::chrono::duration_cast<Micros>(now - started_).count();
  // An answer that is written and billed in one go has its first byte now.
  const bool at_once = first_byte_us_ < 0 && outcome != Outcome::aborted && fault_ != "refuse";
  entry.first_byte_us = at_once ? entry.wall_us : first_byte_us_;
  entry.events = content_events_;
  records_.bill(entry);
  return {then};
}

Reply::Next Playback::drip(std::string& out) {
  const auto piece = static_cast<std::size_t>(std::max<std::int64_t>(1, wishes_.number("drip", 1)));
  out += held_.substr(0, piece);
  held_.erase(0, piece);
  return {held_.empty() && phase_ == Phase::over ? then_ : Then::flushed};
}

}  // namespace turnpike::simulator
