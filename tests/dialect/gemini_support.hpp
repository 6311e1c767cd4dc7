// Gemini bodies and recordings for the tests of the client's request side.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dialect/gemini_request.hpp"
#include "dialect/issuer_tag.hpp"
#include "recorded_answers.hpp"
#include "request_support.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::dialect::test {

class GeminiClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant{}; }
  [[nodiscard]] Monotonic monotonic() const override { return Monotonic{}; }
};

/// As the gateway does: the path says whether the answer streams.
inline Result<Outgoing> translate_gemini(std::string body, const Candidate& candidate,
                                         const TranslateOptions& options = {},
                                         bool stream = false) {
  body.reserve(body.size() + 64);
  auto view = read_view(Dialect::gemini_generate, body);
  if (!view) return std::unexpected{view.error()};
  view->model = "auto";
  view->stream = stream;
  return translate(Dialect::gemini_generate, body, *view, candidate, options);
}

inline std::string bytes_of(const std::string& body, const Candidate& candidate,
                            const TranslateOptions& options = {}) {
  const auto outgoing = translate_gemini(body, candidate, options);
  return outgoing ? outgoing->body
                  : "failed: " + outgoing.error().message + " @" + outgoing.error().param;
}

inline OrderedJson json_of(const std::string& body, const Candidate& candidate,
                           const TranslateOptions& options = {}) {
  const auto bytes = bytes_of(body, candidate, options);
  return OrderedJson::accept(bytes) ? OrderedJson::parse(bytes) : OrderedJson{{"failed", bytes}};
}

/// `body` must outlive the result. Fails the test if the body is refused.
inline Result<ir::Request> blocks_of(std::string& body) {
  body.reserve(body.size() + 64);
  const auto view = read_view(Dialect::gemini_generate, body);
  if (!view) return std::unexpected{view.error()};
  return read_gemini_request(body, *view);
}

/// A body with these contents, the brackets left out; `members` come behind and begin with a comma.
inline std::string with_contents(const std::string& contents, const std::string& members = "") {
  return R"({"contents":[)" + contents + "]" + members + "}";
}

inline const std::string gemini_hello = R"({"role":"user","parts":[{"text":"hi"}]})";

struct RecordedGemini {
  std::string name;
  std::string model;  // in the path; empty: not recorded
  bool stream;
  std::string body;
};

inline std::vector<RecordedGemini> recorded_gemini() {
  const char* shared = std::getenv("TURNPIKE_SHARED");
  const std::string folder =
      (shared != nullptr ? std::string{shared} : std::string{TURNPIKE_SOURCE_DIR} + "/../shared") +
      "/data/wire";
  std::vector<RecordedGemini> requests;
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    const std::string text =
        output_of(python + " '" + TURNPIKE_SOURCE_DIR + "/tests/dialect/recorded_gemini.py' '" +
                  folder + "' 2>/dev/null");
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      const auto line = OrderedJson::parse(text.substr(at, end - at));
      requests.push_back({line["case"], line["model"], line["stream"], line["body"]});
      at = end + 1;
    }
    if (!requests.empty()) return requests;
  }
  std::cerr << "SKIPPED: no recorded traffic (TURNPIKE_SHARED) or no python3-yaml: recorded Gemini "
               "requests\n";
  return requests;
}

}  // namespace turnpike::dialect::test
