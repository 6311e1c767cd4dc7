#include "dialect/gemini_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>

#include "dialect/gemini_calls.hpp"
#include "dialect/gemini_schema.hpp"
#include "gemini_support.hpp"

namespace turnpike::dialect::test {
namespace {

std::string fault_of(std::string body) {
  body.reserve(body.size() + 64);
  const auto view = read_view(Dialect::gemini_generate, body);
  if (view) return "";
  return view.error().code + " " + view.error().param;
}

RequestView view_of(std::string body) {
  body.reserve(body.size() + 64);
  const auto view = read_view(Dialect::gemini_generate, body);
  REQUIRE(view);
  return *view;
}

/// With the strict reader's verdict on it.
OrderedJson sent(const std::string& body, const Candidate& candidate) {
  const auto outgoing = translate_gemini(body, candidate);
  INFO(body);
  REQUIRE(outgoing);
  CHECK(faults_of(*outgoing, candidate) == "");
  return OrderedJson::parse(outgoing->body);
}

std::vector<std::string> losses_of(const std::string& members,
                                   const std::string& contents = gemini_hello) {
  const auto outgoing = translate_gemini(with_contents(contents, members), deepseek());
  REQUIRE(outgoing);
  return outgoing->losses;
}

const std::string tool_members =
    R"(,"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object"}}]}])";

// ---- rules

TEST_CASE("A Gemini body needs contents; each field that is read has its type and its range") {
  CHECK(fault_of(R"({})") == "missing_field contents");
  CHECK(fault_of(R"({"contents":null})") == "missing_field contents");
  CHECK(fault_of(R"({"contents":"hi"})") == "wrong_type contents");
  CHECK(fault_of(with_contents("7")) == "wrong_type contents[0]");
  CHECK(fault_of(with_contents(R"({"role":1,"parts":[]})")) == "wrong_type contents[0].role");
  CHECK(fault_of(with_contents(R"({"parts":[{"text":"a"},{"text":2}]})")) ==
        "wrong_type contents[0].parts[1].text");
  CHECK(fault_of(with_contents(R"({"parts":[{"functionCall":{"args":{}}}]})")) ==
        "missing_field contents[0].parts[0].functionCall.name");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"generationConfig":{"maxOutputTokens":0})")) ==
        "out_of_range generationConfig.maxOutputTokens");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"generation_config":{"candidate_count":9})")) ==
        "out_of_range generation_config.candidate_count");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"generationConfig":{"stopSequences":["a",1]})")) ==
        "wrong_type generationConfig.stopSequences[1]");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"tools":[{"functionDeclarations":[{}]}])")) ==
        "missing_field tools[0].functionDeclarations[0].name");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"serviceTier":"priority")")) ==
        "unsupported_parameter serviceTier");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"base_url":"http://x")"))
            .starts_with("unsupported_parameter"));
  CHECK(fault_of(with_contents(gemini_hello, R"(,"serviceTier":"standard","brandNew":{"x":1})")) ==
        "");
}

TEST_CASE("A field may have either spelling, but not both, and no third") {
  CHECK(fault_of(with_contents(gemini_hello, R"(,"toolConfig":{},"tool_config":{})")) ==
        "duplicate_key toolConfig");
  CHECK(fault_of(with_contents(
            gemini_hello, R"(,"generationConfig":{"maxOutputTokens":5,"max_output_tokens":6})")) ==
        "duplicate_key generationConfig.maxOutputTokens");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"contents":[])")) == "duplicate_key ");
  CHECK(fault_of(with_contents(gemini_hello, R"(,"GenerationConfig":{})"))
            .starts_with("ambiguous_key"));
}

TEST_CASE("Unknown fields pass, also those that no other spelling has") {
  for (const std::string name : {"part_1", "a_0", "_x", "x_", "a__b", "a_B", "_", "some_field"}) {
    INFO(name);
    const auto member = ",\"" + name + "\":1";
    CHECK(fault_of(with_contents(gemini_hello, member)) == "");
    CHECK(fault_of(with_contents(R"({"parts":[{"text":"a")" + member + "}]}")) == "");
  }
  CHECK(fault_of(with_contents(gemini_hello, R"(,"part_1":1,"some_field":1,"someField":1)")) ==
        "duplicate_key someField");
}

