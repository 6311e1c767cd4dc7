// What a client may try at the gateway's own door: keys that are none, hosts of its own, models
// named in prompts, names that are no names.
#include <set>

#include "dialect/detect.hpp"
#include "gateway/bench.hpp"
#include "wire/json_check.hpp"

using namespace turnpike;
using namespace turnpike::gateway::testing;
using turnpike::account::KeyChange;
using turnpike::account::NewKey;

namespace {

RequestHead with_key(const Bench& bench, HeaderList keys,
                     const std::string& path = "/v1/chat/completions") {
  auto head = bench.head("POST", path);
  head.headers = {{"host", "x"}, {"content-type", "application/json"}};
  for (auto& field : keys) head.headers.push_back(std::move(field));
  return head;
}

WholeReply refusal(Bench& bench, const RequestHead& head) {
  auto verdict = bench.gateway->on_head(head);
  REQUIRE_FALSE(verdict);
  return std::move(verdict.error());
}

Script whole_script() {
  Script script;
  script.head.content_type = "application/json";
  script.chunks = {whole_answer};
  return script;
}

bool clean(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// One path for every endpoint. No default: an endpoint that is added is looked at here.
std::string path_of(dialect::Endpoint endpoint) {
  using dialect::Endpoint;
  switch (endpoint) {
    case Endpoint::chat_completions:
      return "/v1/chat/completions";
    case Endpoint::models:
      return "/v1/models";
    case Endpoint::model:
      return "/v1/models/cheap/small";
    case Endpoint::root:
      return "/";
    case Endpoint::health:
      return "/healthz";
    case Endpoint::ready:
      return "/readyz";
    case Endpoint::messages:
      return "/v1/messages";
    case Endpoint::count_tokens:
      return "/v1/messages/count_tokens";
    case Endpoint::responses:
      return "/v1/responses";
    case Endpoint::gemini_models:
      return "/v1beta/models";
    case Endpoint::gemini_model:
      return "/v1beta/models/auto";
    case Endpoint::gemini_generate:
      return "/v1beta/models/auto:generateContent";
    case Endpoint::gemini_stream:
      return "/v1beta/models/auto:streamGenerateContent";
    case Endpoint::gemini_count:
      return "/v1beta/models/auto:countTokens";
    case Endpoint::unknown:
      return "/v1/embeddings";
  }
  return {};
}

/// Claude behind the first tier: counts tokens itself, knows no second candidate.
constexpr const char* claude_like = R"(
[provider]
id = "cheap"
dialect = "anthropic-messages"
base_url = "http://127.0.0.1:1"
[[model]]
id = "small"
family = "small"
context_tokens = 100000
output_tokens_max = 1000
capabilities = ["tools", "parallel_tools", "json_schema", "reasoning"]
as_of = 2026-11-22
source = "test"
price = [{ from = 2026-01-01, input_per_mtok = "1", output_per_mtok = "2" }]
)";

/// How many calls to providers a request makes; each has its reserve and its end in the journal.
std::size_t calls_for(Bench& bench, const std::string& method, const std::string& path,
                      const std::string& body) {
  ClientRequest request;
  request.head = bench.head(method, path);
  if (path.ends_with(":streamGenerateContent")) request.head.query = "alt=sse";
  const auto admitted = bench.gateway->on_head(request.head);
  if (!admitted) return 0;
  request.admission = *admitted;
  request.body = body;
  request.body.reserve(body.size() + 64);
  // Nobody answers; the failures of one endpoint's calls must not eject the backend that another one is to reach.
  for (const auto& described : bench.snapshot->catalog.providers()) bench.backends->enable(described, 0);
  const auto sent = bench.upstream->sent.size();
  const auto entries = bench.figures().entries;
  RecordingSink sink;
  asio::co_spawn(bench.loop, bench.gateway->handle(std::move(request), sink), asio::detached);
  bench.run();
  const auto calls = bench.upstream->sent.size() - sent;
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().reserved.nano() == 0);
  CHECK(static_cast<std::size_t>(bench.figures().entries - entries) >= 2 * calls);
  return calls;
}

}  // namespace

