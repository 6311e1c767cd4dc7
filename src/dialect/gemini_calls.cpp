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
  if (answered_) step_ = {};
  answered_ = false;
  content_ = content;
  calls_in_content_ = 0;
}

std::string GeminiCalls::add_call(const GeminiCallName& call, const std::optional<IssuerTag>& tag) {
  const auto ordinal = calls_in_content_++;
  std::string id = tag ? tag->call_id : std::string{};
  if (id.empty()) id = call.id;
  if (id.empty()) id = made_tool_id(fmt::format("gemini:{}:{}:{}", content_, ordinal, call.name));
  const auto index = step_.calls.size();
  step_.calls.push_back({.id = id});
  step_.all.calls.push_back(index);
  step_.by_name[call.name].calls.push_back(index);
  step_.by_id[id].calls.push_back(index);
  if (!call.id.empty() && call.id != id) step_.by_id[call.id].calls.push_back(index);
  return id;
}

std::optional<std::string> GeminiCalls::take(Queue& queue) {
  while (queue.next < queue.calls.size()) {
    auto& call = step_.calls[queue.calls[queue.next++]];
    if (call.answered) continue;  // found through another queue
    call.answered = true;
    return std::move(call.id);
  }
  return std::nullopt;
}

std::optional<std::string> GeminiCalls::take(Queues& queues, const std::string& key) {
  const auto found = queues.find(key);
  return found == queues.end() ? std::nullopt : take(found->second);
}

std::vector<std::string> GeminiCalls::answer(const std::vector<GeminiCallName>& responses) {
  std::vector<std::optional<std::string>> found(responses.size());
  const auto match = [&](auto look_up) {
    for (std::size_t i = 0; i < responses.size(); ++i) {
      if (!found[i]) found[i] = look_up(responses[i]);
    }
  };
  using Found = std::optional<std::string>;
  // The surest first, so that a response without an id cannot take the place of a sibling's.
  match([this](const GeminiCallName& response) { return take(step_.by_id, response.id); });
  match([this](const GeminiCallName& response) { return take(step_.by_name, response.name); });
  match([this](const GeminiCallName& response) {
    return response.id.empty() ? take(step_.all) : Found{};
  });
  answered_ = answered_ || !responses.empty();
  std::vector<std::string> ids;
  ids.reserve(responses.size());
  for (std::size_t i = 0; i < responses.size(); ++i)
    ids.push_back(found[i].value_or(responses[i].id));
  return ids;
}

}  // namespace turnpike::dialect
