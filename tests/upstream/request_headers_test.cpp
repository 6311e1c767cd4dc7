#include "upstream/request_headers.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using turnpike::Endpoint;
using turnpike::HeaderList;
using turnpike::Secret;
using turnpike::upstream::RequestHeaders;

namespace {

Endpoint make_endpoint(std::string key) {
  Endpoint endpoint;
  endpoint.provider = "example";
  endpoint.auth_header = "x-api-key";
  endpoint.key = Secret{std::move(key)};
  endpoint.headers = {{"anthropic-version", "2023-06-01"}};
  return endpoint;
}

std::vector<std::string> lines_of(RequestHeaders& headers) {
  std::vector<std::string> lines;
  for (const auto* node = headers.list(); node != nullptr; node = node->next)
    lines.emplace_back(node->data);
  return lines;
}

}  // namespace

TEST_CASE("request headers hold the key, the endpoint's fields and the request's, and no Expect") {
  RequestHeaders headers;
  REQUIRE(headers.build(make_endpoint("sk-1"), {{"anthropic-beta", "a,b"}, {"x-empty", ""}}));
  CHECK(lines_of(headers) == std::vector<std::string>{"Content-Type: application/json",
                                                      "Expect:", "x-api-key: sk-1",
                                                      "anthropic-version: 2023-06-01",
                                                      "anthropic-beta: a,b", "x-empty;"});
}

TEST_CASE("an endpoint without a key sends no auth header") {
  auto endpoint = make_endpoint("sk-1");
  endpoint.auth_header.clear();
  RequestHeaders headers;
  REQUIRE(headers.build(endpoint, {}));
  for (const auto& line : lines_of(headers)) CHECK(line.find("sk-1") == std::string::npos);
}

TEST_CASE("header values with CR, LF or NUL are refused and not quoted in the message") {
  const std::string evil =
      "canary" + GENERATE(as<std::string>{}, "\r", "\n", std::string(1, '\0'), "\r\nx: y", "\x7f");
  SECTION("in a forwarded header") {
    RequestHeaders headers;
    const auto built = headers.build(make_endpoint("sk-1"), {{"anthropic-beta", evil}});
    REQUIRE_FALSE(built);
    CHECK(built.error().code == "bad_request_header");
    CHECK(built.error().retry == turnpike::Retry::never);
    CHECK(built.error().message.find("canary") == std::string::npos);
  }
  SECTION("in the key") {
    RequestHeaders headers;
    const auto built = headers.build(make_endpoint(evil), {});
    REQUIRE_FALSE(built);
    CHECK(built.error().message.find("canary") == std::string::npos);
  }
}

TEST_CASE("header names must be tokens") {
  const std::string name = GENERATE("", "a b", "a:", "a\r\nb", "\xc3\xa9");
  RequestHeaders headers;
  CHECK_FALSE(headers.build(make_endpoint("sk-1"), {{name, "v"}}));
}
