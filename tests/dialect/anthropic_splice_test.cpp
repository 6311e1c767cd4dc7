#include <catch2/catch.hpp>

#include "anthropic_support.hpp"
#include "dialect/anthropic_headers.hpp"
#include "dialect/anthropic_history.hpp"
#include "dialect/issuer_tag.hpp"
#include "dialect/opaque_store.hpp"

namespace turnpike::dialect::test {
namespace {

class StillClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {}; }
  [[nodiscard]] Monotonic monotonic() const override { return {}; }
};

/// A server that takes everything a Messages client can say.
Candidate lenient() {
  auto candidate = claude();
  candidate.model = "claude-next";
  candidate.thinking = ThinkingStyle::none;
  candidate.efforts.clear();
  candidate.output_tokens_max = 1'000'000;
  candidate.quirks = {};
  candidate.quirks.mid_system_accepted = true;
  candidate.betas_passed = true;
  return candidate;
}

Candidate opus_5_5() {
  auto candidate = claude(ThinkingStyle::claude_always);
  candidate.efforts = {"low", "medium", "high", "xhigh", "max"};
  candidate.quirks.thinking_bound = true;
  candidate.betas_passed = true;
  return candidate;
}

Candidate sonnet_4_5() {
  auto candidate = claude(ThinkingStyle::claude_budget);
  candidate.efforts.clear();
  candidate.betas_passed = true;
  return candidate;
}

Candidate sonnet_5() {
  auto candidate = claude();
  candidate.efforts = {"low", "medium", "high", "xhigh", "max"};
  candidate.quirks.sampling_rejected = true;
  candidate.quirks.mid_system_accepted = true;
  candidate.betas_passed = true;
  return candidate;
}

Outgoing splice(const std::string& body, const Candidate& candidate,
                const TranslateOptions& options = {}) {
  auto outgoing = try_messages(body, candidate, options);
  if (!outgoing) FAIL(outgoing.error().message);
  CHECK_NOTHROW(OrderedJson::parse(outgoing->body));
  return std::move(*outgoing);
}

OrderedJson spliced(const std::string& body, const Candidate& candidate,
                    const TranslateOptions& options = {}) {
  return OrderedJson::parse(splice(body, candidate, options).body);
}

/// The body with another model, all other bytes as they were.
std::string with_model(std::string body, const Candidate& candidate) {
  const std::string key = R"("model":")";
  const auto at = body.find(key) + key.size();
  return body.replace(at, body.find('"', at) - at, candidate.model);
}

std::string header(const Outgoing& outgoing, std::string_view name) {
  std::string lines;
  for (const auto& [key, value] : outgoing.headers) {
    if (key == name) lines += (lines.empty() ? "" : " & ") + value;
  }
  return lines;
}

const std::string hello = R"({"role":"user","content":"Hello"})";
const std::string ls_tool = R"("tools":[{"name":"ls","input_schema":{"type":"object"}}],)";

/// user, assistant with `thinking` before a call, the call's result.
std::string loop(const std::string& thinking, const std::string& id = "toolu_1") {
  return hello + R"(,{"role":"assistant","content":[)" + thinking + R"({"type":"tool_use","id":")" +
         id + R"(","name":"ls","input":{}}]},)" +
         R"({"role":"user","content":[{"type":"tool_result","tool_use_id":")" + id +
         R"(","content":"out"}]})";
}

std::string thinking_block(const std::string& signature, const std::string& text = "Hm") {
  return R"({"type":"thinking","thinking":")" + text + R"(","signature":")" + signature + R"("},)";
}

OpaqueState state_of(const Candidate& candidate, const std::string& text,
                     const std::string& signature) {
  return {candidate.provider,
          candidate.family,
          OpaqueKind::claude_thinking,
          {{OpaqueBlock::Form::thinking, text, signature}}};
}

// ---- Claude Code's gateway contract -----------------------------------------------------------

TEST_CASE("contract: the body is the client's own but for the model", "[dialect][anthropic]") {
  const std::string body =
      "{ \"model\":\"auto\",\n \"max_tokens\": 32000, \"unheard_of\": {\"b\": 1.50, \"a\": null},"
      R"("system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.330;"},)"
      R"({"type":"text","text":"S\u00e9","cache_control":{"type":"ephemeral","ttl":"1h"}}],)"
      R"("messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]},)"
      R"({"role":"system","content":"note"}],"tools":[{"name":"W","defer_loading":true,"input_schema":{}}],)"
      R"("context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},)"
      "\"metadata\" : {\"user_id\":\"u\"} } ";
  auto expected = body;
  expected.replace(expected.find("\"auto\""), 6, "\"claude-next\"");
  const auto outgoing = splice(body, lenient());
  CHECK(outgoing.body == expected);
  CHECK(outgoing.path == "/v1/messages");
  CHECK(outgoing.losses.empty());
}

