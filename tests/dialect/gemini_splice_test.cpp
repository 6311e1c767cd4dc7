#include "dialect/splice_gemini.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "dialect/opaque_restore.hpp"
#include "dialect/opaque_store.hpp"
#include "gemini_support.hpp"

namespace turnpike::dialect::test {
namespace {

const std::string foreign = write_issuer_tag(IssuerTag{"deepseek", "deepseek-v4", "call_1"});
const std::string stand_in{gemini_stand_in_signature};

/// A loop of one call, whose signature is `signature`, answered.
std::string loop_of(const std::string& signature, const std::string& before_call = "",
                    const std::string& id = R"("id":"call_1",)") {
  return with_contents(gemini_hello + R"(,{"role":"model","parts":[)" + before_call +
                       R"({"functionCall":{)" + id + R"("name":"f","args":{}})" + signature +
                       R"(}]},{"role":"user","parts":[{"functionResponse":{)" + id +
                       R"("name":"f","response":{"output":"ok"}}}]})");
}
std::string signed_with(const std::string& signature) {
  return R"(,"thoughtSignature":")" + signature + "\"";
}

TranslateOptions capped(std::int64_t tokens) {
  TranslateOptions options;
  options.output_tokens_cap = tokens;
  return options;
}

std::string with_config(const std::string& config) {
  return with_contents(gemini_hello, R"(,"generationConfig":{)" + config + "}");
}

// ---- bytes

TEST_CASE(
    "Towards Gemini all bytes of a Gemini body stay, unknown fields and odd spacing included") {
  const std::string body =
      "{ \"new_field\" : {\"b\":1e5,\"a\":\"\\u0041\"},\n"
      " \"contents\":[ {\"parts\" : [{\"text\":\"hi\", \"later\": 12345678901234567890123}]} ],\n"
      " \"generation_config\":{ \"top_k\": 64.0, \"max_output_tokens\":100} }\n";
  const auto outgoing = translate_gemini(body, gemini());
  REQUIRE(outgoing);
  CHECK(outgoing->body == body);
  CHECK(outgoing->losses.empty());
}

TEST_CASE("The path names the model and says whether the answer streams") {
  const auto path = [](bool stream, bool count) {
    TranslateOptions options;
    options.count_only = count;
    return translate_gemini(with_contents(gemini_hello), gemini(), options, stream)->path;
  };
  CHECK(path(false, false) == "/v1beta/models/gemini-3.1-pro-preview:generateContent");
  CHECK(path(true, false) == "/v1beta/models/gemini-3.1-pro-preview:streamGenerateContent?alt=sse");
  CHECK(path(true, true) == "/v1beta/models/gemini-3.1-pro-preview:countTokens");
}

TEST_CASE("A body that names the model as well does not contradict the path") {
  CHECK(bytes_of(R"({"model":"models/auto","contents":[]})", gemini()) ==
        R"({"model":"models/gemini-3.1-pro-preview","contents":[]})");
}

TEST_CASE("Line separators are escaped on their way to Gemini") {
  CHECK(bytes_of(with_contents("{\"parts\":[{\"text\":\"a\xE2\x80\xA8z\xE2\x80\xA9\"}]}"),
                 gemini()) == with_contents(R"({"parts":[{"text":"a\u2028z\u2029"}]})"));
}

TEST_CASE("Recorded Gemini requests stay what they were where nothing applies", "[recorded]") {
  const auto requests = recorded_gemini();
  if (requests.empty()) return;
  std::size_t unchanged = 0;
  for (const auto& request : requests) {
    INFO(request.name);
    // A model of the generation that the client had in mind.
    const bool third = request.model.starts_with("gemini-3");
    const auto candidate = third ? gemini() : gemini(ThinkingStyle::gemini_budget);
    auto expected = request.body;
    const auto named = OrderedJson::parse(request.body).value("model", std::string{});
    if (!named.empty())
      expected.replace(expected.find(named), named.size(), "models/" + candidate.model);
    const auto outgoing = translate_gemini(request.body, candidate, {}, request.stream);
    REQUIRE(outgoing);
    CHECK(outgoing->body == expected);
    unchanged += outgoing->body == request.body ? 1 : 0;
  }
  CHECK(unchanged >= 25);
}

// ---- limit

TEST_CASE("The limit is lowered to what the gateway and the model allow, or put in") {
  auto small = gemini();
  small.output_tokens_max = 1000;
  CHECK(bytes_of(with_config(R"("maxOutputTokens":900)"), small) ==
        with_config(R"("maxOutputTokens":900)"));
  CHECK(bytes_of(with_config(R"("maxOutputTokens":9000)"), small) ==
        with_config(R"("maxOutputTokens":1000)"));
  CHECK(bytes_of(with_config(R"("topP":1, "max_output_tokens" : 9000)"), gemini(), capped(50)) ==
        with_config(R"("topP":1, "max_output_tokens" : 50)"));
  CHECK(bytes_of(with_config(R"("maxOutputTokens":20)"), gemini(), capped(50)) ==
        with_config(R"("maxOutputTokens":20)"));
  CHECK(bytes_of(with_config(R"("maxOutputTokens":null)"), gemini(), capped(50)) ==
        with_config(R"("maxOutputTokens":50)"));
  CHECK(bytes_of(with_config(R"("topP":1)"), gemini(), capped(50)) ==
        with_config(R"("maxOutputTokens":50,"topP":1)"));
  CHECK(bytes_of(with_config(""), gemini(), capped(50)) == with_config(R"("maxOutputTokens":50)"));
  CHECK(bytes_of(with_contents(gemini_hello, R"(,"generationConfig":null)"), gemini(),
                 capped(50)) == with_config(R"("maxOutputTokens":50)"));
  CHECK(bytes_of(with_contents(gemini_hello), gemini(), capped(50)) ==
        R"({"generationConfig":{"maxOutputTokens":50},)" + with_contents(gemini_hello).substr(1));
  CHECK(bytes_of(with_contents(gemini_hello), small) == with_contents(gemini_hello));
}

// ---- thinking

TEST_CASE("A level for a model that counts in tokens becomes a budget, and the reverse") {
  const auto thinking = [](const std::string& config, const Candidate& candidate) {
    const auto body = json_of(with_config(R"("thinkingConfig":{)" + config + "}"), candidate);
    return body["generationConfig"]["thinkingConfig"].dump();
  };
  const auto budget = gemini(ThinkingStyle::gemini_budget);
  CHECK(thinking(R"("includeThoughts":true,"thinkingLevel":"HIGH")", budget) ==
        R"({"includeThoughts":true,"thinkingBudget":24576})");
  CHECK(thinking(R"("thinking_level":"LOW")", budget) == R"({"thinkingBudget":1024})");
  CHECK(thinking(R"("thinkingLevel":"THINKING_LEVEL_UNSPECIFIED","includeThoughts":true)",
                 budget) == R"({"includeThoughts":true})");
  CHECK(thinking(R"("thinkingBudget":0)", budget) == R"({"thinkingBudget":128})");
  CHECK(thinking(R"("thinkingBudget":99999)", budget) == R"({"thinkingBudget":32768})");
  CHECK(thinking(R"("thinkingBudget":-1)", budget) == R"({"thinkingBudget":-1})");
  CHECK(thinking(R"("thinkingBudget":0,"includeThoughts":false)", gemini()) ==
        R"({"thinkingLevel":"LOW","includeThoughts":false})");
  CHECK(thinking(R"("thinkingBudget":60000)", gemini()) == R"({"thinkingLevel":"HIGH"})");
  CHECK(thinking(R"("includeThoughts":true,"thinkingBudget":-1)", gemini()) ==
        R"({"includeThoughts":true})");
  CHECK(thinking(R"("thinkingLevel":"MINIMAL")", gemini()) == R"({"thinkingLevel":"LOW"})");
  CHECK(thinking(R"("thinkingLevel":"high")", gemini()) == R"({"thinkingLevel":"high"})");
  CHECK(thinking(R"("thinkingLevel":"COSMIC")", gemini()) == R"({"thinkingLevel":"COSMIC"})");
}

TEST_CASE("A model that cannot think is not told how") {
  auto plain = gemini();
  plain.thinking = ThinkingStyle::none;
  CHECK(bytes_of(with_config(R"("topP":1,"thinkingConfig":{"thinkingBudget":5})"), plain) ==
        with_config(R"("topP":1)"));
  CHECK(bytes_of(with_config(R"("thinkingConfig":{"thinkingBudget":5})"), plain, capped(7)) ==
        with_config(R"("maxOutputTokens":7)"));
  CHECK(translate_gemini(with_config(R"("thinkingConfig":{})"), plain)->losses ==
        std::vector<std::string>{"reasoning_effort"});
}

// ---- signatures

TEST_CASE("A vendor's own signatures stay, in either alphabet") {
  for (const std::string signature : {"EqoBCkYIAxgCIkD+/w==", "EqoBCkYIAxgCIkD-_w"}) {
    const auto body = with_contents(
        R"({"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":")" +
        signature + R"("},{"text":"x","thought":true}]},)" + gemini_hello);
    CHECK(bytes_of(body, gemini()) == body);
  }
}

