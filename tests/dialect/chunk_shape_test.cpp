#include "dialect/chunk_shape.hpp"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <tuple>
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
  shape.learn(event_of(raw), {delta});
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
  shape.learn(named, {Delta{0, 0, BlockKind::text, "Hi"}});
  CHECK_FALSE(shape.match(raw));
}

TEST_CASE("A shape is given up after pieces that never come again") {
  ChunkShape shape;
  for (int created = 0; created < 8; ++created) {
    const std::string raw = "data: {\"created\":" + std::to_string(created) +
                            R"(,"choices":[{"delta":{"content":"x"}}]})" + "\n\n";
    shape.learn(event_of(raw), {Delta{0, 0, BlockKind::text, "x"}});
  }
  const std::string raw = head + "Hi" + tail;
  shape.learn(event_of(raw), {Delta{0, 0, BlockKind::text, "Hi"}});
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
  shape.learn(read, {Delta{0, 1, BlockKind::text, "Hi"}});
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
        "event: message_start\ndata: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":9,"
        "\"output_tokens\":1}}}\n\n"
        "event: content_block_start\ndata: "
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
        "{\"type\":\"text\",\"text\":\"\"}}\n\n";
    for (int i = 0; i < 40; ++i) {
      const std::string blanks(alike ? 1 : static_cast<std::size_t>(1 + i), ' ');
      all += "event: content_block_delta\ndata: {\"type\":" + blanks +
             "\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"
             "\"piece " +
             std::to_string(i) + "\\n\"}}\n\n";
    }
    return all +
           "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
           "event: message_delta\ndata: "
           "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
           "\"usage\":{\"output_tokens\":99}}\n\nevent: message_stop\ndata: "
           "{\"type\":\"message_stop\"}\n\n";
  };
  Candidate candidate;
  candidate.dialect = Dialect::anthropic_messages;
  candidate.provider = "anthropic";
  for (const Dialect client :
       {Dialect::openai_chat, Dialect::openai_responses, Dialect::gemini_generate}) {
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

namespace {

std::string gemini_event(std::string_view text, std::string_view counters,
                         std::string_view more = "") {
  return R"(data: {"candidates":[{"content":{"parts":[{"text":")" + std::string{text} +
         R"("}],"role":"model"}, "index":0)" + std::string{more} + R"(}],"usageMetadata":{)" +
         std::string{counters} + "},\"modelVersion\":\"gemini-3.8-flash\"}\r\n\r\n";
}

ChunkShape gemini_shape(std::string_view counters, std::optional<UsageReport> report) {
  ChunkShape shape{Dialect::gemini_generate};
  const std::string raw = gemini_event("Hi", counters);
  wire::SseEvent event = event_of(raw);
  event.data.remove_suffix(2);
  StreamEvents events;
  if (report) events.emplace_back(*report);
  events.emplace_back(Delta{0, 0, BlockKind::text, "Hi"});
  shape.learn(event, events);
  return shape;
}

const UsageReport some_usage{{.input_fresh = 9, .output_text = 2, .items = {3}}, true, true};

}  // namespace

TEST_CASE("A shape lets Gemini's counters move on") {
  ChunkShape shape = gemini_shape(
      R"("promptTokenCount":9,"candidatesTokenCount" : 2, "details":[{"modality":"TEXT 1","tokenCount":9}])",
      some_usage);
  const auto counters = [](int prompt, int answer, int detail) {
    return "\"promptTokenCount\":" + std::to_string(prompt) +
           ",\"candidatesTokenCount\" : " + std::to_string(answer) +
           R"(, "details":[{"modality":"TEXT 1","tokenCount":)" + std::to_string(detail) + "}]";
  };
  CHECK(seen(shape, gemini_event("a", counters(9, 2, 9))) == "a");
  CHECK_FALSE(shape.moved_counters());
  CHECK(seen(shape, gemini_event("b", counters(9, 130, 9))) == "b");
  CHECK(seen(shape, gemini_event(R"(\"c\")", counters(1000, 131, 0))) == "\"c\"");
  const auto moved = shape.moved_counters();
  REQUIRE(moved);
  CHECK(moved->usage == Usage{.input_fresh = 1000, .output_text = 131, .items = {3}});
  CHECK(moved->plausible);
  CHECK_FALSE(shape.moved_counters());
  const std::string last = gemini_event("d", counters(12, 7, 5));
  for (std::size_t cut = 0; cut < last.size(); ++cut) CHECK_FALSE(shape.match(last.substr(0, cut)));
}

