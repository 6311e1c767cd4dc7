#include "upstream/key_eraser.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "upstream/rig.hpp"

using namespace turnpike;
using namespace turnpike::test;
using turnpike::upstream::KeyEraser;

namespace {

constexpr std::string_view key = "sk-canary-sk-canary-0123456789";

std::string in_pieces(std::string_view text, std::mt19937& random, std::size_t piece_max) {
  KeyEraser eraser{key};
  std::string out;
  while (!text.empty()) {
    std::string piece{text.substr(0, 1 + random() % piece_max)};
    text.remove_prefix(piece.size());
    eraser.pass(piece, text.empty());
    out += piece;
  }
  CHECK_FALSE(eraser.holding());
  return out;
}

}  // namespace

TEST_CASE("the key is erased wherever a stream is cut, and nothing else changes") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  const std::string stars(key.size(), '*');
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    std::string wanted;
    for (int part = 0; part < 8; ++part) {
      // Whole keys, beginnings of them, ends, and letters that begin one.
      const auto kind = random() % 4;
      const auto cut = random() % key.size();
      const std::string piece{kind == 0   ? key
                              : kind == 1 ? key.substr(0, cut)
                              : kind == 2 ? key.substr(cut)
                                          : std::string_view{"data: ss\n\n"}};
      text += piece;
    }
    wanted = text;
    for (auto at = wanted.find(key); at != std::string::npos;
         at = wanted.find(key, at + key.size()))
      wanted.replace(at, key.size(), stars);
    REQUIRE(in_pieces(text, random, 1 + random() % 40) == wanted);
  }
}

TEST_CASE("what cannot be a secret is left alone, and so is text without the key") {
  std::string text = "short keys are words";
  KeyEraser{"keys"}.erase(text);
  KeyEraser{""}.erase(text);
  CHECK(text == "short keys are words");
  KeyEraser eraser{key};
  std::string piece = "data: {\"text\":\"nothing here\"}\n\n";
  const std::string before = piece;
  eraser.pass(piece, false);
  CHECK(piece == before);
  CHECK_FALSE(eraser.holding());
}

TEST_CASE("A10: a key that the provider quotes in a header, a body or an error reaches nobody",
          "[A10]") {
  const auto chunk_bytes = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1000});
  const int status = GENERATE(200, 401, 500);
  CAPTURE(chunk_bytes, status);
  const std::string quoted = R"({"error":{"message":"Incorrect API key provided: )" +
                             std::string{key} +
                             R"(."}})"
                             "\n" +
                             std::string{key.substr(0, 9)};
  RawServer server{[&](RawConnection& connection) {
    const auto request = connection.read_request();
    if (!request) return;
    CHECK(request->field("authorization") == "Bearer " + std::string{key});
    connection.write("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: text/plain; k=" +
                     std::string{key} + "\r\nx-request-id: id-" + std::string{key} +
                     "\r\nx-key: " + std::string{key} + "\r\nSet-Cookie: k=" + std::string{key} +
                     "\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (std::size_t at = 0; at < quoted.size(); at += chunk_bytes)
      connection.write(http_chunk(quoted.substr(at, chunk_bytes)));
    connection.write("0\r\n\r\n");
    connection.read_request();
  }};
  Rig rig;
  const auto endpoint = rig.endpoint(server.url());
  endpoint->auth_header = "Authorization";
  endpoint->auth_prefix = "Bearer ";
  endpoint->key = Secret{std::string{key}};
  const auto exchanged = rig.start(rig.request(endpoint));
  REQUIRE(rig.run_until([&] { return exchanged->over(); }));
  REQUIRE(exchanged->head->has_value());
  const UpstreamHead& head = **exchanged->head;
  CHECK(head.status == status);
  CHECK_FALSE(head.content_type.contains(key));
  CHECK(head.headers.size() == 1);  // the request id: nothing else is let through
  for (const auto& [name, value] : head.headers)
    CHECK(value == "id-" + std::string(key.size(), '*'));
  CHECK_FALSE(exchanged->receiver.body.contains(key));
  CHECK(exchanged->receiver.body.size() == quoted.size());
  CHECK(exchanged->receiver.body.ends_with(key.substr(0, 9)));
  CHECK(exchanged->receiver.end->has_value());
}

TEST_CASE("a call that is cancelled while a beginning of the key is kept back ends at once") {
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(chunked_head);
    connection.write(http_chunk("text sk-canary"));
    connection.read_request();
  }};
  Rig rig;
  const auto endpoint = rig.endpoint(server.url());
  endpoint->key = Secret{std::string{key}};
  const auto exchanged = rig.start(rig.request(endpoint));
  exchanged->receiver.hook = [] { return Flow::pause; };
  REQUIRE(rig.run_until([&] { return !exchanged->receiver.body.empty(); }));
  CHECK(exchanged->receiver.body == "text ");
  exchanged->transfer->cancel();
  REQUIRE(rig.run_until([&] { return exchanged->over(); }));
  CHECK(exchanged->error() == "cancelled");
}