TEST_CASE("The gateway's token never reaches Gemini: the stored signature takes its place") {
  const GeminiClock clock;
  OpaqueStore store{clock};
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "key";
  const auto keep = [&](const std::string& provider, const std::string& family) {
    store.put("key", "call_1",
              {provider,
               family,
               OpaqueKind::gemini_signature,
               {{OpaqueBlock::Form::signature, "", "c3RvcmVk"}}});
  };
  keep("gemini", "gemini-3");
  CHECK(bytes_of(loop_of(signed_with(foreign)), gemini(), options) ==
        loop_of(signed_with("c3RvcmVk")));
  CHECK(bytes_of(loop_of(signed_with(foreign), "", ""), gemini(), options) ==
        loop_of(signed_with("c3RvcmVk"), "", ""));
  keep("gemini", "gemini-2.5");
  CHECK(bytes_of(loop_of(signed_with(foreign)), gemini(), options) ==
        loop_of(signed_with(stand_in)));
  keep("vertex", "gemini-3");
  CHECK(bytes_of(loop_of(signed_with(foreign)), gemini(), options) ==
        loop_of(signed_with(stand_in)));
}

TEST_CASE("Without a stored one the stand-in goes where the model insists, and only there") {
  const auto outgoing = translate_gemini(loop_of(signed_with(foreign)), gemini());
  REQUIRE(outgoing);
  CHECK(outgoing->body == loop_of(signed_with(stand_in)));
  CHECK(outgoing->losses == std::vector<std::string>{"reasoning_history"});
  CHECK(
      bytes_of(loop_of(""), gemini()) ==
      with_contents(
          gemini_hello + R"(,{"role":"model","parts":[{"thoughtSignature":")" + stand_in +
          R"(","functionCall":{"id":"call_1","name":"f","args":{}}}]},)"
          R"({"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"f","response":{"output":"ok"}}}]})"));
  // Older models do without.
  const auto older = gemini(ThinkingStyle::gemini_budget);
  CHECK(bytes_of(loop_of(signed_with(foreign)), older) == loop_of(""));
  CHECK(bytes_of(loop_of(""), older) == loop_of(""));
  // What lies before the last user turn keeps the bytes it had while its loop ran.
  const auto past = [](const std::string& signature) {
    auto body = loop_of(signature);
    return body.substr(0, body.size() - 2) + R"(,{"role":"model","parts":[{"text":"done"}]},)" +
           gemini_hello + "]}";
  };
  CHECK(bytes_of(past(signed_with(foreign)), gemini()) == past(signed_with(stand_in)));
}

