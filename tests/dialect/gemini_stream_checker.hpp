// Reads a Gemini stream as strictly as the vendor's library and its command line together do, and
// says what is wrong with it.
//
//   stream := ("data: " JSON CRLF CRLF)*     the library's pattern for JSON ends at any line
//   terminator, U+2028 and U+2029 included; it knows no comments
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "answer_reading.hpp"
#include "dialect/issuer_tag.hpp"

namespace turnpike::dialect::test {

/// The rules of one response object, streamed or whole.
class GeminiResponseChecker {
 public:
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  /// Choice 0.
  [[nodiscard]] const Reading& reading() const { return reading_; }
  [[nodiscard]] const std::map<std::int64_t, std::string>& finished() const { return finished_; }
  [[nodiscard]] const std::set<std::int64_t>& seen() const { return seen_; }

  void check(const Json& response) {
    if (!only(response, {"candidates", "usageMetadata", "modelVersion", "responseId"})) return;
    for (const char* key : {"modelVersion", "responseId"}) {
      const std::string text = text_at(response, key);
      if (text.empty()) problem(std::string{key} + " is missing");
      if (!identity_.emplace(key, text).second && identity_[key] != text)
        problem(std::string{key} + " has changed");
    }
    if (response.contains("usageMetadata")) check_usage(response.at("usageMetadata"));
    if (!response.contains("candidates") || !response.at("candidates").is_array())
      return problem("no array of candidates");
    for (const Json& candidate : response.at("candidates")) check_candidate(candidate);
    Json of_first = response;
    auto& candidates = of_first["candidates"];
    for (std::size_t i = candidates.size(); i > 0; --i) {
      if (count_at(candidates[i - 1], "index") != 0) candidates.erase(i - 1);
    }
    read_gemini_chunk(of_first, reading_);
  }

  void problem(std::string what) { problems_.push_back(std::move(what)); }

 private:
  bool only(const Json& object, const std::set<std::string>& known) {
    if (!object.is_object()) {
      problem("no object");
      return false;
    }
    for (const auto& [key, value] : object.items()) {
      if (!known.contains(key)) problem("unknown member " + key);
      if (value.is_null()) problem(key + " is null");
    }
    return true;
  }

  void check_usage(const Json& usage) {
    if (!only(usage, {"promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount",
                      "thoughtsTokenCount", "totalTokenCount"}))
      return;
    if (count_at(usage, "promptTokenCount") + count_at(usage, "candidatesTokenCount") +
            count_at(usage, "thoughtsTokenCount") !=
        count_at(usage, "totalTokenCount"))
      problem("the total is not the sum");
    if (count_at(usage, "cachedContentTokenCount") > count_at(usage, "promptTokenCount"))
      problem("more cached than prompt");
  }

  void check_candidate(const Json& candidate) {
    if (!only(candidate, {"content", "finishReason", "index"})) return;
    if (!candidate.contains("index")) problem("no index");
    const std::int64_t index = count_at(candidate, "index");
    seen_.insert(index);
    if (finished_.contains(index)) problem("a candidate goes on behind its end");
    const Json content = at_or_null(candidate, "content");
    if (!only(content, {"role", "parts"})) return;
    if (text_at(content, "role") != "model") problem("the role is not model");
    const Json parts = at_or_null(content, "parts");
    if (!parts.is_array() || parts.empty()) return problem("no parts");
    const bool last = candidate.contains("finishReason");
    for (const Json& part : parts) check_part(part, last && parts.size() == 1);
    if (last) finished_[index] = text_at(candidate, "finishReason");
  }

  void check_part(const Json& part, bool may_be_empty) {
    if (!only(part, {"text", "thought", "functionCall", "thoughtSignature"})) return;
    if (part.contains("text") == part.contains("functionCall")) problem("not one thing in a part");
    if (part.contains("thought") && (part.at("thought") != true || !part.contains("text")))
      problem("a thought that is none");
    if (part.contains("text")) {
      if (!part.at("text").is_string()) problem("the text is no string");
      if (!may_be_empty && text_at(part, "text").empty()) problem("empty text");
      if (part.contains("thoughtSignature")) problem("a signed text");
      return;
    }
    const Json call = at_or_null(part, "functionCall");
    if (!only(call, {"id", "name", "args"})) return;
    if (text_at(call, "id").empty() || text_at(call, "name").empty()) problem("a nameless call");
    if (!at_or_null(call, "args").is_object()) problem("arguments that are no object");
    const auto tag = read_issuer_tag(text_at(part, "thoughtSignature"));
    if (!tag || tag->call_id != text_at(call, "id")) problem("a call without the gateway's token");
  }

  std::vector<std::string> problems_;
  std::map<std::string, std::string> identity_;
  std::map<std::int64_t, std::string> finished_;
  std::set<std::int64_t> seen_;
  Reading reading_;
};

class GeminiStreamChecker {
 public:
  explicit GeminiStreamChecker(std::string_view stream) {
    constexpr std::string_view begin = "data: ";
    constexpr std::string_view end = "\r\n\r\n";
    while (!stream.empty()) {
      if (!terminal_.empty()) response_.problem("something follows the end");
      const std::size_t stop = stream.find(end);
      if (!stream.starts_with(begin) || stop == std::string_view::npos) {
        response_.problem("not an event: " + std::string{stream.substr(0, 40)});
        return;
      }
      event(stream.substr(begin.size(), stop - begin.size()));
      stream.remove_prefix(stop + end.size());
    }
  }

  [[nodiscard]] const std::vector<std::string>& problems() const { return response_.problems(); }
  /// "finish", "error", or empty: cut off.
  [[nodiscard]] const std::string& terminal() const { return terminal_; }
  [[nodiscard]] const Json& error() const { return error_; }
  [[nodiscard]] const Reading& reading() const { return response_.reading(); }
  [[nodiscard]] const std::map<std::int64_t, std::string>& finished() const {
    return response_.finished();
  }
  [[nodiscard]] int heartbeats() const { return heartbeats_; }
  [[nodiscard]] std::size_t events() const { return events_; }

 private:
  void event(std::string_view line) {
    ++events_;
    for (const std::string_view broken : {"\n", "\r", "\xE2\x80\xA8", "\xE2\x80\xA9"}) {
      if (line.find(broken) != std::string_view::npos) response_.problem("a line that breaks");
    }
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_discarded()) return response_.problem("no JSON");
    if (json.contains("error")) {
      terminal_ = "error";
      error_ = json.at("error");
      if (count_at(error_, "code") < 400 || text_at(error_, "message").empty() ||
          text_at(error_, "status").empty())
        response_.problem("an incomplete error");
      return;
    }
    if (at_or_null(json, "candidates").empty()) ++heartbeats_;
    response_.check(json);
    if (response_.finished().empty()) {
      if (json.contains("usageMetadata")) response_.problem("counters before the end");
      return;
    }
    terminal_ = "finish";
    if (response_.finished().size() != response_.seen().size())
      response_.problem("a candidate has no end");
  }

  GeminiResponseChecker response_;
  std::string terminal_;
  Json error_;
  int heartbeats_ = 0;
  std::size_t events_ = 0;
};

}  // namespace turnpike::dialect::test
