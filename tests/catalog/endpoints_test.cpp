// Providers that speak several dialects.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "catalog/catalog.hpp"
#include "catalog/endpoint.hpp"
#include "catalog/folder.hpp"
#include "turnpike/upstream.hpp"

using namespace turnpike;
using namespace turnpike::catalog;
using namespace std::chrono_literals;
using test::at;

namespace {

constexpr auto chat = Dialect::openai_chat;
constexpr auto responses = Dialect::openai_responses;
constexpr auto messages = Dialect::anthropic_messages;
constexpr auto gemini = Dialect::gemini_generate;

std::string provider(const std::string& dialect, const std::string& more = "") {
  return "[provider]\nid = \"p\"\ndialect = \"" + dialect +
         "\"\nbase_url = \"https://p.example\"\n" + more;
}

std::string further(const std::string& dialect, const std::string& more = "",
                    const std::string& path = "") {
  return "[[provider.endpoint]]\ndialect = \"" + dialect + "\"\nbase_url = \"https://p.example" +
         path + "\"\n" + more;
}

std::string model(const std::string& id, const std::string& more = "") {
  return "[[model]]\nid = \"" + id +
         "\"\ncontext_tokens = 1000\noutput_tokens_max = 100\nas_of = 2026-01-01\nsource = "
         "\"t\"\n" +
         more + "[[model.price]]\nfrom = 2026-01-01\ninput_per_mtok = 1\noutput_per_mtok = 2\n";
}

Catalog load(const std::string& file, const LoadOptions& options = {}) {
  const test::Folder folder;
  folder.write("p.toml", file);
  auto catalog = Catalog::load(folder.path(), options);
  if (!catalog) {
    for (const auto& fault : catalog.error()) UNSCOPED_INFO(to_string(fault));
    FAIL("the provider file has faults");
  }
  return std::move(*catalog);
}

std::vector<std::string> faults_of(const std::string& file) {
  const test::Folder folder;
  folder.write("p.toml", file);
  const auto catalog = Catalog::load(folder.path());
  std::vector<std::string> texts;
  if (catalog) return texts;
  for (const auto& fault : catalog.error())
    texts.push_back(to_string(fault).substr(folder.path().generic_string().size() + 1));
  return texts;
}

Candidate candidate(const Catalog& catalog, const std::string& name,
                    std::optional<Dialect> client) {
  return catalog.candidate(*catalog.find(name), at("2026-06-01"), 0s, client).value();
}

}  // namespace

TEST_CASE("a client's dialect chooses the endpoint; a dialect the provider lacks gets the main one",
          "[catalog][endpoint]") {
  const auto catalog =
      load(provider("openai-chat") + further("anthropic-messages", "", "/anthropic") +
           further("openai-responses", "", "/v2/") + model("m"));
  CHECK(candidate(catalog, "m", chat).dialect == chat);
  CHECK(candidate(catalog, "m", messages).dialect == messages);
  CHECK(candidate(catalog, "m", responses).dialect == responses);
  CHECK(candidate(catalog, "m", gemini).dialect == chat);
  CHECK(candidate(catalog, "m", std::nullopt).dialect == chat);
  CHECK(catalog.endpoint("p", chat)->base_url == "https://p.example");
  CHECK(catalog.endpoint("p", messages)->base_url == "https://p.example/anthropic");
  CHECK(catalog.endpoint("p", responses)->base_url == "https://p.example/v2");
  CHECK(catalog.endpoint("p", gemini) == nullptr);
}

TEST_CASE("no request is translated into Responses: another endpoint takes foreign clients",
          "[catalog][endpoint]") {
  const auto catalog =
      load(provider("openai-responses") + further("anthropic-messages") + model("m"));
  CHECK(candidate(catalog, "m", responses).dialect == responses);
  CHECK(candidate(catalog, "m", chat).dialect == messages);
  CHECK(candidate(catalog, "m", std::nullopt).dialect == messages);
}

