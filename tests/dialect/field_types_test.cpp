// Every field that is read, in each of JSON's types, in each client's dialect: accepted as its API
// documents it, or 400 with its path.
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "dialect/facts.hpp"
#include "random_json.hpp"
#include "responses_support.hpp"
#include "turnpike/handler.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect::test {
namespace {

using Pointer = OrderedJson::json_pointer;

/// A field and the types its API takes: b(oolean), i(nteger), f(raction), s(tring), a(rray),
/// o(bject). null is "not set" everywhere.
struct Field {
  const char* at;
  const char* types;
};

struct Api {
  Dialect dialect;
  const char* body;  // with every field in it
  std::vector<Field> fields;
};

const Api& chat() {
  static const Api api{
      Dialect::openai_chat,
      R"({"model":"m","stream":false,"stream_options":{"include_usage":true},"max_tokens":100,"max_completion_tokens":100,"n":1,
"service_tier":"auto","tool_choice":"auto","response_format":{"type":"text"},"reasoning_effort":"low","parallel_tool_calls":true,
"prompt_cache_key":"k","stop":["x"],"temperature":0.5,"top_p":0.5,"presence_penalty":0.5,"frequency_penalty":0.5,"seed":1,
"logprobs":false,"top_logprobs":0,"logit_bias":{},"user":"u","safety_identifier":"s","verbosity":"low",
"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}],
"messages":[{"role":"system","content":"s"},
{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},
{"role":"assistant","content":"x","reasoning_content":"r","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
{"role":"tool","tool_call_id":"c1","content":"r"}]})",
      {{"/model", "s"},
       {"/stream", "b"},
       {"/stream_options", "o"},
       {"/stream_options/include_usage", "b"},
       {"/max_tokens", "i"},
       {"/max_completion_tokens", "i"},
       {"/n", "i"},
       {"/service_tier", "s"},
       {"/tool_choice", "so"},
       {"/response_format", "o"},
       {"/reasoning_effort", "s"},
       {"/parallel_tool_calls", "b"},
       {"/prompt_cache_key", "s"},
       {"/stop", "sa"},
       {"/stop/0", "s"},
       {"/temperature", "if"},
       {"/top_p", "if"},
       {"/presence_penalty", "if"},
       {"/frequency_penalty", "if"},
       {"/seed", "if"},
       {"/logprobs", "b"},
       {"/top_logprobs", "if"},
       {"/logit_bias", "o"},
       {"/user", "s"},
       {"/safety_identifier", "s"},
       {"/verbosity", "s"},
       {"/tools", "a"},
       {"/tools/0", "o"},
       {"/tools/0/type", "s"},
       {"/tools/0/function", "o"},
       {"/tools/0/function/name", "s"},
       {"/tools/0/function/description", "s"},
       {"/tools/0/function/parameters", "o"},
       {"/messages", "a"},
       {"/messages/1", "o"},
       {"/messages/1/role", "s"},
       {"/messages/1/content", "sa"},
       {"/messages/1/content/0", "o"},
       {"/messages/1/content/0/type", "s"},
       {"/messages/1/content/0/text", "s"},
       {"/messages/1/content/1/image_url", "so"},
       {"/messages/1/content/1/image_url/url", "s"},
       {"/messages/2/reasoning_content", "s"},
       {"/messages/2/tool_calls", "a"},
       {"/messages/2/tool_calls/0", "o"},
       {"/messages/2/tool_calls/0/id", "s"},
       {"/messages/2/tool_calls/0/function", "o"},
       {"/messages/2/tool_calls/0/function/name", "s"},
       {"/messages/2/tool_calls/0/function/arguments", "s"},
       {"/messages/3/tool_call_id", "s"}}};
  return api;
}

