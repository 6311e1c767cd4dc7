#include "dialect/translate.hpp"

#include <catch2/catch.hpp>

#include "request_support.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect::test {
namespace {

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant{}; }
  [[nodiscard]] Monotonic monotonic() const override { return Monotonic{}; }
};

std::string ask(const std::string& members,
                const std::string& messages = R"({"role":"user","content":"hi"})") {
  return R"({"model":"auto","messages":[)" + messages + "]" +
         (members.empty() ? "" : "," + members) + "}";
}

OrderedJson body_for(const Candidate& candidate, const std::string& body,
                     const TranslateOptions& options = {}) {
  const auto outgoing = try_translate(body, candidate, options);
  INFO(body);
  REQUIRE(outgoing);
  CHECK(faults_of(*outgoing, candidate) == "");
  return OrderedJson::parse(outgoing->body);
}

std::vector<std::string> losses_for(const Candidate& candidate, const std::string& body) {
  const auto outgoing = try_translate(body, candidate);
  REQUIRE(outgoing);
  return outgoing->losses;
}

const std::string tool = R"("tools":[{"type":"function","function":{"name":"f"}}])";
const std::string loop_messages =
    R"({"role":"user","content":"go"},)"
    R"({"role":"assistant","content":"look","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
    R"({"role":"tool","tool_call_id":"call_1","content":"ok"})";

// ---- same dialect

TEST_CASE("Towards DeepSeek all bytes stay but the gateway's own fields") {
  const std::string body =
      "{ \"model\" : \"auto\",\n \"stream\":true, \"seed\": 12345678901234567890123, "
      "\"x\":{\"b\":1e5,\"a\":\"\\u0041\"},\n"
      " \"messages\":[ {\"role\":\"user\",\"content\":\"hi\"} ] }\n";
  const auto outgoing = try_translate(body, deepseek());
  REQUIRE(outgoing);
  CHECK(outgoing->body ==
        "{ \"model\" : \"deepseek-flash\",\n \"stream\":true, \"seed\": 12345678901234567890123, "
        "\"x\":{\"b\":1e5,\"a\":\"\\u0041\"},\n"
        " \"messages\":[ {\"role\":\"user\",\"content\":\"hi\"} ] "
        ",\"stream_options\":{\"include_usage\":true}}\n");
}

TEST_CASE("Usage is asked for in every spelling of stream_options") {
  const auto sent = [](const std::string& members) {
    return body_for(deepseek(), ask(R"("stream":true,)" + members))["stream_options"];
  };
  CHECK(sent(R"("stream_options":null)") == OrderedJson{{"include_usage", true}});
  CHECK(sent(R"("stream_options":{})") == OrderedJson{{"include_usage", true}});
  CHECK(sent(R"("stream_options":{"include_usage":false,"x":1})") ==
        OrderedJson{{"include_usage", true}, {"x", 1}});
  CHECK(sent(R"("stream_options":{"include_usage":null})") == OrderedJson{{"include_usage", true}});
  CHECK(sent(R"("stream_options":{ "x":1})") == OrderedJson{{"include_usage", true}, {"x", 1}});
  CHECK_FALSE(body_for(deepseek(), ask("")).contains("stream_options"));
}

TEST_CASE("DeepSeek gets its one spelling of the token limit, and the gateway's cap") {
  TranslateOptions capped;
  capped.output_tokens_cap = 100;
  CHECK(body_for(deepseek(), ask(R"("max_completion_tokens" : 900)"))["max_tokens"] == 900);
  CHECK_FALSE(body_for(deepseek(), ask(R"("max_completion_tokens":900)"))
                  .contains("max_completion_tokens"));
  CHECK(body_for(deepseek(), ask(R"("max_completion_tokens":900,"max_tokens":5)"))["max_tokens"] ==
        900);
  CHECK(body_for(deepseek(), ask(R"("max_tokens":900)"), capped)["max_tokens"] == 100);
  CHECK(body_for(deepseek(), ask(R"("max_tokens":90)"), capped)["max_tokens"] == 90);
  CHECK(body_for(deepseek(), ask(""), capped)["max_tokens"] == 100);
  CHECK_FALSE(body_for(deepseek(), ask("")).contains("max_tokens"));
}

