// Messages requests as tests write them, and those of real clients.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "dialect/request_rules.hpp"
#include "dialect/translate.hpp"
#include "request_support.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect::test {

/// Long base64 of a protocol buffer, as Claude signs.
inline std::string claude_signature(char filler = 'A') { return "EqQB" + std::string(120, filler); }
/// DeepSeek signs with the message's id.
inline const std::string uuid_signature = "91cfbb94-554b-4136-8e21-fa02280d56ed";

/// {"model":"client-model","max_tokens":4096,<more>"messages":[<messages>]}
inline std::string messages_body(const std::string& messages, const std::string& more = {}) {
  return R"({"model":"client-model","max_tokens":4096,)" + more + R"("messages":[)" + messages +
         "]}";
}

inline Result<RequestView> view_of(std::string& body, Purpose purpose = Purpose::answer) {
  const auto document = wire::JsonDocument::parse(body);
  if (!document) return std::unexpected{document.error()};
  return read_view(Dialect::anthropic_messages, body, *document, purpose);
}

inline Result<Outgoing> try_messages(std::string body, const Candidate& candidate,
                                     const TranslateOptions& options = {}) {
  const auto view = view_of(body, options.count_only ? Purpose::count : Purpose::answer);
  if (!view) return std::unexpected{view.error()};
  return translate(Dialect::anthropic_messages, body, *view, candidate, options);
}

/// DeepSeek's own Messages endpoint.
inline Candidate deepseek_messages() {
  auto candidate = deepseek();
  candidate.dialect = Dialect::anthropic_messages;
  return candidate;
}

struct RecordedMessages {
  std::string name;
  std::string body;
  HeaderList headers;
  bool count_only = false;
};

inline std::vector<RecordedMessages> recorded_messages() {
  const char* shared = std::getenv("TURNPIKE_SHARED");
  const auto folder =
      shared != nullptr ? std::string{shared} : std::string{TURNPIKE_SOURCE_DIR} + "/../shared";
  std::vector<RecordedMessages> requests;
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    const auto command = python + " '" + TURNPIKE_SOURCE_DIR +
                         "/tests/dialect/anthropic_requests.py' '" + folder + "' 2>/dev/null";
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) continue;
    std::string text;
    std::array<char, 65536> buffer{};
    for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      text.append(buffer.data(), count);
    if (pclose(pipe) != 0) continue;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      const auto line = OrderedJson::parse(text.substr(at, end - at));
      RecordedMessages request{line["case"], line["body"].dump(), {}, false};
      request.count_only = line["path"] == "/v1/messages/count_tokens";
      for (const auto& [name, value] : line["headers"].items())
        request.headers.emplace_back(name, value);
      requests.push_back(std::move(request));
      at = end + 1;
    }
    if (!requests.empty()) return requests;
  }
  std::cerr << "SKIPPED: no recorded traffic (TURNPIKE_SHARED) or no python3-yaml: recorded "
               "Messages requests\n";
  return requests;
}

}  // namespace turnpike::dialect::test
