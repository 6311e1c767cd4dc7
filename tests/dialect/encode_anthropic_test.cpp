// What a Messages client gets from providers that speak something else. Whole streams are compared
// with tests/golden/messages/<case>.<provider dialect>.sse; TURNPIKE_GOLDEN_WRITE=1 writes them
// anew from tests/golden/streams: read the difference before committing it.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "anthropic_stream_checker.hpp"
#include "dialect/issuer_tag.hpp"
#include "dialect/response_translator.hpp"
#include "recorded_answers.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

namespace fs = std::filesystem;

StreamOptions messages_options() {
  StreamOptions options = chat_options();
  options.client = Dialect::anthropic_messages;
  options.id = "msg_test";
  return options;
}

std::string delta_chunk(const std::string& delta) {
  return R"({"id":"c-1","model":"m","choices":[{"index":0,"delta":)" + delta + "}]}";
}

std::string finish_chunk(const std::string& reason) {
  return R"({"id":"c-1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":")" + reason +
         R"("}],"usage":{"prompt_tokens":20,"completion_tokens":9,"prompt_cache_hit_tokens":12,)" +
         R"("completion_tokens_details":{"reasoning_tokens":4}}})";
}

std::string call_delta(int index, const std::string& id, const std::string& name,
                       const std::string& arguments) {
  Json call = {{"index", index}, {"function", {{"arguments", arguments}}}};
  if (!id.empty()) call["id"] = id;
  if (!name.empty()) call["function"]["name"] = name;
  return delta_chunk(Json{{"tool_calls", Json::array({call})}}.dump());
}

StreamRun run_chat(const std::vector<std::string>& chunks, bool done = true) {
  std::string stream = chat_events(chunks);
  if (done) stream += "data: [DONE]\n\n";
  return run_whole(candidate_for(Dialect::openai_chat), messages_options(), stream);
}

CheckedMessage checked(const StreamRun& run) {
  INFO(run.out.substr(0, 20000));
  CheckedMessage message = check_anthropic_stream(run.out);
  CHECK(message.faults == std::vector<std::string>{});
  CHECK(message.reading.terminated == run.complete);
  return message;
}

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

TEST_CASE("golden streams reach a Messages client as written", "[dialect][messages][golden]") {
  const fs::path golden = fs::path{TURNPIKE_SOURCE_DIR} / "tests/golden";
  for (const std::string name : {"tools-thinking.openai-chat", "tools-thinking.gemini-generate"}) {
    INFO(name);
    const std::string stream = read_file(golden / "streams" / (name + ".sse"));
    const auto dialect = parse_dialect(name.substr(name.find('.') + 1));
    const Candidate candidate = candidate_for(*dialect);
    const StreamRun whole = run_whole(candidate, messages_options(), stream);
    const fs::path expected = golden / "messages" / (name + ".sse");
    if (std::getenv("TURNPIKE_GOLDEN_WRITE") != nullptr) {
      fs::create_directories(expected.parent_path());
      std::ofstream{expected, std::ios::binary} << whole.out;
    }
    CHECK(whole.out == read_file(expected));
    CHECK(checked(whole).kinds == "thinking text tool_use tool_use");
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      const std::string_view text{stream};
      REQUIRE(
          run_pieces(candidate, messages_options(), {text.substr(0, cut), text.substr(cut)}).out ==
          whole.out);
    }
    const std::size_t end =
        stream.find(*dialect == Dialect::openai_chat ? R"("finish_reason": "tool_calls")"
                                                     : R"("finishReason")");
    for (std::size_t length = 0; length < end; ++length) {
      const StreamRun cut =
          run_whole(candidate, messages_options(), std::string_view{stream}.substr(0, length));
      const CheckedMessage message = check_anthropic_stream(cut.out);
      REQUIRE(message.faults.empty());
      REQUIRE_FALSE(message.reading.terminated);
      REQUIRE(message.reading.error == cut.started);
    }
  }
}

TEST_CASE("a text opens with its first piece and counts are told at the end",
          "[dialect][messages]") {
  const StreamRun run = run_chat({delta_chunk(R"({"role":"assistant","content":""})"),
                                  delta_chunk(R"({"content":"Hi"})"),
                                  delta_chunk(R"({"content":" there\n"})"), finish_chunk("stop")});
  const CheckedMessage message = checked(run);
  CHECK(message.kinds == "text");
  CHECK(message.reading.text == "Hi there\n");
  CHECK(message.stop_reason == "end_turn");
  CHECK(message.usage == Json::parse(R"({"input_tokens":8,"cache_creation_input_tokens":0,
      "cache_read_input_tokens":12,"cache_creation":{"ephemeral_5m_input_tokens":0,
      "ephemeral_1h_input_tokens":0},"output_tokens":9,
      "output_tokens_details":{"thinking_tokens":4}})"));
  CHECK(run.out.starts_with(
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_test\","
      "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"auto\",\"content\":[],"));
}

