#include "app/connect.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "catalog/folder.hpp"

using namespace turnpike;
using namespace turnpike::app;
namespace fs = std::filesystem;

namespace {

constexpr auto key = "tp_0123456789abcdefghij";

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

/// A home folder of its own, and a gateway at a fixed place.
struct House {
  test::Folder folder;
  ConnectContext context;
  House() {
    const auto& home = folder.path();
    context.url = "http://127.0.0.1:8080";
    context.names = {"auto", "turnpike", "turnpike-bulk"};
    context.homes = {home, home / ".claude", home / ".codex", home / ".config"};
    context.now = test::at("2026-11-22T19:52:03Z");
  }
  [[nodiscard]] Outcome run(const ConnectOptions& options, Output output = {}) const {
    std::ostringstream out;
    std::ostringstream err;
    const int code = connect(options, context, output, out, err);
    return {code, out.str(), err.str()};
  }
  [[nodiscard]] Outcome write(const std::string& harness, const std::string& wire = "") const {
    return run({.harness = harness, .key = key, .wire = wire, .write = true});
  }
  void put(const fs::path& path, const std::string& text) const {
    fs::create_directories((folder.path() / path).parent_path());
    std::ofstream{folder.path() / path, std::ios::binary} << text;
  }
  [[nodiscard]] std::string text(const fs::path& path) const {
    std::ifstream file{folder.path() / path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  [[nodiscard]] nlohmann::json json(const fs::path& path) const {
    return nlohmann::json::parse(text(path));
  }
  [[nodiscard]] std::vector<std::string> backups(const fs::path& place) const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator{folder.path() / place}) {
      const auto name = entry.path().filename().string();
      if (name.contains(".backup-")) found.push_back(name);
    }
    return found;
  }
};

bool contains(const std::string& text, const std::string& part) { return text.contains(part); }

}  // namespace

TEST_CASE("every harness is shown with its settings and without a key nobody gave", "[connect]") {
  const House house;
  for (const auto& harness : harnesses()) {
    CAPTURE(harness.name);
    const auto shown = house.run({.harness = std::string{harness.name}});
    CHECK(shown.code == 0);
    CHECK(shown.err.empty());
    CHECK(contains(shown.out, "http://127.0.0.1:8080"));
    CHECK(contains(shown.out, "TURNPIKE_KEY"));
    CHECK(shown.out.find(key) == std::string::npos);
    const auto keyed = house.run({.harness = std::string{harness.name}, .key = key});
    CHECK(contains(keyed.out, key));  // asked for by name
  }
}

TEST_CASE("an unknown harness is answered with the known ones", "[connect]") {
  const House house;
  const auto refused = house.run({.harness = "claude-cod"});
  CHECK(refused.code == exit_usage);
  CHECK(contains(refused.err, "nearest: \"claude-code\""));
  CHECK(contains(refused.err, "codex, opencode, gemini-cli, qwen-code, cline, pi, aider"));
}

TEST_CASE("Claude Code's variables are lines for a shell", "[connect]") {
  const House house;
  CHECK(house.run({.harness = "claude-code", .print_env = true}).out ==
        "export ANTHROPIC_BASE_URL=http://127.0.0.1:8080\n"
        "export ANTHROPIC_AUTH_TOKEN=\"$TURNPIKE_KEY\"\n"
        "export ANTHROPIC_MODEL=auto\n"
        "export ANTHROPIC_DEFAULT_HAIKU_MODEL=turnpike-bulk\n");
  const auto asked = house.run({.harness = "claude-code",
                                .url = "https://gate.example/v1/",
                                .key = key,
                                .model = "claude-opus-5-5",
                                .small_model = "haiku",
                                .print_env = true,
                                .quiet = true});
  CHECK(contains(asked.out, "ANTHROPIC_BASE_URL=https://gate.example\n"));
  CHECK(contains(asked.out, std::string{"ANTHROPIC_AUTH_TOKEN="} + key + "\n"));
  CHECK(contains(asked.out, "ANTHROPIC_MODEL=claude-opus-5-5\n"));
  CHECK(contains(asked.out, "DISABLE_AUTOUPDATER=1\n"));
  const auto none = house.run({.harness = "codex", .print_env = true});
  CHECK(none.code == 1);
  CHECK(contains(none.err, "use --write"));
}