TEST_CASE("contract: recorded requests pass as they came on models that take them",
          "[dialect][anthropic][recorded]") {
  for (const auto& recorded : recorded_messages()) {
    INFO(recorded.name);
    TranslateOptions options;
    options.client_headers = &recorded.headers;
    options.count_only = recorded.count_only;
    const auto candidate = lenient();
    const auto outgoing = splice(recorded.body, candidate, options);
    CHECK(outgoing.body == with_model(recorded.body, candidate));
    CHECK(outgoing.losses.empty());
    for (const auto& [name, value] : recorded.headers) {
      if (name == "anthropic-beta" || name == "anthropic-version")
        CHECK(header(outgoing, name) == value);
    }
  }
}

TEST_CASE("contract: harness requests reach the generation they are written for unchanged",
          "[dialect][anthropic][recorded]") {
  std::size_t checked = 0;
  for (const auto& recorded : recorded_messages()) {
    const bool code = recorded.name.starts_with("claude-code");
    if (!code && !recorded.name.starts_with("opencode")) continue;
    if (recorded.count_only) continue;
    const bool known = recorded.body.find("claude-sonnet-4-5") != std::string::npos;
    const auto candidate = known ? sonnet_4_5() : sonnet_5();
    // The side call of an interactive session names an effort for a small model of any generation.
    if (recorded.body.find("my-small-model") != std::string::npos) continue;
    INFO(recorded.name << " -> " << candidate.model);
    TranslateOptions options;
    options.client_headers = &recorded.headers;
    CHECK(splice(recorded.body, candidate, options).body == with_model(recorded.body, candidate));
    ++checked;
  }
  if (checked > 0) CHECK(checked > 20);
}

TEST_CASE("contract: betas are an open set, passed in the client's own lines",
          "[dialect][anthropic]") {
  const HeaderList headers = {{"Anthropic-Version", "2023-06-01"},
                              {"anthropic-beta", "a-2025, from-the-future-2031-01-01"},
                              {"Anthropic-Beta", "b-2026"},
                              {"x-claude-code-session-id", "s"}};
  const auto passed = anthropic_headers(&headers, lenient());
  CHECK(passed.headers == HeaderList{{"anthropic-version", "2023-06-01"},
                                     {"anthropic-beta", "a-2025, from-the-future-2031-01-01"},
                                     {"anthropic-beta", "b-2026"}});
  CHECK(passed.stripped.empty());

  auto picky = lenient();
  picky.betas_excepted = {"a-2025"};
  const auto rest = anthropic_headers(&headers, picky);
  CHECK(rest.headers == HeaderList{{"anthropic-version", "2023-06-01"},
                                   {"anthropic-beta", "from-the-future-2031-01-01,b-2026"}});
  CHECK(rest.stripped == std::vector<std::string>{"a-2025"});

  picky.betas_passed = false;
  CHECK(anthropic_headers(&headers, picky).passed == std::vector<std::string>{"a-2025"});
  picky.betas_excepted.clear();
  const auto none = anthropic_headers(&headers, picky);
  CHECK(none.headers == HeaderList{{"anthropic-version", "2023-06-01"}});
  CHECK(none.stripped.size() == 3);
  CHECK(anthropic_headers(nullptr, lenient(), std::array{binding_controls_beta}).headers ==
        HeaderList{{"anthropic-beta", std::string{binding_controls_beta}}});
  CHECK(anthropic_headers(nullptr, picky, std::array{binding_controls_beta}).headers.empty());
}