TEST_CASE("A1: whatever is wrong with a key, the answer is the identical 401", "[gateway][A1]") {
  Bench bench;
  NewKey wanted;
  wanted.name = "short";
  wanted.org = "acme";
  wanted.expires = bench.clock.now() + std::chrono::hours{1};
  const auto expired = bench.ledger->create_key(wanted).value();
  wanted.expires.reset();
  const auto revoked = bench.ledger->create_key(wanted).value();
  const auto disabled = bench.ledger->create_key(wanted).value();
  bench.clock.advance(std::chrono::hours{2});
  REQUIRE(bench.ledger->revoke_key(revoked.id, "test"));
  KeyChange off;
  off.disabled = true;
  REQUIRE(bench.ledger->change_key(disabled.id, off, "test"));

  const std::string unknown = "tp_000000000000_" + std::string(39, 'x');
  const std::string wrong =
      bench.key.substr(0, bench.key.size() - 1) + (bench.key.ends_with('x') ? "y" : "x");
  for (const std::string path : {"/v1/chat/completions", "/v1/messages", "/v1/responses",
                                 "/v1beta/models/auto:generateContent"}) {
    INFO(path);
    const auto none = refusal(bench, with_key(bench, {}, path));
    CHECK(none.head.status == 401);
    CHECK_FALSE(none.body.empty());
    for (const auto& key : {std::string{"x"}, std::string{"tp_"}, unknown, wrong,
                            expired.key.reveal(), revoked.key.reveal(), disabled.key.reveal()}) {
      for (const auto& field : HeaderList{
               {"authorization", "Bearer " + key}, {"x-api-key", key}, {"x-goog-api-key", key}}) {
        const auto reply = refusal(bench, with_key(bench, {field}, path));
        CHECK(reply.head.status == none.head.status);
        CHECK(reply.head.content_type == none.head.content_type);
        CHECK(reply.head.headers == none.head.headers);
        CHECK(reply.body == none.body);
        CHECK(reply.close == none.close);
      }
    }
  }
  CHECK(bench.upstream->sent.empty());
}

TEST_CASE("A2: keys that differ between headers are a 400 that quotes neither", "[gateway][A2]") {
  Bench bench;
  const HeaderList mine{{"authorization", "Bearer " + bench.key}};
  for (const std::string name : {"x-api-key", "x-goog-api-key", "api-key"}) {
    auto fields = mine;
    fields.emplace_back(name, "sk-other-secret");
    const auto reply = refusal(bench, with_key(bench, fields));
    CHECK(reply.head.status == 400);
    CHECK(reply.body.find("conflicting_credentials") != std::string::npos);
    CHECK(reply.body.find(bench.key) == std::string::npos);
    CHECK(reply.body.find("sk-other-secret") == std::string::npos);
    fields.back().second = bench.key;
    CHECK(bench.gateway->on_head(with_key(bench, fields)));
  }
  CHECK(refusal(bench, with_key(bench, {{"authorization", "Bearer " + bench.key},
                                        {"authorization", "Bearer other"}}))
            .head.status == 400);
}

