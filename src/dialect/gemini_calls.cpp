#include "dialect/gemini_calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dialect/tool_ids.hpp"

namespace turnpike::dialect {

std::optional<IssuerTag> gemini_issuer_tag(std::string_view signature) {
  constexpr std::size_t tag_bytes_max = 1024;  // real signatures are longer, and many
  if (signature.size() > tag_bytes_max) return std::nullopt;
  std::string standard{signature};
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  while (standard.size() % 4 != 0) standard += '=';
  return read_issuer_tag(standard);
}

void GeminiCalls::begin_model(std::size_t content) {
  if (answered_) open_.clear();
  answered_ = false;
  content_ = content;
  calls_in_content_ = 0;
}

std::string GeminiCalls::add_call(const GeminiCallName& call, const std::optional<IssuerTag>& tag) {
  const auto ordinal = calls_in_content_++;
  std::string id = tag ? tag->call_id : std::string{};
  if (id.empty()) id = call.id;
  if (id.empty()) id = made_tool_id(fmt::format("gemini:{}:{}:{}", content_, ordinal, call.name));
  open_.push_back({call.id, id, call.name});
  return id;
}

std::optional<std::string> GeminiCalls::take(const GeminiCallName& response,
                                             bool (*fits)(const Open&, const GeminiCallName&)) {
  const auto found =
      std::ranges::find_if(open_, [&](const Open& open) { return fits(open, response); });
  if (found == open_.end()) return std::nullopt;
  auto id = std::move(found->id);
  open_.erase(found);
  return id;
}

std::vector<std::string> GeminiCalls::answer(const std::vector<GeminiCallName>& responses) {
  std::vector<std::optional<std::string>> found(responses.size());
  const auto match = [&](bool (*fits)(const Open&, const GeminiCallName&)) {
    for (std::size_t i = 0; i < responses.size(); ++i) {
      if (!found[i]) found[i] = take(responses[i], fits);
    }
  };
  // The surest first, so that a response without an id cannot take the place of a sibling's.
  match([](const Open& open, const GeminiCallName& response) {
    return !response.id.empty() && (response.id == open.id || response.id == open.own_id);
  });
  match(
      [](const Open& open, const GeminiCallName& response) { return open.name == response.name; });
  match([](const Open&, const GeminiCallName& response) { return response.id.empty(); });
  answered_ = answered_ || !responses.empty();
  std::vector<std::string> ids;
  ids.reserve(responses.size());
  for (std::size_t i = 0; i < responses.size(); ++i)
    ids.push_back(found[i].value_or(responses[i].id));
  return ids;
}

}  // namespace turnpike::dialect