TEST_CASE("a stripped beta takes its body field along and is counted", "[dialect][anthropic]") {
  const HeaderList headers = {
      {"anthropic-beta", "context-management-2025-06-27,effort-2025-11-24"}};
  TranslateOptions options;
  options.client_headers = &headers;
  auto candidate = lenient();
  candidate.betas_passed = false;
  const auto outgoing =
      splice(messages_body(hello, R"("context_management":{"edits":[]},"unheard_of":1,)"),
             candidate, options);
  CHECK(outgoing.body ==
        R"({"model":"claude-next","max_tokens":4096,"unheard_of":1,"messages":[)" + hello + "]}");
  CHECK(outgoing.losses == std::vector<std::string>{"betas", "context_management"});
  CHECK(header(outgoing, "anthropic-beta").empty());
  // The other half of the pair alone is the client's own affair.
  options.client_headers = nullptr;
  CHECK(spliced(messages_body(hello, R"("context_management":{"edits":[]},)"), candidate, options)
            .contains("context_management"));
}

TEST_CASE("tool references become text where their beta does not pass", "[dialect][anthropic]") {
  const auto body = messages_body(
      hello +
      R"(,{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"S","input":{}}]},)" +
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[)" +
      R"({"type":"tool_reference","tool_name":"WebFetch"}]}]})");
  const HeaderList headers = {{"anthropic-beta", "advanced-tool-use-2025-11-20"}};
  TranslateOptions options;
  options.client_headers = &headers;
  CHECK(splice(body, lenient(), options).body == with_model(body, lenient()));
  auto candidate = deepseek_messages();
  candidate.quirks.mid_system_accepted = true;
  const auto json = spliced(body, candidate, options);
  const auto& part = json["messages"][2]["content"][0]["content"][0];
  CHECK(part["type"] == "text");
  CHECK(part["text"] == "Tool WebFetch is now available.");
}

// ---- limits and counting ----------------------------------------------------------------------

TEST_CASE("the limit is lowered to what the model and the budget allow", "[dialect][anthropic]") {
  TranslateOptions options;
  CHECK(spliced(messages_body(hello), sonnet_5(), options)["max_tokens"] == 4096);
  options.output_tokens_cap = 1000;
  CHECK(spliced(messages_body(hello), sonnet_5(), options)["max_tokens"] == 1000);
  options.output_tokens_cap = 9000;
  CHECK(spliced(messages_body(hello), sonnet_5(), options)["max_tokens"] == 4096);
  auto small = sonnet_5();
  small.output_tokens_max = 512;
  CHECK(spliced(messages_body(hello), small, options)["max_tokens"] == 512);
}

TEST_CASE("a budget that a lowered limit has overtaken is lowered or given up",
          "[dialect][anthropic]") {
  const auto body = messages_body(
      hello,
      R"("thinking":{"type":"enabled","budget_tokens":4000,"display":"omitted"},)"
      R"("context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"other"}]},)");
  TranslateOptions options;
  CHECK(splice(body, sonnet_4_5(), options).body == with_model(body, sonnet_4_5()));
  options.output_tokens_cap = 3000;
  const auto lowered = spliced(body, sonnet_4_5(), options);
  CHECK(lowered["thinking"]["type"] == "enabled");
  CHECK(lowered["thinking"]["budget_tokens"] < 3000);
  CHECK(lowered["thinking"]["budget_tokens"] >= 1024);
  CHECK(lowered["thinking"]["display"] == "omitted");
  options.output_tokens_cap = 1000;
  const auto off = splice(body, sonnet_4_5(), options);
  const auto json = OrderedJson::parse(off.body);
  CHECK_FALSE(json.contains("thinking"));
  CHECK(json["context_management"]["edits"] == OrderedJson::parse(R"([{"type":"other"}])"));
  CHECK(off.losses == std::vector<std::string>{"context_management", "reasoning_effort"});
}

TEST_CASE("counting asks for what shapes the prompt only", "[dialect][anthropic]") {
  TranslateOptions options;
  options.count_only = true;
  const auto counted = splice(
      messages_body(hello, R"("stream":true,"temperature":1,"stop_sequences":["x"],"metadata":{},)"
                           R"("thinking":{"type":"adaptive"},"system":"s",)" +
                               ls_tool),
      sonnet_5(), options);
  CHECK(counted.path == "/v1/messages/count_tokens");
  CHECK(counted.body ==
        R"({"model":"claude-sonnet-4-6","thinking":{"type":"adaptive"},"system":"s",)" + ls_tool +
            R"("messages":[)" + hello + "]}");
  const std::string own = R"({"model":"m","messages":[)" + hello + R"(],"tools":[]})";
  CHECK(splice(own, sonnet_5(), options).body == with_model(own, sonnet_5()));
  // The first members may be the ones that go.
  const std::string first =
      R"({"stream":true,"max_tokens":5,"model":"m","messages":[)" + hello + "]}";
  CHECK(splice(first, lenient(), options).body ==
        R"({"model":"claude-next","messages":[)" + hello + "]}");
  const std::string last =
      R"({"model":"m","messages":[)" + hello + R"(],"stream":true,"max_tokens":5})";
  CHECK(splice(last, lenient(), options).body ==
        R"({"model":"claude-next","messages":[)" + hello + "]}");
}

