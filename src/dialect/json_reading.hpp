// Short words for looking into parsed JSON of a provider: absent, null and wrongly typed members
// read as nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/stream_event.hpp"
#include "turnpike/decision.hpp"
#include "wire/json_document.hpp"

namespace turnpike::dialect {

using JsonElement = simdjson::dom::element;
using JsonObject = simdjson::dom::object;
using JsonArray = simdjson::dom::array;

/// A provider's JSON, parsed. `text` is what was parsed, for cutting raw fragments; lone surrogates
/// in it have been replaced without moving anything. Both live until the next parse on this thread.
struct ProviderJson {
  wire::JsonDocument document;
  std::string_view text;
};
std::optional<ProviderJson> parse_provider_json(std::string_view text);

inline std::string_view text_of(const JsonElement& element) {
  std::string_view text;
  return element.get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

inline std::string_view text_member(const JsonObject& object, std::string_view key) {
  std::string_view text;
  return object.at_key(key).get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

inline std::optional<JsonObject> object_member(const JsonObject& object, std::string_view key) {
  JsonObject member;
  if (object.at_key(key).get(member) != simdjson::SUCCESS) return std::nullopt;
  return member;
}

inline std::optional<JsonArray> array_member(const JsonObject& object, std::string_view key) {
  JsonArray member;
  if (object.at_key(key).get(member) != simdjson::SUCCESS) return std::nullopt;
  return member;
}

/// Calls `visit(object, position)` for each element of the array `key` that is an object; nothing
/// if there is none.
template <typename Visit>
void for_each_object(const JsonObject& object, std::string_view key, Visit&& visit) {
  const auto array = array_member(object, key);
  if (!array) return;
  std::size_t position = 0;
  for (const JsonElement& element : *array) {
    JsonObject entry;
    if (element.get(entry) == simdjson::SUCCESS) visit(entry, position);
    ++position;
  }
}

/// `absent` if the member is missing or no integer.
inline std::int64_t integer_member(const JsonObject& object, std::string_view key,
                                   std::int64_t absent = 0) {
  std::int64_t number = 0;
  return object.at_key(key).get(number) == simdjson::SUCCESS ? number : absent;
}

/// Reads token counters and remembers whether they made sense.
class CountReader {
 public:
  explicit CountReader(bool& plausible) : plausible_(plausible) {}
  /// True if the member is there and not null; `count` is set only then. Negative numbers,
  /// those above 2^50 and anything that is not an integer count as 0 and are implausible.
  bool read(const JsonObject& object, std::string_view key, std::int64_t& count);

 private:
  bool& plausible_;
};

/// An error object in any of the shapes providers use, found under "error" or being the root
/// itself.
struct ProviderError {
  std::string_view type;  // or Gemini's status
  std::string code;       // numbers as text
  std::string_view message;
};
ProviderError read_error_object(const JsonElement& root);
ProviderError read_error_object(const JsonObject& root);

/// The Failure for JSON that is none or lacks what an answer must have.
Failure broken_answer(const Candidate& candidate, std::string_view what);

/// Walks to a value inside validated JSON and gives its text as it came: numbers, key order and
/// escapes survive.
class RawCursor {
 public:
  explicit RawCursor(std::string_view validated);
  [[nodiscard]] RawCursor member(std::string_view key) const;
  [[nodiscard]] RawCursor element(std::size_t index) const;
  /// "" if the walk has left the document.
  [[nodiscard]] std::string_view text() const { return json_.substr(begin_, end_ - begin_); }
  [[nodiscard]] std::size_t begin() const { return begin_; }
  [[nodiscard]] std::size_t end() const { return end_; }

 private:
  RawCursor(std::string_view json, std::size_t begin, std::size_t end)
      : json_(json), begin_(begin), end_(end) {}
  std::string_view json_;
  std::size_t begin_;
  std::size_t end_;
};

/// "call_" and 24 hex digits: the same call of the same answer always gets the same id.
std::string made_up_call_id(std::string_view response_id, std::int64_t choice,
                            std::int64_t ordinal);

}  // namespace turnpike::dialect
