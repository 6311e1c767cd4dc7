#include "catalog/catalog.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "catalog/endpoint.hpp"
#include "catalog/folder.hpp"
#include "turnpike/upstream.hpp"

using namespace turnpike;
using namespace turnpike::catalog;
using namespace std::chrono_literals;
using test::at;

namespace {

std::string provider(const std::string& id, const std::string& more = "") {
  return "[provider]\nid = \"" + id + "\"\ndialect = \"openai-chat\"\nbase_url = \"https://" + id +
         ".example/v1/\"\n" + more;
}

std::string model(const std::string& id, const std::string& more = "") {
  return "[[model]]\nid = \"" + id +
         "\"\ncontext_tokens = 1000\noutput_tokens_max = 100\nas_of = 2026-01-01\nsource = "
         "\"t\"\n" +
         more + "[[model.price]]\nfrom = 2026-01-01\ninput_per_mtok = 1\noutput_per_mtok = 2\n";
}

std::vector<std::string> faults_of(const test::Folder& folder, const LoadOptions& options = {}) {
  const auto catalog = Catalog::load(folder.path(), options);
  const auto& faults = catalog ? catalog->warnings() : catalog.error();
  std::vector<std::string> texts;
  const auto prefix = folder.path().generic_string() + "/";
  for (const auto& fault : faults) {
    auto text = to_string(fault);
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace

TEST_CASE("a model is found by its target, its id and its alias, unless two share the name",
          "[catalog]") {
  const test::Folder folder;
  folder.write("a.toml",
               provider("a") + model("m1", "aliases = [\"one\", \"both\"]\n") + model("shared"));
  folder.write("b.toml", provider("b") + model("m2", "aliases = [\"both\"]\n") + model("shared"));
  const auto catalog = Catalog::load(folder.path()).value();
  REQUIRE(catalog.find("a/m1") != nullptr);
  CHECK(catalog.find("m1") == catalog.find("a/m1"));
  CHECK(catalog.find("one") == catalog.find("a/m1"));
  CHECK(catalog.find("a/one") == catalog.find("a/m1"));
  CHECK(catalog.find("both") == nullptr);
  CHECK(catalog.find("shared") == nullptr);
  CHECK(catalog.find("b/shared")->provider == "b");
  CHECK(catalog.find("b/m1") == nullptr);
  CHECK(catalog.find("") == nullptr);
  const auto names = catalog.names();
  CHECK(std::find(names.begin(), names.end(), "both") == names.end());
  CHECK(std::find(names.begin(), names.end(), "one") != names.end());
}

TEST_CASE("a list of keys that names none is a fault", "[catalog]") {
  const test::Folder folder;
  folder.write("a.toml", provider("a", "keys = []\n") + model("m1"));
  CHECK(faults_of(folder) ==
        std::vector<std::string>{"a.toml:5:8: [provider]: \"keys\" names no key; leave it out "
                                 "where the provider needs none"});
}

TEST_CASE("all faults of a provider file come together, each at its place", "[catalog]") {
  const test::Folder folder;
  folder.write("bad.toml", R"([provider]
id = "p"
dialect = "openai-chatt"
base_url = "http://elsewhere.example"
key_envv = "X"
[[model]]
id = "m"
context_tokens = 0
output_tokens_max = 10
capabilities = ["tool"]
thinking = "loud"
as_of = 2026-01-01
source = "t"
[[model.price]]
from = 2026-02-01
input_per_mtok = "-1"
output_per_mtok = "0.0000001"
[[model.price]]
from = 2026-01-01
until = 2026-03-01
input_per_mtok = 1
outputs_per_mtok = 1
)");
  CHECK(faults_of(folder) ==
        std::vector<std::string>{
            "bad.toml:3:11: [provider]: unknown dialect \"openai-chatt\"; known: openai-chat, "
            "openai-responses, anthropic-messages, gemini-generate",
            "bad.toml:4:12: [provider]: base_url is plain http to another machine; use https, or "
            "set insecure_http = true",
            "bad.toml:5:1: [provider]: unknown key \"key_envv\" (nearest: \"key_env\")",
            "bad.toml:8:18: model \"m\": \"context_tokens\" must be at least 1",
            "bad.toml:10:16: model \"m\": unknown capabilities \"tool\" (nearest: \"tools\")",
            "bad.toml:11:12: model \"m\": unknown thinking style \"loud\"",
            "bad.toml:14:1: price p/m@2026-02-01 overlaps price p/m@2026-01-01",
            "bad.toml:16:18: price p/m@2026-02-01: \"input_per_mtok\": a price cannot be negative",
            "bad.toml:17:19: price p/m@2026-02-01: \"output_per_mtok\": the price is not a whole "
            "number of pico-credits",
            "bad.toml:18:1: price p/m@2026-01-01: \"output_per_mtok\" is missing",
            "bad.toml:22:1: price p/m@2026-01-01: unknown key \"outputs_per_mtok\" (nearest: "
            "\"output_per_mtok\")",
        });
}

TEST_CASE("faults across files are found", "[catalog]") {
  const test::Folder folder;
  folder.write("a.toml", provider("a") + model("m", "successor = \"a/n\"\n") + model("m"));
  folder.write("b.toml", provider("a"));
  folder.write("c.toml", model("x", "provider = \"aa\"\n") + model("y"));
  CHECK(faults_of(folder) ==
        std::vector<std::string>{
            "a.toml:11:13: model \"m\": successor \"a/n\" is not in providers/ (nearest: \"a/m\")",
            "a.toml:16:1: model a/m is described twice",
            "b.toml:1:1: provider \"a\" is described twice",
            "c.toml:7:12: model \"x\" names provider \"aa\", not in providers/ (nearest: \"a\")",
            "c.toml:12:1: model \"y\": \"provider\" is missing, and the file has no [provider]",
        });
}

TEST_CASE("windows and tiers are checked", "[catalog]") {
  const test::Folder folder;
  folder.write("p.toml", provider("p", "[holidays]\ncn = [2026-01-01]\n") + model("m") +
                             R"([[model.price.window]]
name = "peak"
days = ["monday"]
utc = ["10:00-09:00", "1:00-2:00", "08:00-25:00"]
except = ["china"]
input_per_mtok = 1
output_per_mtok = 1
[[model.price.tier]]
prompt_tokens_above = 200
[[model.price.tier]]
prompt_tokens_above = 100
)");
  const auto faults = faults_of(folder);
  REQUIRE(faults.size() == 6);
  CHECK(std::count_if(faults.begin(), faults.end(), [](const auto& f) {
          return f.find("\"utc\" must hold ranges") != f.npos;
        }) == 3);
  CHECK(std::count_if(faults.begin(), faults.end(),
                      [](const auto& f) { return f.find("\"monday\" is no day") != f.npos; }) == 1);
  CHECK(std::count_if(faults.begin(), faults.end(),
                      [](const auto& f) { return f.find("no list \"china\"") != f.npos; }) == 1);
  CHECK(std::count_if(faults.begin(), faults.end(),
                      [](const auto& f) { return f.find("tiers must rise") != f.npos; }) == 1);
}

TEST_CASE("an empty or missing folder is a fault", "[catalog]") {
  const test::Folder folder;
  CHECK_FALSE(Catalog::load(folder.path()));
  CHECK_FALSE(Catalog::load(folder.path() / "nowhere"));
  folder.write("a.toml", provider("a") + model("m"));
  LoadOptions options;
  options.credits_per_usd = "0";
  CHECK_FALSE(Catalog::load(folder.path(), options));
}

TEST_CASE("destinations are https, or http that cannot leave the machine", "[catalog][endpoint]") {
  for (const auto* url : {"https://api.example.com", "https://api.example.com:8443/v1",
                          "http://localhost:8000/v1", "http://127.0.0.1:9", "http://[::1]:80/x"}) {
    CAPTURE(url);
    CHECK_FALSE(base_url_fault(url, false));
  }
  for (const auto* url :
       {"http://api.example.com", "http://127.0.0.1.example.com", "http://localhost.example.com",
        "ftp://x", "https://", "https://user@host", "https://h/?q=1", "https://h/#f",
        "https://h:80a/", "https://h h/", "http://0.0.0.0", "//h", ""}) {
    CAPTURE(url);
    CHECK(base_url_fault(url, false));
  }
  CHECK_FALSE(base_url_fault("http://vllm.internal:8000/v1", true));
  CHECK(base_url_fault("http://user@vllm.internal", true));
}

TEST_CASE("an endpoint has its key, its headers and its overrides", "[catalog][endpoint]") {
  const test::Folder folder;
  folder.write(
      "a.toml",
      provider("a",
               "key_env = \"A_KEY\"\nauth = \"x-api-key\"\nhttp_version = \"2\"\n"
               "headers = { anthropic-version = \"2023-06-01\" }\ntimeouts = { idle_ms = 5 }\n") +
          model("m"));
  folder.write("b.toml", provider("b", "key_env = \"B_KEY\"\n") + model("n"));
  LoadOptions options;
  options.base_url_overrides.emplace("b", "http://127.0.0.1:1234/");
  options.secret_of = [](std::string_view name) -> std::optional<std::string> {
    if (name == "A_KEY") return "secret-a";
    return std::nullopt;
  };
  const auto catalog = Catalog::load(folder.path(), options).value();
  const auto a = catalog.endpoint("a", Dialect::openai_chat);
  REQUIRE(a);
  CHECK(a->base_url == "https://a.example/v1");
  CHECK(a->auth_header == "x-api-key");
  CHECK(a->auth_prefix.empty());
  CHECK(a->key.reveal() == "secret-a");
  CHECK(a->headers == HeaderList{{"anthropic-version", "2023-06-01"}});
  CHECK(a->version == HttpVersion::http2);
  CHECK(a->timeouts.idle == 5ms);
  const auto b = catalog.endpoint("b", Dialect::openai_chat);
  CHECK(b->base_url == "http://127.0.0.1:1234");
  CHECK(b->auth_prefix == "Bearer ");
  CHECK(b->key.empty());
  CHECK_FALSE(catalog.provider("a")->key_missing);
  CHECK(catalog.provider("b")->key_missing);
  CHECK(catalog.endpoint("c", Dialect::openai_chat) == nullptr);
  CHECK(catalog.endpoint("a", Dialect::anthropic_messages) == nullptr);
}

TEST_CASE("a header of a provider file can neither end the head nor carry the credential",
          "[catalog][endpoint]") {
  const test::Folder folder;
  folder.write("a.toml", provider("a",
                                  "[provider.headers]\n\"x-a\" = \"1\\r\\nx-b: 2\"\nauthorization "
                                  "= \"Bearer x\"\nX-Up = \"1\"\n"));
  CHECK(faults_of(folder).size() == 3);
}

TEST_CASE("a candidate carries all that translating and paying needs", "[catalog]") {
  const test::Folder folder;
  folder.write(
      "a.toml",
      provider("a", "cancel_stops_billing = false\n") +
          model("m",
                "family = \"f\"\nthinking = \"claude_always\"\nefforts = [\"low\", \"high\"]\n"
                "quirks = [\"sampling_rejected\", \"json_schema_by_instruction\"]\n"
                "tokens_per_image_max = 99\n"));
  const auto catalog = Catalog::load(folder.path()).value();
  const auto candidate = catalog.candidate(*catalog.find("m"), at("2026-06-01"), 600s).value();
  CHECK(candidate.target() == "a/m");
  CHECK(candidate.family == "f");
  CHECK(candidate.thinking == ThinkingStyle::claude_always);
  CHECK(candidate.efforts == std::vector<std::string>{"low", "high"});
  CHECK(candidate.quirks.sampling_rejected);
  CHECK_FALSE(candidate.quirks.json_schema_native);
  CHECK(candidate.tokens_per_image_max == 99);
  CHECK_FALSE(candidate.cancel_stops_billing);
  CHECK(candidate.quote.tiers[0].rates.output == 2'000'000);
}

TEST_CASE("prices follow credits_per_usd exactly", "[catalog]") {
  const test::Folder folder;
  folder.write("a.toml", provider("a") + model("m"));
  LoadOptions options;
  options.credits_per_usd = "100";
  const auto catalog = Catalog::load(folder.path(), options).value();
  CHECK(catalog.candidate(*catalog.find("m"), at("2026-06-01"), 0s)->quote.tiers[0].rates.input ==
        100'000'000);
}
