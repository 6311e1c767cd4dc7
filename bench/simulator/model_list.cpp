#include "model_list.hpp"

#include <vector>

#include "endpoint.hpp"
#include "exchange.hpp"

namespace turnpike::simulator {
namespace {

using Names = std::vector<const char*>;

std::string openai_list(const Names& names, std::string_view owner) {
  Json list = Json::array();
  for (const auto* id : names)
    list.push_back(
        Json{{"id", id}, {"object", "model"}, {"created", 1'788'220'800}, {"owned_by", owner}});
  return Json{{"object", "list"}, {"data", std::move(list)}}.dump();
}

std::string anthropic_list(const Names& names) {
  Json list = Json::array();
  for (const auto* id : names) {
    list.push_back(Json{{"type", "model"},
                        {"id", id},
                        {"display_name", id},
                        {"created_at", "2026-09-01T00:00:00Z"}});
  }
  return Json{{"data", std::move(list)},
              {"has_more", false},
              {"first_id", names.front()},
              {"last_id", names.back()}}
      .dump();
}

std::string gemini_list(const Names& names) {
  Json list = Json::array();
  for (const auto* id : names) {
    list.push_back(
        Json{{"name", std::string{"models/"} + id},
             {"supportedGenerationMethods", Json::array({"generateContent", "countTokens"})}});
  }
  return Json{{"models", std::move(list)}}.dump();
}

}  // namespace

std::string model_list(const HttpRequest& request) {
  const bool asks_anthropic = !request.header("anthropic-version").empty();
  const Names local = {"qwen3-coder", "gpt-oss-20b"};
  switch (
      maker_of(request.path).value_or(asks_anthropic ? Provider::anthropic : Provider::deepseek)) {
    case Provider::anthropic:
      return anthropic_list({"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"});
    case Provider::gemini:
      return gemini_list({"gemini-3.1-pro-preview", "gemini-3.8-flash", "gemini-2.5-flash"});
    case Provider::openai:
      return openai_list({"gpt-5.4", "gpt-5.4-mini", "gpt-5.1-codex"}, "openai");
    case Provider::local:
      return asks_anthropic ? anthropic_list(local) : openai_list(local, "vllm");
    case Provider::deepseek:
      break;
  }
  return openai_list({"deepseek-flash", "deepseek-v4-pro"}, "deepseek");
}

}  // namespace turnpike::simulator
