#include "fixed.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <string>
#include <string_view>

#include "directive.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::size_t batch_bytes_max = 65'536;
constexpr std::int64_t pieces_max = 10'000'000;
constexpr std::int64_t piece_bytes_max = 65'536;
constexpr std::size_t whole_bytes_max = 64UL << 20U;

/// The words around the pieces of an answer, in one dialect. Figures are written for `output`
/// tokens.
class Shape {
 public:
  virtual ~Shape() = default;
  [[nodiscard]] virtual std::string_view opening() const = 0;
  [[nodiscard]] virtual std::string_view before_piece() const = 0;
  [[nodiscard]] virtual std::string_view after_piece() const = 0;
  [[nodiscard]] virtual std::string closing(std::int64_t output) const = 0;
  [[nodiscard]] virtual std::string whole(std::string_view text, std::int64_t output) const = 0;
};

class ChatShape final : public Shape {
 public:
  [[nodiscard]] std::string_view opening() const override {
    return R"(data: {"id":"chatcmpl-fixed","object":"chat.completion.chunk","created":1763800000,"model":"fixed",)"
           R"("choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})"
           "\n\n";
  }
  [[nodiscard]] std::string_view before_piece() const override {
    return R"(data: {"id":"chatcmpl-fixed","object":"chat.completion.chunk","created":1763800000,"model":"fixed",)"
           R"("choices":[{"index":0,"delta":{"content":")";
  }
  [[nodiscard]] std::string_view after_piece() const override {
    return "\"},\"finish_reason\":null}]}\n\n";
  }
  [[nodiscard]] std::string closing(std::int64_t output) const override {
    return R"(data: {"id":"chatcmpl-fixed","object":"chat.completion.chunk","created":1763800000,"model":"fixed",)"
           R"("choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":)" +
           usage(output) + "}\n\ndata: [DONE]\n\n";
  }
  [[nodiscard]] std::string whole(std::string_view text, std::int64_t output) const override {
    return R"({"id":"chatcmpl-fixed","object":"chat.completion","created":1763800000,"model":"fixed","choices":[{"index":0,)"
           R"("message":{"role":"assistant","content":")" +
           std::string{text} + R"("},"finish_reason":"stop"}],"usage":)" + usage(output) + "}";
  }

 private:
  static std::string usage(std::int64_t output) {
    return R"({"prompt_tokens":100,"completion_tokens":)" + std::to_string(output) +
           R"(,"total_tokens":)" + std::to_string(100 + output) + "}";
  }
};

class MessagesShape final : public Shape {
 public:
  [[nodiscard]] std::string_view opening() const override {
    return "event: message_start\n"
           R"(data: {"type":"message_start","message":{"id":"msg_fixed","type":"message","role":"assistant","model":"fixed",)"
           R"("content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":1}}})"
           "\n\nevent: content_block_start\n"
           R"(data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"
           "\n\n";
  }
  [[nodiscard]] std::string_view before_piece() const override {
    return "event: content_block_delta\n"
           R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":")";
  }
  [[nodiscard]] std::string_view after_piece() const override { return "\"}}\n\n"; }
  [[nodiscard]] std::string closing(std::int64_t output) const override {
    return "event: content_block_stop\n"
           R"(data: {"type":"content_block_stop","index":0})"
           "\n\nevent: message_delta\n"
           R"(data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":)" +
           std::to_string(output) +
           "}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
  }
  [[nodiscard]] std::string whole(std::string_view text, std::int64_t output) const override {
    return R"({"id":"msg_fixed","type":"message","role":"assistant","model":"fixed","content":[{"type":"text","text":")" +
           std::string{text} +
           R"("}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":100,"output_tokens":)" +
           std::to_string(output) + "}}";
  }
};

struct Wishes {
  std::int64_t pieces = 20;
  std::size_t piece_bytes = 4;
  std::chrono::microseconds cadence{0};
  std::chrono::microseconds think{0};
};

