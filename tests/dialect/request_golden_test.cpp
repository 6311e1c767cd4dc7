// tests/golden/openai-chat/<case>.json is a client's body; <case>.anthropic.json, .gemini.json and
// .deepseek.json are what the providers get, path and losses included. TURNPIKE_UPDATE_GOLDEN=1
// writes them anew, for reading in a diff.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "request_support.hpp"

namespace turnpike::dialect::test {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string shown(const Result<Outgoing>& outgoing) {
  OrderedJson json;
  if (!outgoing) {
    json["error"] = {{"status", outgoing.error().http_status},
                     {"code", outgoing.error().code},
                     {"param", outgoing.error().param}};
    return json.dump(1) + "\n";
  }
  json["path"] = outgoing->path;
  json["losses"] = outgoing->losses;
  json["body"] = OrderedJson::parse(outgoing->body);
  return json.dump(1) + "\n";
}

std::vector<fs::path> cases() {
  std::vector<fs::path> found;
  for (const auto& entry :
       fs::directory_iterator{fs::path{TURNPIKE_SOURCE_DIR} / "tests/golden/openai-chat"}) {
    const auto name = entry.path().stem().string();
    if (entry.path().extension() == ".json" && name.find('.') == std::string::npos)
      found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

TEST_CASE("Each provider gets the golden translation of each client body") {
  const bool update = std::getenv("TURNPIKE_UPDATE_GOLDEN") != nullptr;
  const std::vector<std::pair<std::string, Candidate>> targets = {
      {"anthropic", claude()}, {"gemini", gemini()}, {"deepseek", deepseek()}};
  REQUIRE(cases().size() >= 8);
  for (const auto& path : cases()) {
    for (const auto& [name, candidate] : targets) {
      const auto golden = path.parent_path() / (path.stem().string() + "." + name + ".json");
      INFO(golden.string());
      const auto outgoing = try_translate(read_text(path), candidate);
      if (outgoing) CHECK(faults_of(*outgoing, candidate) == "");
      const auto text = shown(outgoing);
      if (update) std::ofstream{golden, std::ios::binary} << text;
      CHECK(text == read_text(golden));
    }
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
