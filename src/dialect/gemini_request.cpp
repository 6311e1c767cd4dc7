#include "dialect/gemini_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dialect/gemini_contents.hpp"
#include "dialect/gemini_fields.hpp"
#include "dialect/gemini_schema.hpp"
#include "dialect/gemini_words.hpp"
#include "dialect/known_fields.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonView;
using Mode = ir::ToolChoice::Mode;

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

class RequestReader {
 public:
  explicit RequestReader(JsonView body) : top_(body) {}

  Result<ir::Request> read() {
    if (!top_["cachedContent"].none() && !top_["cachedContent"].text().empty()) {
      return unsupported("Cached content belongs to the provider that keeps it.", "cachedContent");
    }
    if (auto done = read_gemini_contents(top_["systemInstruction"], top_["contents"], request_);
        !done)
      return std::unexpected{std::move(done.error())};
    for (const auto& tool : gemini_list(top_["tools"])) read_tool(GeminiFields{tool});
    read_tool_config(GeminiFields{top_["toolConfig"]});
    if (auto done = read_generation(GeminiFields{top_["generationConfig"]}); !done)
      return std::unexpected{std::move(done.error())};
    count_losses();
    return std::move(request_);
  }

 private:
  // ---- tools

  void read_tool(const GeminiFields& tool) {
    for (const auto& member : tool) {
      if (member.value.none() || is_gemini_key(member.key, "functionDeclarations")) continue;
      request_.losses.add(is_gemini_key(member.key, "mcpServers") ? Loss::mcp_servers
                                                                  : Loss::server_tools);
    }
    for (const auto& raw : gemini_list(tool["functionDeclarations"])) {
      const GeminiFields declaration{raw};
      ir::Tool read;
      read.name = declaration["name"].text();
      read.description = declaration["description"].text();
      const auto schema = declaration["parametersJsonSchema"];
      read.parameters = kept_schema(schema.is_object() ? schema : declaration["parameters"]);
      request_.tools.push_back(std::move(read));
    }
  }

  /// A schema of the body as it came, or its conversion, which the request then owns.
  std::string_view kept_schema(JsonView schema) {
    if (!schema.is_object()) return {};
    auto converted = json_schema_of(schema.raw());
    if (!converted) return schema.raw();
    request_.kept.push_back(std::make_shared<const std::string>(std::move(*converted)));
    return *request_.kept.back();
  }

  void read_tool_config(const GeminiFields& config) {
    request_.losses.add_if(!config["retrievalConfig"].none() ||
                               config["includeServerSideToolInvocations"].boolean() == true,
                           Loss::server_tools);
    const GeminiFields calling{config["functionCallingConfig"]};
    auto& choice = request_.tool_choice;
    choice.mode = mode_of(upper_case(calling["mode"].text()));
    for (const auto& name : calling["allowedFunctionNames"].elements()) {
      choice.names.push_back(name.text());
    }
  }

  /// VALIDATED leaves the choice to the model and checks its calls against the schemas.
  static Mode mode_of(std::string_view word) {
    if (word == "ANY") return Mode::required;
    if (word == "NONE") return Mode::none;
    return word == "AUTO" || word == "VALIDATED" ? Mode::automatic : Mode::unset;
  }

  // ---- generationConfig

