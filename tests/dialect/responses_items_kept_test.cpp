#include "dialect/responses_items_kept.hpp"

#include <catch2/catch.hpp>

#include "support/fake_clock.hpp"

using namespace turnpike;
using namespace turnpike::dialect;

TEST_CASE("a referred item is put in the place of its reference") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  keep_response_items(store, "key", R"({"output":[{"type":"message","id":"msg_1","role":"assistant","content":[]},{"type":"reasoning","id":"rs_1","summary":[]}]})");
  const std::string body =
      R"({"input":[{"role":"user","content":"hi"},{"type":"item_reference","id":"rs_1"}, {"type":"item_reference","id":"msg_1"}],"model":"m"})";
  CHECK(with_kept_items(body, store, "key") ==
        R"({"input":[{"role":"user","content":"hi"},{"type":"reasoning","id":"rs_1","summary":[]}, {"type":"message","id":"msg_1","role":"assistant","content":[]}],"model":"m"})");
}

TEST_CASE("references to what nobody kept, and other people's items, stay references") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  keep_response_item(store, "key", R"({"type":"reasoning","id":"rs_1","summary":[]})");
  const std::string body = R"({"input":[{"type":"item_reference","id":"rs_1"}]})";
  CHECK(with_kept_items(body, store, "another key") == body);
  const std::string unknown = R"({"input":[{"type":"item_reference","id":"rs_2"}]})";
  CHECK(with_kept_items(unknown, store, "key") == unknown);
}

TEST_CASE("a body that is no JSON, or holds the word elsewhere, is left alone") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  keep_response_item(store, "key", "{not json");
  keep_response_item(store, "key", R"({"type":"message"})");
  CHECK(store.figures().entries == 0);
  for (const std::string body : {R"({"input":[{"type":"item_reference","id")", R"({"input":"what is an item_reference?"})"}) {
    CHECK(with_kept_items(body, store, "key") == body);
  }
}

TEST_CASE("one long item named a thousand times does not become a body of hundreds of megabytes") {
  test::FakeClock clock;
  OpaqueStore store{clock};
  const std::string text(200'000, 'x');
  keep_response_item(store, "key", R"({"type":"message","id":"msg_1","content":")" + text + R"("})");
  std::string body = R"({"input":[)";
  for (int i = 0; i < 1000; ++i) body += std::string{i == 0 ? "" : ","} + R"({"type":"item_reference","id":"msg_1"})";
  body += "]}";
  const auto filled = with_kept_items(body, store, "key");
  CHECK(filled.size() > std::size_t{30} << 20U);
  CHECK(filled.size() < std::size_t{33} << 20U);
  CHECK(filled.ends_with(R"({"type":"item_reference","id":"msg_1"}]})"));
}