TEST_CASE("Effort none disables DeepSeek's thinking") {
  CHECK(body_for(deepseek(), ask(R"("reasoning_effort":"none")"))["thinking"] ==
        OrderedJson{{"type", "disabled"}});
  CHECK_FALSE(
      body_for(deepseek(), ask(R"("reasoning_effort":"none")")).contains("reasoning_effort"));
  CHECK(
      body_for(
          deepseek(),
          ask(R"("thinking":{"type":"enabled"},"reasoning_effort":"none")"))["thinking"]["type"] ==
      "disabled");
  CHECK(body_for(deepseek(), ask(R"("reasoning_effort":"high")"))["reasoning_effort"] == "high");
}

TEST_CASE("DeepSeek's reasoning comes back from the store, never another vendor's") {
  StoppedClock clock;
  OpaqueStore store{clock};
  const TranslateOptions options{.opaque = &store, .owner = "k"};
  const auto reasoning = [&](const std::string& extra) {
    auto text = loop_messages;
    text.replace(text.find("\"content\":\"look\""), 16, "\"content\":\"look\"" + extra);
    return body_for(deepseek(), ask(tool, text), options)["messages"][1]["reasoning_content"];
  };
  CHECK(reasoning("") == "");
  CHECK(reasoning(R"(,"reasoning_content":null)") == "");
  CHECK(reasoning(R"(,"reasoning":"hm")") == "hm");
  CHECK(reasoning(R"(,"reasoning_content":"mine")") == "mine");
  OpaqueState own{"deepseek", "deepseek-v4", OpaqueKind::deepseek_reasoning, {}};
  own.blocks.push_back({OpaqueBlock::Form::reasoning, "kept \"text\"", {}});
  store.put("k", "call_1", own);
  CHECK(reasoning("") == "kept \"text\"");
  store.put("k", "call_1", {"anthropic", "claude-5.5", OpaqueKind::claude_thinking, {}});
  CHECK(reasoning("") == "");
  CHECK(reasoning(R"(,"reasoning_content":"Claude's words")") == "");
}

// ---- Anthropic

OpaqueState thinking_of(const Candidate& candidate, const std::string& text,
                        const std::string& signature) {
  OpaqueState state{candidate.provider, candidate.family, OpaqueKind::claude_thinking, {}};
  state.blocks.push_back({OpaqueBlock::Form::thinking, text, signature});
  return state;
}

TEST_CASE("Claude's thinking is put back where it stood") {
  StoppedClock clock;
  OpaqueStore store{clock};
  const TranslateOptions options{.opaque = &store, .owner = "k"};
  const auto candidate = claude();
  auto state = thinking_of(candidate, "first", "sig1");
  state.blocks.push_back({OpaqueBlock::Form::redacted, "", "secret"});
  state.blocks.push_back({OpaqueBlock::Form::thinking, "later", "sig2", 0, true});
  store.put("k", "call_1", state);
  const auto content =
      body_for(candidate, ask(tool, loop_messages), options)["messages"][1]["content"];
  REQUIRE(content.size() == 5);
  CHECK(content[0] ==
        OrderedJson{{"type", "thinking"}, {"thinking", "first"}, {"signature", "sig1"}});
  CHECK(content[1] == OrderedJson{{"type", "redacted_thinking"}, {"data", "secret"}});
  CHECK(content[2]["text"] == "look");
  CHECK(content[3]["thinking"] == "later");
  CHECK(content[4]["type"] == "tool_use");
}

TEST_CASE("Claude gets all of its thinking or none, and does not think where a loop has lost it") {
  StoppedClock clock;
  OpaqueStore store{clock};
  const TranslateOptions options{.opaque = &store, .owner = "k"};
  const std::string two_steps =
      loop_messages +
      R"(,{"role":"assistant","tool_calls":[{"id":"call_2","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
      R"({"role":"tool","tool_call_id":"call_2","content":"ok"})";
  const auto request = ask(tool + R"(,"reasoning_effort":"medium")", two_steps);
  for (const auto style : {ThinkingStyle::claude_budget, ThinkingStyle::claude_adaptive,
                           ThinkingStyle::claude_always}) {
    const auto candidate = claude(style);
    store.put("k", "call_1", thinking_of(candidate, "t1", "s1"));
    store.put("k", "call_2",
              OpaqueState{"deepseek", "deepseek-v4", OpaqueKind::deepseek_reasoning, {}});
    const auto without = body_for(candidate, request, options);
    CHECK(without.dump().find("s1") == std::string::npos);
    CHECK(without.dump().find("budget_tokens") == std::string::npos);
    if (style == ThinkingStyle::claude_adaptive) CHECK(without["thinking"]["type"] == "disabled");
    store.put("k", "call_2", thinking_of(candidate, "t2", "s2"));
    const auto whole = body_for(candidate, request, options);
    CHECK(whole["messages"][1]["content"][0]["signature"] == "s1");
    CHECK(whole["messages"][3]["content"][0]["signature"] == "s2");
    if (style == ThinkingStyle::claude_adaptive) CHECK(whole["thinking"]["type"] == "adaptive");
    if (style == ThinkingStyle::claude_budget) CHECK(whole["thinking"]["type"] == "enabled");
    auto sibling = candidate;
    sibling.family = "claude-other";
    CHECK(body_for(sibling, request, options).dump().find("s1") == std::string::npos);
  }
}

TEST_CASE("Thinking of a turn without calls is found by its text") {
  StoppedClock clock;
  OpaqueStore store{clock};
  const TranslateOptions options{.opaque = &store, .owner = "k"};
  store.put("k", turn_key("Yes."), thinking_of(claude(), "hm", "sig"));
  const auto body = body_for(
      claude(),
      ask("",
          R"({"role":"user","content":"a"},{"role":"assistant","content":"Yes."},{"role":"user","content":"b"})"),
      options);
  CHECK(body["messages"][1]["content"][0]["signature"] == "sig");
}

TEST_CASE("Effort becomes what each Claude family takes") {
  const auto plan = [](ThinkingStyle style, const std::string& members) {
    const auto body = body_for(claude(style), ask(members));
    return OrderedJson{body.value("thinking", OrderedJson{}),
                       body.value("output_config", OrderedJson{})}
        .dump();
  };
  using enum ThinkingStyle;
  CHECK(plan(claude_adaptive, R"("x":1)") == "[null,null]");
  CHECK(plan(claude_adaptive, R"("reasoning_effort":"none")") == R"([{"type":"disabled"},null])");
  CHECK(plan(claude_adaptive, R"("reasoning_effort":"minimal")") ==
        R"([{"type":"adaptive","display":"summarized"},{"effort":"low"}])");
  CHECK(plan(claude_adaptive, R"("reasoning_effort":"xhigh")") ==
        R"([{"type":"adaptive","display":"summarized"},{"effort":"max"}])");
  CHECK(plan(claude_adaptive, R"("reasoning":{"max_tokens":3000},"max_tokens":10000)") ==
        R"([{"type":"adaptive","display":"summarized"},{"effort":"low"}])");
  CHECK(plan(claude_always, R"("reasoning_effort":"none")") == R"([null,{"effort":"low"}])");
  CHECK(plan(claude_always, R"("reasoning_effort":"high")") ==
        R"([{"type":"adaptive","display":"summarized"},{"effort":"high"}])");
  CHECK(plan(claude_budget, R"("reasoning_effort":"none")") == "[null,null]");
  CHECK(plan(claude_budget, R"("reasoning_effort":"medium","max_tokens":8000)") ==
        R"([{"type":"enabled","budget_tokens":4000},null])");
  CHECK(plan(claude_budget, R"("reasoning_effort":"max","max_tokens":8000)") ==
        R"([{"type":"enabled","budget_tokens":6976},null])");
  CHECK(plan(claude_budget, R"("reasoning_effort":"low","max_tokens":1500)") ==
        R"([{"type":"enabled","budget_tokens":1024},null])");
  CHECK(plan(claude_budget, R"("reasoning_effort":"high","max_tokens":1000)") == "[null,null]");
  CHECK(plan(claude_budget,
             R"("thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":8000)") ==
        R"([{"type":"enabled","budget_tokens":2000},null])");
  CHECK(plan(none, R"("reasoning_effort":"high")") == "[null,null]");
}

TEST_CASE("Sampling is cleaned per family") {
  const std::string all = R"("temperature":1.50,"top_p":0.9,"top_k":40)";
  const auto adaptive = body_for(claude(), ask(all));
  CHECK(adaptive["temperature"] == 1);
  CHECK(adaptive["top_p"] == 0.9);
  CHECK(adaptive["top_k"] == 40);
  const auto budget = body_for(claude(ThinkingStyle::claude_budget), ask(all));
  CHECK(budget.contains("temperature"));
  CHECK_FALSE(budget.contains("top_p"));
  const auto thinking =
      body_for(claude(ThinkingStyle::claude_budget), ask(all + R"(,"reasoning_effort":"high")"));
  CHECK_FALSE(thinking.contains("temperature"));
  CHECK(losses_for(claude(ThinkingStyle::claude_always), ask(all)) ==
        std::vector<std::string>{"sampling"});
  const auto raw = try_translate(ask(R"("temperature":0.30)"), claude());
  REQUIRE(raw);
  CHECK(raw->body.find(R"("temperature":0.30)") != std::string::npos);
}

TEST_CASE(
    "A forced tool becomes an instruction where it is refused, and rules out thinking elsewhere") {
  const auto members = tool + R"(,"tool_choice":"required","reasoning_effort":"high")";
  const auto always = body_for(claude(ThinkingStyle::claude_always), ask(members));
  CHECK(always["tool_choice"]["type"] == "auto");
  CHECK(always["system"].back()["text"].get<std::string>().find("must answer with a call") !=
        std::string::npos);
  const auto adaptive = body_for(claude(), ask(members));
  CHECK(adaptive["tool_choice"]["type"] == "any");
  CHECK(adaptive["thinking"]["type"] == "disabled");
  CHECK(body_for(claude(), ask(tool + R"(,"tool_choice":"none")"))["tool_choice"]["type"] ==
        "none");
  const std::string allowed =
      R"(,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}})";
  CHECK(body_for(claude(), ask(tool + allowed))["tool_choice"]["name"] == "f");
  CHECK(body_for(gemini(), ask(tool + allowed))["toolConfig"]["functionCallingConfig"].dump() ==
        R"({"mode":"ANY","allowedFunctionNames":["f"]})");
  CHECK_FALSE(
      body_for(claude(), ask(R"("tools":[],"tool_choice":"auto")")).contains("tool_choice"));
}

TEST_CASE("A later system message stays in its place") {
  const std::string history =
      R"({"role":"system","content":"a"},{"role":"user","content":"b"},{"role":"developer","content":"c"},{"role":"user","content":"d"})";
  const auto older = body_for(claude(), ask("", history));
  CHECK(older["system"].size() == 1);
  CHECK(older["messages"][0]["content"][1]["text"] == "<system>\nc\n</system>");
  const auto newer = body_for(claude(ThinkingStyle::claude_always), ask("", history));
  CHECK(newer["messages"][1]["role"] == "system");
  CHECK(newer["messages"][2]["content"][0]["text"] == "d");
}

TEST_CASE(
    "A trailing assistant turn is kept where it may stay and followed by the user where not") {
  const std::string history =
      R"({"role":"user","content":"b"},{"role":"assistant","content":"{\n"})";
  CHECK(body_for(claude(), ask("", history))["messages"].back()["content"][0]["text"] == "{");
  CHECK(
      body_for(claude(ThinkingStyle::claude_always), ask("", history))["messages"].back()["role"] ==
      "user");
}

TEST_CASE("The client's cache marks win, the last four of them") {
  std::string parts;
  for (int i = 0; i < 6; ++i)
    parts += std::string{i == 0 ? "" : ","} + R"({"type":"text","text":"x)" + std::to_string(i) +
             R"(","cache_control":{"type":"ephemeral"}})";
  const auto body = body_for(
      claude(),
      ask("", R"({"role":"system","content":"s"},{"role":"user","content":[)" + parts + "]}"));
  CHECK(count_marks(body) == 4);
  CHECK_FALSE(body["messages"][0]["content"][1].contains("cache_control"));
  CHECK(body["messages"][0]["content"][5].contains("cache_control"));
  CHECK(count_marks(body_for(claude(), ask(""), {.cache_hints = false})) == 0);
}