// ---- families ---------------------------------------------------------------------------------

TEST_CASE("thinking is asked for in the words of the candidate's family", "[dialect][anthropic]") {
  const auto asked = [](const std::string& fields, const Candidate& candidate) {
    const auto json = spliced(messages_body(hello, fields), candidate);
    return json.value("thinking", OrderedJson{}).dump() + " " +
           json.value("output_config", OrderedJson{}).dump();
  };
  const std::string enabled = R"("thinking":{"type":"enabled","budget_tokens":2048},)";
  const std::string adaptive = R"("thinking":{"type":"adaptive","display":"omitted"},)";
  const std::string disabled = R"("thinking":{"type":"disabled"},)";
  const std::string high = R"("output_config":{"effort":"high"},)";
  const std::string highest = R"("output_config":{"effort":"xhigh"},)";

  CHECK(asked(enabled, sonnet_4_5()) == R"({"type":"enabled","budget_tokens":2048} null)");
  CHECK(asked(adaptive + high, sonnet_4_5()) ==
        R"({"type":"enabled","display":"omitted","budget_tokens":3072} null)");
  CHECK(asked(disabled, sonnet_4_5()) == R"({"type":"disabled"} null)");
  CHECK(asked(high, sonnet_4_5()) == "null null");

  // 4.6 takes both; what it does not know is the effort between.
  CHECK(asked(enabled, claude()) == R"({"type":"enabled","budget_tokens":2048} null)");
  CHECK(asked(adaptive + highest, claude()) ==
        R"({"type":"adaptive","display":"omitted"} {"effort":"max"})");

  CHECK(asked(enabled, sonnet_5()) == R"({"type":"adaptive"} {"effort":"medium"})");
  CHECK(asked(enabled + high, sonnet_5()) == R"({"type":"adaptive"} {"effort":"high"})");
  CHECK(asked(disabled + highest, sonnet_5()) == R"({"type":"disabled"} {"effort":"xhigh"})");
  auto opus_5 = sonnet_5();
  opus_5.quirks.prefill_rejected = true;
  CHECK(asked(disabled + highest, opus_5) == R"({"type":"disabled"} {"effort":"high"})");

  CHECK(asked(enabled, opus_5_5()) == R"({"type":"adaptive"} {"effort":"medium"})");
  CHECK(asked(disabled, opus_5_5()) == R"({"type":"adaptive"} {"effort":"low"})");
  CHECK(asked("", opus_5_5()) == "null null");
  CHECK(asked(adaptive + high, opus_5_5()) ==
        R"({"type":"adaptive","display":"omitted"} {"effort":"high"})");

  CHECK(asked(enabled, deepseek_messages()) == R"({"type":"enabled","budget_tokens":2048} null)");
  CHECK(asked(adaptive + highest, deepseek_messages()) ==
        R"({"type":"enabled","display":"omitted"} {"effort":"xhigh"})");
}

TEST_CASE("sampling that a family or version refuses is left out", "[dialect][anthropic]") {
  const auto body = messages_body(hello, R"("temperature":0.3,"top_p":0.9,"top_k":3,)");
  const auto keys = [&](const Candidate& candidate, const TranslateOptions& options = {}) {
    const auto outgoing = splice(body, candidate, options);
    const auto json = OrderedJson::parse(outgoing.body);
    std::string found;
    for (const auto* key : {"temperature", "top_p", "top_k"}) {
      if (json.contains(key)) found += std::string{key} + " ";
    }
    CHECK((found == "temperature top_p top_k ") == outgoing.losses.empty());
    return found;
  };
  CHECK(keys(lenient()) == "temperature top_p top_k ");
  CHECK(keys(sonnet_5()).empty());
  CHECK(keys(sonnet_4_5()) == "temperature top_k ");
  CHECK(keys(deepseek_messages()) == "temperature top_p top_k ");
  const HeaderList headers = {{"anthropic-version", "2026-10-21"}};
  TranslateOptions options;
  options.client_headers = &headers;
  CHECK(keys(lenient(), options).empty());
  CHECK(keys(deepseek_messages(), options) == "temperature top_p top_k ");
}