TEST_CASE("Spellings of many unknown fields take no time to speak of") {
  std::string members;
  for (int i = 0; i < 100'000; ++i) members += fmt::format(R"(,"field_a{}":1)", i);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(fault_of(with_contents(gemini_hello, members)) == "");
  CHECK(fault_of(with_contents(gemini_hello, members + R"(,"fieldA99999":1)")) ==
        "duplicate_key fieldA99999");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{5});
}

TEST_CASE("The view shows where contents and limit stand, and what the history brings") {
  const auto body = with_contents(
      R"({"role":"model","parts":[{"function_call":{"name":"f"},"thought_signature":"c2ln"}]})",
      R"(,"generation_config":{"max_output_tokens": 77,"candidateCount":2})");
  const auto view = view_of(body);
  CHECK(body.substr(view.messages.begin, view.messages.end - view.messages.begin).front() == '[');
  CHECK(view.output_tokens_max == 77);
  REQUIRE(view.max_tokens);
  CHECK(body.substr(view.max_tokens->begin, view.max_tokens->end - view.max_tokens->begin) == "77");
  CHECK(view.choices == 2);
  CHECK(view.opaque_state);
  CHECK(view.calls_in_history);
  CHECK(view.model.empty());
  const auto plain = view_of(with_contents(gemini_hello));
  CHECK_FALSE(plain.opaque_state);
  CHECK_FALSE(plain.calls_in_history);
  CHECK_FALSE(plain.output_tokens_max);
}

TEST_CASE("A token count may wrap its request, and lists may be single objects") {
  const auto wrapped = R"({"generateContentRequest":{"model":"models/x",)" +
                       with_contents(gemini_hello).substr(1) + "}";
  CHECK(view_of(wrapped).messages.end > 0);
  CHECK(fault_of(R"({"generateContentRequest":{}})") == "missing_field contents");
  CHECK(fault_of(R"({"generateContentRequest":{"contents":[{"role":1}]}})") ==
        "wrong_type generateContentRequest.contents[0].role");
  CHECK(sent(R"({"contents":{"parts":{"text":"hi"}}})", deepseek())["messages"][0]["content"] ==
        "hi");
}

// ---- contents

TEST_CASE("Roles and parts become messages; a system instruction leads") {
  const auto body = sent(
      with_contents(
          R"({"parts":[{"text":"go"}]},{"role":"model","parts":[{"text":"do"},{"text":"ne"}]},)"
          R"({"role":"USER","parts":[{"text":"and?"}]})",
          R"(,"system_instruction":{"parts":[{"text":"be brief"},{"text":"be kind"}]})"),
      deepseek());
  CHECK(body["messages"] ==
        OrderedJson::parse(R"([{"role":"system","content":"be brief\n\nbe kind"},
    {"role":"user","content":"go"},{"role":"assistant","content":"done"},{"role":"user","content":"and?"}])"));
  CHECK(json_of(with_contents(R"({"role":"robot","parts":[]})"), deepseek())["failed"]
            .get<std::string>()
            .ends_with("@contents[0].role"));
}

TEST_CASE(
    "Calls and responses without ids are paired by name and order, the same way on every turn") {
  const std::string calls =
      gemini_hello +
      R"(,{"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1.50}}},)"
      R"({"functionCall":{"name":"g"}},{"functionCall":{"name":"f","args":{"n":2}}}]})";
  const std::string responses =
      R"(,{"role":"user","parts":[{"functionResponse":{"name":"g","response":{"output":"G"}}},)"
      R"({"functionResponse":{"name":"f","response":{"output":"F1"}}},)"
      R"({"functionResponse":{"name":"f","response":{"output":"F2"}}}]})";
  const auto body = sent(with_contents(calls + responses, tool_members), deepseek());
  const auto& made = body["messages"][1]["tool_calls"];
  REQUIRE(made.size() == 3);
  CHECK(made[0]["function"]["arguments"] == R"({"n":1.50})");
  CHECK(made[1]["function"]["arguments"] == "{}");
  CHECK(made[0]["id"] != made[2]["id"]);
  CHECK(body["messages"][2]["tool_call_id"] == made[0]["id"]);
  CHECK(body["messages"][2]["content"] == "F1");
  CHECK(body["messages"][3]["content"] == "G");
  CHECK(body["messages"][4]["content"] == "F2");
  CHECK(sent(with_contents(calls + responses, tool_members), claude())["messages"].size() == 3);
}

