// Recorded Chat requests of real clients, translated to every target and read by the strict reader.
// The recordings are not part of the project (see replay_test.cpp).
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "request_support.hpp"

namespace turnpike::dialect::test {
namespace {

std::vector<OrderedJson> recorded_requests() {
  const char* shared = std::getenv("TURNPIKE_SHARED");
  const auto folder =
      (shared != nullptr ? std::string{shared} : std::string{TURNPIKE_SOURCE_DIR} + "/../shared") +
      "/data/wire";
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    const auto command = python + " '" + TURNPIKE_SOURCE_DIR +
                         "/tests/dialect/recorded_requests.py' '" + folder + "' 2>/dev/null";
    std::FILE* pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string text;
    std::array<char, 65536> buffer{};
    for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      text.append(buffer.data(), count);
    if (pclose(pipe) != 0) continue;
    std::vector<OrderedJson> requests;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      requests.push_back(OrderedJson::parse(text.substr(at, end - at)));
      at = end + 1;
    }
    if (!requests.empty()) return requests;
  }
  return {};
}

TEST_CASE("Recorded chat requests become valid requests of every target", "[recorded]") {
  const auto requests = recorded_requests();
  if (requests.empty()) {
    std::cerr << "SKIPPED: no recorded traffic (TURNPIKE_SHARED) or no python3-yaml: recorded chat "
                 "requests\n";
    return;
  }
  const std::vector<Candidate> targets = {
      claude(), claude(ThinkingStyle::claude_budget), claude(ThinkingStyle::claude_always),
      gemini(), gemini(ThinkingStyle::gemini_budget), deepseek()};
  std::size_t translated = 0;
  for (const auto& request : requests) {
    const auto name = request["case"].get<std::string>();
    for (const auto& candidate : targets) {
      INFO(name << " -> " << candidate.target());
      const auto outgoing = try_translate(request["body"].dump(), candidate);
      if (!outgoing) {
        // Only what is refused by design: the recording of a bad limit, and several choices to
        // Claude.
        const bool bad_limit = name.starts_with("openai-chat/chat-bad-request");
        CHECK(outgoing.error().param == (bad_limit ? "max_tokens" : "n"));
        CHECK((bad_limit || candidate.dialect == Dialect::anthropic_messages));
        continue;
      }
      CHECK(faults_of(*outgoing, candidate) == "");
      ++translated;
    }
  }
  CHECK(translated > 100);
  WARN(requests.size() << " recorded requests, " << translated << " translations");
}

}  // namespace
}  // namespace turnpike::dialect::test