TEST_CASE("Of parallel calls the first is signed; each step has a first") {
  const auto step = [](const std::string& first, const std::string& second) {
    return R"({"role":"model","parts":[{"functionCall":{"name":"f"})" + first +
           R"(},{"functionCall":{"name":"g"})" + second +
           R"(}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}},)"
           R"({"functionResponse":{"name":"g","response":{}}}]})";
  };
  const auto before = signed_with(foreign);
  const auto after = signed_with(stand_in);
  CHECK(bytes_of(
            with_contents(gemini_hello + "," + step(before, before) + "," + step(before, before)),
            gemini()) ==
        with_contents(gemini_hello + "," + step(after, "") + "," + step(after, "")));
}

TEST_CASE("Thoughts of other vendors go, with their content if nothing else is in it") {
  const std::string thought = R"({"text":"hm","thought":true},)";
  CHECK(bytes_of(loop_of(signed_with(foreign), thought), gemini()) ==
        loop_of(signed_with(stand_in)));
  const auto own = write_issuer_tag(IssuerTag{"gemini", "gemini-3", "call_1"});
  CHECK(bytes_of(loop_of(signed_with(own), thought), gemini()) ==
        loop_of(signed_with(stand_in), thought));
  CHECK(bytes_of(loop_of(signed_with("c2ln"), thought), gemini()) ==
        loop_of(signed_with("c2ln"), thought));
  const auto alone =
      R"(,{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":")" + foreign +
      "\"}]}";
  CHECK(bytes_of(with_contents(gemini_hello + alone + "," + gemini_hello), gemini()) ==
        with_contents(gemini_hello + "," + gemini_hello));
  CHECK(bytes_of(with_contents(gemini_hello + alone), gemini()) == with_contents(gemini_hello));
  // A text with the gateway's token is a text without.
  CHECK(bytes_of(with_contents(R"({"role":"model","parts":[{"thoughtSignature":")" + foreign +
                               R"(", "text":"x"}]})"),
                 gemini()) == with_contents(R"({"role":"model","parts":[{"text":"x"}]})"));
}