TEST_CASE("thinking ends with the gateway's own token, not with a vendor's",
          "[dialect][messages]") {
  const StreamRun run = run_chat({delta_chunk(R"({"reasoning_content":"Hm"})"),
                                  delta_chunk(R"({"reasoning_content":"m."})"),
                                  delta_chunk(R"({"content":"Yes."})"), finish_chunk("stop")});
  const CheckedMessage message = checked(run);
  CHECK(message.kinds == "thinking text");
  CHECK(message.reading.reasoning == "Hmm.");
  REQUIRE(message.signatures.size() == 1);
  const auto tag = read_issuer_tag(message.signatures.front());
  REQUIRE(tag.has_value());
  CHECK(tag->provider == "deepseek");

  const std::string gemini = gemini_events(
      {R"({"candidates":[{"content":{"parts":[{"text":"Well","thought":true},)"
       R"({"text":"Yes.","thoughtSignature":"R0VNSU5J"}]},"finishReason":"STOP"}]})"});
  const StreamRun other =
      run_whole(candidate_for(Dialect::gemini_generate), messages_options(), gemini);
  CHECK(checked(other).kinds == "thinking text");
  CHECK(other.out.find("R0VNSU5J") == std::string::npos);
}

TEST_CASE("thinking, text and thinking again keep their order", "[dialect][messages]") {
  const CheckedMessage message = checked(
      run_chat({delta_chunk(R"({"reasoning_content":"a"})"), delta_chunk(R"({"content":"b"})"),
                delta_chunk(R"({"reasoning_content":"c"})"), call_delta(0, "call_1", "now", "{}"),
                finish_chunk("tool_calls")}));
  CHECK(message.kinds == "thinking text thinking tool_use");
  CHECK(message.signatures.size() == 2);
}

TEST_CASE("calls whose pieces interleave come one after the other", "[dialect][messages]") {
  const CheckedMessage message =
      checked(run_chat({delta_chunk(R"({"content":"Both."})"), call_delta(0, "call_a", "first", ""),
                        call_delta(1, "call_b", "second", ""), call_delta(1, "", "", R"({"y":)"),
                        call_delta(0, "", "", R"({"x":)"), call_delta(1, "", "", "2}"),
                        call_delta(0, "", "", "1}"), finish_chunk("tool_calls")}));
  CHECK(message.kinds == "text tool_use tool_use");
  CHECK(message.stop_reason == "tool_use");
  REQUIRE(message.reading.calls.size() == 2);
  CHECK(message.reading.calls[0].id == "call_a");
  CHECK(message.reading.calls[0].arguments == R"({"x":1})");
  CHECK(message.reading.calls[1].name == "second");
  CHECK(message.reading.calls[1].arguments == R"({"y":2})");
}

