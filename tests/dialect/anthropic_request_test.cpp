#include <catch2/catch.hpp>

#include "anthropic_support.hpp"
#include "dialect/anthropic_request.hpp"
#include "dialect/anthropic_user_id.hpp"

namespace turnpike::dialect::test {
namespace {

constexpr auto hello = R"({"role":"user","content":"Hello"})";

/// The fault's code and path: "missing_field at max_tokens".
std::string refusal_of(std::string body, Purpose purpose = Purpose::answer) {
  const auto view = view_of(body, purpose);
  if (view) return "none";
  CHECK(view.error().http_status == 400);
  return view.error().code + " at " + view.error().param;
}

struct Read {
  std::string body;
  ir::Request request;
};

/// The body must live as long as the request's views.
std::unique_ptr<Read> read(std::string body) {
  auto result = std::make_unique<Read>();
  result->body = std::move(body);
  const auto view = view_of(result->body);
  if (!view) FAIL(view.error().message);
  auto request = read_anthropic_request(result->body, *view);
  if (!request) FAIL(request.error().message);
  result->request = std::move(*request);
  return result;
}

template <typename T>
const T& block(const ir::Request& request, std::size_t message, std::size_t index) {
  REQUIRE(message < request.messages.size());
  REQUIRE(index < request.messages[message].blocks.size());
  const auto* found = std::get_if<T>(&request.messages[message].blocks[index]);
  REQUIRE(found != nullptr);
  return *found;
}

std::vector<std::string> lost(const ir::Request& request) { return request.losses.names(); }

// ---- the first look ---------------------------------------------------------------------------

TEST_CASE("a Messages body tells its model, limit, stream and places", "[dialect][anthropic]") {
  std::string body =
      R"({"stream":true,"max_tokens":1024,"model":"m","thinking":{"type":"adaptive"},)"
      R"("messages":[{"role":"user","content":"Hello"}],"from_the_future":1})";
  const auto view = view_of(body);
  REQUIRE(view);
  const auto text = [&](ByteRange range) {
    return body.substr(range.begin, range.end - range.begin);
  };
  CHECK(view->model == "m");
  CHECK(view->stream);
  CHECK(view->choices == 1);
  CHECK(view->output_tokens_max == 1024);
  CHECK(text(view->model_value) == R"("m")");
  CHECK(text(*view->max_tokens) == "1024");
  CHECK(text(*view->thinking) == R"({"type":"adaptive"})");
  CHECK(text(view->messages) == R"([{"role":"user","content":"Hello"}])");
  CHECK(body[view->object_end] == '}');
  CHECK_FALSE(view->opaque_state);
  CHECK_FALSE(view->calls_in_history);
}

TEST_CASE("thinking and calls in a Messages history are noted", "[dialect][anthropic]") {
  const auto noted = [](const std::string& blocks) {
    std::string body =
        messages_body(std::string{hello} + R"(,{"role":"assistant","content":[)" + blocks + "]}");
    const auto view = view_of(body);
    REQUIRE(view);
    return std::pair{view->opaque_state, view->calls_in_history};
  };
  CHECK(noted(R"({"type":"thinking","thinking":"","signature":"s"})") == std::pair{true, false});
  CHECK(noted(R"({"type":"redacted_thinking","data":"d"})") == std::pair{true, false});
  CHECK(noted(R"({"type":"tool_use","id":"t","name":"n","input":{}})") == std::pair{false, true});
  CHECK(noted(R"({"type":"text","text":"thinking"})") == std::pair{false, false});
}

TEST_CASE("what a Messages body must have and may not have is said with its path",
          "[dialect][anthropic]") {
  const auto top = [](const std::string& more) { return refusal_of(messages_body(hello, more)); };
  CHECK(top("") == "none");
  CHECK(refusal_of(R"({"max_tokens":1,"messages":[{"role":"user","content":"x"}]})") ==
        "missing_field at model");
  CHECK(refusal_of(R"({"model":"m","messages":[{"role":"user","content":"x"}]})") ==
        "missing_field at max_tokens");
  CHECK(refusal_of(R"({"model":"m","max_tokens":1})") == "missing_field at messages");
  CHECK(refusal_of(R"({"model":"m","max_tokens":1,"messages":[]})") == "invalid_value at messages");
  const auto limit = [](const std::string& value) {
    return refusal_of(R"({"model":"m","max_tokens":)" + value +
                      R"(,"messages":[{"role":"user","content":"x"}]})");
  };
  CHECK(limit("0") == "out_of_range at max_tokens");
  CHECK(limit("-1") == "out_of_range at max_tokens");
  CHECK(limit("2147483648") == "out_of_range at max_tokens");
  CHECK(limit("2147483647") == "none");
  CHECK(limit("1.5") == "wrong_type at max_tokens");
  CHECK(limit("\"9\"") == "wrong_type at max_tokens");

  CHECK(top(R"("Max_Tokens":9,)") == R"(ambiguous_key at "Max_Tokens")");
  CHECK(top(R"("Thinking":{},)") == R"(ambiguous_key at "Thinking")");
  CHECK(top(R"("SPEED":"fast",)") == R"(ambiguous_key at "SPEED")");
  CHECK(top(R"("Temperature":1,)") == "none");
  CHECK(top(R"("max_tokens":9,)") == "duplicate_key at ");
  CHECK(top(R"("api_base":"http://x",)") == R"(unsupported_parameter at "api_base")");

  CHECK(top(R"("system":[{"type":"text","text":"s"}],)") == "none");
  CHECK(top(R"("system":7,)") == "wrong_type at system");
  CHECK(top(R"("system":[{"type":"text","text":7}],)") == "wrong_type at system[0].text");
  CHECK(top(R"("tools":null,"stop_sequences":null,"thinking":null,)") == "none");
  CHECK(top(R"("tools":{},)") == "wrong_type at tools");
  CHECK(top(R"("tools":[{"input_schema":{}}],)") == "missing_field at tools[0].name");
  CHECK(top(R"("tools":[{"type":"web_search_20260318","max_uses":1}],)") == "none");
  CHECK(top(R"("tools":[{"name":"n","input_schema":[]}],)") ==
        "wrong_type at tools[0].input_schema");
  CHECK(top(R"("thinking":{"type":"enabled","budget_tokens":0},)") ==
        "out_of_range at thinking.budget_tokens");
  CHECK(top(R"("thinking":{"type":"enabled","type":"disabled"},)") == "duplicate_key at thinking");
  CHECK(top(R"("thinking":"on",)") == "wrong_type at thinking");
  CHECK(top(R"("output_config":{"effort":3},)") == "wrong_type at output_config.effort");
  CHECK(top(R"("output_config":{"format":{"schema":1}},)") ==
        "wrong_type at output_config.format.schema");
  CHECK(top(R"("tool_choice":"auto",)") == "wrong_type at tool_choice");
  CHECK(top(R"("metadata":{"user_id":1},)") == "wrong_type at metadata.user_id");
  CHECK(top(R"("stop_sequences":["a",1],)") == "wrong_type at stop_sequences[1]");
  CHECK(top(R"("service_tier":"auto",)") == "none");
  CHECK(top(R"("service_tier":"gold",)") == "unsupported_parameter at service_tier");
  CHECK(top(R"("inference_geo":"us",)") == "unsupported_parameter at inference_geo");
  CHECK(top(R"("inference_geo":"global",)") == "none");
}

TEST_CASE("blocks of a Messages body have the types they must have", "[dialect][anthropic]") {
  const auto fault = [](const std::string& block) {
    return refusal_of(messages_body(R"({"role":"user","content":[)" + block + "]}"));
  };
  CHECK(fault(R"({"type":"text","text":"x"})") == "none");
  CHECK(fault(R"({"type":"text"})") == "missing_field at messages[0].content[0].text");
  CHECK(fault(R"({"text":"x"})") == "missing_field at messages[0].content[0].type");
  CHECK(fault("7") == "wrong_type at messages[0].content[0]");
  CHECK(fault(R"({"type":"image"})") == "missing_field at messages[0].content[0].source");
  CHECK(fault(R"({"type":"image","source":{"type":"base64","data":5}})") ==
        "wrong_type at messages[0].content[0].source.data");
  CHECK(fault(R"({"type":"tool_use","id":"a","name":"n","input":"{}"})") ==
        "wrong_type at messages[0].content[0].input");
  CHECK(fault(R"({"type":"tool_use","id":"a","name":"n"})") ==
        "missing_field at messages[0].content[0].input");
  CHECK(fault(R"({"type":"tool_result","tool_use_id":"a"})") == "none");
  CHECK(fault(R"({"type":"tool_result","tool_use_id":"a","is_error":"yes"})") ==
        "wrong_type at messages[0].content[0].is_error");
  CHECK(fault(R"({"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":1}]})") ==
        "wrong_type at messages[0].content[0].content[0].text");
  // Nobody here reads these, whatever is in them.
  CHECK(fault(R"({"type":"web_search_tool_result","content":{"error_code":1},"id":7})") == "none");
  CHECK(fault(R"({"type":"of_next_year","text":[1,2]})") == "none");
  CHECK(refusal_of(messages_body(R"({"role":"tool","content":"x"})")) ==
        "invalid_value at messages[0].role");
  CHECK(refusal_of(messages_body(R"({"role":"user"})")) == "missing_field at messages[0].content");
  CHECK(refusal_of(messages_body(R"({"role":"system","content":"x"})")) == "none");
}

TEST_CASE("a prompt that is only counted needs no limit", "[dialect][anthropic]") {
  CHECK(refusal_of(R"({"model":"m","messages":[{"role":"user","content":"x"}],"tools":[]})",
                   Purpose::count) == "none");
}

// ---- blocks -----------------------------------------------------------------------------------

TEST_CASE("system blocks keep their boundaries, the billing block goes", "[dialect][anthropic]") {
  const auto result = read(messages_body(
      hello,
      R"("system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.330;"},)"
      R"({"type":"text","text":"First"},)"
      R"({"type":"text","text":"Second","cache_control":{"type":"ephemeral"}}],)"));
  const auto& request = result->request;
  REQUIRE(request.messages.size() == 2);
  CHECK(request.messages[0].role == ir::Role::system);
  REQUIRE(request.messages[0].blocks.size() == 2);
  CHECK(block<ir::Text>(request, 0, 0).text == "First");
  CHECK_FALSE(block<ir::Text>(request, 0, 0).cache);
  CHECK(block<ir::Text>(request, 0, 1).cache);
  CHECK(lost(request).empty());
}

TEST_CASE("thinking, text and calls keep their order; results come before the user's words",
          "[dialect][anthropic]") {
  const auto result = read(messages_body(
      R"({"role":"user","content":"Go"},{"role":"assistant","content":[)"
      R"({"type":"thinking","thinking":"Hm","signature":"sig"},{"type":"text","text":"A"},)"
      R"({"type":"tool_use","id":"t1","name":"ls","input":{"a": 1.0}},)"
      R"({"type":"redacted_thinking","data":"enc"},)"
      R"({"type":"tool_use","id":"t2","name":"cat","input":{}}]},)"
      R"({"role":"user","content":[{"type":"text","text":"note"},)"
      R"({"type":"tool_result","tool_use_id":"t1","content":"out"},)"
      R"({"type":"tool_result","tool_use_id":"t2","is_error":true,"content":[)"
      R"({"type":"text","text":"bad"},{"type":"image","source":{"type":"base64","media_type":"image/JPG","data":"AAAA"}},)"
      R"({"type":"tool_reference","tool_name":"WebFetch"},)"
      R"({"type":"search_result","source":"https://s","title":"T","content":[{"type":"text","text":"p"}]}]}]})"));
  const auto& request = result->request;
  REQUIRE(request.messages.size() == 5);
  CHECK(block<ir::Reasoning>(request, 1, 0).text == "Hm");
  CHECK(block<ir::Reasoning>(request, 1, 0).signature == "sig");
  CHECK(block<ir::Text>(request, 1, 1).text == "A");
  CHECK(block<ir::ToolCall>(request, 1, 2).arguments == R"({"a": 1.0})");
  CHECK(block<ir::Reasoning>(request, 1, 3).redacted);
  CHECK(block<ir::Reasoning>(request, 1, 3).signature == "enc");
  CHECK(block<ir::ToolCall>(request, 1, 4).name == "cat");
  CHECK(request.messages[2].role == ir::Role::tool);
  CHECK(block<ir::ToolResult>(request, 2, 0).id == "t1");
  const auto& failed = block<ir::ToolResult>(request, 3, 0);
  CHECK(failed.is_error);
  REQUIRE(failed.parts.size() == 4);
  CHECK(std::get<ir::Text>(failed.parts[0]).text == "bad");
  CHECK(std::get<ir::Media>(failed.parts[1]).mime == "image/jpeg");
  CHECK(std::get<ir::Text>(failed.parts[2]).text == "Tool WebFetch is now available.");
  CHECK(std::get<ir::Text>(failed.parts[3]).text == "T\nhttps://s\n\np");
  CHECK(request.messages[4].role == ir::Role::user);
  CHECK(block<ir::Text>(request, 4, 0).text == "note");
}

TEST_CASE("documents become documents, their texts texts", "[dialect][anthropic]") {
  const auto result = read(messages_body(
      R"({"role":"user","content":[{"type":"document","title":"a.pdf","context":"Read it.",)"
      R"("source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}},)"
      R"({"type":"document","source":{"type":"url","url":"https://x/y.pdf"}},)"
      R"({"type":"document","title":"N","citations":{"enabled":true},"source":{"type":"text","media_type":"text/plain","data":"plain"}},)"
      R"({"type":"document","source":{"type":"content","content":[{"type":"text","text":"inner"}]}}]})"));
  const auto& request = result->request;
  CHECK(block<ir::Text>(request, 0, 0).text == "Read it.");
  CHECK(block<ir::Media>(request, 0, 1).kind == ir::Media::Kind::document);
  CHECK(block<ir::Media>(request, 0, 1).filename == "a.pdf");
  CHECK(block<ir::Media>(request, 0, 2).url == "https://x/y.pdf");
  CHECK(block<ir::Text>(request, 0, 3).text == "N\n\nplain");
  CHECK(block<ir::Text>(request, 0, 4).text == "inner");
  CHECK(lost(request) == std::vector<std::string>{"citations"});
}

TEST_CASE("stored files go to another candidate, broken media nowhere", "[dialect][anthropic]") {
  const auto error_of = [](const std::string& source) {
    std::string body =
        messages_body(R"({"role":"user","content":[{"type":"image","source":)" + source + "}]}");
    const auto view = view_of(body);
    REQUIRE(view);
    const auto request = read_anthropic_request(body, *view);
    REQUIRE_FALSE(request);
    return request.error();
  };
  const auto stored = error_of(R"({"type":"file","file_id":"file_1"})");
  CHECK(stored.retry == Retry::next_candidate);
  CHECK(stored.param == "messages[0].content[0].source.file_id");
  CHECK(error_of(R"({"type":"url","url":"ftp://x"})").retry == Retry::never);
  CHECK(error_of(R"({"type":"base64","media_type":"image/png"})").code == "invalid_value");
}

TEST_CASE("what only the client's own vendor does is dropped by name", "[dialect][anthropic]") {
  const auto result = read(messages_body(
      R"({"role":"user","content":"Go"},{"role":"assistant","content":[)"
      R"({"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}},)"
      R"({"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]},)"
      R"({"type":"mcp_tool_use","id":"m","name":"x","input":{}},)"
      R"({"type":"compaction","content":"So far: nothing."},)"
      R"({"type":"of_next_year"},)"
      R"({"type":"text","text":"Found","citations":[{"type":"web"}]}]})",
      R"("context_management":{"edits":[]},"container":"c","mcp_servers":[{"url":"https://m"}],)"
      R"("speed":"fast","service_tier":"auto","cache_control":{"type":"ephemeral"},"diagnostics":{},)"
      R"("tools":[{"type":"web_search_20260318","name":"web_search"},)"
      R"({"name":"ls","defer_loading":true,"strict":true}],)"));
  const auto& request = result->request;
  REQUIRE(request.messages[1].blocks.size() == 2);
  CHECK(block<ir::Text>(request, 1, 0).text == "So far: nothing.");
  REQUIRE(request.tools.size() == 1);
  CHECK(request.tools[0].name == "ls");
  CHECK(lost(request) == std::vector<std::string>{
                             "citations", "context_management", "defer_loading", "mcp_servers",
                             "prompt_cache", "server_tools", "speed", "strict", "unknown_field"});
}