TEST_CASE("a forced tool is asked for in words where it is refused", "[dialect][anthropic]") {
  const std::string choice =
      R"("tool_choice":{"type":"tool","name":"ls","disable_parallel_tool_use":true},)";
  const auto outgoing =
      splice(messages_body(hello, ls_tool + choice + R"("system":"Be brief.",)"), opus_5_5());
  const auto json = OrderedJson::parse(outgoing.body);
  CHECK(json["tool_choice"] ==
        OrderedJson::parse(R"({"type":"auto","disable_parallel_tool_use":true})"));
  CHECK(json["system"][0]["text"] == "Be brief.");
  CHECK(json["system"][1]["text"] == "You must answer with a call of the tool \"ls\".");
  CHECK(outgoing.losses == std::vector<std::string>{"tool_choice"});
  CHECK(spliced(messages_body(hello, ls_tool + choice), sonnet_5())["tool_choice"]["type"] ==
        "tool");
  // Older models can be forced, but not while they think.
  const auto old =
      spliced(messages_body(hello, ls_tool + choice +
                                       R"("thinking":{"type":"enabled","budget_tokens":1024},)"),
              sonnet_4_5());
  CHECK(old["tool_choice"]["type"] == "tool");
  CHECK_FALSE(old.contains("thinking"));
}

TEST_CASE("a system message within the conversation becomes the user's where it is refused",
          "[dialect][anthropic]") {
  const auto body = messages_body(
      R"({"role":"user","content":"Hello"},{"role":"system","content":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}}]},)"
      R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"ls","input":{}}]},)"
      R"({"role":"system","content":"T"},)"
      R"({"role":"user","content":[{"type":"text","text":"u"},{"type":"tool_result","tool_use_id":"t","content":"r"}]},)"
      R"({"role":"assistant","content":"Done"},{"role":"user","content":"More"})");
  CHECK(splice(body, sonnet_5()).body == with_model(body, sonnet_5()));
  const auto json = spliced(body, sonnet_4_5());
  CHECK(
      json["messages"] ==
      OrderedJson::parse(
          R"([{"role":"user","content":[{"type":"text","text":"Hello"},)"
          R"({"type":"text","text":"<system>\nS\n</system>","cache_control":{"type":"ephemeral"}}]},)"
          R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"ls","input":{}}]},)"
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"},)"
          R"({"type":"text","text":"<system>\nT\n</system>"},{"type":"text","text":"u"}]},)"
          R"({"role":"assistant","content":"Done"},{"role":"user","content":"More"}])"));
}

TEST_CASE("a trailing assistant message gets a user's behind it where it is refused",
          "[dialect][anthropic]") {
  const auto body = messages_body(hello + R"(,{"role":"assistant","content":"The answer is"})");
  CHECK(spliced(body, sonnet_5())["messages"].size() == 2);
  const auto json = spliced(body, opus_5_5());
  REQUIRE(json["messages"].size() == 3);
  CHECK(json["messages"][2] == OrderedJson::parse(R"({"role":"user","content":"Continue."})"));
}

TEST_CASE("a schema becomes an instruction where it has no field, fast answers normal ones",
          "[dialect][anthropic]") {
  const auto outgoing = splice(
      messages_body(
          hello,
          R"("output_config":{"format":{"type":"json_schema","schema":{"x":1.0}},"effort":"low"},)"
          R"("speed":"fast","system":[{"type":"text","text":"A"}],)"),
      deepseek_messages());
  const auto json = OrderedJson::parse(outgoing.body);
  CHECK(json["output_config"] == OrderedJson::parse(R"({"effort":"low"})"));
  CHECK(json["system"][0]["text"] == "A");
  CHECK(json["system"][1]["text"].get<std::string>().ends_with("\n{\"x\":1.0}"));
  CHECK_FALSE(json.contains("speed"));
  CHECK(outgoing.losses == std::vector<std::string>{"response_format", "speed"});
}

// ---- thinking of others -----------------------------------------------------------------------