const Api& messages() {
  static const Api api{
      Dialect::anthropic_messages,
      R"({"model":"m","max_tokens":2000,"stream":false,"system":[{"type":"text","text":"s"}],"temperature":0.5,"top_p":0.5,"top_k":5,
"stop_sequences":["x"],"metadata":{"user_id":"u"},"tool_choice":{"type":"auto"},"thinking":{"type":"disabled"},"service_tier":"auto",
"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],
"messages":[{"role":"user","content":[{"type":"text","text":"hi"},
{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]},
{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"t1","name":"f","input":{}}]},
{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"r","is_error":false}]}]})",
      {{"/model", "s"},
       {"/max_tokens", "i"},
       {"/stream", "b"},
       {"/system", "sa"},
       {"/system/0", "o"},
       {"/system/0/text", "s"},
       {"/temperature", "if"},
       {"/top_p", "if"},
       {"/top_k", "if"},
       {"/stop_sequences", "a"},
       {"/metadata", "o"},
       {"/tool_choice", "o"},
       {"/thinking", "o"},
       {"/service_tier", "s"},
       {"/tools", "a"},
       {"/tools/0", "o"},
       {"/tools/0/name", "s"},
       {"/tools/0/description", "s"},
       {"/tools/0/input_schema", "o"},
       {"/messages", "a"},
       {"/messages/0", "o"},
       {"/messages/0/role", "s"},
       {"/messages/0/content", "sa"},
       {"/messages/0/content/0", "o"},
       {"/messages/0/content/0/type", "s"},
       {"/messages/0/content/0/text", "s"},
       {"/messages/0/content/1/source", "so"},
       {"/messages/0/content/1/source/type", "s"},
       {"/messages/0/content/1/source/media_type", "s"},
       {"/messages/0/content/1/source/data", "s"},
       {"/messages/1/content/1/id", "s"},
       {"/messages/1/content/1/name", "s"},
       {"/messages/1/content/1/input", "o"},
       {"/messages/2/content/0/tool_use_id", "s"},
       {"/messages/2/content/0/content", "sa"},
       {"/messages/2/content/0/is_error", "b"}}};
  return api;
}

const Api& responses() {
  static const Api api{
      Dialect::openai_responses,
      R"({"model":"m","instructions":"i","stream":false,"max_output_tokens":100,"service_tier":"auto","tool_choice":"auto",
"text":{"format":{"type":"text"}},"reasoning":{"effort":"low"},"background":false,"store":false,"parallel_tool_calls":true,
"max_tool_calls":5,"include":[],"metadata":{},"temperature":0.5,"top_p":0.5,"truncation":"auto","prompt_cache_key":"k","user":"u",
"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":false}],
"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},
{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"t"}]},
{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
{"type":"function_call_output","call_id":"c1","output":"r"}]})",
      {{"/model", "s"},
       {"/instructions", "s"},
       {"/stream", "b"},
       {"/max_output_tokens", "i"},
       {"/service_tier", "s"},
       {"/tool_choice", "so"},
       {"/text", "o"},
       {"/text/format", "o"},
       {"/reasoning", "o"},
       {"/reasoning/effort", "s"},
       {"/background", "b"},
       {"/store", "b"},
       {"/parallel_tool_calls", "b"},
       {"/max_tool_calls", "i"},
       {"/include", "a"},
       {"/metadata", "o"},
       {"/temperature", "if"},
       {"/top_p", "if"},
       {"/truncation", "s"},
       {"/prompt_cache_key", "s"},
       {"/user", "s"},
       {"/tools", "a"},
       {"/tools/0", "o"},
       {"/tools/0/name", "s"},
       {"/tools/0/description", "s"},
       {"/tools/0/parameters", "o"},
       {"/tools/0/strict", "b"},
       {"/input", "sa"},
       {"/input/0", "o"},
       {"/input/0/type", "s"},
       {"/input/0/role", "s"},
       {"/input/0/content", "sa"},
       {"/input/0/content/0", "o"},
       {"/input/0/content/0/type", "s"},
       {"/input/0/content/0/text", "s"},
       {"/input/1/summary", "a"},
       {"/input/2/call_id", "s"},
       {"/input/2/name", "s"},
       {"/input/2/arguments", "s"},
       {"/input/3/call_id", "s"},
       {"/input/3/output", "sa"}}};
  return api;
}