TEST_CASE("a Messages client's wishes are read in its own words", "[dialect][anthropic]") {
  using Mode = ir::ToolChoice::Mode;
  const auto wish = [](const std::string& more) { return read(messages_body(hello, more)); };
  const std::string tools = R"("tools":[{"name":"ls","input_schema":{"type":"object"}}],)";
  CHECK(wish(tools + R"("tool_choice":{"type":"any"},)")->request.tool_choice.mode ==
        Mode::required);
  CHECK(wish(tools + R"("tool_choice":{"type":"none"},)")->request.tool_choice.mode == Mode::none);
  const auto named = wish(
      tools + R"("tool_choice":{"type":"tool","name":"ls","disable_parallel_tool_use":true},)");
  CHECK(named->request.tool_choice.names == std::vector<std::string>{"ls"});
  CHECK_FALSE(named->request.parallel_calls);
  const auto gone = wish(tools + R"("tool_choice":{"type":"tool","name":"web_search"},)");
  CHECK(gone->request.tool_choice.mode == Mode::unset);
  CHECK(lost(gone->request) == std::vector<std::string>{"tool_choice"});

  const auto budget = wish(R"("thinking":{"type":"enabled","budget_tokens":2048},)");
  CHECK(budget->request.thinking_budget == 2048);
  CHECK(budget->request.effort == Effort::unset);
  const auto adaptive =
      wish(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"},)");
  CHECK(adaptive->request.effort == Effort::xhigh);
  CHECK(wish(R"("thinking":{"type":"disabled"},)")->request.effort == Effort::none);
  const auto formatted = wish(
      R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object","x":1.0}}},)");
  CHECK(formatted->request.format.schema == R"({"type":"object","x":1.0})");
  CHECK(wish(R"("output_format":{"type":"json_schema","schema":{}},)")->request.format.kind ==
        ir::ResponseFormat::Kind::json_schema);
  const auto plain = wish(R"("temperature":0.50,"top_k":5,"stop_sequences":["END",""],)"
                          R"("metadata":{"user_id":"u1"},"stream":true,)");
  CHECK(plain->request.sampling.temperature->raw == "0.50");
  CHECK(plain->request.sampling.top_k->raw == "5");
  CHECK(plain->request.stop == std::vector<std::string>{"END"});
  CHECK(plain->request.user == "u1");
  CHECK(plain->request.stream);
  CHECK(plain->request.output_tokens_max == 4096);
  CHECK(lost(plain->request).empty());
}