TEST_CASE("The output limit is the client's, the model's or the gateway's, whichever is least") {
  CHECK(body_for(claude(), ask(""))["max_tokens"] == 64'000);
  CHECK(body_for(claude(), ask(R"("max_tokens":100000)"))["max_tokens"] == 64'000);
  CHECK(body_for(claude(), ask(R"("max_tokens":10,"max_completion_tokens":20)"))["max_tokens"] ==
        20);
  CHECK(body_for(claude(), ask(R"("max_tokens":100)"), {.output_tokens_cap = 7})["max_tokens"] ==
        7);
  CHECK(body_for(gemini(), ask(""),
                 {.output_tokens_cap = 7})["generationConfig"]["maxOutputTokens"] == 7);
  CHECK_FALSE(body_for(gemini(), ask(""))["generationConfig"].contains("maxOutputTokens"));
}

TEST_CASE("What a target cannot do is a 400 that another candidate may answer") {
  const auto many = try_translate(ask(R"("n":2)"), claude());
  REQUIRE_FALSE(many);
  CHECK(many.error().param == "n");
  CHECK(many.error().retry == Retry::next_candidate);
  CHECK(body_for(gemini(), ask(R"("n":2)"))["generationConfig"]["candidateCount"] == 2);
  const auto video = try_translate(
      ask("",
          R"({"role":"user","content":[{"type":"video_url","video_url":{"url":"https://a"}}]})"),
      gemini());
  REQUIRE_FALSE(video);
  CHECK(video.error().param == "messages[0].content[0].type");
  const auto local = try_translate(
      ask("",
          R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]})"),
      claude());
  REQUIRE_FALSE(local);
  CHECK(local.error().http_status == 400);
}

// ---- Gemini

TEST_CASE("Gemini's signatures come back, the stand-in only where one is needed and lost") {
  StoppedClock clock;
  OpaqueStore store{clock};
  const TranslateOptions options{.opaque = &store, .owner = "k"};
  const auto signature = [&](const Candidate& candidate, const std::string& messages) {
    const auto body = body_for(candidate, ask(tool, messages), options);
    for (const auto& part : body["contents"][1]["parts"]) {
      if (part.contains("functionCall")) return part.value("thoughtSignature", std::string{});
    }
    return std::string{"no call"};
  };
  const std::string stand_in = "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv";
  const auto old_loop =
      loop_messages + R"(,{"role":"assistant","content":"done"},{"role":"user","content":"next"})";
  CHECK(signature(gemini(), loop_messages) == stand_in);
  CHECK(signature(gemini(), old_loop) == stand_in);  // as it was sent while the loop ran
  CHECK(signature(gemini(ThinkingStyle::gemini_budget), loop_messages) == "");
  OpaqueState state{"gemini", "gemini-3", OpaqueKind::gemini_signature, {}};
  state.blocks.push_back({OpaqueBlock::Form::signature, {}, "U0lH"});
  store.put("k", "call_1", state);
  CHECK(signature(gemini(), loop_messages) == "U0lH");
  CHECK(signature(gemini(), old_loop) == "U0lH");
  state.vendor = "vertex";
  store.put("k", "call_1", state);
  CHECK(signature(gemini(), loop_messages) == stand_in);
}

TEST_CASE("Gemini's thinking follows the effort by level or budget") {
  const auto plan = [](ThinkingStyle style, const std::string& members) {
    return body_for(gemini(style), ask(members))["generationConfig"]["thinkingConfig"].dump();
  };
  using enum ThinkingStyle;
  CHECK(plan(gemini_level, R"("x":1)") == R"({"includeThoughts":true})");
  CHECK(plan(gemini_level, R"("reasoning_effort":"none")") == R"({"thinkingLevel":"LOW"})");
  CHECK(plan(gemini_level, R"("reasoning_effort":"medium")") ==
        R"({"includeThoughts":true,"thinkingLevel":"MEDIUM"})");
  CHECK(plan(gemini_level, R"("reasoning_effort":"max")") ==
        R"({"includeThoughts":true,"thinkingLevel":"HIGH"})");
  CHECK(plan(gemini_budget, R"("reasoning_effort":"none")") == R"({"thinkingBudget":128})");
  CHECK(plan(gemini_budget, R"("reasoning_effort":"medium")") ==
        R"({"includeThoughts":true,"thinkingBudget":8192})");
  CHECK(plan(gemini_budget, R"("reasoning_effort":"max")") ==
        R"({"includeThoughts":true,"thinkingBudget":32768})");
  auto two_levels = gemini();
  two_levels.efforts = {"low", "high"};
  CHECK(body_for(two_levels,
                 ask(R"("reasoning_effort":"medium")"))["generationConfig"]["thinkingConfig"]
                                                       ["thinkingLevel"] == "HIGH");
}

TEST_CASE("Ids stay away from providers that refuse them, and images in results go along") {
  auto vertex = gemini();
  vertex.quirks.strips_call_ids = true;
  CHECK(body_for(vertex, ask(tool, loop_messages)).dump().find("call_1") == std::string::npos);
  auto text = loop_messages;
  text.replace(
      text.find("\"content\":\"ok\""), 14,
      R"("content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}])");
  const auto response =
      body_for(gemini(), ask(tool, text))["contents"][2]["parts"][0]["functionResponse"];
  CHECK(response["parts"][0]["inlineData"]["mimeType"] == "image/png");
  CHECK(body_for(
            claude(),
            ask(tool, text))["messages"][2]["content"][0]["content"][1]["source"]["media_type"] ==
        "image/png");
}