Wishes wishes_of(std::string_view body) {
  Wishes wishes;
  const auto at = body.rfind("[[sim ");
  if (at == std::string_view::npos) return wishes;
  const auto inside = body.substr(at + 6, body.find("]]", at) - at - 6);
  Directives words;
  words.add(inside);
  wishes.pieces = std::clamp<std::int64_t>(words.number("tokens", 20), 0, pieces_max);
  wishes.piece_bytes = static_cast<std::size_t>(
      std::clamp<std::int64_t>(words.number("bytes", 4), 0, piece_bytes_max));
  wishes.cadence =
      std::chrono::microseconds{words.number("cadence_us", words.number("cadence_ms", 0) * 1000)};
  wishes.think = std::chrono::milliseconds{words.number("think_ms", 0)};
  return wishes;
}

/// True if some member "stream" is true. Inside a JSON string the quotes would be escaped.
bool asks_for_stream(std::string_view body) {
  constexpr std::string_view name = "\"stream\"";
  for (auto at = body.find(name); at != std::string_view::npos; at = body.find(name, at + 1)) {
    const auto value = body.find_first_not_of(" \t\r\n:", at + name.size());
    if (value != std::string_view::npos && body.substr(value).starts_with("true")) return true;
  }
  return false;
}

void append_chunk(std::string_view payload, std::string& out) {
  std::array<char, 20> size{};
  const auto end = std::to_chars(size.data(), size.data() + size.size(), payload.size(), 16).ptr;
  out.append(size.data(), end).append("\r\n").append(payload).append("\r\n");
}

class FixedStream final : public Reply {
 public:
  FixedStream(const Shape& shape, const Wishes& wishes, Instant now)
      : shape_(shape), wishes_(wishes), begins_(now + wishes.think) {}

  Next pump(Instant now, std::string& out) override {
    if (!opened_) {
      out += response_head(
          200, {{"Content-Type", "text/event-stream"}, {"Transfer-Encoding", "chunked"}});
      append_chunk(shape_.opening(), out);
      opened_ = true;
    }
    while (sent_ < wishes_.pieces) {
      const auto due = begins_ + wishes_.cadence * sent_;
      if (due > now) return {Then::at, due};
      append_piece(now, out);
      ++sent_;
      if (out.size() >= batch_bytes_max) return {Then::flushed};
    }
    append_chunk(shape_.closing(wishes_.pieces), out);
    out += "0\r\n\r\n";
    return {Then::finished};
  }
  void client_gone(Instant) override {}

 private:
  void append_piece(Instant now, std::string& out) {
    event_.assign(shape_.before_piece()).append("t=");
    event_ += std::to_string(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count());
    event_ += ';';
    event_.append(wishes_.piece_bytes, 'w').append(shape_.after_piece());
    append_chunk(event_, out);
  }

  const Shape& shape_;
  Wishes wishes_;
  Instant begins_;
  std::int64_t sent_ = 0;
  bool opened_ = false;
  std::string event_;
};

class FixedWhole final : public Reply {
 public:
  FixedWhole(int status, const std::string& body, std::chrono::microseconds wait, Instant now)
      : due_(now + wait),
        bytes_(response_head(status, {{"Content-Type", "application/json"},
                                      {"Content-Length", std::to_string(body.size())}}) +
               body) {}

  Next pump(Instant now, std::string& out) override {
    if (now < due_) return {Then::at, due_};
    out += bytes_;
    return {Then::finished};
  }
  void client_gone(Instant) override {}

 private:
  Instant due_;
  std::string bytes_;
};

}  // namespace

std::unique_ptr<Reply> FixedService::handle(const HttpRequest& request, Instant now) {
  static const ChatShape chat;
  static const MessagesShape messages;
  const bool is_chat = request.path.ends_with("/chat/completions");
  if (!is_chat && !request.path.ends_with("/messages")) {
    return std::make_unique<FixedWhole>(
        404, R"({"error":{"message":"fixed answers: …/chat/completions and …/messages"}})",
        std::chrono::microseconds{0}, now);
  }
  const Shape& shape = is_chat ? static_cast<const Shape&>(chat) : messages;
  const auto wishes = wishes_of(request.body);
  if (asks_for_stream(request.body)) return std::make_unique<FixedStream>(shape, wishes, now);
  const auto bytes =
      std::min(whole_bytes_max, static_cast<std::size_t>(wishes.pieces) * wishes.piece_bytes);
  return std::make_unique<FixedWhole>(200, shape.whole(std::string(bytes, 'w'), wishes.pieces),
                                      wishes.think, now);
}

}  // namespace turnpike::simulator