TEST_CASE("a signature is judged by what is known of its turn, then by its form",
          "[dialect][anthropic]") {
  const auto foreign = [](std::string_view signature, const Candidate& candidate,
                          bool redacted = false, const OpaqueState* state = nullptr) {
    return is_foreign_thinking(signature, redacted, state, candidate);
  };
  const auto tag = write_issuer_tag(deepseek());
  for (const auto& candidate : {opus_5_5(), sonnet_4_5(), deepseek_messages(), lenient()}) {
    CHECK(foreign(tag, candidate));
  }
  CHECK_FALSE(foreign(claude_signature(), opus_5_5()));
  CHECK(foreign(claude_signature(), deepseek_messages()));
  CHECK(foreign(uuid_signature, opus_5_5()));
  CHECK_FALSE(foreign(uuid_signature, deepseek_messages()));
  CHECK_FALSE(foreign("of-a-local-server", opus_5_5()));
  CHECK_FALSE(foreign("of-a-local-server", deepseek_messages()));
  CHECK(foreign("", opus_5_5()));
  CHECK_FALSE(foreign("", deepseek_messages()));
  CHECK(foreign("data", deepseek_messages(), true));

  const auto known = state_of(deepseek_messages(), "Hm", "base64==");
  CHECK(foreign("base64==", opus_5_5(), false, &known));
  CHECK_FALSE(foreign("base64==", deepseek_messages(), false, &known));
  CHECK_FALSE(foreign("another", opus_5_5(), false, &known));
  const auto fable = state_of(opus_5_5(), "Hm", claude_signature());
  auto other_family = opus_5_5();
  other_family.family = "claude-fable-5";
  CHECK(foreign(claude_signature(), other_family, false, &fable));
}

TEST_CASE("one block of another vendor takes all thinking out of a bound conversation",
          "[dialect][anthropic]") {
  const auto own = thinking_block(claude_signature());
  const auto tagged = thinking_block(write_issuer_tag(deepseek()));
  const auto mixed =
      messages_body(loop(own, "toolu_1") + R"(,{"role":"assistant","content":[)" + tagged +
                    R"({"type":"text","text":"Done"}]},{"role":"user","content":"And now?"})");
  const auto own_only = messages_body(loop(own));
  CHECK(splice(own_only, opus_5_5()).body == with_model(own_only, opus_5_5()));

  const auto outgoing = splice(mixed, opus_5_5());
  CHECK(outgoing.losses == std::vector<std::string>{"reasoning_history"});
  CHECK(outgoing.body.find("thinking") == std::string::npos);
  const auto json = OrderedJson::parse(outgoing.body);
  CHECK(json["messages"].size() == 5);
  CHECK(json["messages"][1]["content"].size() == 1);
  CHECK(json["messages"][3]["content"] == OrderedJson::parse(R"([{"type":"text","text":"Done"}])"));
  CHECK(splice(mixed, opus_5_5()).body == outgoing.body);

  // Older families look at single turns: their own stay.
  const auto older = spliced(mixed, sonnet_4_5());
  CHECK(older["messages"][1]["content"][0]["type"] == "thinking");
  CHECK(older["messages"][3]["content"].size() == 1);
}

TEST_CASE("a tool loop without its thinking is answered without thinking where the family insists",
          "[dialect][anthropic]") {
  const std::string enabled =
      R"("thinking":{"type":"enabled","budget_tokens":1024},)"
      R"("context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},)";
  const auto tagged = thinking_block(write_issuer_tag(deepseek()));
  const auto outgoing = splice(messages_body(loop(tagged), enabled), sonnet_4_5());
  const auto json = OrderedJson::parse(outgoing.body);
  CHECK_FALSE(json.contains("thinking"));
  CHECK_FALSE(json.contains("context_management"));
  CHECK(json["messages"][1]["content"].size() == 1);
  CHECK(outgoing.losses ==
        std::vector<std::string>{"context_management", "reasoning_effort", "reasoning_history"});
  // A new turn of the user begins a new loop.
  const auto next = messages_body(
      loop(tagged) + R"(,{"role":"assistant","content":"Done"},{"role":"user","content":"Next"})",
      enabled);
  CHECK(spliced(next, sonnet_4_5())["thinking"]["type"] == "enabled");
  // Without interleaving only the first step of a loop has thinking.
  const auto plain = messages_body(
      loop(thinking_block(claude_signature())) +
          R"(,{"role":"assistant","content":[{"type":"tool_use","id":"t2","name":"ls","input":{}}]},)" +
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"r"}]})",
      enabled);
  CHECK(splice(plain, sonnet_4_5()).body == with_model(plain, sonnet_4_5()));
  // The adaptive generation does not insist.
  CHECK(spliced(messages_body(loop(tagged), R"("thinking":{"type":"adaptive"},)"),
                sonnet_5())["thinking"]["type"] == "adaptive");
}

