#include "server/head_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

namespace turnpike::server {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

std::string lowered(std::string_view name) {
  std::string lower{name};
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte + ('a' - 'A'));
  }
  return lower;
}

/// Fields go straight into the RequestHead instead of through a Beast container: no second copy, no
/// second lookup.
class HeadParser final : public http::basic_parser<true> {
 public:
  explicit HeadParser(RequestHead& head) : head_(head) {
    header_limit(std::numeric_limits<std::uint32_t>::max());  // the guard has checked the size
    body_limit(boost::none);
  }

 private:
  void on_request_impl(http::verb /*method*/, string_view method, string_view /*target*/,
                       int /*version*/, error_code& /*ec*/) override {
    head_.method.assign(method.data(), method.size());
  }
  void on_field_impl(http::field /*known*/, string_view name, string_view value,
                     error_code& /*ec*/) override {
    head_.headers.emplace_back(lowered({name.data(), name.size()}),
                               std::string_view{value.data(), value.size()});
  }
  void on_response_impl(int /*status*/, string_view /*reason*/, int /*version*/,
                        error_code& /*ec*/) override {}
  void on_header_impl(error_code& /*ec*/) override {}
  // The body never comes here: length is counted by the session, chunks are taken apart by
  // ChunkGuard.
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                         error_code& /*ec*/) override {}
  std::size_t on_body_impl(string_view body, error_code& /*ec*/) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t /*size*/, string_view /*extensions*/,
                            error_code& /*ec*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*remain*/, string_view body,
                                 error_code& /*ec*/) override {
    return body.size();
  }
  void on_finish_impl(error_code& /*ec*/) override {}

  RequestHead& head_;
};

}  // namespace

Result<RequestHead> parse_head(std::string_view raw, const HeadFacts& facts,
                               const std::string& peer) {
  if (raw.starts_with("\r\n")) raw.remove_prefix(2);
  RequestHead head;
  head.headers.reserve(facts.fields);
  HeadParser parser{head};
  error_code failure;
  parser.put(boost::asio::const_buffer{raw.data(), raw.size()}, failure);
  if (failure || !parser.is_header_done() || head.headers.size() != facts.fields) {
    return std::unexpected{client_error("malformed_head", "the request head is malformed")};
  }
  if (!facts.target.starts_with('/') && facts.target != "*")
    head.target = "/";  // http://host?query
  head.target += facts.target;
  head.path = without_query(head.target);
  if (head.path.size() < head.target.size()) head.query = head.target.substr(head.path.size() + 1);
  head.peer = peer;
  head.upgrade = facts.upgrade;
  return head;
}

}  // namespace turnpike::server