TEST_CASE("Line separators are escaped on Gemini's wire, in texts and in raw fragments") {
  const auto outgoing = try_translate(
      ask(R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","description":")"
          "\xE2\x80\xA9"
          R"("}}}])",
          "{\"role\":\"user\",\"content\":\"a\xE2\x80\xA8 b\xE2\x80\x93\"}"),
      gemini());
  REQUIRE(outgoing);
  CHECK(outgoing->body.find("\xE2\x80\xA8") == std::string::npos);
  CHECK(outgoing->body.find("\xE2\x80\xA9") == std::string::npos);
  CHECK(outgoing->body.find("\\u2028") != std::string::npos);
  CHECK(OrderedJson::parse(outgoing->body)["contents"][0]["parts"][0]["text"] ==
        "a\xE2\x80\xA8 b\xE2\x80\x93");
}

TEST_CASE("Tool names outside a target's alphabet are renamed and reported") {
  const auto outgoing = try_translate(
      ask(R"("tools":[{"type":"function","function":{"name":"7zip.pack"}}])"), gemini());
  REQUIRE(outgoing);
  REQUIRE(outgoing->tools.size() == 1);
  CHECK(outgoing->tools[0].client == "7zip.pack");
  CHECK(outgoing->tools[0].upstream.starts_with("_7zip_pack_"));
  CHECK(outgoing->body.find(outgoing->tools[0].upstream) != std::string::npos);
}