TEST_CASE("the first call streams while it is made", "[dialect][messages]") {
  StreamTranslator translator{candidate_for(Dialect::openai_chat), messages_options()};
  std::string out;
  translator.feed(
      chat_events({call_delta(0, "call_a", "write", ""), call_delta(0, "", "", R"({"path":)")}),
      out);
  CHECK(out.find(R"("partial_json":"{\"path\":")") != std::string::npos);
}

TEST_CASE("text between calls stays between them", "[dialect][messages]") {
  const CheckedMessage message =
      checked(run_chat({call_delta(0, "call_a", "now", "{}"), delta_chunk(R"({"content":"and"})"),
                        call_delta(1, "call_b", "now", "{}"), finish_chunk("tool_calls")}));
  CHECK(message.kinds == "tool_use text tool_use");
}

TEST_CASE("a tool without arguments gets an empty input", "[dialect][messages]") {
  const CheckedMessage message =
      checked(run_chat({call_delta(0, "call_1", "now", ""), finish_chunk("tool_calls")}));
  CHECK(message.kinds == "tool_use");
  CHECK(message.reading.calls.at(0).arguments.empty());
  CHECK(message.stop_reason == "tool_use");
}

TEST_CASE("arguments that are no object are an error, never a tool run", "[dialect][messages]") {
  for (const std::string arguments : {R"({"path": )", "[1]", R"("text")", R"({"a":1}{"b":2})"}) {
    INFO(arguments);
    const StreamRun run =
        run_chat({delta_chunk(R"({"content":"I write."})"),
                  call_delta(0, "call_1", "write", arguments), finish_chunk("tool_calls")});
    const CheckedMessage message = checked(run);
    CHECK(message.reading.error);
    CHECK_FALSE(run.complete);
    CHECK(run.failure->code == "bad_upstream_output");
    CHECK(run.out.find("\"index\":1}") == std::string::npos);  // the call's content_block_stop
  }
}

TEST_CASE("a useless call that comes with its own end can be had elsewhere",
          "[dialect][messages]") {
  Json chunk = Json::parse(call_delta(0, "call_1", "write", "{\"path\":"));
  chunk["choices"][0]["finish_reason"] = "tool_calls";
  const StreamRun run = run_chat({chunk.dump()});
  CHECK(run.out.empty());
  CHECK_FALSE(run.started);
  CHECK(run.failure->retry == Retry::next_candidate);
}

TEST_CASE("a call cut by the limit ends the turn like the vendor's own", "[dialect][messages]") {
  const CheckedMessage begun = checked(
      run_chat({call_delta(0, "call_1", "write", R"({"path":"/a)"), finish_chunk("length")}));
  CHECK(begun.stop_reason == "max_tokens");
  CHECK(begun.kinds == "tool_use");
  // Nothing of the second call has been shown, so it is not shown at all.
  const CheckedMessage second =
      checked(run_chat({call_delta(0, "call_1", "write", R"({"path":"/a"})"),
                        call_delta(1, "call_2", "write", R"({"pa)"), finish_chunk("length")}));
  CHECK(second.kinds == "tool_use");
  CHECK(second.reading.calls.at(0).arguments == R"({"path":"/a"})");
  // A call without a single piece would run with empty arguments.
  const CheckedMessage bare =
      checked(run_chat({delta_chunk(R"({"content":"So"})"), call_delta(0, "call_1", "wipe", ""),
                        finish_chunk("length")}));
  CHECK(bare.kinds == "text");
}

TEST_CASE("refusals are texts with their own stop reason", "[dialect][messages]") {
  const CheckedMessage words =
      checked(run_chat({delta_chunk(R"({"refusal":"I will not."})"), finish_chunk("stop")}));
  CHECK(words.reading.text == "I will not.");
  CHECK(words.stop_reason == "refusal");
  const CheckedMessage filtered =
      checked(run_chat({delta_chunk(R"({"content":"The"})"), finish_chunk("content_filter")}));
  CHECK(filtered.stop_reason == "refusal");
  const std::string blocked =
      gemini_events({R"({"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":)"
                     R"({"promptTokenCount":7,"totalTokenCount":7}})"});
  const CheckedMessage empty =
      checked(run_whole(candidate_for(Dialect::gemini_generate), messages_options(), blocked));
  CHECK(empty.kinds.empty());
  CHECK(empty.stop_reason == "refusal");
  CHECK(count_at(empty.usage, "input_tokens") == 7);
}

TEST_CASE("stop reasons have their Messages words", "[dialect][messages]") {
  const std::vector<std::pair<std::string, std::string>> words = {
      {"stop", "end_turn"},
      {"length", "max_tokens"},
      {"content_filter", "refusal"},
      {"tool_calls", "end_turn"}};  // without a call there is nothing to wait for
  for (const auto& [chat, messages] : words) {
    INFO(chat);
    CHECK(checked(run_chat({delta_chunk(R"({"content":"x"})"), finish_chunk(chat)})).stop_reason ==
          messages);
  }
}

TEST_CASE("an answer without content is a valid empty message", "[dialect][messages]") {
  const CheckedMessage message = checked(run_chat({finish_chunk("stop")}));
  CHECK(message.kinds.empty());
  CHECK(message.reading.terminated);
}

TEST_CASE("blank texts are not shown, blanks before a word are", "[dialect][messages]") {
  const CheckedMessage message =
      checked(run_chat({delta_chunk(R"({"content":"\n\n"})"), call_delta(0, "call_1", "now", "{}"),
                        finish_chunk("tool_calls")}));
  CHECK(message.kinds == "tool_use");
  const CheckedMessage text =
      checked(run_chat({delta_chunk(R"({"content":"\n"})"), delta_chunk(R"({"content":"\n  x"})"),
                        finish_chunk("stop")}));
  CHECK(text.reading.text == "\n\n  x");
}

TEST_CASE("ids outside of the client's charset are replaced, always by the same",
          "[dialect][messages]") {
  const auto id = [] {
    const CheckedMessage message = checked(
        run_chat({call_delta(0, "functions.now:0", "now", "{}"), finish_chunk("tool_calls")}));
    return message.reading.calls.at(0).id;
  };
  CHECK(id().starts_with("call_"));
  CHECK(id() == id());
}

TEST_CASE("nothing goes out before content but pings and the gateway's own end",
          "[dialect][messages]") {
  StreamTranslator translator{candidate_for(Dialect::openai_chat), messages_options()};
  std::string out;
  translator.feed(": keep-alive\n\n", out);
  translator.feed(chat_events({delta_chunk(R"({"role":"assistant","content":""})")}), out);
  CHECK(out.empty());
  translator.heartbeat(out);
  CHECK(out == "event: ping\ndata: {\"type\":\"ping\"}\n\n");
  translator.feed(chat_events({delta_chunk(R"({"content":"x"})")}), out);
  translator.feed(": keep-alive\n\n", out);
  translator.fail(gateway_error(503, "draining", "The gateway is going away."), out);
  const CheckedMessage message = check_anthropic_stream(out);
  CHECK(message.faults.empty());
  CHECK(message.pings == 2);
  CHECK(message.reading.error);
  CHECK_FALSE(message.reading.terminated);
}

TEST_CASE("faults in mid-stream never end with message_stop", "[dialect][messages]") {
  const std::string begun = chat_events(
      {delta_chunk(R"({"content":"I call."})"), call_delta(0, "call_1", "write", R"({"path":)")});
  const std::vector<std::string> faults = {
      "",  // a tidy end
      "data: {\"id\":\"c-1\",\"choi\n\n",
      "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n\n",
      "<html><body>502 Bad Gateway</body></html>\n\n",
      "data: <html></html>\n\n",
      "data: {\"id\":\"c-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
      "\"insufficient_system_resource\"}]}\n\n",
  };
  for (const std::string& fault : faults) {
    INFO(fault);
    const StreamRun run =
        run_whole(candidate_for(Dialect::openai_chat), messages_options(), begun + fault);
    const CheckedMessage message = checked(run);
    CHECK(message.reading.error);
    CHECK(run.failure.has_value());
    // Before content the same fault leaves the client untouched.
    const StreamRun early =
        run_whole(candidate_for(Dialect::openai_chat), messages_options(), fault);
    CHECK(early.out.empty());
    CHECK(early.failure.has_value());
  }
}

TEST_CASE("texts of megabytes come through, in events and in whole answers",
          "[dialect][messages]") {
  for (const std::size_t size : {std::size_t{1} << 19U, std::size_t{2} << 20U}) {
    const std::string words(size, 'w');
    const CheckedMessage message =
        checked(run_chat({delta_chunk(R"({"content":")" + words + "\"}"), finish_chunk("stop")}));
    CHECK((message.reading.text == words));
    const auto made = translate_response(
        candidate_for(Dialect::openai_chat), messages_options(),
        R"({"choices":[{"index":0,"finish_reason":"stop","message":{"content":")" + words +
            R"("}}]})");
    REQUIRE(made.has_value());
    CHECK((Json::parse(made->body).at("content")[0].at("text") == words));
  }
}

TEST_CASE("a whole answer becomes a whole message", "[dialect][messages]") {
  const std::string body =
      R"({"id":"c","model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{)"
      R"("role":"assistant","reasoning_content":"Hm.","content":"I look.","tool_calls":[)"
      R"({"id":"call_1","type":"function","function":{"name":"weather",)"
      R"("arguments":"{\"city\":\"Bern\",\"n\":12345678901234567890123}"}},)"
      R"({"id":"call_2","type":"function","function":{"name":"now","arguments":""}}]}}],)"
      R"("usage":{"prompt_tokens":5,"completion_tokens":3}})";
  const auto made =
      translate_response(candidate_for(Dialect::openai_chat), messages_options(), body);
  REQUIRE(made.has_value());
  CHECK(made->body.find(R"("input":{"city":"Bern","n":12345678901234567890123})") !=
        std::string::npos);
  const Json message = Json::parse(made->body);
  CHECK(message.at("id") == "msg_test");
  CHECK(message.at("type") == "message");
  CHECK(message.at("stop_reason") == "tool_use");
  CHECK(message.at("stop_sequence").is_null());
  const Json& content = message.at("content");
  REQUIRE(content.size() == 4);
  CHECK(content[0].at("thinking") == "Hm.");
  CHECK(read_issuer_tag(content[0].at("signature").get<std::string>()).has_value());
  CHECK(content[1] == Json{{"type", "text"}, {"text", "I look."}});
  CHECK(content[3] == Json::parse(R"({"type":"tool_use","id":"call_2","name":"now","input":{}})"));
  CHECK(message.at("usage").at("input_tokens") == 5);
  CHECK(message.at("usage").at("output_tokens") == 3);
}

