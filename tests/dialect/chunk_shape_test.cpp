#include "dialect/chunk_shape.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "stream_support.hpp"

namespace turnpike::dialect {
namespace {

const std::string head =
    R"(data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":")";
const std::string tail = "\"},\"finish_reason\":null}],\"usage\":null}\n\n";

wire::SseEvent event_of(std::string_view raw) {
  wire::SseEvent event;
  event.raw = raw;
  event.has_data = true;
  event.data = raw.substr(6, raw.size() - 8);
  return event;
}

ChunkShape shape_of(const std::string& raw, Delta delta) {
  ChunkShape shape;
  shape.learn(event_of(raw), delta);
  return shape;
}

ChunkShape text_shape() { return shape_of(head + "Hi" + tail, {0, 3, BlockKind::text, "Hi"}); }

/// The text of the event `raw` as the shape reads it; "<none>" if it leaves it to the reader.
std::string seen(ChunkShape& shape, const std::string& raw) {
  const auto match = shape.match(raw);
  if (!match) return "<none>";
  CHECK(match->bytes == raw.size());
  return std::string{match->delta.bytes};
}

}  // namespace

TEST_CASE("A shape recognises the same chunk with another text") {
  ChunkShape shape = text_shape();
  const std::string raw = head + "another, much longer piece of text" + tail;
  const auto match = shape.match(raw + "data: [DONE]\n\n");
  REQUIRE(match);
  CHECK(match->bytes == raw.size());
  CHECK(match->delta.bytes == "another, much longer piece of text");
  CHECK(match->delta.block == 3);
  CHECK(match->delta.kind == BlockKind::text);
}

TEST_CASE("A shape needs the whole event") {
  ChunkShape shape = text_shape();
  const std::string raw = head + R"(with \n and ü)" + tail;
  for (std::size_t cut = 0; cut < raw.size(); ++cut) {
    INFO(cut);
    CHECK_FALSE(shape.match(raw.substr(0, cut)));
  }
  CHECK(shape.match(raw));
}

TEST_CASE("A shape leaves every other chunk to the reader") {
  ChunkShape shape = text_shape();
  const std::string finish = "\"},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
  for (const std::string& raw : {
           head + tail,                           // no text
           head + "a" + finish,                   // says more
           head + "a\"" + tail,                   // broken
           head + "a\nb" + tail,                  // a raw control character
           head + std::string("a\0b", 3) + tail,  // another
           head + "a longer text with a \x1f in it" + tail,
           head + "\xff" + tail,          // not UTF-8
           head + "eight..\xc3" + tail,   // cut UTF-8
           head + "\xed\xa0\x80" + tail,  // a surrogate in UTF-8
           head + R"(\x41)" + tail,       // no escape
           head + R"(\u12g4)" + tail,
           head + R"(\u+123)" + tail,
           head + R"(\u12)" + tail,
           head + R"(\ud83d\ude00)" + tail,  // pairs and halves need the reader
           head + R"(\ud83d)" + tail,
           head + R"(end\)" + tail,                 // the quote is escaped
           head + std::string(70'000, 'a') + tail,  // too long
           " " + head + "a" + tail,
       }) {
    INFO(raw.substr(0, 160));
    CHECK_FALSE(shape.match(raw));
  }
}

TEST_CASE("A shape decodes escapes") {
  ChunkShape shape = text_shape();
  CHECK(seen(shape, head + R"(\"\\\/\b\f\n\r\t)" + tail) == "\"\\/\b\f\n\r\t");
  CHECK(seen(shape, head + R"(a\u0041\u00e9\u4F60 z)" + tail) == "aAé你 z");
  CHECK(seen(shape, head + R"(\\)" + tail) == "\\");
  CHECK(seen(shape, head + "日本語, and then some" + tail) == "日本語, and then some");
}

TEST_CASE("A shape lets OpenAI's padding vary") {
  const std::string middle = R"("},"finish_reason":null}],"usage":null,"obfuscation":")";
  ChunkShape shape = shape_of(head + "Hi" + middle + "xY\"}\n\n", {0, 0, BlockKind::text, "Hi"});
  CHECK(seen(shape, head + "a" + middle + "longer pad\"}\n\n") == "a");
  CHECK(seen(shape, head + "a" + middle + "\"}\n\n") == "a");
  CHECK(seen(shape, head + "a" + middle + "x\\n\"}\n\n") == "<none>");
  CHECK(seen(shape, head + "a" + middle + "x\",\"error\":{\"a\":1}}\n\n") == "<none>");
}

