// HTTP/1.1 as much as a client library needs: requests with Content-Length or chunked bodies,
// keep-alive, Expect: 100-continue. What does not parse closes the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace turnpike::simulator {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string path;  // without the query
  std::string query;
  Headers headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::string query_value(std::string_view name) const;
  [[nodiscard]] bool wants_close() const;
};

/// Takes one request at a time out of a connection's bytes.
class RequestReader {
 public:
  enum class Progress : std::uint8_t { need_more, send_continue, complete, bad };
  /// Consumes from the front of `buffer`. After `complete`, take() gives the request and the next
  /// one may begin.
  Progress read(std::string& buffer);
  HttpRequest take();

 private:
  enum class Phase : std::uint8_t { head, body, chunk_size, chunk_data, trailers, done };
  static constexpr std::size_t head_bytes_max = 256 * 1024;
  static constexpr std::size_t body_bytes_max = 128 * 1024 * 1024;

  Progress read_head(std::string& buffer);
  Progress read_chunks(std::string& buffer);
  Progress read_chunk_data(std::string& buffer);
  Progress read_chunk_line(std::string& buffer);
  bool parse_head(std::string_view head);
  Progress body_begins();

  HttpRequest request_;
  Phase phase_ = Phase::head;
  std::size_t left_ = 0;
};

std::string response_head(int status, const Headers& headers);

}  // namespace turnpike::simulator