TEST_CASE("Ids come out where they are refused, their signatures found before") {
  auto vertex = gemini();
  vertex.quirks.strips_call_ids = true;
  CHECK(bytes_of(loop_of(signed_with("c2ln")), vertex) == loop_of(signed_with("c2ln"), "", ""));
  CHECK(bytes_of(loop_of(signed_with(foreign)), vertex) == loop_of(signed_with(stand_in), "", ""));
  CHECK(bytes_of(with_contents(R"({"parts":[{"functionResponse":{"name":"f","id":"x"}}]})"),
                 vertex) == with_contents(R"({"parts":[{"functionResponse":{"name":"f"}}]})"));
}

// ---- counting

TEST_CASE("A token count is sent in the form that its endpoint takes") {
  TranslateOptions count;
  count.count_only = true;
  CHECK(bytes_of(with_contents(gemini_hello), gemini(), count) == with_contents(gemini_hello));
  const auto inner =
      with_contents(gemini_hello, R"(,"systemInstruction":{"parts":[{"text":"s"}]})").substr(1);
  const std::string opening =
      R"({"generateContentRequest":{"model":"models/gemini-3.1-pro-preview",)";
  CHECK(bytes_of("{" + inner, gemini(), count) == opening + inner + "}");
  CHECK(bytes_of(R"({"generateContentRequest":{"model":"models/auto",)" + inner + "}", gemini(),
                 count) == opening + inner + "}");
  CHECK(bytes_of(R"({"generateContentRequest":{)" + inner + "}", gemini(), count) ==
        opening + inner + "}");
  count.output_tokens_cap = 5;
  CHECK(bytes_of(with_contents(gemini_hello), gemini(), count) == with_contents(gemini_hello));
}

// ---- as a whole

TEST_CASE("A Gemini conversation that other models have joined only grows towards Gemini") {
  std::string contents = gemini_hello;
  const auto messages = [&](const std::string& closing) {
    const auto bytes = bytes_of(with_contents(contents), gemini());
    CHECK(OrderedJson::accept(bytes));
    CHECK(bytes.find("dHBr") == std::string::npos);
    return bytes.substr(0, bytes.size() - closing.size());
  };
  auto before = messages("]}");
  for (int turn = 0; turn < 9; ++turn) {
    const auto n = std::to_string(turn);
    const auto signature = turn % 3 == 0
                               ? "c2lnbmF0dXJl" + n + "==="
                               : write_issuer_tag(IssuerTag{
                                     turn % 3 == 1 ? "deepseek" : "anthropic", "", "call_" + n});
    contents +=
        R"(,{"role":"model","parts":[{"text":"hm","thought":true},{"functionCall":{"name":"f"},"thoughtSignature":")" +
        signature + R"("},{"functionCall":{"name":"g"}}]},)" +
        R"({"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"a"}}},)" +
        R"({"functionResponse":{"name":"g","response":{"output":"b"}}}]})";
    const auto after = messages("]}");
    CHECK(after.starts_with(before));
    before = after;
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