TEST_CASE("The gateway's token gives a call the id that the client has dropped") {
  const auto tag = write_issuer_tag(IssuerTag{"deepseek", "deepseek-v4", "call_00_abc"});
  // As a client writes it back that holds the field as bytes.
  auto url_safe = tag;
  url_safe.erase(url_safe.find_last_not_of('=') + 1);
  for (const auto& form : {tag, url_safe}) {
    const auto body = sent(
        with_contents(
            gemini_hello +
            R"(,{"role":"model","parts":[{"text":"hm","thought":true},{"functionCall":{"name":"f"},"thoughtSignature":")" +
            form +
            R"("}]},{"role":"user","parts":[{"functionResponse":{"id":"f-17-made-up","name":"f","response":{"output":"ok"}}}]})"),
        deepseek());
    CHECK(body["messages"][1]["tool_calls"][0]["id"] == "call_00_abc");
    CHECK(body["messages"][1]["reasoning_content"] == "hm");
    CHECK(body["messages"][2]["tool_call_id"] == "call_00_abc");
    CHECK(body.dump().find("dHBr") == std::string::npos);
  }
}

TEST_CASE("Ids that match win over the order; a response to nobody's call becomes text") {
  const auto body = sent(
      with_contents(
          gemini_hello +
          R"(,{"role":"model","parts":[{"functionCall":{"id":"a","name":"f"}},{"functionCall":{"id":"b","name":"f"}}]},)"
          R"({"role":"function","parts":[{"functionResponse":{"id":"b","name":"f","response":{"output":"B"}}},)"
          R"({"functionResponse":{"id":"a","name":"f","response":{"output":"A"}}},)"
          R"({"functionResponse":{"id":"z","name":"zz","response":{"output":"Z"}}}]})"),
      deepseek());
  CHECK(body["messages"][2]["content"] == "A");
  CHECK(body["messages"][3]["content"] == "B");
  CHECK(body["messages"][4]["content"] == "<tool_result>\nZ\n</tool_result>");
}

TEST_CASE("Each call is answered once, by id before name before order") {
  GeminiCalls calls;
  calls.begin_model(1);
  calls.add_call({"a", "f"}, std::nullopt);
  calls.add_call({"b", "g"}, IssuerTag{"deepseek", "deepseek-v4", "call_b"});
  calls.add_call({"c", "f"}, std::nullopt);
  calls.add_call({"a", "f"}, std::nullopt);
  const auto made = calls.add_call({"", "h"}, std::nullopt);
  // A name takes the first call that no id has taken; the second "c" answers nothing and stays.
  CHECK(calls.answer({{"", "f"}, {"b", "x"}, {"c", "f"}, {"c", "z"}}) ==
        std::vector<std::string>{"a", "call_b", "c", "c"});
  // The id that the call was given is its own by now; an unknown id and name are nobody's.
  CHECK(calls.answer({{"call_b", "x"}, {"a", "x"}, {"", "x"}, {"", "x"}}) ==
        std::vector<std::string>{"call_b", "a", made, ""});
  calls.begin_model(3);
  calls.add_call({"d", "f"}, std::nullopt);
  CHECK(calls.answer({{"a", "y"}, {"", "f"}, {"", "f"}}) == std::vector<std::string>{"a", "d", ""});
}

TEST_CASE("Many calls are paired in no time to speak of, in whatever order they are answered") {
  constexpr int count = 100'000;
  const bool with_ids = GENERATE(true, false);
  GeminiCalls calls;
  calls.begin_model(1);
  std::vector<GeminiCallName> responses;
  std::vector<std::string> ids;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    const GeminiCallName call{with_ids ? fmt::format("id{}", i) : "", fmt::format("f{}", i % 2)};
    ids.push_back(calls.add_call(call, std::nullopt));
    responses.push_back(call);
  }
  if (with_ids) {
    std::ranges::reverse(responses);
    std::ranges::reverse(ids);
  }
  CHECK((calls.answer(responses) == ids));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{5});
}

TEST_CASE("A response object becomes the text in it, or its JSON as it came") {
  const auto result = [](const std::string& response) {
    const auto body = sent(
        with_contents(gemini_hello +
                      R"(,{"role":"model","parts":[{"functionCall":{"name":"f"}}]},)"
                      R"({"role":"user","parts":[{"functionResponse":{"name":"f","response":)" +
                      response + "}}]}"),
        deepseek());
    return body["messages"][2]["content"].get<std::string>();
  };
  CHECK(result(R"({"output":"done"})") == "done");
  CHECK(result(R"({"result":"done"})") == "done");
  CHECK(result(R"({"name":"f","content":"done"})") == "done");
  CHECK(result(R"({"output":"a","exit":1})") == R"({"output":"a","exit":1})");
  CHECK(result(R"({"output": [1.50, 2]})") == R"({"output": [1.50, 2]})");
  CHECK(result(R"({"error":"no such file"})") == "Error: no such file");
  CHECK(result(R"({"error":{"code":7}})") == R"(Error: {"error":{"code":7}})");
  CHECK(result(R"({})") == "");
}