TEST_CASE("a whole answer with a broken call is an error, a cut one goes without the call",
          "[dialect][messages]") {
  const auto made = [](const std::string& reason) {
    return translate_response(
        candidate_for(Dialect::openai_chat), messages_options(),
        R"({"choices":[{"index":0,"finish_reason":")" + reason +
            R"(","message":{"content":"x","tool_calls":[{"id":"call_1","function":)"
            R"({"name":"write","arguments":"{\"path\":"}}]}}]})");
  };
  REQUIRE_FALSE(made("tool_calls").has_value());
  CHECK(made("tool_calls").error().code == "bad_upstream_output");
  REQUIRE(made("length").has_value());
  const Json message = Json::parse(made("length")->body);
  CHECK(message.at("stop_reason") == "max_tokens");
  CHECK(message.at("content").size() == 1);
}

namespace {

void compare_reading(const Reading& expected, const Reading& got) {
  CHECK(got.text == expected.text + expected.refusal);
  CHECK(got.reasoning == expected.reasoning);
  CHECK(got.finish == expected.finish);
  CHECK(got.calls.size() == expected.calls.size());
  for (std::size_t i = 0; i < std::min(got.calls.size(), expected.calls.size()); ++i) {
    CHECK(got.calls[i].name == expected.calls[i].name);
    const Json wanted = Json::parse(expected.calls[i].arguments, nullptr, false);
    if (wanted.is_object() && !wanted.empty()) CHECK(Json::parse(got.calls[i].arguments) == wanted);
  }
  if (expected.input < 0) return;
  CHECK(got.input == expected.input);
  CHECK(got.cached == expected.cached);
  CHECK(got.output >= expected.output);  // some count reasoning outside of it
}

void replay_to_messages(const Candidate& candidate, const std::string& body) {
  const Reading expected = read_provider_stream(candidate.dialect, body);
  const StreamRun whole = run_whole(candidate, messages_options(), body);
  for (const std::size_t width : {1U, 2U, 7U, 61U, 1000U}) {
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < body.size(); at += width) {
      pieces.push_back(std::string_view{body}.substr(at, width));
    }
    REQUIRE(run_pieces(candidate, messages_options(), pieces).out == whole.out);
  }
  const CheckedMessage message = checked(whole);
  if (expected.error) {
    CHECK(whole.failure.has_value());
    CHECK(message.reading.error == whole.started);
    return;
  }
  CHECK(whole.complete);
  compare_reading(expected, message.reading);
}

}  // namespace

TEST_CASE("recorded answers reach a Messages client whole and the same however they are cut",
          "[dialect][messages][replay]") {
  std::size_t streams = 0;
  std::size_t bodies = 0;
  for (const Json& answer : recorded_answers()) {
    if (answer.contains("skip") || answer.at("form") == "error") continue;
    const auto dialect = parse_dialect(answer.at("dialect").get<std::string>());
    if (!dialect || (*dialect != Dialect::openai_chat && *dialect != Dialect::gemini_generate))
      continue;
    INFO(answer.at("case").get<std::string>() << " " << answer.at("part").get<std::string>());
    const Candidate candidate = candidate_for(*dialect);
    const std::string body = answer.at("body").get<std::string>();
    if (answer.at("form") == "stream") {
      replay_to_messages(candidate, body);
      ++streams;
      continue;
    }
    const auto made = translate_response(candidate, messages_options(), body);
    REQUIRE(made.has_value());
    compare_reading(read_provider_body(*dialect, body), read_claude_body(Json::parse(made->body)));
    ++bodies;
  }
  if (streams + bodies != 0) {
    CHECK(streams > 40);
    CHECK(bodies > 40);
  }
}

}  // namespace turnpike::dialect::test