TEST_CASE("Half a surrogate pair inside a call's arguments does not reach the provider") {
  auto text = loop_messages;
  text.replace(text.find("\"arguments\":\"{}\""), 16,
               R"("arguments":"{\"a\":\"\\ud83d\",\"n\":1.0e2}")");
  for (const auto& candidate : {claude(), gemini()}) {
    const auto outgoing = try_translate(ask(tool, text), candidate);
    REQUIRE(outgoing);
    CHECK(outgoing->body.find("\\ud83d") == std::string::npos);
    CHECK(outgoing->body.find(R"({"a":"\ufffd","n":1.0e2})") != std::string::npos);
  }
}

// ---- prefix

/// The array under `key` without its closing bracket. Cache marks move with the conversation and
/// are no part of what is cached, so they are taken out.
std::string prefix_text(std::string body, const std::string& key) {
  const std::string mark = R"(,"cache_control":{"type":"ephemeral"})";
  for (auto at = body.find(mark); at != std::string::npos; at = body.find(mark))
    body.erase(at, mark.size());
  const wire::JsonFields fields{wire::JsonView{body}};
  const auto text = fields[key].raw();
  REQUIRE(text.ends_with("]"));
  return std::string{text.substr(0, text.size() - 1)};
}

TEST_CASE(
    "The messages of a turn are a byte prefix of the next turn's, and equal input gives equal "
    "bytes") {
  StoppedClock clock;
  OpaqueStore store{clock};
  const TranslateOptions options{.opaque = &store, .owner = "k"};
  for (const auto& candidate :
       {claude(), claude(ThinkingStyle::claude_budget), claude(ThinkingStyle::claude_always),
        gemini(), gemini(ThinkingStyle::gemini_budget), deepseek()}) {
    const std::string key = candidate.dialect == Dialect::gemini_generate ? "contents" : "messages";
    std::string history =
        R"({"role":"system","content":"be brief"},{"role":"user","content":"start"})";
    std::string before;
    for (int turn = 0; turn < 12; ++turn) {
      const auto request = ask(tool + R"(,"reasoning_effort":"high","stream":true)", history);
      const auto outgoing = try_translate(request, candidate, options);
      const auto again = try_translate(request, candidate, options);
      REQUIRE(outgoing);
      REQUIRE(again);
      CHECK(outgoing->body == again->body);
      CHECK(faults_of(*outgoing, candidate) == "");
      const auto text = prefix_text(outgoing->body, key);
      INFO(candidate.target() << " turn " << turn);
      CHECK(text.size() > before.size());
      CHECK(text.starts_with(before));
      before = text;

      const auto id = "call_" + std::to_string(turn);
      OpaqueState state{candidate.provider, candidate.family, OpaqueKind::claude_thinking, {}};
      OpaqueBlock block{OpaqueBlock::Form::thinking, "thought " + id, "sig" + id};
      if (candidate.dialect == Dialect::gemini_generate) {
        state.kind = OpaqueKind::gemini_signature;
        block.form = OpaqueBlock::Form::signature;
      } else if (candidate.dialect == Dialect::openai_chat) {
        state.kind = OpaqueKind::deepseek_reasoning;
        block = {OpaqueBlock::Form::reasoning, "thought " + id, {}};
      }
      state.blocks.push_back(block);
      if (turn % 4 == 3) {
        history += R"(,{"role":"assistant","content":"answer )" + id +
                   R"("},{"role":"user","content":"and now?"})";
        store.put("k", turn_key("answer " + id), state);
      } else {
        store.put("k", id, state);
        history +=
            R"(,{"role":"assistant","content":null,"tool_calls":[{"id":")" + id +
            R"(","type":"function","function":{"name":"f","arguments":"{\"n\": 1.0}"}}]},{"role":"tool","tool_call_id":")" +
            id + R"(","content":"result"})";
        if (turn % 4 == 1) history += R"(,{"role":"system","content":"reminder"})";
      }
    }
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