TEST_CASE("Media are translated where others can read them and refused where they cannot") {
  const auto part = [](const std::string& text, const Candidate& candidate) {
    return json_of(with_contents(R"({"parts":[)" + text + "]}"), candidate);
  };
  CHECK(part(R"({"inlineData":{"mimeType":"image/jpg","data":"AAAA"}})",
             deepseek())["messages"][0]["content"][0]["image_url"]["url"] ==
        "data:image/jpeg;base64,AAAA");
  CHECK(part(R"({"inline_data":{"mime_type":"application/pdf","data":"AAAA"}})",
             claude())["messages"][0]["content"][0]["type"] == "document");
  CHECK(part(R"({"inlineData":{"mimeType":"text/plain","data":"aGVsbG8="}})",
             deepseek())["messages"][0]["content"] == "hello");
  CHECK(part(R"({"fileData":{"mimeType":"image/png","fileUri":"https://x/y.png"}})",
             deepseek())["messages"][0]["content"][0]["image_url"]["url"] == "https://x/y.png");
  for (
      const std::string refused :
      {R"({"inlineData":{"mimeType":"video/mp4","data":"AAAA"}})",
       R"({"inlineData":{"mimeType":"text/plain","data":"/////w=="}})",
       R"({"fileData":{"mimeType":"image/png","fileUri":"gs://bucket/y.png"}})",
       R"({"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}})"}) {
    const auto outgoing =
        translate_gemini(with_contents(R"({"parts":[)" + refused + "]}"), claude());
    REQUIRE_FALSE(outgoing);
    CHECK(outgoing.error().code == "unsupported_parameter");
    CHECK(outgoing.error().retry == Retry::next_candidate);
  }
}

TEST_CASE("Images of a function's response reach the model that is asked now") {
  const auto body = sent(
      with_contents(
          gemini_hello +
          R"(,{"role":"model","parts":[{"functionCall":{"name":"f"}}]},)"
          R"({"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"shot"},)"
          R"("parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]})"),
      claude());
  CHECK(body["messages"][2]["content"][0]["content"][1]["type"] == "image");
}

// ---- tools

TEST_CASE("A picture that a model made becomes a remark where the target takes none in its own turns") {
  const std::string contents =
      R"({"role":"user","parts":[{"text":"draw"}]},{"role":"model","parts":[{"text":"here"},)"
      R"({"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},{"role":"user","parts":[{"text":"bluer"}]})";
  for (const auto& candidate : {claude(), deepseek()}) {
    INFO(candidate.provider);
    const auto outgoing = translate_gemini(with_contents(contents), candidate);
    REQUIRE(outgoing);
    CHECK(faults_of(*outgoing, candidate) == "");
    CHECK(outgoing->body.find("(A file of the assistant stood here.)") != std::string::npos);
    CHECK(outgoing->body.find("AAAA") == std::string::npos);
    CHECK(outgoing->losses == std::vector<std::string>{"response_modalities"});
  }
}

TEST_CASE("OpenAPI schemas become JSON Schema; JSON Schema stays as it came") {
  const auto converted = [](const std::string& schema) {
    return json_schema_of(schema).value_or("unchanged");
  };
  CHECK(converted(R"({"type":"object","$schema":"x","properties":{"type":{"type":"string"}}})") ==
        "unchanged");
  CHECK(
      converted(
          R"({"type":"OBJECT","properties":{"OBJECT":{"type":"STRING","format":"enum","enum":["A"]}}})") ==
      R"({"type":"object","properties":{"OBJECT":{"type":"string","enum":["A"]}}})");
  CHECK(
      converted(
          R"({"type":"ARRAY","minItems":"1","items":{"type":"INTEGER","nullable":true,"minimum":1.50}})") ==
      R"({"type":"array","minItems":1,"items":{"type":["integer","null"],"minimum":1.50}})");
  CHECK(converted(R"({"any_of":[{"type":"STRING"}],"nullable":true})") ==
        R"({"anyOf":[{"type":"string"},{"type":"null"}]})");
  CHECK(converted(R"({"type":"STRING","nullable":true,"enum":["a"],"default":"STRING"})") ==
        R"({"type":["string","null"],"enum":["a",null],"default":"STRING"})");
  CHECK(converted(R"({"type":"TYPE_UNSPECIFIED","propertyOrdering":["a"]})") == "{}");
}