TEST_CASE("a model may be served at some of its provider's endpoints only", "[catalog][endpoint]") {
  const auto endpoints = further("anthropic-messages") + further("openai-responses");
  const auto catalog = load(provider("openai-chat", endpoints) +
                            model("m", "endpoints = [\"anthropic-messages\"]\n") +
                            model("n", "endpoints = [\"openai-responses\", \"openai-chat\"]\n"));
  CHECK(candidate(catalog, "m", chat).dialect == messages);
  CHECK(candidate(catalog, "m", responses).dialect == messages);
  CHECK(candidate(catalog, "n", messages).dialect == chat);
  CHECK(candidate(catalog, "n", responses).dialect == responses);
}

TEST_CASE("a further endpoint is reached like the main one but for what it says itself",
          "[catalog][endpoint]") {
  LoadOptions options;
  options.secret_of = [](std::string_view) { return std::optional<std::string>{"secret"}; };
  const auto catalog = load(
      provider("openai-chat",
               "key_env = \"P_KEY\"\nheaders = { x-team = \"a\", x-both = \"main\" }\n"
               "http_version = \"2\"\ntimeouts = { idle_ms = 7 }\n") +
          further("anthropic-messages",
                  "auth = \"x-api-key\"\nheaders = { anthropic-version = \"2023-06-01\", x-both = "
                  "\"own\" }\n") +
          further("openai-responses") + model("m"),
      options);
  const auto main = catalog.endpoint("p", chat);
  CHECK(main->auth_prefix == "Bearer ");
  CHECK(main->headers == HeaderList{{"x-team", "a"}, {"x-both", "main"}});
  const auto own = catalog.endpoint("p", messages);
  CHECK(own->auth_header == "x-api-key");
  CHECK(own->auth_prefix.empty());
  CHECK(own->key.reveal() == "secret");
  CHECK(own->headers ==
        HeaderList{{"x-team", "a"}, {"anthropic-version", "2023-06-01"}, {"x-both", "own"}});
  CHECK(own->version == HttpVersion::http2);
  CHECK(own->timeouts.idle == 7ms);
  CHECK(catalog.endpoint("p", responses)->auth_prefix == "Bearer ");
}