TEST_CASE("A3: keys made of quotes, SQL, control bytes and 64 KiB are refused like any other",
          "[gateway][A3]") {
  Bench bench;
  const auto none = refusal(bench, with_key(bench, {}));
  const SystemClock clock;
  for (const auto& key : {std::string{"' OR '1'='1"}, std::string{"tp_'; DROP TABLE keys; --_x"},
                          std::string{"\"\\\x01\n"}, std::string(65'536, '\''),
                          "tp_" + std::string(65'536, '0') + "_" + std::string(65'536, 'x'),
                          "tp_" + bench.key_id + "_" + std::string(65'536, 'x')}) {
    const auto begun = clock.monotonic();
    constexpr int rounds = 50;
    for (int i = 0; i < rounds; ++i)
      CHECK(refusal(bench, with_key(bench, {{"x-api-key", key}})).body == none.body);
    const std::chrono::duration<double, std::milli> took = clock.monotonic() - begun;
    WARN(key.size() << " bytes of key: " << took.count() / rounds << " ms");
    CHECK(took.count() / rounds < 20);  // the bar is 1 ms on an idle machine
  }
}

TEST_CASE("A6: no field and no header names the host that answers", "[gateway][A6]") {
  Bench bench;
  for (const std::string name :
       {"api_base", "base_url", "baseURL", "apiBase", "API-BASE", "api_url", "api_host",
        "azure_endpoint", "api_endpoint", "custom_host"}) {
    for (const auto& [path, body] : std::map<std::string, std::string>{
             {"/v1/chat/completions",
              R"({"model":"auto","messages":[{"role":"user","content":"x"}],)"},
             {"/v1/messages",
              R"({"model":"auto","max_tokens":9,"messages":[{"role":"user","content":"x"}],)"},
             {"/v1/responses", R"({"model":"auto","input":"x",)"},
             {"/v1beta/models/auto:generateContent",
              R"({"contents":[{"parts":[{"text":"x"}]}],)"}}) {
      INFO(path << " " << name);
      const auto sink = bench.ask(body + "\"" + name + "\":\"https://elsewhere.example\"}", path);
      CHECK(sink.head.status == 400);
      CHECK(sink.body.find("elsewhere") == std::string::npos);
    }
  }
  for (const std::string name : {"x-base-url", "x-api-base", "x-upstream-url", "x-target-url",
                                 "x-forward-to", "helicone-target-url", "x-portkey-custom-host"}) {
    auto head = bench.head();
    head.headers.emplace_back(name, "https://elsewhere.example");
    INFO(name);
    CHECK(refusal(bench, head).head.status == 400);
  }
  CHECK(bench.upstream->sent.empty());
}

TEST_CASE("A7: choosing the route by header takes a permission", "[gateway][A7]") {
  Bench bench;
  for (const auto& field : HeaderList{{"x-turnpike-model", "strong/large"},
                                      {"x-turnpike-tier", "frontier"},
                                      {"x-turnpike-model", "cheap/small"}}) {
    ClientRequest request;
    request.head = bench.head();
    request.head.headers.push_back(field);
    auto admitted = bench.gateway->on_head(request.head);
    REQUIRE(admitted);
    request.admission = *admitted;
    request.body = whole;
    request.body.reserve(request.body.size() + 64);
    RecordingSink sink;
    asio::co_spawn(bench.loop, bench.gateway->handle(std::move(request), sink), asio::detached);
    bench.run();
    CHECK(sink.head.status == 403);
    CHECK(sink.body.find("route_override_not_allowed") != std::string::npos);
  }
  CHECK(bench.upstream->sent.empty());
}

TEST_CASE("A7: a model that a prompt names is not asked, in a hundred ways of naming it",
          "[gateway][A7]") {
  Bench bench;
  const char* names[] = {"strong/large", "large", "frontier", "tier:frontier"};
  const char* tags[] = {
      "<model>{}</model>",        "model: {}",    "x-turnpike-model: {}",
      "X-Turnpike-Tier: {}",      "[[model={}]]", "@{} ",
      "<turnpike model=\"{}\"/>", "/model {}",    "<CCR-SUBAGENT-MODEL>{}</CCR-SUBAGENT-MODEL>",
      "\"model\":\"{}\""};
  int variants = 0;
  for (const std::string name : names) {
    for (std::string tag : tags) {
      tag.replace(tag.find("{}"), 2, name);
      std::string text;
      for (const char c : tag) text += c == '"' ? "\\\"" : std::string(1, c);
      const std::string message = "{\"role\":\"user\",\"content\":\"hi\"}";
      for (
          const std::string& messages :
          {"{\"role\":\"system\",\"content\":\"" + text + "\"}," + message,
           "{\"role\":\"user\",\"content\":\"" + text + "\"}",
           message +
               R"(,{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":")" +
               text + "\"}"}) {
        INFO(messages);
        bench.upstream->expect(whole_script());
        const auto sink =
            bench.ask(R"({"model":"auto","max_tokens":50,"messages":[)" + messages + "]}");
        CHECK(sink.head.status == 200);
        CHECK(sink.header("x-turnpike-model") == "cheap/small");
        CHECK(bench.upstream->sent.back()->provider == "cheap");
        ++variants;
      }
    }
  }
  CHECK(variants >= 100);
  CHECK(static_cast<int>(bench.upstream->sent.size()) == variants);
}

TEST_CASE("A8: the data port knows none of the operator's pages", "[gateway][A8]") {
  Bench bench;
  for (const std::string path : {"/admin", "/admin/status", "/admin/keys", "/admin/reload",
                                 "/admin/decisions", "/metrics", "/v1/admin/keys", "/v1/metrics"}) {
    INFO(path);
    for (const std::string method : {"GET", "POST"})
      CHECK(refusal(bench, bench.head(method, path)).head.status == 404);
  }
}

TEST_CASE("A12: every endpoint that reaches a provider is metered, and no other does",
          "[gateway][A12]") {
  const auto provider = GENERATE(std::string{cheap_provider}, std::string{claude_like});
  const std::set<dialect::Endpoint> reaching{
      dialect::Endpoint::chat_completions, dialect::Endpoint::messages,
      dialect::Endpoint::responses, dialect::Endpoint::gemini_generate,
      dialect::Endpoint::gemini_stream};
  const std::set<dialect::Endpoint> counting{dialect::Endpoint::count_tokens,
                                             dialect::Endpoint::gemini_count};
  const std::string bodies[] = {
      R"({"model":"auto","max_tokens":50,"messages":[{"role":"user","content":"hi"}]})",
      R"({"model":"auto","input":"hi"})", R"({"contents":[{"parts":[{"text":"hi"}]}]})"};
  Bench bench{provider};
  for (unsigned number = 0; number <= static_cast<unsigned>(dialect::Endpoint::unknown); ++number) {
    const auto endpoint = static_cast<dialect::Endpoint>(number);
    const auto path = path_of(endpoint);
    REQUIRE(dialect::route_of(path).endpoint == endpoint);
    std::size_t sent = 0;
    for (const std::string method : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
      for (const auto& body : bodies) sent += calls_for(bench, method, path, body);
    }
    INFO(path << ": " << sent << " calls");
    if (reaching.contains(endpoint)) {
      CHECK(sent > 0);
    } else if (counting.contains(endpoint)) {
      CHECK((sent > 0) ==
            (provider == claude_like));  // who counts for itself is asked, and metered
    } else {
      CHECK(sent == 0);
    }
  }
}

TEST_CASE("H7: methods other than the path's own are 405 with Allow", "[gateway][H7]") {
  Bench bench;
  for (const std::string method : {"get", "post", "Post", "BREW", "DELETE", "PUT", "OPTIONS"}) {
    const auto reply = refusal(bench, bench.head(method));
    INFO(method);
    CHECK(reply.head.status == 405);
    const auto allow =
        std::ranges::find(reply.head.headers, std::string{"allow"}, &HeaderList::value_type::first);
    REQUIRE(allow != reply.head.headers.end());
    CHECK(allow->second == "POST");
  }
}

TEST_CASE("J3, J5: what is not one JSON object in UTF-8 is a 400 and reaches nobody",
          "[gateway][J3][J5]") {
  Bench bench;
  const std::string good = whole;
  for (const std::string& body :
       {good + "x", good + good, std::string{"NaN"}, std::string{R"({"model":NaN,"messages":[]})"},
        "/* c */" + good, "// c\n" + good, "\xef\xbb\xbf" + good, std::string{}, std::string{" "},
        std::string{"null"}, std::string{"[]"}, "[" + good + "]", std::string{"\"x\""},
        std::string{"{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}"},
        std::string{
            "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"\xc0\xaf\"}]}"},
        std::string{
            "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"\xed\xa0\x80\"}]}"},
        std::string{"{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}"},
        std::string{R"({"model":"auto\ud800","messages":[{"role":"user","content":"x"}]})"}}) {
    const auto sink = bench.ask(body);
    INFO(body.substr(0, 60));
    CHECK(sink.head.status == 400);
    CHECK_FALSE(wire::check_json(sink.body, 64).fault);
  }
  CHECK(bench.upstream->sent.empty());
}

TEST_CASE("J3: half a surrogate pair in a message becomes U+FFFD at the provider",
          "[gateway][J3]") {
  Bench bench;
  bench.upstream->expect(whole_script());
  CHECK(
      bench
          .ask(
              R"({"model":"auto","max_tokens":50,"messages":[{"role":"user","content":"cut \ud800 here"}]})")
          .head.status == 200);
  const auto& body = bench.upstream->sent.at(0)->body;
  CHECK((body.find("cut \\ufffd here") != std::string::npos ||
         body.find("cut \xef\xbf\xbd here") != std::string::npos));
}

TEST_CASE("J7: bodies of other types and codings are 415", "[gateway][J7]") {
  Bench bench;
  const auto status = [&](const std::string& name, const std::string& value) {
    auto head = bench.head();
    std::erase_if(head.headers, [&](const auto& field) { return field.first == name; });
    head.headers.emplace_back(name, value);
    const auto verdict = bench.gateway->on_head(head);
    return verdict ? 0 : verdict.error().head.status;
  };
  for (const std::string type :
       {"text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded", "application/jsonp", "json"})
    CHECK(status("content-type", type) == 415);
  for (const std::string type :
       {"application/json", "Application/JSON", "application/json; charset=UTF-8",
        "application/json;charset=\"utf-8\"", ""})
    CHECK(status("content-type", type) == 0);
  for (const std::string coding :
       {"gzip", "br", "deflate", "zstd", "gzip, identity", "identity, gzip"})
    CHECK(status("content-encoding", coding) == 415);
  CHECK(status("content-encoding", "identity") == 0);
}

TEST_CASE("J10: control bytes in a model's name come back escaped and go nowhere",
          "[gateway][J10]") {
  Bench bench;
  const std::string evil = R"(a\n\u0000\r\nx-evil: 1\u001b[31m)";
  for (const auto& [path, body] : std::map<std::string, std::string>{
           {"/v1/chat/completions",
            R"({"model":")" + evil + R"(","messages":[{"role":"user","content":"x"}]})"},
           {"/v1/messages", R"({"model":")" + evil +
                                R"(","max_tokens":9,"messages":[{"role":"user","content":"x"}]})"},
           {"/v1/responses", R"({"model":")" + evil + R"(","input":"x"})"},
           {"/v1beta/models/a%0Ab%00%0D%0Ax-evil:%201:generateContent",
            R"({"contents":[{"parts":[{"text":"x"}]}]})"},
           {"/v1beta/models/" + std::string(300, 'm') + ":generateContent",
            R"({"contents":[{"parts":[{"text":"x"}]}]})"}}) {
    INFO(path);
    const auto sink = bench.ask(body, path);
    CHECK(sink.head.status == 400);
    CHECK(clean(sink.body));
    CHECK_FALSE(wire::check_json(sink.body, 64).fault);
    for (const auto& [name, value] : sink.head.headers) CHECK(clean(name + value));
  }
  const auto unknown =
      bench.ask(R"({"model":"\"<b>\\\u2028","messages":[{"role":"user","content":"x"}]})");
  CHECK(unknown.head.status == 404);
  CHECK_FALSE(wire::check_json(unknown.body, 64).fault);
  CHECK(bench.upstream->sent.empty());
}

TEST_CASE("a count asks for no candidates, and its verb may be escaped", "[gateway]") {
  Bench bench{claude_like};
  const auto counted = bench.ask(
      R"({"contents":[{"parts":[{"text":"How many?"}]}],"generationConfig":{"candidateCount":3}})",
      "/v1beta/models/auto:countTokens");
  CHECK(counted.head.status == 200);
  CHECK(counted.body.starts_with(R"({"totalTokens":)"));
  CHECK(bench
            .ask(R"({"contents":[{"parts":[{"text":"How many?"}]}]})",
                 "/v1beta/models/auto%3AcountTokens")
            .head.status == 200);
}