TEST_CASE("Function declarations become tools, hosted tools are left out and counted") {
  const auto members =
      R"(,"tools":[{"function_declarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT"}},)"
      R"({"name":"g"}]},{"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"any","allowedFunctionNames":["g"]}})";
  const auto body = sent(with_contents(gemini_hello, members), deepseek());
  REQUIRE(body["tools"].size() == 2);
  CHECK(body["tools"][0]["function"] ==
        OrderedJson::parse(R"({"name":"f","description":"d","parameters":{"type":"object"}})"));
  CHECK(body["tool_choice"]["function"]["name"] == "g");
  CHECK(losses_of(members) == std::vector<std::string>{"server_tools"});
  const auto chosen = [](const std::string& mode) {
    return json_of(
        with_contents(gemini_hello, tool_members +
                                        R"(,"tool_config":{"function_calling_config":{"mode":")" +
                                        mode + "\"}}"),
        deepseek())["tool_choice"];
  };
  CHECK(chosen("AUTO") == "auto");
  CHECK(chosen("VALIDATED") == "auto");
  CHECK(chosen("NONE") == "none");
  CHECK(chosen("ANY") == "required");
}

// ---- configuration

TEST_CASE("generationConfig is told in the target's words") {
  const auto body = sent(
      with_contents(
          gemini_hello,
          R"(,"generationConfig":{"temperature":0.70,"topP":0.9,"topK":40,"candidateCount":2,"maxOutputTokens":99,)"
          R"("stopSequences":["x"],"seed":7,"presencePenalty":0.5,"responseLogprobs":true,"logprobs":3,)"
          R"("thinkingConfig":{"thinkingLevel":"low"},"mediaResolution":"MEDIA_RESOLUTION_LOW"})"),
      deepseek());
  CHECK(body["temperature"] == 0.7);
  CHECK(body["max_tokens"] == 99);
  CHECK(body["stop"] == OrderedJson::parse(R"(["x"])"));
  CHECK(body["n"] == 2);
  CHECK(body["top_logprobs"] == 3);
  CHECK(body["reasoning_effort"] == "low");
  CHECK(
      losses_of(R"(,"generationConfig":{"topK":1,"mediaResolution":"x","speechConfig":{},"new":1},)"
                R"("safetySettings":[{}],"labels":{"a":"b"},"store":true,"newField":1)") ==
      std::vector<std::string>{"audio_output", "media_resolution", "metadata", "safety_settings",
                               "sampling", "store", "unknown_field"});
}

TEST_CASE("Thinking budgets and levels become efforts") {
  const auto asked = [](const std::string& thinking) {
    return json_of(
        with_contents(
            gemini_hello,
            R"(,"generationConfig":{"maxOutputTokens":10000,"thinkingConfig":{)" + thinking + "}}"),
        deepseek());
  };
  CHECK(asked(R"("thinkingBudget":0)")["thinking"]["type"] == "disabled");
  CHECK_FALSE(asked(R"("thinkingBudget":-1)").contains("thinking"));
  CHECK(asked(R"("thinkingBudget":1000)")["reasoning_effort"] == "low");
  CHECK(asked(R"("thinking_budget":9000)")["reasoning_effort"] == "high");
  CHECK(asked(R"("thinkingLevel":"MINIMAL")")["reasoning_effort"] == "low");
  CHECK_FALSE(asked(R"("thinkingLevel":"THINKING_LEVEL_UNSPECIFIED","includeThoughts":true)")
                  .contains("thinking"));
  CHECK(asked(R"("thinkingLevel":"COSMIC")").contains("failed"));
}

TEST_CASE("A JSON answer is asked for with the client's schema, whose types may be in upper case") {
  auto native = deepseek();
  native.quirks.json_schema_native = true;
  const auto body = json_of(
      with_contents(
          gemini_hello,
          R"(,"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":)"
          R"({"type":"OBJECT","properties":{"score":{"type":"INTEGER"}}}})"),
      native);
  CHECK(body["response_format"]["json_schema"]["schema"] ==
        OrderedJson::parse(R"({"type":"object","properties":{"score":{"type":"integer"}}})"));
  CHECK(json_of(with_contents(gemini_hello,
                              R"(,"generationConfig":{"responseMimeType":"application/json"})"),
                native)["response_format"]["type"] == "json_object");
  CHECK_FALSE(json_of(with_contents(gemini_hello,
                                    R"(,"generationConfig":{"responseMimeType":"text/plain"})"),
                      native)
                  .contains("response_format"));
}