TEST_CASE("beta flags pass to providers of the Messages API and to no other, unless a file says so",
          "[catalog][endpoint]") {
  const auto first_party =
      load(provider("anthropic-messages", "beta_exceptions = [\"old-2024\"]\n") + model("m"));
  CHECK(candidate(first_party, "m", messages).betas_passed);
  CHECK(candidate(first_party, "m", messages).betas_excepted ==
        std::vector<std::string>{"old-2024"});

  const auto other = load(provider("openai-chat") + further("anthropic-messages") + model("m"));
  CHECK_FALSE(candidate(other, "m", messages).betas_passed);
  CHECK_FALSE(candidate(other, "m", chat).betas_passed);

  const auto told =
      load(provider("openai-chat") +
           further("anthropic-messages", "betas = \"pass\"\nbeta_exceptions = [\"a\", \"b\"]\n") +
           model("m"));
  CHECK(candidate(told, "m", messages).betas_passed);
  CHECK(candidate(told, "m", messages).betas_excepted == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(candidate(told, "m", chat).betas_passed);
  CHECK(candidate(told, "m", chat).betas_excepted.empty());
}

TEST_CASE("a quirk that an endpoint does not have is off there alone", "[catalog][endpoint]") {
  const auto catalog =
      load(provider("openai-chat") +
           further("openai-responses", "quirks_off = [\"json_schema_by_instruction\"]\n") +
           model("m", "quirks = [\"json_schema_by_instruction\", \"reasoning_history\"]\n"));
  CHECK_FALSE(candidate(catalog, "m", chat).quirks.json_schema_native);
  CHECK(candidate(catalog, "m", responses).quirks.json_schema_native);
  CHECK(candidate(catalog, "m", responses).quirks.reasoning_history);
}

TEST_CASE("counting is expected of a provider's main API, of an imitation only if its file says so",
          "[catalog][endpoint]") {
  const auto counts = [](const std::string& file, Dialect client) {
    return candidate(load(file + model("m")), "m", client).counts_tokens;
  };
  CHECK(counts(provider("anthropic-messages"), messages));
  CHECK(counts(provider("gemini-generate"), gemini));
  CHECK_FALSE(counts(provider("openai-chat"), chat));
  CHECK_FALSE(counts(provider("anthropic-messages", "count_tokens = false\n"), messages));
  const auto imitation = provider("openai-chat") + further("anthropic-messages");
  CHECK_FALSE(counts(imitation, messages));
  CHECK(counts(imitation + "count_tokens = true\n", messages));
  CHECK_FALSE(counts(imitation + "count_tokens = true\n", chat));
}

TEST_CASE("faults of endpoints are told where they stand", "[catalog][endpoint]") {
  CHECK(faults_of(provider("openai-responses") + model("m")) ==
        std::vector<std::string>{
            "p.toml:3:11: [provider]: a provider that speaks openai-responses needs a second "
            "endpoint ([[provider.endpoint]]) of dialect openai-chat, anthropic-messages or "
            "gemini-generate for the clients of other dialects"});
  CHECK(faults_of(provider("openai-chat") + further("openai-chat") + model("m")) ==
        std::vector<std::string>{"p.toml:6:11: [[provider.endpoint]]: the provider has an endpoint "
                                 "of dialect \"openai-chat\" already"});
  CHECK(faults_of(provider("openai-chat") +
                  "[[provider.endpoint]]\ndialect = \"anthropic\"\nbase_url = "
                  "\"http://elsewhere.example\"\nbetas = \"drop\"\nquirks_off = [\"nothing\"]\n"
                  "key_env = \"X\"\n" +
                  model("m")) ==
        std::vector<std::string>{
            "p.toml:6:11: [[provider.endpoint]]: unknown dialect \"anthropic\"; known: "
            "openai-chat, openai-responses, anthropic-messages, gemini-generate",
            "p.toml:7:12: [[provider.endpoint]]: base_url is plain http to another machine; use "
            "https, "
            "or set insecure_http = true",
            "p.toml:8:9: [[provider.endpoint]]: \"betas\" cannot be \"drop\"; known: pass, strip",
            "p.toml:9:14: [[provider.endpoint]]: unknown quirks_off \"nothing\"",
            "p.toml:10:1: [[provider.endpoint]]: unknown key \"key_env\""});
  const auto both = provider("openai-chat") + further("openai-responses");
  CHECK(faults_of(both + model("m", "endpoints = [\"gemini-generate\", \"openai-responses\"]\n")) ==
        std::vector<std::string>{
            "p.toml:14:13: model \"m\": provider \"p\" has no endpoint of dialect "
            "\"gemini-generate\"; it has: openai-chat, openai-responses"});
  CHECK(faults_of(both + model("m", "endpoints = [\"openai-responses\"]\n")) ==
        std::vector<std::string>{
            "p.toml:14:13: model \"m\": \"endpoints\" must name another dialect than "
            "openai-responses too, for the clients of other dialects"});
}

TEST_CASE("an override moves every endpoint and keeps the paths between them",
          "[catalog][endpoint]") {
  const std::string simulator = "http://127.0.0.1:9";
  CHECK(overridden_base_url("https://a", "https://a/anthropic", simulator) ==
        simulator + "/anthropic");
  CHECK(overridden_base_url("https://a/", "https://a/anthropic/", simulator + "/") ==
        simulator + "/anthropic");
  CHECK(overridden_base_url("https://a", "https://a", simulator) == simulator);
  CHECK(overridden_base_url("https://a/v1", "https://a/v1/anthropic", simulator + "/x") ==
        simulator + "/x/anthropic");
  CHECK(overridden_base_url("https://a/v1", "https://a/anthropic", simulator + "/v1") ==
        simulator + "/anthropic");
  CHECK(overridden_base_url("https://a/v1", "https://a", simulator + "/v1") == simulator);
  CHECK(overridden_base_url("https://a/v1", "https://b/v11", simulator) == simulator + "/v11");

  LoadOptions options;
  options.base_url_overrides.emplace("deepseek", simulator);
  const auto catalog =
      Catalog::load(std::filesystem::path{TURNPIKE_SOURCE_DIR} / "providers", options).value();
  CHECK(catalog.endpoint("deepseek", chat)->base_url == simulator);
  CHECK(catalog.endpoint("deepseek", messages)->base_url == simulator + "/anthropic");
  CHECK(catalog.endpoint("deepseek", responses)->base_url == simulator);
}