TEST_CASE("writing keeps what else a file holds, backs it up and has nothing to do the second time",
          "[connect]") {
  const House house;
  house.put(
      ".claude/settings.json",
      "{\n    \"permissions\": { \"allow\": [\"Bash(ls:*)\"] },\n    \"env\": {\n        "
      "\"ANTHROPIC_MODEL\": \"opus\",\n        \"MY_SERVICE_TOKEN\": \"abcdefghijklmnop\"\n    "
      "}\n}\n");
  const auto before = house.text(".claude/settings.json");
  fs::permissions(house.folder.path() / ".claude/settings.json", fs::perms{0640});
  const auto done = house.write("claude-code");
  CHECK(done.code == 0);
  CHECK(house.text(".claude/settings.json") ==
        "{\n    \"permissions\": { \"allow\": [\"Bash(ls:*)\"] },\n    \"env\": {\n        "
        "\"ANTHROPIC_MODEL\": \"auto\",\n        \"MY_SERVICE_TOKEN\": \"abcdefghijklmnop\",\n     "
        "   "
        "\"ANTHROPIC_BASE_URL\": \"http://127.0.0.1:8080\",\n        \"ANTHROPIC_AUTH_TOKEN\": \"" +
            std::string{key} +
            "\",\n        \"ANTHROPIC_DEFAULT_HAIKU_MODEL\": \"turnpike-bulk\"\n    }\n}\n");
  CHECK(fs::status(house.folder.path() / ".claude/settings.json").permissions() == fs::perms{0640});
  REQUIRE(house.backups(".claude") ==
          std::vector<std::string>{"settings.json.backup-20261122T195203Z"});
  CHECK(house.text(".claude/settings.json.backup-20261122T195203Z") == before);
  CHECK(contains(done.out, "-        \"ANTHROPIC_MODEL\": \"opus\",\n"));
  CHECK(contains(done.out, "+        \"ANTHROPIC_MODEL\": \"auto\",\n"));
  CHECK(contains(done.out, "\"ANTHROPIC_AUTH_TOKEN\": \"tp_0…\""));
  CHECK(done.out.find(key) == std::string::npos);
  CHECK(done.out.find("abcdefghijklmnop") == std::string::npos);  // somebody else's, in the context

  const auto again = house.write("claude-code");
  CHECK(again.code == 0);
  CHECK(again.out == "nothing to do: Claude Code is set up already\n");
  CHECK(house.backups(".claude").size() == 1);
}

TEST_CASE("a second change within a second has a backup of its own", "[connect]") {
  const House house;
  CHECK(house.write("pi").code == 0);
  CHECK(house.backups(".pi/agent").empty());  // there was nothing to keep
  CHECK(house.run({.harness = "pi", .key = key, .model = "one", .write = true}).code == 0);
  CHECK(house.run({.harness = "pi", .key = key, .model = "two", .write = true}).code == 0);
  CHECK(house.backups(".pi/agent").size() == 2);
}

