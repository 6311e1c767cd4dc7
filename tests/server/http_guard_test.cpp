#include "server/http_guard.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "server/head_parser.hpp"
#include "server/http_cases.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;

namespace {

/// Status of the refusal, `accepted`, or -1 if the head is still incomplete. `step` bytes arrive at
/// a time.
int verdict(HttpGuard& guard, const std::string& bytes, std::size_t step) {
  for (std::size_t end = std::min(step, bytes.size());; end = std::min(end + step, bytes.size())) {
    const auto complete = guard.scan(std::string_view{bytes}.substr(0, end));
    if (!complete) return complete.error().http_status;
    if (*complete) return accepted;
    if (end == bytes.size()) return -1;
  }
}

HeadFacts facts_of(const std::string& bytes, HttpGuard& guard) {
  REQUIRE(verdict(guard, bytes, bytes.size()) == accepted);
  return guard.facts();
}

}  // namespace

TEST_CASE("guard gives every head of the table its verdict, whole and cut anywhere",
          "[server][guard]") {
  const ServerLimits limits;
  REQUIRE(head_cases().size() >= 110);
  for (const auto& item : head_cases()) {
    INFO(item.name);
    for (const std::size_t step : {item.bytes.size(), std::size_t{1}, std::size_t{7}}) {
      HttpGuard guard{limits};
      CHECK(verdict(guard, item.bytes, step) == item.status);
    }
  }
}

TEST_CASE("guard and Beast agree on the fields of every accepted head", "[server][guard]") {
  const ServerLimits limits;
  for (const auto& item : head_cases()) {
    if (item.status != accepted) continue;
    INFO(item.name);
    HttpGuard guard{limits};
    REQUIRE(verdict(guard, item.bytes, item.bytes.size()) == accepted);
    CHECK(guard.head_bytes() == item.bytes.size());
    const auto head = parse_head(item.bytes, guard.facts(), "peer");
    REQUIRE(head.has_value());
    CHECK(head->method == guard.facts().method);
    CHECK(head->headers.size() == guard.facts().fields);
  }
}

TEST_CASE("guard leaves the bytes behind a head alone", "[server][guard]") {
  const ServerLimits limits;
  const std::string head = get("");
  HttpGuard guard{limits};
  REQUIRE(verdict(guard, head + "\x01\x02 not a head", 1000) == accepted);
  CHECK(guard.head_bytes() == head.size());
}

TEST_CASE("guard reads how the body is framed", "[server][guard]") {
  const ServerLimits limits;
  HttpGuard none{limits};
  CHECK_FALSE(facts_of(get(""), none).has_body());
  HttpGuard zero{limits};
  CHECK_FALSE(facts_of(post("Content-Length: 0\r\n"), zero).has_body());
  HttpGuard length{limits};
  const auto with_length = facts_of(post("content-length: 33554432\r\n"), length);
  CHECK(with_length.framing == BodyFraming::length);
  CHECK(with_length.content_length == 33554432);
  HttpGuard chunked{limits};
  CHECK(facts_of(post("Transfer-Encoding: \t ChunkeD \t\r\n"), chunked).framing ==
        BodyFraming::chunked);
}

TEST_CASE("guard reads whether the connection may persist", "[server][guard]") {
  const ServerLimits limits;
  struct Row {
    std::string head;
    bool keep_alive;
  };
  const std::vector<Row> rows{
      {get(""), true},
      {get("Connection: close\r\n"), false},
      {get("Connection: CLOSE\r\n"), false},
      {get("Connection: x, close\r\n"), false},
      {get("Connection: keep-alive\r\nConnection: close\r\n"), false},
      {get("Connection: closed\r\n"), true},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
  };
  for (const auto& row : rows) {
    INFO(row.head);
    HttpGuard guard{limits};
    CHECK(facts_of(row.head, guard).keep_alive == row.keep_alive);
  }
}

TEST_CASE("guard reads upgrades and expectations, on HTTP/1.1 only", "[server][guard]") {
  const ServerLimits limits;
  HttpGuard both{limits};
  CHECK(facts_of(get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"), both).upgrade);
  HttpGuard unnamed{limits};
  CHECK_FALSE(facts_of(get("Connection: upgrade\r\n"), unnamed).upgrade);
  HttpGuard unasked{limits};
  CHECK_FALSE(facts_of(get("Upgrade: h2c\r\n"), unasked).upgrade);
  HttpGuard old_upgrade{limits};
  CHECK_FALSE(
      facts_of("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", old_upgrade).upgrade);
  HttpGuard expecting{limits};
  CHECK(facts_of(post("Expect: 100-Continue\r\nContent-Length: 1\r\n"), expecting).expect_continue);
  HttpGuard old_expecting{limits};
  CHECK_FALSE(facts_of("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
                       old_expecting)
                  .expect_continue);
}

TEST_CASE("guard can be used again after reset", "[server][guard]") {
  const ServerLimits limits;
  HttpGuard guard{limits};
  REQUIRE(verdict(guard, post("Transfer-Encoding: chunked\r\nConnection: close\r\n"), 1000) ==
          accepted);
  guard.reset();
  const auto facts = facts_of(get(""), guard);
  CHECK(facts.framing == BodyFraming::none);
  CHECK(facts.keep_alive);
}

TEST_CASE("guard knows the target of a refused head once the request line is sound",
          "[server][guard]") {
  const ServerLimits limits;
  HttpGuard guard{limits};
  const std::string bytes = "POST /v1/messages?beta=true HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
  CHECK(verdict(guard, bytes, 1000) == 400);
  CHECK(guard.target_seen() == "/v1/messages?beta=true");
}

TEST_CASE("parsed head has lower-case names, trimmed values, path and query", "[server][guard]") {
  const ServerLimits limits;
  const std::string bytes =
      "\r\nPOST http://Host.example/v1/chat/completions?a=b?c "
      "HTTP/1.1\r\nHOST:host.example\r\nX-Api-Key: \t k \r\n\r\n";
  HttpGuard guard{limits};
  const auto head = parse_head(bytes, facts_of(bytes, guard), "127.0.0.1");
  REQUIRE(head.has_value());
  CHECK(head->method == "POST");
  CHECK(head->target == "/v1/chat/completions?a=b?c");
  CHECK(head->path == "/v1/chat/completions");
  CHECK(head->query == "a=b?c");
  CHECK(head->header("host") == "host.example");
  CHECK(head->header("x-api-key") == "k");
  CHECK(head->peer == "127.0.0.1");

  HttpGuard pathless{limits};
  const std::string no_path = line("GET http://a?x=1 HTTP/1.1");
  const auto root = parse_head(no_path, facts_of(no_path, pathless), "");
  REQUIRE(root.has_value());
  CHECK(root->target == "/?x=1");
  CHECK(root->path == "/");
}