TEST_CASE("What one provider keeps, and answers that are no text, go to another candidate") {
  for (const std::string members : {R"(,"cachedContent":"cachedContents/abc")",
                                    R"(,"generationConfig":{"responseModalities":["IMAGE"]})"}) {
    const auto outgoing = translate_gemini(with_contents(gemini_hello, members), claude());
    REQUIRE_FALSE(outgoing);
    CHECK(outgoing.error().code == "unsupported_parameter");
    CHECK(outgoing.error().retry == Retry::next_candidate);
  }
  CHECK(losses_of(R"(,"generationConfig":{"responseModalities":["TEXT","IMAGE"]})") ==
        std::vector<std::string>{"response_modalities"});
}

TEST_CASE("Code that Google has run is left out and counted") {
  CHECK(losses_of("", gemini_hello +
                          R"(,{"role":"model","parts":[{"executableCode":{"code":"1"}},)"
                          R"({"codeExecutionResult":{"output":"1"}},{"text":"one"}]},)" +
                          gemini_hello) == std::vector<std::string>{"server_tools"});
}

// ---- as a whole

TEST_CASE("Recorded Gemini requests become valid requests of every other dialect", "[recorded]") {
  const auto requests = recorded_gemini();
  if (requests.empty()) return;
  std::size_t translated = 0;
  for (const auto& request : requests) {
    for (const auto& candidate : {claude(), claude(ThinkingStyle::claude_budget),
                                  claude(ThinkingStyle::claude_always), deepseek()}) {
      INFO(request.name << " -> " << candidate.target());
      const auto outgoing = translate_gemini(request.body, candidate, {}, request.stream);
      if (!outgoing) {
        // What Google keeps is Google's.
        CHECK(outgoing.error().param == "cachedContent");
        CHECK(request.name.starts_with("cached-content"));
        continue;
      }
      CHECK(faults_of(*outgoing, candidate) == "");
      ++translated;
    }
  }
  CHECK(translated > 90);
  WARN(requests.size() << " recorded Gemini requests, " << translated << " translations");
}

TEST_CASE("Turn by turn a translated Gemini conversation only grows, for every target") {
  for (const auto& candidate : {claude(), claude(ThinkingStyle::claude_always), deepseek()}) {
    std::string contents = R"({"role":"user","parts":[{"text":"go"},{"text":"on"}]})";
    TranslateOptions options;
    options.cache_hints = false;  // marks move on by design
    const auto messages = [&] {
      const auto bytes = bytes_of(
          with_contents(contents,
                        tool_members + R"(,"systemInstruction":{"parts":[{"text":"rules"}]})"),
          candidate, options);
      const auto begin = bytes.find(R"("messages":[)");
      std::string found;
      for (const auto& message : OrderedJson::parse(bytes)["messages"])
        found += message.dump() + ",";
      CHECK(bytes.find(found.substr(0, found.size() - 1), begin) != std::string::npos);
      return found;
    };
    auto before = messages();
    for (int turn = 0; turn < 8; ++turn) {
      const auto n = std::to_string(turn);
      const auto sign = turn % 2 == 0
                            ? R"(,"thoughtSignature":")" +
                                  write_issuer_tag(IssuerTag{"deepseek", "", "call_" + n}) + "\""
                            : std::string{};
      contents +=
          R"(,{"role":"model","parts":[{"text":"hm","thought":true},{"text":"step )" + n +
          R"("},{"functionCall":{"name":"f","args":{"n":)" + n + "}}" + sign +
          R"(},{"functionCall":{"name":"f"}}]},{"role":"user","parts":[)" +
          R"({"functionResponse":{"name":"f","response":{"output":"a"}}},)" +
          R"({"functionResponse":{"name":"f","response":{"error":"b"}}})" +
          (turn == 5
               ? R"(]},{"role":"model","parts":[{"text":"done"}]},{"role":"user","parts":[{"text":"more"})"
               : "") +
          "]}";
      const auto after = messages();
      CHECK(after.starts_with(before));
      CHECK(after == messages());
      before = after;
    }
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