TEST_CASE("a turn of nothing but foreign thinking goes, and its neighbours become one",
          "[dialect][anthropic]") {
  std::string lone = thinking_block(write_issuer_tag(deepseek()));
  lone.pop_back();
  const auto body =
      messages_body(R"({"role":"user","content":"One"},{"role":"assistant","content":[)" + lone +
                    R"(]},{"role":"user","content":[{"type":"text","text":"Two"}]})");
  const auto json = spliced(body, opus_5_5());
  CHECK(
      json["messages"] ==
      OrderedJson::parse(
          R"([{"role":"user","content":[{"type":"text","text":"One"},{"type":"text","text":"Two"}]}])"));
}

TEST_CASE("thinking that the client has dropped comes back from the store",
          "[dialect][anthropic]") {
  const StillClock clock;
  OpaqueStore store{clock};
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "k";
  const auto body = messages_body(loop(""), R"("thinking":{"type":"adaptive"},)");

  const auto candidate = opus_5_5();
  CHECK(splice(body, candidate, options).body == with_model(body, candidate));
  store.put("k", "toolu_1", state_of(candidate, "Hm", claude_signature()));
  const auto outgoing = splice(body, candidate, options);
  const auto json = OrderedJson::parse(outgoing.body);
  CHECK(json["messages"][1]["content"][0]["signature"] == claude_signature());
  CHECK(json["messages"][1]["content"][1]["type"] == "tool_use");
  CHECK(json["thinking"]["block_binding"]["prefix_mismatch_behavior"] == "drop_block");
  CHECK(header(outgoing, "anthropic-beta") == binding_controls_beta);
  CHECK(outgoing.losses.empty());

  // Without that beta a bound block is not risked; of another vendor it is not touched.
  auto without_beta = candidate;
  without_beta.betas_passed = false;
  CHECK(splice(body, without_beta, options).body == with_model(body, without_beta));
  auto elsewhere = candidate;
  elsewhere.provider = "bedrock";
  CHECK(splice(body, elsewhere, options).body == with_model(body, elsewhere));

  const auto old = sonnet_4_5();
  const auto with_budget =
      messages_body(loop(""), R"("thinking":{"type":"enabled","budget_tokens":1024},)");
  CHECK_FALSE(spliced(with_budget, old, options).contains("thinking"));
  store.put("k", "toolu_1", state_of(old, "Hm", claude_signature()));
  const auto continued = splice(with_budget, old, options);
  CHECK(OrderedJson::parse(continued.body)["thinking"]["budget_tokens"] == 1024);
  CHECK(OrderedJson::parse(continued.body)["messages"][1]["content"][0]["type"] == "thinking");
  CHECK(header(continued, "anthropic-beta").empty());
}

TEST_CASE("thinking comes back from the first call on, past loops included: bytes once sent stay",
          "[dialect][anthropic]") {
  const StillClock clock;
  OpaqueStore store{clock};
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "k";
  for (const auto& candidate : {opus_5_5(), sonnet_4_5()}) {
    store.put("k", turn_key("Hi"), state_of(candidate, "A", claude_signature('A')));
    store.put("k", "toolu_1", state_of(candidate, "B", claude_signature('B')));
    store.put("k", turn_key("Done"), state_of(candidate, "C", claude_signature('C')));
    const auto says = [](const std::string& text) {
      return R"({"role":"assistant","content":")" + text + R"("},)";
    };
    const auto json = spliced(
        messages_body(hello + "," + says("Hi") + loop("") + "," + says("Done") + hello,
                      R"("thinking":{"type":"enabled","budget_tokens":1024},)"),
        candidate, options);
    CHECK(json["messages"][1]["content"] == "Hi");
    CHECK(json["messages"][3]["content"][0]["thinking"] == "B");
    CHECK(json["messages"][5]["content"][0]["thinking"] == "C");
  }
}