  Result<void> read_generation(const GeminiFields& config) {
    if (auto done = read_modalities(config); !done) return done;
    if (auto done = read_thinking(GeminiFields{config["thinkingConfig"]}); !done) return done;
    read_sampling(config);
    read_format(config);
    for (const auto& word : config["stopSequences"].elements()) {
      if (auto text = word.text(); !text.empty()) request_.stop.push_back(std::move(text));
    }
    request_.output_tokens_max = config["maxOutputTokens"].integer();
    request_.choices = config["candidateCount"].integer().value_or(1);
    request_.logprobs = config["responseLogprobs"].boolean().value_or(false);
    request_.top_logprobs = config["logprobs"].integer();
    constexpr auto read_above = std::to_array<std::string_view>(
        {"thinkingConfig", "temperature", "topP", "topK", "presencePenalty", "frequencyPenalty",
         "seed", "responseMimeType", "responseSchema", "responseJsonSchema", "stopSequences",
         "maxOutputTokens", "candidateCount", "responseLogprobs", "logprobs",
         "responseModalities"});
    for (const auto& member : config) {
      if (member.value.none()) continue;
      const auto is_member = [&](std::string_view name) { return is_gemini_key(member.key, name); };
      if (std::ranges::any_of(read_above, is_member)) continue;
      request_.losses.add(is_member("mediaResolution") ? Loss::media_resolution
                          : is_member("speechConfig")  ? Loss::audio_output
                          : is_member("imageConfig")   ? Loss::response_modalities
                                                       : Loss::unknown_field);
    }
    return {};
  }

  Result<void> read_modalities(const GeminiFields& config) {
    bool text = false;
    bool other = false;
    for (const auto& word : config["responseModalities"].elements()) {
      const auto modality = upper_case(word.text());
      text = text || modality == "TEXT";
      other = other || (modality != "TEXT" && modality != "MODALITY_UNSPECIFIED");
    }
    if (other && !text) {
      return unsupported("Only answers in text can be translated.",
                         "generationConfig.responseModalities");
    }
    request_.losses.add_if(other, Loss::response_modalities);
    return {};
  }

  Result<void> read_thinking(const GeminiFields& thinking) {
    const auto wish = read_gemini_thinking(thinking);
    if (!wish) return std::unexpected{wish.error()};
    request_.effort = wish->effort;
    request_.thinking_budget = wish->budget;
    return {};
  }

  static std::optional<ir::Number> number_of(JsonView value) {
    const auto number = value.number();
    if (!number) return std::nullopt;
    return ir::Number{value.raw(), *number};
  }

  void read_sampling(const GeminiFields& config) {
    auto& sampling = request_.sampling;
    sampling.temperature = number_of(config["temperature"]);
    sampling.top_p = number_of(config["topP"]);
    sampling.top_k = number_of(config["topK"]);
    sampling.presence_penalty = number_of(config["presencePenalty"]);
    sampling.frequency_penalty = number_of(config["frequencyPenalty"]);
    sampling.seed = number_of(config["seed"]);
  }

  void read_format(const GeminiFields& config) {
    const auto mime = config["responseMimeType"].text();
    if (mime.empty() || mime == "text/plain") return;
    if (mime != "application/json") {
      request_.losses.add(Loss::response_format);  // text/x.enum: one of the schema's words
      return;
    }
    const auto standard = config["responseJsonSchema"];
    const auto schema = kept_schema(standard.is_object() ? standard : config["responseSchema"]);
    using Kind = ir::ResponseFormat::Kind;
    request_.format = {schema.empty() ? Kind::json_object : Kind::json_schema, schema};
  }

  // ---- the rest

  void count_losses() {
    constexpr auto known_fields =
        std::to_array<KnownField>({{"contents", {}},
                                   {"systemInstruction", {}},
                                   {"tools", {}},
                                   {"toolConfig", {}},
                                   {"generationConfig", {}},
                                   {"model", {}},
                                   {"cachedContent", {}},
                                   {"serviceTier", {}},
                                   {"safetySettings", Loss::safety_settings},
                                   {"labels", Loss::metadata},
                                   {"store", Loss::store}});
    dialect::count_losses(top_, known_fields, request_.losses,
                          [](const wire::JsonView::Member& member, std::string_view name) {
                            return is_gemini_key(member.key, name);
                          });
  }

  GeminiFields top_;
  ir::Request request_;
};

}  // namespace

Result<ir::Request> read_gemini_request(const std::string& body, const RequestView& view) {
  auto request = RequestReader{generate_request(JsonView{body})}.read();
  if (request) request->stream = view.stream;
  return request;
}

}  // namespace turnpike::dialect
