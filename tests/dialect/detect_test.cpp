#include "dialect/detect.hpp"

#include <catch2/catch.hpp>

#include "dialect/model_list.hpp"

namespace turnpike::dialect {

TEST_CASE("paths name their endpoint and dialect with and without the version",
          "[dialect][detect]") {
  for (const std::string prefix : {"", "/v1"}) {
    CHECK(route_of(prefix + "/chat/completions").endpoint == Endpoint::chat_completions);
    CHECK(route_of(prefix + "/models").endpoint == Endpoint::models);
    CHECK(route_of(prefix + "/messages").dialect == Dialect::anthropic_messages);
    CHECK(route_of(prefix + "/messages/count_tokens").endpoint == Endpoint::count_tokens);
    CHECK(route_of(prefix + "/responses").dialect == Dialect::openai_responses);
    CHECK(route_of(prefix + "/responses/resp_1").endpoint == Endpoint::responses);
  }
  CHECK(route_of("/").endpoint == Endpoint::root);
  CHECK(route_of("").endpoint == Endpoint::root);
  CHECK(route_of("/healthz").endpoint == Endpoint::health);
  CHECK(route_of("/readyz").endpoint == Endpoint::ready);
  CHECK(route_of("/v1/models/").endpoint == Endpoint::models);
}

TEST_CASE("model ids keep their slashes and lose their escapes", "[dialect][detect]") {
  CHECK(route_of("/v1/models/deepseek/deepseek-flash").argument == "deepseek/deepseek-flash");
  CHECK(route_of("/v1/models/deepseek%2Fdeepseek-flash").argument == "deepseek/deepseek-flash");
  CHECK(route_of("/v1/models/100%").argument == "100%");
  CHECK(route_of("/v1/models/a%4").argument == "a%4");
  CHECK(route_of("/v1/models/a%41").argument == "aA");
}

TEST_CASE("Gemini's verbs belong to the model", "[dialect][detect]") {
  const Route route = route_of("/v1beta/models/gemini-3-flash:streamGenerateContent");
  CHECK(route.endpoint == Endpoint::gemini_stream);
  CHECK(route.argument == "gemini-3-flash");
  CHECK(route.dialect == Dialect::gemini_generate);
  CHECK(route_of("/v1beta/models/g:generateContent").endpoint == Endpoint::gemini_generate);
  CHECK(route_of("/v1beta/models/g:countTokens").endpoint == Endpoint::gemini_count);
  CHECK(route_of("/v1beta/models/g:fly").endpoint == Endpoint::unknown);
  CHECK(route_of("/v1beta/models/g:fly").dialect == Dialect::gemini_generate);
  CHECK(route_of("/v1beta/models").endpoint == Endpoint::gemini_models);
}

TEST_CASE("unknown paths answer in the dialect of their neighbours", "[dialect][detect]") {
  CHECK(route_of("/v1/messages/batches").dialect == Dialect::anthropic_messages);
  CHECK(route_of("/v1beta/files").dialect == Dialect::gemini_generate);
  CHECK(route_of("/v1/embeddings").endpoint == Endpoint::unknown);
  CHECK(route_of("/v1").endpoint == Endpoint::unknown);
}

TEST_CASE("methods are told for 405", "[dialect][detect]") {
  CHECK(allows(route_of("/v1/chat/completions"), "POST"));
  CHECK_FALSE(allows(route_of("/v1/chat/completions"), "GET"));
  CHECK(allow_header(route_of("/v1/models")) == "GET, HEAD");
  CHECK(allow_header(route_of("/nowhere")).empty());
}

TEST_CASE("model lists have the shape their caller expects", "[dialect][models]") {
  ModelInfo model;
  model.id = "anthropic/claude-opus-5-5";
  model.created = Instant{std::chrono::seconds{1790000000}};
  model.context_tokens = 1000000;
  const std::vector<ModelInfo> models{model};
  CHECK(
      models_body(Dialect::openai_chat, models) ==
      R"({"object":"list","data":[{"id":"anthropic/claude-opus-5-5","object":"model","created":1790000000,)"
      R"("owned_by":"turnpike"}]})");
  CHECK(
      models_body(Dialect::anthropic_messages, models) ==
      R"({"data":[{"type":"model","id":"anthropic/claude-opus-5-5","display_name":"anthropic/claude-opus-5-5",)"
      R"("created_at":"2026-09-21T14:13:20Z","max_input_tokens":1000000}],"first_id":"anthropic/claude-opus-5-5",)"
      R"("last_id":"anthropic/claude-opus-5-5","has_more":false})");
  CHECK(models_body(Dialect::anthropic_messages, {}) ==
        R"({"data":[],"first_id":null,"last_id":null,"has_more":false})");
  CHECK(model_body(Dialect::openai_chat, model).starts_with(R"({"id":"anthropic/)"));
  CHECK(models_body(Dialect::gemini_generate, models)
            .starts_with(R"({"models":[{"name":"models/anthropic/)"));
}

}  // namespace turnpike::dialect