TEST_CASE("a new file is readable by its owner alone", "[connect]") {
  const House house;
  REQUIRE(house.write("gemini-cli").code == 0);
  struct stat status{};
  REQUIRE(::stat((house.folder.path() / ".gemini/.env").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0600U);
  CHECK(house.text(".gemini/.env") ==
        "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8080\nGEMINI_MODEL=turnpike\nGEMINI_API_KEY=" +
            std::string{key} + "\n");
  CHECK(house.json(".gemini/settings.json") ==
        nlohmann::json::parse(R"({"security":{"auth":{"selectedType":"gemini-api-key"}},
                                  "privacy":{"usageStatisticsEnabled":false}})"));
}

TEST_CASE("Codex's TOML keeps its comments and tables", "[connect]") {
  const House house;
  house.put(".codex/config.toml",
            "# mine\nmodel = \"gpt-6.1-sol\" # the default\napproval_policy = \"never\"\n\n"
            "[projects.\"/home/me\"]\ntrust_level = \"trusted\"\n\n"
            "[model_providers.turnpike]\n# the old gateway\nbase_url = \"http://old/v1\"\n\n[tui]\n"
            "theme = \"dark\"\n");
  const auto done = house.write("codex");
  INFO(done.err);
  REQUIRE(done.code == 0);
  CHECK(house.text(".codex/config.toml") ==
        "# mine\nmodel = \"auto\" # the default\napproval_policy = \"never\"\n"
        "model_provider = \"turnpike\"\n\n"
        "[projects.\"/home/me\"]\ntrust_level = \"trusted\"\n\n"
        "[model_providers.turnpike]\n# the old gateway\nbase_url = \"http://127.0.0.1:8080/v1\"\n"
        "name = \"turnpike\"\nenv_key = \"TURNPIKE_KEY\"\nwire_api = \"responses\"\n\n[tui]\n"
        "theme = \"dark\"\n\n[analytics]\nenabled = false\n");
  CHECK(contains(done.out, "Codex CLI reads the key from $TURNPIKE_KEY"));
  CHECK(house.text(".codex/config.toml").find(key) == std::string::npos);
  CHECK(contains(house.write("codex").out, "nothing to do"));
}

TEST_CASE("OpenCode takes any of four wires, and the key from a variable", "[connect]") {
  for (const auto& [wire, package, url] :
       {std::tuple{"chat", "@ai-sdk/openai-compatible", "http://127.0.0.1:8080/v1"},
        std::tuple{"messages", "@ai-sdk/anthropic", "http://127.0.0.1:8080/v1"},
        std::tuple{"responses", "@ai-sdk/openai", "http://127.0.0.1:8080/v1"},
        std::tuple{"gemini", "@ai-sdk/google", "http://127.0.0.1:8080/v1beta"}}) {
    CAPTURE(wire);
    const House house;
    REQUIRE(house.run({.harness = "opencode", .wire = wire, .write = true}).code == 0);
    const auto written = house.json(".config/opencode/opencode.json");
    CHECK(written["provider"]["turnpike"]["npm"] == package);
    CHECK(written["provider"]["turnpike"]["options"]["baseURL"] == url);
    CHECK(written["provider"]["turnpike"]["options"]["apiKey"] == "{env:TURNPIKE_KEY}");
    CHECK(written["provider"]["turnpike"]["models"]["turnpike-bulk"]["tool_call"] == true);
    CHECK(written["model"] == "turnpike/auto");
    CHECK(written["small_model"] == "turnpike/turnpike-bulk");
  }
  const House house;
  const auto refused = house.run({.harness = "opencode", .wire = "grpc"});
  CHECK(refused.code == exit_usage);
  CHECK(contains(refused.err, "--wire may be chat, messages, responses, gemini"));
  CHECK(house.run({.harness = "codex", .wire = "chat"}).code == exit_usage);
}

TEST_CASE("a JSON file with comments keeps them", "[connect]") {
  const House house;
  const std::string mine =
      "{\n  // my own\n  \"theme\": \"dark\", /* really */\n  \"provider\": {}\n}\n";
  house.put(".config/opencode/opencode.jsonc", mine);
  REQUIRE(house.write("opencode").code == 0);
  const auto text = house.text(".config/opencode/opencode.jsonc");
  CHECK(contains(text,
                 "  // my own\n  \"theme\": \"dark\", /* really */\n  \"provider\": {\n    "
                 "\"turnpike\": {\n      \"npm\""));
  CHECK_FALSE(fs::exists(house.folder.path() / ".config/opencode/opencode.json"));
  CHECK(contains(house.write("opencode").out, "nothing to do"));
}

TEST_CASE("a file that does not parse is left alone, and so are the others", "[connect]") {
  const House house;
  house.put(".gemini/settings.json", "{ \"theme\": \n");
  const auto refused = house.write("gemini-cli");
  CHECK(refused.code == 1);
  CHECK(contains(refused.err, "settings.json is left alone: it is not valid JSON"));
  CHECK(contains(refused.err, "nothing was written"));
  CHECK(house.text(".gemini/settings.json") == "{ \"theme\": \n");
  CHECK_FALSE(fs::exists(house.folder.path() / ".gemini/.env"));

  house.put(".codex/config.toml", "model = \n");
  CHECK(contains(house.write("codex").err, "it is not valid TOML: line 1"));
  house.put(".claude/settings.json", "[1]");
  CHECK(contains(house.write("claude-code").err, "does not hold a JSON object"));
  house.put(".claude/settings.json", "{\"env\": \"none\"}");
  CHECK(contains(house.write("claude-code").err, "\"env\" holds something else than an object"));
}

TEST_CASE("without a key none is written, and one that is there stays", "[connect]") {
  House house;
  house.put(".qwen/.env", "# mine\nexport OPENAI_API_KEY=sk-present-0123\nOTHER=1");
  const auto done = house.run({.harness = "qwen-code", .write = true});
  CHECK(done.code == 0);
  CHECK(house.text(".qwen/.env") ==
        "# mine\nexport OPENAI_API_KEY=sk-present-0123\nOTHER=1\n"
        "OPENAI_BASE_URL=http://127.0.0.1:8080/v1\nOPENAI_MODEL=auto\n");
  CHECK(contains(done.out, "no key was written"));
  CHECK(done.out.find("sk-present-0123") == std::string::npos);

  const auto unset = house.run({.harness = "qwen-code", .key = "env", .write = true});
  CHECK(unset.code == exit_usage);
  CHECK(contains(unset.err, "TURNPIKE_KEY is not set"));
  house.context.key_in_environment = key;
  CHECK(house.run({.harness = "qwen-code", .key = "env", .write = true}).code == 0);
  CHECK(
      contains(house.text(".qwen/.env"), "export OPENAI_API_KEY=" + std::string{key} + "\nOTHER"));
  CHECK(house.run({.harness = "qwen-code", .key = "env"}).out.find(key) == std::string::npos);
}

TEST_CASE("Pi's other providers and models stay", "[connect]") {
  const House house;
  house.put(".pi/agent/models.json",
            R"({"providers":{"mine":{"apiKey":"K"},"turnpike":{"models":[{"id":"other"}]}}})");
  REQUIRE(house.write("pi").code == 0);
  const auto written = house.json(".pi/agent/models.json");
  CHECK(written["providers"]["mine"]["apiKey"] == "K");
  const auto& ours = written["providers"]["turnpike"];
  CHECK(ours["baseUrl"] == "http://127.0.0.1:8080/v1");
  REQUIRE(ours["models"].size() == 3);
  CHECK(ours["models"][0]["id"] == "other");
  CHECK(ours["models"][1]["id"] == "auto");
  CHECK(contains(house.write("pi").out, "nothing to do"));
}

TEST_CASE("a link to a settings file stays a link", "[connect]") {
  const House house;
  house.put("dotfiles/claude.json", "{}\n");
  fs::create_directories(house.folder.path() / ".claude");
  fs::create_symlink("../dotfiles/claude.json", house.folder.path() / ".claude/settings.json");
  REQUIRE(house.write("claude-code").code == 0);
  CHECK(fs::is_symlink(house.folder.path() / ".claude/settings.json"));
  CHECK(contains(house.text("dotfiles/claude.json"), "ANTHROPIC_BASE_URL"));
}

TEST_CASE("harnesses without a file show their command instead of writing", "[connect]") {
  const House house;
  const auto cline = house.write("cline");
  CHECK(cline.code == 0);
  CHECK(contains(cline.out, "cline auth -p openai -k "));
  CHECK(contains(cline.out, "-b http://127.0.0.1:8080/v1\n"));
  CHECK(contains(house.run({.harness = "cline"}).out, "-k \"$TURNPIKE_KEY\" -m auto"));
  CHECK(fs::is_empty(house.folder.path()));
}

TEST_CASE("values that could mean something in a shell or a file are refused", "[connect]") {
  const House house;
  for (const std::string bad : {"a b", "a\nb", "a\"b", "$(x)", "a`b", "a\\b", "a'b"}) {
    CAPTURE(bad);
    CHECK(house.run({.harness = "claude-code", .key = bad}).code == exit_usage);
    CHECK(house.run({.harness = "claude-code", .model = bad}).code == exit_usage);
    CHECK(house.run({.harness = "claude-code", .url = "http://" + bad}).code == exit_usage);
  }
  CHECK(house.run({.harness = "claude-code", .url = "gate.example"}).code == exit_usage);
  House portless;
  portless.context.url.clear();
  CHECK(contains(portless.run({.harness = "codex"}).err, "--url"));
}

TEST_CASE("for machines the same comes as JSON", "[connect]") {
  const House house;
  const auto shown =
      nlohmann::json::parse(house.run({.harness = "gemini-cli"}, {.json = true}).out);
  CHECK(shown["wire"] == "gemini");
  CHECK(shown["model"] == "turnpike");  // "auto" is Gemini CLI's own word
  CHECK(shown["env"]["GEMINI_API_KEY"] == "\"$TURNPIKE_KEY\"");
  CHECK(shown["files"].size() == 2);
  const auto text =
      house.run({.harness = "gemini-cli", .key = key, .write = true}, {.json = true}).out;
  const auto written = nlohmann::json::parse(text);
  CHECK(written["files"][0]["changed"] == true);
  CHECK(text.find(key) == std::string::npos);
}