TEST_CASE("a step of another model in the middle of an older family's loop is a gap",
          "[dialect][anthropic]") {
  const StillClock clock;
  OpaqueStore store{clock};
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "k";
  const auto old = sonnet_4_5();
  const auto thinks = [&](const std::string& first) {
    const auto body = messages_body(
        loop(first) +
            R"(,{"role":"assistant","content":[{"type":"tool_use","id":"t2","name":"ls","input":{}}]},)" +
            R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"r"}]})",
        R"("thinking":{"type":"enabled","budget_tokens":1024},)");
    const auto json = spliced(body, old, options);
    CHECK(json.contains("thinking") == (json["messages"][1]["content"][0]["type"] == "thinking"));
    return json.contains("thinking");
  };
  const auto carried = thinking_block(claude_signature());
  CHECK(thinks(carried));
  store.put("k", "toolu_1", state_of(old, "Hm", claude_signature()));
  CHECK(thinks(carried));
  CHECK_FALSE(thinks(""));  // who drops the first step's may have dropped the second's
  store.put("k", "t2", {old.provider, old.family, OpaqueKind::claude_thinking, {}});
  CHECK(thinks(""));
  CHECK(thinks(carried));
  store.put("k", "t2", {"deepseek", "deepseek-v4", OpaqueKind::deepseek_reasoning, {}});
  CHECK_FALSE(thinks(""));
  CHECK_FALSE(thinks(carried));
}

TEST_CASE("thinking that a client has trimmed is put right", "[dialect][anthropic]") {
  const StillClock clock;
  OpaqueStore store{clock};
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "k";
  store.put("k", "toolu_1", state_of(opus_5_5(), "Hm\n", claude_signature()));
  const auto body = messages_body(loop(thinking_block(claude_signature(), "Hm")));
  const auto json = spliced(body, opus_5_5(), options);
  CHECK(json["messages"][1]["content"][0]["thinking"] == "Hm\n");
  const auto whole = messages_body(loop(thinking_block(claude_signature(), "Hm\\n")));
  CHECK(splice(whole, opus_5_5(), options).body == with_model(whole, opus_5_5()));
}

TEST_CASE("DeepSeek gets thinking with each turn that has calls", "[dialect][anthropic]") {
  const auto first_block = [](const std::string& body, const TranslateOptions& options = {}) {
    return spliced(body, deepseek_messages(), options)["messages"][1]["content"][0];
  };
  const auto own = messages_body(loop(thinking_block(uuid_signature)));
  CHECK(splice(own, deepseek_messages()).body == with_model(own, deepseek_messages()));
  const auto stand_in = OrderedJson::parse(R"({"type":"thinking","thinking":"","signature":""})");
  CHECK(first_block(messages_body(loop(thinking_block(claude_signature())))) == stand_in);
  CHECK(first_block(messages_body(loop(""))) == stand_in);
  CHECK(first_block(messages_body(loop(""), R"("thinking":{"type":"disabled"},)"))["type"] ==
        "tool_use");
  CHECK(first_block(messages_body(
            hello + R"(,{"role":"assistant","content":[{"type":"text","text":"x"}]},)" +
            hello))["type"] == "text");
  const StillClock clock;
  OpaqueStore store{clock};
  TranslateOptions options;
  options.opaque = &store;
  options.owner = "k";
  store.put("k", "toolu_1", state_of(deepseek_messages(), "Because", uuid_signature));
  CHECK(first_block(messages_body(loop("")), options)["thinking"] == "Because");
}

TEST_CASE("turn n is a prefix of turn n+1 on every Messages target", "[dialect][anthropic]") {
  const auto tagged = thinking_block(write_issuer_tag(deepseek()));
  const auto turns = [&](int count) {
    std::string messages = R"({"role":"user","content":"Go"},{"role":"system","content":"note"})";
    for (int i = 0; i < count; ++i) {
      const auto id = "toolu_" + std::to_string(i);
      messages += R"(,{"role":"assistant","content":[)" + tagged + R"({"type":"tool_use","id":")" +
                  id + R"(","name":"ls","input":{}}]},)" +
                  R"({"role":"user","content":[{"type":"tool_result","tool_use_id":")" + id +
                  R"(","content":"r"}]})";
    }
    return messages_body(messages);
  };
  for (const auto& candidate : {opus_5_5(), sonnet_5(), sonnet_4_5(), deepseek_messages()}) {
    INFO(candidate.target());
    std::string before;
    for (int count = 1; count < 6; ++count) {
      auto body = splice(turns(count), candidate).body;
      body.resize(body.size() - 2);  // without the end of the array and of the body
      CHECK(body.starts_with(before));
      before = body;
    }
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