const Api& generate() {
  static const Api api{
      Dialect::gemini_generate,
      R"({"systemInstruction":{"parts":[{"text":"s"}]},"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}},
"generationConfig":{"temperature":0.5,"topP":0.5,"topK":5,"candidateCount":1,"maxOutputTokens":100,"stopSequences":["x"],"seed":1,
"responseMimeType":"text/plain","thinkingConfig":{"includeThoughts":true,"thinkingBudget":100}},
"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{"type":"OBJECT"}}]}],
"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]},
{"role":"model","parts":[{"text":"x","thought":false},{"functionCall":{"id":"1","name":"f","args":{}}}]},
{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{}}}]}]})",
      {{"/systemInstruction", "soa"},
       {"/toolConfig", "o"},
       {"/toolConfig/functionCallingConfig", "o"},
       {"/toolConfig/functionCallingConfig/mode", "s"},
       {"/toolConfig/functionCallingConfig/allowedFunctionNames", "a"},
       {"/generationConfig", "o"},
       {"/generationConfig/temperature", "if"},
       {"/generationConfig/topP", "if"},
       {"/generationConfig/topK", "if"},
       {"/generationConfig/candidateCount", "i"},
       {"/generationConfig/maxOutputTokens", "i"},
       {"/generationConfig/stopSequences", "a"},
       {"/generationConfig/stopSequences/0", "s"},
       {"/generationConfig/seed", "if"},
       {"/generationConfig/responseMimeType", "s"},
       {"/generationConfig/thinkingConfig", "o"},
       {"/generationConfig/thinkingConfig/includeThoughts", "b"},
       {"/generationConfig/thinkingConfig/thinkingBudget", "i"},
       {"/tools", "ao"},
       {"/tools/0", "o"},
       {"/tools/0/functionDeclarations", "ao"},
       {"/tools/0/functionDeclarations/0", "o"},
       {"/tools/0/functionDeclarations/0/name", "s"},
       {"/tools/0/functionDeclarations/0/description", "s"},
       {"/tools/0/functionDeclarations/0/parameters", "o"},
       {"/contents", "ao"},
       {"/contents/0", "o"},
       {"/contents/0/role", "s"},
       {"/contents/0/parts", "ao"},
       {"/contents/0/parts/0", "o"},
       {"/contents/0/parts/0/text", "s"},
       {"/contents/0/parts/1/inlineData", "o"},
       {"/contents/0/parts/1/inlineData/mimeType", "s"},
       {"/contents/0/parts/1/inlineData/data", "s"},
       {"/contents/1/parts/0/thought", "b"},
       {"/contents/1/parts/1/functionCall", "o"},
       {"/contents/1/parts/1/functionCall/name", "s"},
       {"/contents/1/parts/1/functionCall/args", "o"},
       {"/contents/2/parts/0/functionResponse", "o"},
       {"/contents/2/parts/0/functionResponse/name", "s"},
       {"/contents/2/parts/0/functionResponse/response", "o"}}};
  return api;
}

const std::vector<std::pair<char, OrderedJson>>& values() {
  static const std::vector<std::pair<char, OrderedJson>> all{{'n', nullptr},
                                                             {'b', true},
                                                             {'i', 100},
                                                             {'f', 1.5},
                                                             {'s', "x"},
                                                             {'a', OrderedJson::array()},
                                                             {'o', OrderedJson::object()}};
  return all;
}

