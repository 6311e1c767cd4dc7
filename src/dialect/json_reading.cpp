#include "dialect/json_reading.hpp"

#include <fmt/format.h>

namespace turnpike::dialect {
namespace {

/// Larger texts are not worth keeping the room for; JsonDocument gives them a parser of their own.
constexpr std::size_t kept_capacity_max = std::size_t{1} << 20U;

std::uint64_t fnv1a(std::string_view text, std::uint64_t hash) {
  for (const char character : text) {
    hash ^= static_cast<unsigned char>(character);
    hash *= 0x100000001b3U;
  }
  return hash;
}

}  // namespace

std::optional<ProviderJson> parse_provider_json(std::string_view text) {
  thread_local std::string scratch;
  if (scratch.capacity() > kept_capacity_max && text.size() <= kept_capacity_max) {
    scratch = std::string{};
  }
  // A large document brings its own parser, which would go with it, and the decoded strings that
  // events point to with the parser.
  thread_local std::optional<wire::JsonDocument> last_large;
  last_large.reset();
  scratch.reserve(text.size() + wire::json_slack);
  scratch.assign(text);
  auto document = wire::JsonDocument::parse(scratch);
  if (!document) return std::nullopt;
  if (text.size() > kept_capacity_max) last_large = *document;
  return ProviderJson{std::move(*document), scratch};
}

/// Far above any context window, and low enough that sums of counters cannot overflow.
constexpr std::int64_t count_max = std::int64_t{1} << 50U;

bool CountReader::read(const JsonObject& object, std::string_view key, std::int64_t& count) {
  JsonElement member;
  if (object.at_key(key).get(member) != simdjson::SUCCESS || member.is_null()) return false;
  std::int64_t number = 0;
  const bool sensible =
      member.get(number) == simdjson::SUCCESS && number >= 0 && number <= count_max;
  if (!sensible) plausible_ = false;
  count = sensible ? number : 0;
  return true;
}

namespace {

std::string code_text(const JsonObject& object) {
  JsonElement code;
  if (object.at_key("code").get(code) != simdjson::SUCCESS) return {};
  if (code.is_string()) return std::string{text_of(code)};
  std::int64_t number = 0;
  return code.get(number) == simdjson::SUCCESS ? std::to_string(number) : std::string{};
}

ProviderError read_error_members(const JsonObject& object) {
  ProviderError error;
  error.type = text_member(object, "type");
  if (error.type.empty()) error.type = text_member(object, "status");
  error.code = code_text(object);
  error.message = text_member(object, "message");
  if (error.message.empty()) error.message = text_member(object, "detail");
  return error;
}

}  // namespace

// Gemini's compatibility server wraps all in an array.
ProviderError read_error_object(const JsonElement& root) {
  JsonArray array;
  if (root.get(array) == simdjson::SUCCESS) {
    for (const JsonElement& element : array) return read_error_object(element);
    return {};
  }
  JsonObject object;
  if (root.get(object) == simdjson::SUCCESS) return read_error_object(object);
  ProviderError error;
  error.message = text_of(root);
  return error;
}

// error.message, error (a string), message, detail: in this order.
ProviderError read_error_object(const JsonObject& root) {
  JsonElement inner;
  if (root.at_key("error").get(inner) != simdjson::SUCCESS || inner.is_null()) {
    return read_error_members(root);
  }
  JsonObject inner_object;
  if (inner.get(inner_object) == simdjson::SUCCESS) return read_error_members(inner_object);
  ProviderError error = read_error_members(root);
  if (!text_of(inner).empty()) error.message = text_of(inner);
  return error;
}

RawCursor::RawCursor(std::string_view validated)
    : json_(validated), begin_(validated.find_first_not_of(" \t\r\n")), end_(validated.size()) {
  if (begin_ == std::string_view::npos) begin_ = end_;
}

RawCursor RawCursor::member(std::string_view key) const {
  if (!text().starts_with('{')) return {json_, json_.size(), json_.size()};
  RawCursor found{json_, json_.size(), json_.size()};
  wire::walk_members(json_, begin_, [&](const wire::MemberSpan& span) {
    if (span.key == key) found = {json_, span.value_begin, span.value_end};
    return span.key != key;
  });
  return found;
}

RawCursor RawCursor::element(std::size_t index) const {
  if (!text().starts_with('[')) return {json_, json_.size(), json_.size()};
  RawCursor found{json_, json_.size(), json_.size()};
  wire::walk_elements(json_, begin_, [&](std::size_t begin, std::size_t end) {
    if (index == 0) found = {json_, begin, end};
    return index-- != 0;
  });
  return found;
}

Failure broken_answer(const Candidate& candidate, std::string_view what) {
  return Failure{upstream_error(502, Retry::next_candidate, "bad_upstream",
                                fmt::format("{} sent {}.", candidate.provider, what))};
}

std::string made_up_call_id(std::string_view response_id, std::int64_t choice,
                            std::int64_t ordinal) {
  const std::string seed = fmt::format("{}/{}/{}", response_id, choice, ordinal);
  const std::uint64_t high = fnv1a(seed, 0xcbf29ce484222325U);
  const std::uint64_t low = fnv1a(seed, high ^ 0x9e3779b97f4a7c15U);
  return fmt::format("call_{:016x}{:08x}", high, low & 0xffffffffU);
}

}  // namespace turnpike::dialect