TEST_CASE("A shape leaves counters that are none, and every other change, to the reader") {
  const std::string known = R"("promptTokenCount":9,"totalTokenCount":11)";
  ChunkShape shape = gemini_shape(known, some_usage);
  CHECK(seen(shape, gemini_event("a", known)) == "a");
  for (const std::string_view counters :
       {R"("promptTokenCount":09,"totalTokenCount":11)",
        R"("promptTokenCount":-9,"totalTokenCount":11)",
        R"("promptTokenCount":9.5,"totalTokenCount":11)",
        R"("promptTokenCount":9e3,"totalTokenCount":11)",
        R"("promptTokenCount":1000000000000000,"totalTokenCount":11)",
        R"("promptTokenCount":,"totalTokenCount":11)",
        R"("promptTokenCount":null,"totalTokenCount":11)",
        R"("promptTokenCount":"9","totalTokenCount":11)",
        R"("totalTokenCount":11,"promptTokenCount":9)",
        R"("promptTokenCount":9,"totalTokenCount":11,"cachedContentTokenCount":4)",
        R"("promptTokenCount":9)"}) {
    INFO(counters);
    CHECK_FALSE(shape.match(gemini_event("a", counters)));
  }
  CHECK_FALSE(shape.match(gemini_event("a", known, R"(,"finishReason":"STOP")")));

  for (const std::string_view counters :
       {R"("promptTokenCount":"9")", R"("promptTokenCount":-9)", R"("promptTokenCount":9.0)",
        R"("promptTokenCount":9e0)", R"("promptTokenCount":9,"other":1.5)",
        R"("promptTokenCount":1234567890123456)"}) {
    INFO(counters);
    ChunkShape none = gemini_shape(counters, some_usage);
    CHECK_FALSE(none.match(gemini_event("a", counters)));
  }
}

TEST_CASE("Counters that count nothing are not told") {
  ChunkShape shape = gemini_shape(R"("trafficTokenCount":9)", std::nullopt);
  CHECK(seen(shape, gemini_event("a", R"("trafficTokenCount":10)")) == "a");
  CHECK_FALSE(shape.moved_counters());
}

TEST_CASE("A stream of Gemini's whose shape is recognised tells every client and counts the same") {
  const auto stream = [](bool alike, int last) {
    std::string all;
    for (int i = 0; i <= last; ++i) {
      const std::string blanks(alike ? 1 : static_cast<std::size_t>(1 + i), ' ');
      // Counters come later than the first text, a search is told in the middle, a thought stands
      // before all.
      std::string more = i == 20 ? R"(,"groundingMetadata":{"webSearchQueries":["a","b"]})" : "";
      if (i == 40) more += R"(,"finishReason":"STOP")";
      std::string event =
          gemini_event("piece " + std::to_string(i) + R"( \"q\" ü)",
                       "\"promptTokenCount\":" + blanks + std::to_string(i < 30 ? 300 : 310) +
                           ",\"candidatesTokenCount\":" + std::to_string(i * i) +
                           ",\"thoughtsTokenCount\":" + std::to_string(i / 3) +
                           ",\"cachedContentTokenCount\":" + std::to_string(i % 2 * 100) +
                           ",\"totalTokenCount\":" + std::to_string(400 + i * i),
                       more);
      if (i < 5) event.insert(event.find("\"text\""), R"("thought":true,)");
      all += event;
    }
    return all;
  };
  Candidate candidate;
  candidate.dialect = Dialect::gemini_generate;
  candidate.provider = "gemini";
  for (const Dialect client : {Dialect::openai_chat, Dialect::anthropic_messages,
                               Dialect::openai_responses, Dialect::gemini_generate}) {
    const auto taken = [&](const std::string& all, std::size_t step) {
      StreamOptions options;
      options.client = client;
      options.id = "answer-1";
      StreamTranslator translator{candidate, options};
      std::string out;
      for (std::size_t at = 0; at < all.size(); at += step)
        translator.feed(std::string_view{all}.substr(at, step), out);
      translator.end({}, out);
      return std::tuple{client == Dialect::gemini_generate ? std::string{} : out,
                        translator.complete(),
                        translator.events(),
                        translator.tally().output_bytes,
                        translator.tally().usage,
                        translator.tally().usage_plausible};
    };
    for (const int last : {7, 25, 40}) {  // the stream breaks off, or ends
      const auto plain = taken(stream(false, last), 1 << 20);
      CHECK(std::get<Usage>(plain).output_text == last * last);
      for (const std::size_t step : {1UL, 100UL, 1000UL, 1UL << 20U})
        CHECK(taken(stream(true, last), step) == plain);
    }
  }
}

}  // namespace turnpike::dialect