/// "/messages/0/content" as errors write it: "messages[0].content".
std::string path_of(const std::string& pointer) {
  std::string path;
  for (std::size_t at = 1; at <= pointer.size();) {
    const auto end = std::min(pointer.find('/', at), pointer.size());
    const auto word = pointer.substr(at, end - at);
    const bool index = word.find_first_not_of("0123456789") == std::string::npos;
    path += index ? "[" + word + "]" : (path.empty() ? "" : ".") + word;
    at = end + 1;
  }
  return path;
}

/// The path itself, something inside it, or what holds it: a missing member is told of its object.
bool related(const std::string& param, const std::string& path) {
  return !param.empty() && (param.starts_with(path) || path.starts_with(param));
}

/// Only clients of Responses are served over it.
std::vector<Candidate> providers_for(Dialect client) {
  if (client == Dialect::openai_responses)
    return {deepseek(), claude(), gemini(), openai_responses()};
  return {deepseek(), claude(), gemini()};
}

/// The first refusal on the way of a body: rules, facts, then each provider's translation.
std::optional<Error> refusal(Dialect dialect, const OrderedJson& json) {
  std::string body = json.dump();
  const auto document = wire::JsonDocument::parse(body);
  if (!document) return document.error();
  auto view = read_view(dialect, body, *document);
  if (!view) return view.error();
  if (const auto facts = read_facts(dialect, *document, RequestHead{}); !facts)
    return facts.error();
  if (dialect == Dialect::gemini_generate) view->model = "m";
  for (const auto& provider : providers_for(dialect)) {
    const auto outgoing = translate(dialect, body, *view, provider, {});
    if (!outgoing) return outgoing.error();
    if (!OrderedJson::accept(outgoing->body))
      return gateway_error(500, "broken", "no JSON goes to " + provider.provider);
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("J6: every read field takes each JSON type as documented or answers 400 with its path",
          "[J6]") {
  int checked = 0;
  for (const Api* api : {&chat(), &messages(), &responses(), &generate()}) {
    const auto whole = OrderedJson::parse(api->body);
    INFO(to_string(api->dialect));
    const auto fault = refusal(api->dialect, whole);
    INFO((fault ? fault->param + ": " + fault->message : "accepted"));
    REQUIRE_FALSE(fault);
    for (const auto& [at, types] : api->fields) {
      for (const auto& [type, value] : values()) {
        INFO(at << " = " << value);
        auto body = whole;
        REQUIRE(body.contains(Pointer{at}));
        body[Pointer{at}] = value;
        const auto refused = refusal(api->dialect, body);
        ++checked;
        const bool documented =
            type == 'n' || std::string_view{types}.find(type) != std::string_view::npos;
        if (!refused) {
          CHECK(documented);
          continue;
        }
        INFO(refused->http_status << " " << refused->code << " @" << refused->param << ": "
                                  << refused->message);
        CHECK(refused->http_status == 400);
        CHECK(refused->origin == Origin::client);
        CHECK(related(refused->param, path_of(at)));
      }
    }
  }
  WARN(checked << " fields by types");
}

TEST_CASE(
    "J2, J4: deciding fields occur once, and limits are whole numbers in range, in every dialect",
    "[J2][J4]") {
  struct Limit {
    Dialect dialect;
    const char* front;
    const char* name;
    const char* back;
    const char* path;
  };
  const std::string chat_body = R"("model":"m","messages":[{"role":"user","content":"x"}])";
  const Limit limits[] = {
      {Dialect::openai_chat, R"({"model":"m","messages":[{"role":"user","content":"x"}],)",
       "max_tokens", "}", "max_tokens"},
      {Dialect::openai_chat, R"({"model":"m","messages":[{"role":"user","content":"x"}],)",
       "max_completion_tokens", "}", "max_completion_tokens"},
      {Dialect::openai_chat, R"({"model":"m","messages":[{"role":"user","content":"x"}],)", "n",
       "}", "n"},
      {Dialect::anthropic_messages, R"({"model":"m","messages":[{"role":"user","content":"x"}],)",
       "max_tokens", "}", "max_tokens"},
      {Dialect::openai_responses, R"({"model":"m","input":"x",)", "max_output_tokens", "}",
       "max_output_tokens"},
      {Dialect::gemini_generate, R"({"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{)",
       "maxOutputTokens", "}}", "generationConfig.maxOutputTokens"},
      {Dialect::gemini_generate, R"({"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{)",
       "candidateCount", "}}", "generationConfig.candidateCount"}};
  const auto fault = [](const Limit& limit, const std::string& members) {
    std::string body = limit.front + members + limit.back;
    const auto view = read_view(limit.dialect, body);
    return view ? Error{.http_status = 0, .code = ""} : view.error();
  };
  for (const auto& limit : limits) {
    const std::string name = "\"" + std::string{limit.name} + "\":";
    for (const std::string& value :
         {std::string{"1e400"}, std::string(100'000, '9'), std::string{"-1"}, std::string{"0"},
          std::string{"1.5"}, std::string{"2147483648"}, std::string{"18446744073709551616"}}) {
      INFO(limit.path << " = " << value.substr(0, 24));
      const auto refused = fault(limit, name + value);
      CHECK(refused.http_status == 400);
      CHECK(refused.param == limit.path);
    }
    INFO(limit.path);
    const std::string good = limit.name == std::string_view{"candidateCount"} ? "2" : "64";
    CHECK(fault(limit, name + good).http_status == 0);
    CHECK(fault(limit, name + good + "," + name + "3").code == "duplicate_key");
    std::string upper = name;
    upper[1] = static_cast<char>(upper[1] - 32);
    CHECK(fault(limit, name + good + "," + upper + good).code == "ambiguous_key");
    CHECK(fault(limit, upper + good).code == "ambiguous_key");
  }
  CHECK(fault({Dialect::openai_chat, "{", "", "}", ""},
              chat_body + R"(,"stream_options":{"Include_Usage":true})")
            .code == "ambiguous_key");
}

namespace {

struct Own {
  const Api* api;
  Candidate provider;
  std::vector<const char*> places;  // objects that may hold what nobody has heard of
};

OrderedJson at_provider(const Own& own, const OrderedJson& json) {
  std::string body = json.dump();
  auto view = read_view(own.api->dialect, body);
  REQUIRE(view);
  if (own.api->dialect == Dialect::gemini_generate) view->model = "m";
  const auto outgoing = translate(own.api->dialect, body, *view, own.provider, {});
  REQUIRE(outgoing);
  return OrderedJson::parse(outgoing->body);
}

}  // namespace

TEST_CASE("J9: a thousand bodies with unknown fields reach a provider of their dialect unharmed",
          "[J9]") {
  const Own owns[] = {
      {&chat(),
       deepseek(),
       {"", "/messages/1", "/messages/2/tool_calls/0", "/tools/0", "/stream_options"}},
      {&messages(),
       claude(),
       {"", "/messages/0", "/messages/1/content/1", "/tools/0", "/metadata"}},
      {&responses(), openai_responses(), {"", "/input/0", "/input/2", "/tools/0", "/metadata"}},
      {&generate(),
       gemini(),
       {"", "/contents/0", "/contents/1/parts/1", "/tools/0", "/generationConfig"}}};
  constexpr unsigned seed = 20261123;
  INFO("seed " << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 1000; ++round) {
    const Own& own = owns[round % 4];
    INFO("round " << round << ", " << to_string(own.api->dialect));
    auto body = OrderedJson::parse(own.api->body);
    auto expected = at_provider(own, body);
    for (auto n = 1 + random() % 6; n > 0; --n) {
      const Pointer place{own.places[random() % own.places.size()]};
      if (!expected.contains(place)) continue;  // what holds it is not sent to this provider
      const std::string name = "x_" + std::to_string(random() % 1000);
      body[place][name] = expected[place][name] = random_value(random, 4);
    }
    CHECK(at_provider(own, body) == expected);
  }
}

}  // namespace turnpike::dialect::test