TEST_CASE("A shape is not learned where the text cannot be told apart") {
  const std::string two = R"(data: {"choices":[{"index":-1,"delta":{"content":"x"}},)"
                          R"({"index":0,"delta":{"content":"x"}}]})"
                          "\n\n";
  ChunkShape shape = shape_of(two, {0, 0, BlockKind::text, "x"});
  CHECK_FALSE(shape.match(two));

  const std::string hidden = R"(data: {"ch\u006fices":[],"choices":[{"delta":{"content":"x"}}]})"
                             "\n\n";
  shape = shape_of(hidden, {0, 0, BlockKind::text, "x"});
  CHECK_FALSE(shape.match(hidden));

  const std::string other = head + "Hi" + tail;
  shape = shape_of(other, {0, 0, BlockKind::text, "Ho"});
  CHECK_FALSE(shape.match(other));

  wire::SseEvent named = event_of(other);
  const std::string raw = "event: x\n" + other;
  named.raw = raw;
  shape = ChunkShape{};
  shape.learn(named, {0, 0, BlockKind::text, "Hi"});
  CHECK_FALSE(shape.match(raw));
}

TEST_CASE("A shape is given up after pieces that never come again") {
  ChunkShape shape;
  for (int created = 0; created < 8; ++created) {
    const std::string raw = "data: {\"created\":" + std::to_string(created) +
                            R"(,"choices":[{"delta":{"content":"x"}}]})" + "\n\n";
    shape.learn(event_of(raw), {0, 0, BlockKind::text, "x"});
  }
  const std::string raw = head + "Hi" + tail;
  shape.learn(event_of(raw), {0, 0, BlockKind::text, "Hi"});
  CHECK_FALSE(shape.match(raw));
}

TEST_CASE("A shape of Messages has the event's name in front of it") {
  const auto event = [](std::string_view text) {
    return R"(event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":")" +
           std::string{text} + "\"}}\n\n";
  };
  const std::string first = event("Hi");
  wire::SseEvent read;
  read.raw = first;
  read.has_data = true;
  read.data = read.raw.substr(read.raw.find('{'), read.raw.size() - read.raw.find('{') - 2);
  ChunkShape shape{Dialect::anthropic_messages};
  shape.learn(read, {0, 1, BlockKind::text, "Hi"});
  CHECK(seen(shape, event("another piece")) == "another piece");
  CHECK(seen(shape, event(R"(said \"no\")")) == R"(said "no")");
  const std::string other_block = [&] {
    std::string raw = event("x");
    raw.replace(raw.find("\"index\":1"), 9, "\"index\":2");
    return raw;
  }();
  CHECK(seen(shape, other_block) == "<none>");
  CHECK(seen(shape, event("x").substr(6)) == "<none>");  // without the name's first letters
}

TEST_CASE("A stream whose shape is recognised is translated as one that is read event by event") {
  const auto stream = [](bool alike) {
    std::string all =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n"
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
        "{\"type\":\"text\",\"text\":\"\"}}\n\n";
    for (int i = 0; i < 40; ++i) {
      const std::string blanks(alike ? 1 : static_cast<std::size_t>(1 + i), ' ');
      all += "event: content_block_delta\ndata: {\"type\":" + blanks +
             "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"piece " +
             std::to_string(i) + "\\n\"}}\n\n";
    }
    return all +
           "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
           "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
           "\"usage\":{\"output_tokens\":99}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
  };
  Candidate candidate;
  candidate.dialect = Dialect::anthropic_messages;
  candidate.provider = "anthropic";
  for (const Dialect client : {Dialect::openai_chat, Dialect::openai_responses, Dialect::gemini_generate}) {
    const auto translated = [&](const std::string& all) {
      StreamOptions options;
      options.client = client;
      options.id = "answer-1";
      StreamTranslator translator{candidate, options};
      std::string out;
      translator.feed(all, out);
      translator.end({}, out);
      CHECK(translator.complete());
      CHECK(translator.events() == 45);
      CHECK(translator.tally().output_bytes == 350);
      return out;
    };
    CHECK(translated(stream(true)) == translated(stream(false)));
  }
}

}  // namespace turnpike::dialect