TEST_CASE("an unknown effort is refused with its place", "[dialect][anthropic]") {
  const auto outgoing =
      try_messages(messages_body(hello, R"("output_config":{"effort":"heroic"},)"), gemini());
  REQUIRE_FALSE(outgoing);
  CHECK(outgoing.error().param == "output_config.effort");
}

TEST_CASE("the user's id is told apart from the session in it", "[dialect][anthropic]") {
  const auto parts = [](std::string_view text) {
    const auto id = read_anthropic_user_id(text);
    return id.user + "|" + id.session;
  };
  CHECK(parts(R"({"device_id":"d","account_uuid":"a","session_id":"s"})") == "a|s");
  CHECK(parts(R"({"device_id":"d","account_uuid":"","session_id":"s"})") == "d|s");
  CHECK(parts("user_1_account_2_session_3") == "user_1_account_2|3");
  CHECK(parts("somebody") == "somebody|");
  CHECK(parts(R"({"device_id":)") == R"({"device_id":|)");
  CHECK(parts("") == "|");
}

// ---- crossings --------------------------------------------------------------------------------

TEST_CASE("recorded Messages requests become valid requests of other vendors", "[recorded]") {
  const std::vector<Candidate> targets = {gemini(), gemini(ThinkingStyle::gemini_budget),
                                          deepseek()};
  std::size_t translated = 0;
  for (const auto& recorded : recorded_messages()) {
    if (recorded.count_only) continue;
    for (const auto& candidate : targets) {
      INFO(recorded.name << " -> " << candidate.target());
      const auto outgoing = try_messages(recorded.body, candidate);
      if (!outgoing) FAIL(outgoing.error().message << " " << outgoing.error().param);
      CHECK(faults_of(*outgoing, candidate) == "");
      CHECK(outgoing->body.find("x-anthropic-billing-header") == std::string::npos);
      ++translated;
    }
  }
  if (translated > 0) CHECK(translated > 150);
}

}  // namespace
}  // namespace turnpike::dialect::test
