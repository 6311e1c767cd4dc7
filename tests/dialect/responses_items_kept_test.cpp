#include "dialect/responses_items_kept.hpp"

#include <catch2/catch.hpp>

#include "support/fake_clock.hpp"

using namespace turnpike;
using namespace turnpike::dialect;

namespace {

StreamOptions options_for(OpaqueStore& store, KeepItems keep = KeepItems::whole) {
  StreamOptions options;
  options.client = Dialect::openai_responses;
  options.opaque = &store;
  options.owner = "key";
  options.keep_items = keep;
  return options;
}

}  // namespace

TEST_CASE("a referred item is put in the place of its reference") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  keep_response_items(options_for(store), R"({"output":[{"type":"message","id":"msg_1","role":"assistant","content":[]},{"type":"reasoning","id":"rs_1","summary":[]}]})");
  const std::string body =
      R"({"input":[{"role":"user","content":"hi"},{"type":"item_reference","id":"rs_1"}, {"type":"item_reference","id":"msg_1"}],"model":"m"})";
  CHECK(with_kept_items(body, store, "key").value() ==
        R"({"input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[]}, {"type":"message","id":"msg_1","role":"assistant","content":[]}],"model":"m"})");
}

TEST_CASE("references to what nobody kept, and to other keys' items, are refused") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  keep_response_item(options_for(store), R"({"type":"reasoning","id":"rs_1","summary":[]})");
  const std::string body = R"({"input":[{"type":"item_reference","id":"rs_1"}]})";
  const auto refused = with_kept_items(body, store, "another key");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().http_status == 400);
  CHECK(refused.error().param == "input[0].id");
  const std::string unknown = R"({"input":[{"type":"item_reference","id":"rs_2"}]})";
  CHECK_FALSE(with_kept_items(unknown, store, "key"));
}

TEST_CASE("a body that is no JSON, or holds the word elsewhere, is left alone") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  keep_response_item(options_for(store), "{not json");
  keep_response_item(options_for(store), R"({"type":"message"})");
  CHECK(store.figures().entries == 0);
  for (const std::string body : {R"({"input":[{"type":"item_reference","id")", R"({"input":"what is an item_reference?"})"}) {
    CHECK(with_kept_items(body, store, "key").value() == body);
  }
}

TEST_CASE("one long item named a thousand times does not become a body of hundreds of megabytes") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  const std::string text(200'000, 'x');
  keep_response_item(options_for(store), R"({"type":"message","id":"msg_1","content":")" + text + R"("})");
  std::string body = R"({"input":[)";
  for (int i = 0; i < 1000; ++i) body += std::string{i == 0 ? "" : ","} + R"({"type":"item_reference","id":"msg_1"})";
  body += "]}";
  const auto filled = with_kept_items(body, store, "key");
  REQUIRE_FALSE(filled);
  CHECK(filled.error().http_status == 400);
}

TEST_CASE("an item that its provider keeps is referred to there, by the key that was given it") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  keep_response_item(options_for(store, KeepItems::ids), R"({"type":"reasoning","id":"rs_1","summary":[]})");
  const std::string body = R"({"input":[{"type":"item_reference","id":"rs_1"}]})";
  CHECK(with_kept_items(body, store, "key").value() == body);
  CHECK_FALSE(with_kept_items(body, store, "another key"));
}
