#include "gemini_reader.hpp"

#include <algorithm>

#include "gemini_fields.hpp"
#include "signature.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr char thought_kind = 'G';
constexpr std::int64_t context_tokens = 1'048'576;

std::unexpected<Refusal> bad(const std::string& message) {
  return std::unexpected{gemini_refusal(400, message, "INVALID_ARGUMENT")};
}

std::unexpected<Refusal> bad_field(const std::string& message, const std::string& field) {
  const Json details = Json::array(
      {Json{{"@type", "type.googleapis.com/google.rpc.BadRequest"},
            {"fieldViolations", Json::array({Json{{"field", field}, {"description", message}}})}}});
  return std::unexpected{gemini_refusal(400, message, "INVALID_ARGUMENT", details)};
}

bool is_generation_3(std::string_view model) { return model.starts_with("gemini-3"); }
bool is_generation_25(std::string_view model) { return model.starts_with("gemini-2.5"); }

// The documented stand-ins for lost signatures, as they are and in base64.
bool is_dummy(std::string_view signature) {
  for (const std::string_view word :
       {"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}) {
    if (signature == word || from_base64(signature) == std::string{word}) return true;
  }
  return false;
}

std::string part_place(std::size_t content, std::size_t part) {
  return "contents[" + std::to_string(content) + "].parts[" + std::to_string(part) + "]";
}

class Reader {
 public:
  Reader(const Settings& settings, const HttpRequest& request)
      : settings_(settings), request_(request) {}

  Checked<Ask> read() {
    ask_.endpoint = Endpoint::gemini_generate;
    if (auto fine = authenticate(); !fine) return std::unexpected{fine.error()};
    if (auto fine = read_target(); !fine) return std::unexpected{fine.error()};
    const auto body = Json::parse(request_.body, nullptr, false);
    if (!body.is_object())
      return bad("Invalid JSON payload received. Expected an object key or }.");
    if (const auto unknown = find_unknown_field(body)) {
      const auto message = "Invalid JSON payload received. Unknown name \"" + unknown->name + "\"" +
                           (unknown->place.empty() ? "" : " at '" + unknown->place + "'") +
                           ": Cannot find field.";
      return bad_field(message, unknown->place);
    }
    body_ = in_camel_case(body);
    for (auto step : {&Reader::read_generation, &Reader::read_thinking, &Reader::read_tools,
                      &Reader::read_tool_config, &Reader::read_contents, &Reader::check_turns,
                      &Reader::check_signatures}) {
      if (auto fine = (this->*step)(); !fine) return std::unexpected{fine.error()};
    }
    read_directives(ask_);
    return std::move(ask_);
  }

 private:
  Checked<void> authenticate() {
    std::string key{request_.header("x-goog-api-key")};
    if (key.empty()) key = request_.query_value("key");
    if (key.empty()) {
      return std::unexpected{
          gemini_refusal(403,
                         "Method doesn't allow unregistered callers (callers without established "
                         "identity). Please "
                         "use API Key or other form of API consumer identity to call this API.",
                         "PERMISSION_DENIED")};
    }
    ask_.cache_scope = key;
    if (key_accepted(settings_, key)) return {};
    const std::string text = "API key not valid. Please pass a valid API key.";
    const Json details =
        Json::array({Json{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                          {"reason", "API_KEY_INVALID"},
                          {"domain", "googleapis.com"},
                          {"metadata", Json{{"service", "generativelanguage.googleapis.com"}}}},
                     Json{{"@type", "type.googleapis.com/google.rpc.LocalizedMessage"},
                          {"locale", "en-US"},
                          {"message", text}}});
    return std::unexpected{gemini_refusal(400, text, "INVALID_ARGUMENT", details)};
  }

  Checked<void> read_target() {
    const auto start = request_.path.find("/models/");
    const auto colon = request_.path.rfind(':');
    ask_.model = request_.path.substr(start + 8, colon - start - 8);
    const auto method = request_.path.substr(colon + 1);
    ask_.stream = method == "streamGenerateContent" && request_.query_value("alt") == "sse";
    if (method == "streamGenerateContent" && !ask_.stream)
      ask_.notes.emplace_back("streamGenerateContent without alt=sse");
    ask_.cache_scope += '/' + ask_.model;
    ask_.signs_calls = is_generation_3(ask_.model);
    ask_.gives_call_ids = is_generation_3(ask_.model);
    if (ask_.model.starts_with("gemini-") || settings_.any_model) return {};
    return std::unexpected{gemini_refusal(
        404,
        "models/" + ask_.model +
            " is not found for API version v1beta, or is not supported for generateContent. Call "
            "ModelService.ListModels to see the list of available models and their supported "
            "methods.",
        "NOT_FOUND")};
  }

  Checked<void> number_in(const Json& config, const char* name, double least, double most) {
    const auto& value = member(config, name);
    if (value.is_null()) return {};
    if (!value.is_number())
      return bad_field("Invalid value at 'generation_config." + std::string{name} + "'",
                       std::string{"generation_config."} + name);
    if (value.get<double>() >= least && value.get<double>() <= most) return {};
    return bad("Unable to submit request because it has a " + std::string{name} + " value of " +
               value.dump() + " but the supported range is from " +
               std::to_string(static_cast<std::int64_t>(least)) + " (inclusive) to " +
               std::to_string(static_cast<std::int64_t>(most) + 1) +
               " (exclusive). Update the value and try again.");
  }

  Checked<void> read_generation() {
    const auto& config = member(body_, "generationConfig");
    struct Range {
      const char* name;
      double least;
      double most;
    };
    for (const auto& range : {Range{"temperature", 0, 2}, Range{"topP", 0, 1},
                              Range{"maxOutputTokens", 1, 65'536}, Range{"candidateCount", 1, 1}}) {
      if (auto fine = number_in(config, range.name, range.least, range.most); !fine) return fine;
    }
    const auto& most = member(config, "maxOutputTokens");
    ask_.output_tokens_max = most.is_number() ? most.get<std::int64_t>() : 65'536;
    const auto& stops = member(config, "stopSequences");
    if (stops.size() > 5) return bad("The number of stop sequences must be between 0 and 5.");
    for (const auto& stop : stops)
      ask_.stop_sequences.push_back(stop.is_string() ? stop.get<std::string>() : "");
    const auto mime = string_member(config, "responseMimeType");
    const auto& schema = member(config, "responseJsonSchema");
    const auto& old_schema = member(config, "responseSchema");
    if (!schema.is_null() && !old_schema.is_null())
      return bad("Only one of response_schema and response_json_schema may be set");
    const bool structured = !schema.is_null() || !old_schema.is_null();
    if (structured && mime != "application/json") {
      return bad("Response schema is only supported with response_mime_type: application/json");
    }
    if (!schema.is_null()) {
      if (auto fine = check_subset(schema, "response_json_schema"); !fine) return fine;
    }
    if (structured) ask_.output_schema = schema.is_null() ? old_schema : schema;
    ask_.json_object = mime == "application/json";
    return {};
  }

  Checked<void> check_subset(const Json& schema, const std::string& where) {
    const auto keyword = find_unsupported_keyword(schema);
    if (!keyword) return {};
    if (settings_.strict_schema)
      return bad("Unsupported JSON Schema keyword \"" + *keyword + "\" in " + where);
    ask_.notes.push_back("keyword \"" + *keyword + "\" in " + where);
    return {};
  }

  Checked<void> read_thinking() {
    const auto& config = member(member(body_, "generationConfig"), "thinkingConfig");
    const auto level = to_lower(string_member(config, "thinkingLevel"));
    const auto& budget = member(config, "thinkingBudget");
    const bool pro = ask_.model.find("pro") != std::string::npos;
    ask_.thinking = is_generation_3(ask_.model) || is_generation_25(ask_.model);
    ask_.thinking_shown = member(config, "includeThoughts") == true;
    ask_.effort = pro ? "high" : "medium";
    if (!level.empty() && !budget.is_null())
      return bad("You can only set only one of thinking budget and thinking level.");
    if (!level.empty()) {
      if (!is_generation_3(ask_.model))
        return bad("Thinking level is not supported for this model.");
      const bool three_pro = ask_.model.starts_with("gemini-3-pro");
      const bool known = level == "low" || level == "high" || (level == "medium" && !three_pro) ||
                         (level == "minimal" && !pro);
      if (!known)
        return bad("Thinking level " + string_member(config, "thinkingLevel") +
                   " is not supported for this model. Please retry with other thinking level.");
      ask_.effort = level;
    }
    if (budget.is_null()) return {};
    if (!budget.is_number_integer())
      return bad_field(
          "Invalid value at 'generation_config.thinking_config.thinking_budget' (TYPE_INT32)",
          "generation_config.thinking_config.thinking_budget");
    return check_budget(budget.get<std::int64_t>(), pro);
  }

  Checked<void> check_budget(std::int64_t budget, bool pro) {
    if (!ask_.thinking) return bad("Thinking is not enabled for " + ask_.model);
    if (is_generation_3(ask_.model))
      ask_.notes.emplace_back("thinkingBudget on a model that wants thinkingLevel");
    const bool lite = ask_.model.find("lite") != std::string::npos;
    const std::int64_t least = pro ? 128 : lite ? 512 : 0;
    const std::int64_t most = pro ? 32'768 : 24'576;
    if (budget == 0 && pro)
      return bad("Budget 0 is invalid. This model only works in thinking mode.");
    if (budget != -1 && budget != 0 && (budget < least || budget > most)) {
      return bad("The thinking budget " + std::to_string(budget) +
                 " is invalid. Please choose a value between " + std::to_string(least) + " and " +
                 std::to_string(most) + ".");
    }
    ask_.thinking = budget != 0;
    ask_.effort = budget < 0         ? ask_.effort
                  : budget <= 2048   ? "low"
                  : budget <= 12'000 ? "medium"
                                     : "high";
    return {};
  }

  Checked<void> read_declaration(const Json& declaration, const std::string& where) {
    const auto name = string_member(declaration, "name");
    const bool starts_well =
        !name.empty() && (std::isalpha(static_cast<unsigned char>(name[0])) != 0 || name[0] == '_');
    if (!starts_well || name.size() > 128 ||
        name.find_first_not_of(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-") !=
            std::string::npos) {
      return bad("* GenerateContentRequest." + where +
                 ".name: [FIELD_INVALID] Invalid function name. Must start with a letter or an "
                 "underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), "
                 "colons (:), or dashes (-), with a "
                 "maximum length of 128.");
    }
    for (const auto& other : ask_.tools) {
      if (other.name == name) return bad("Duplicate function declaration found: " + name);
    }
    const auto& schema = member(declaration, "parametersJsonSchema");
    const auto& old_schema = member(declaration, "parameters");
    if (!schema.is_null() && !old_schema.is_null())
      return bad(where + ": only one of parameters and parameters_json_schema may be set");
    if (!schema.is_null()) {
      if (auto fine = check_subset(schema, where + ".parameters_json_schema"); !fine) return fine;
    }
    if (auto fine = check_types(old_schema, where + ".parameters"); !fine) return fine;
    ask_.tools.push_back(
        {name, schema.is_null() ? (old_schema.is_null() ? Json::object() : old_schema) : schema});
    ask_.prompt.add(declaration.dump());
    return {};
  }

  // The proto schema knows one type per node.
  Checked<void> check_types(const Json& schema, const std::string& where) {
    if (!schema.is_object()) return {};
    if (member(schema, "type").is_array()) {
      return bad_field("Invalid JSON payload received. Unknown name \"type\" at '" + where +
                           "': Proto field is not repeating, cannot start list.",
                       where);
    }
    for (const auto& [key, value] : member(schema, "properties").items()) {
      std::string below = where;
      below.append(".properties[").append(key).append("]");
      if (auto fine = check_types(value, below); !fine) return fine;
    }
    return check_types(member(schema, "items"), where + ".items");
  }

  Checked<void> read_tools() {
    const auto& tools = member(body_, "tools");
    for (std::size_t i = 0; i < tools.size(); ++i) {
      if (tools[i].contains("googleSearch")) ask_.searches_max = searches_unbounded;
      const auto& declarations = member(tools[i], "functionDeclarations");
      for (std::size_t j = 0; j < declarations.size(); ++j) {
        auto fine = read_declaration(
            declarations[j],
            "tools[" + std::to_string(i) + "].function_declarations[" + std::to_string(j) + "]");
        if (!fine) return fine;
      }
    }
    return {};
  }

  Checked<void> read_tool_config() {
    const auto& calling = member(member(body_, "toolConfig"), "functionCallingConfig");
    if (calling.is_null()) return {};
    const auto mode = string_member(calling, "mode", "AUTO");
    if (mode != "AUTO" && mode != "ANY" && mode != "NONE" && mode != "VALIDATED") {
      return bad_field(
          "Invalid value at 'tool_config.function_calling_config.mode' "
          "(type.googleapis.com/google.ai.generativelanguage."
          "v1beta.FunctionCallingConfig.Mode), \"" +
              mode + "\"",
          "tool_config.function_calling_config.mode");
    }
    const auto& names = member(calling, "allowedFunctionNames");
    if (!names.empty() && mode != "ANY" && mode != "VALIDATED") {
      return bad(
          "Allowed function names should only be set when function calling mode is ANY or "
          "VALIDATED.");
    }
    if (mode == "ANY" && ask_.tools.empty())
      return bad("Function calling config is set without function_declarations.");
    if (mode == "NONE") ask_.tool_mode = ToolMode::none;
    if (mode == "ANY") ask_.tool_mode = ToolMode::required;
    for (const auto& name : names) {
      const auto known = std::find_if(ask_.tools.begin(), ask_.tools.end(),
                                      [&](const Tool& tool) { return name == tool.name; });
      if (known == ask_.tools.end())
        return bad("Function name " + name.dump() + " in allowed_function_names is not declared.");
      ask_.allowed_tools.push_back(name.get<std::string>());
    }
    return {};
  }

  Checked<void> read_contents() {
    for (const auto& part : member(member(body_, "systemInstruction"), "parts")) {
      ask_.system_text += string_member(part, "text") + '\n';
      ask_.prompt.add("<system>" + string_member(part, "text"));
    }
    const auto& contents = member(body_, "contents");
    if (!contents.is_array() || contents.empty())
      return bad("* GenerateContentRequest.contents: contents is not specified\n");
    std::string last_role;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const auto role = string_member(contents[i], "role", "user");
      if (role != "user" && role != "model") return bad("Please use a valid role: user, model.");
      const auto& parts = member(contents[i], "parts");
      if (!parts.is_array() || parts.empty()) {
        return bad("* GenerateContentRequest.contents[" + std::to_string(i) +
                   "].parts: contents.parts must not be empty.\n");
      }
      if (role != last_role) ask_.prompt.add("<" + role + ">");
      if (auto fine = read_turn(parts, i, role, role == last_role); !fine) return fine;
      last_role = role;
    }
    for (const auto& result : ask_.tool_results)
      ask_.tool_failed = ask_.tool_failed || looks_failed(result);
    const auto tokens = ask_.prompt.tokens();
    if (tokens <= context_tokens) return {};
    return bad("The input token count (" + std::to_string(tokens) +
               ") exceeds the maximum number of tokens allowed (" + std::to_string(context_tokens) +
               ").");
  }

  Checked<void> read_turn(const Json& parts, std::size_t index, const std::string& role,
                          bool continues) {
    const auto holds = [&](const char* field) {
      return std::any_of(parts.begin(), parts.end(),
                         [&](const Json& part) { return !member(part, field).is_null(); });
    };
    const bool results = holds("functionResponse");
    if (role == "model" || (results && !continues)) ask_.tool_results.clear();
    if (role == "user" && !results) {
      if (!continues) ask_.last_user_text.clear();
      ask_.tool_results.clear();
      ask_.step = 0;
      human_turn_ = index;
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (auto fine = read_part(parts[i], part_place(index, i), role); !fine) return fine;
    }
    if (role == "model" && holds("functionCall")) ++ask_.step;
    if (ask_.first_user_text.empty()) ask_.first_user_text = ask_.last_user_text;
    return {};
  }

  Checked<void> read_part(const Json& part, const std::string& where, const std::string& role) {
    int data_fields = 0;
    for (const auto* field : {"text", "inlineData", "fileData", "functionCall", "functionResponse",
                              "executableCode", "codeExecutionResult"}) {
      data_fields += member(part, field).is_null() ? 0 : 1;
    }
    if (data_fields != 1) {
      return bad("* GenerateContentRequest." + where +
                 ".data: required oneof field 'data' must have one initialized field\n");
    }
    const auto& call = member(part, "functionCall");
    const auto& response = member(part, "functionResponse");
    if (!call.is_null()) return read_call(call, where, role);
    if (!response.is_null()) return read_response(response, where, role);
    if (const auto& blob = member(part, "inlineData"); !blob.is_null()) {
      if (!from_base64(string_member(blob, "data")))
        return bad_field("Invalid value at '" + where +
                             ".inline_data.data' (TYPE_BYTES), Base64 decoding failed",
                         where);
      if (string_member(blob, "mimeType").empty())
        return bad("Unable to determine mime type of " + where);
      ask_.prompt.add_media(blob.dump(), 258);
      return {};
    }
    const auto text = string_member(part, "text");
    ask_.prompt.add(text + part.value("fileData", Json()).dump());
    if (role == "user") ask_.last_user_text += (ask_.last_user_text.empty() ? "" : "\n") + text;
    return {};
  }

  Checked<void> read_call(const Json& call, const std::string& where, const std::string& role) {
    if (role != "model") return bad("Please ensure that function call parts are in model turns.");
    if (string_member(call, "name").empty())
      return bad("* GenerateContentRequest." + where +
                 ".function_call.name: Name cannot be empty.\n");
    const auto& args = member(call, "args");
    if (!args.is_null() && !args.is_object()) {
      return bad_field("Invalid value at '" + where +
                           ".function_call.args' (type.googleapis.com/google.protobuf.Struct), " +
                           args.dump(),
                       where + ".function_call.args");
    }
    ask_.prompt.add("<call>" + call.dump());
    return {};
  }

  Checked<void> read_response(const Json& response, const std::string& where,
                              const std::string& role) {
    if (role != "user") return bad("Please ensure that function response parts are in user turns.");
    const auto& value = member(response, "response");
    if (string_member(response, "name").empty())
      return bad("* GenerateContentRequest." + where +
                 ".function_response.name: Name cannot be empty.\n");
    if (!value.is_object()) {
      return bad_field(
          "Invalid value at '" + where +
              ".function_response.response' (type.googleapis.com/google.protobuf.Struct), " +
              value.dump(),
          where + ".function_response.response");
    }
    ask_.prompt.add("<result>" + response.dump());
    std::string text;
    for (const auto& [key, one] : value.items())
      text += one.is_string() ? one.get<std::string>() : one.dump();
    ask_.tool_failed = ask_.tool_failed || value.contains("error");
    ask_.tool_results.push_back(std::move(text));
    return {};
  }

  struct Turn {
    std::string role;
    std::size_t index = 0;  // of its last content
    std::vector<const Json*> calls;
    std::vector<const Json*> results;
    bool others = false;
  };

  std::vector<Turn> merged_turns() const {
    std::vector<Turn> turns;
    const auto& contents = member(body_, "contents");
    for (std::size_t i = 0; i < contents.size(); ++i) {
      const auto role = string_member(contents[i], "role", "user");
      if (turns.empty() || turns.back().role != role) turns.push_back({.role = role});
      turns.back().index = i;
      for (const auto& part : member(contents[i], "parts")) {
        const auto& call = member(part, "functionCall");
        const auto& result = member(part, "functionResponse");
        if (!call.is_null()) turns.back().calls.push_back(&call);
        if (!result.is_null()) turns.back().results.push_back(&result);
        if (call.is_null() && result.is_null()) turns.back().others = true;
      }
    }
    return turns;
  }

  Checked<void> check_turns() {
    const auto turns = merged_turns();
    if (turns.front().role != "user")
      return bad("Please ensure that multiturn requests begin with a user turn.");
    if (turns.back().role != "user")
      return bad(
          "Please ensure that multiturn requests end with a user role or a function response.");
    for (std::size_t i = 0; i < turns.size(); ++i) {
      static const Turn none;
      const auto& before = i == 0 ? none : turns[i - 1];
      if (turns[i].role != "user") continue;
      if (!turns[i].results.empty() && before.calls.empty()) {
        return bad(
            "Please ensure that function response turn comes immediately after a function call "
            "turn.");
      }
      if (turns[i].results.size() != before.calls.size()) {
        return bad(
            "Please ensure that the number of function response parts is equal to the number of "
            "function call parts of the function call turn.");
      }
      if (auto fine = check_answers(before, turns[i]); !fine) return fine;
    }
    return check_results_alone();
  }

  static Checked<void> check_answers(const Turn& calls, const Turn& results) {
    for (std::size_t i = 0; i < results.results.size(); ++i) {
      const auto id = string_member(*results.results[i], "id");
      const Json* call = calls.calls[i];
      for (const auto* other : calls.calls) {
        if (!id.empty() && string_member(*other, "id") == id) call = other;
      }
      if (string_member(*call, "name") != string_member(*results.results[i], "name")) {
        return bad(
            "Please ensure that function response parts carry the names of the function calls they "
            "answer.");
      }
      if (!id.empty() && !string_member(*call, "id").empty() && string_member(*call, "id") != id) {
        return bad("Please ensure that function response ids match the ids of the function calls.");
      }
    }
    return {};
  }

  Checked<void> check_results_alone() {
    if (!ask_.signs_calls) return {};
    for (const auto& content : member(body_, "contents")) {
      bool results = false;
      bool others = false;
      for (const auto& part : member(content, "parts"))
        (member(part, "functionResponse").is_null() ? others : results) = true;
      if (results && others)
        return bad("Please ensure that function response parts stand alone in their turn.");
    }
    return {};
  }

  Checked<void> check_signature(const std::string& signature, const Json& call) {
    if (is_dummy(signature)) {
      ask_.notes.emplace_back("dummy thought signature");
      return {};
    }
    const auto fields = unseal(thought_kind, signature);
    if (!fields || fields->size() != 1) return bad("Corrupted thought signature.");
    if (call.is_null() ||
        fields->front() == call_identity(string_member(call, "name"), member(call, "args")))
      return {};
    return bad("Thought signature is not valid: it belongs to another function call.");
  }

  Checked<void> check_signatures() {
    const auto& contents = member(body_, "contents");
    bool first_of_step = true;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      if (string_member(contents[i], "role", "user") == "user") first_of_step = true;
      for (const auto& part : member(contents[i], "parts")) {
        const auto& call = member(part, "functionCall");
        const auto signature = string_member(part, "thoughtSignature");
        if (!signature.empty()) {
          if (auto fine = check_signature(signature, call); !fine) return fine;
        }
        if (call.is_null()) continue;
        if (first_of_step && signature.empty() && ask_.signs_calls && i > human_turn_) {
          return bad(
              "Function call is missing a thought_signature in functionCall parts. This is "
              "required for tools to work "
              "correctly, and missing thought_signature may lead to degraded model performance. "
              "Additional data, function "
              "call `default_api:" +
              string_member(call, "name") + "` , position " + std::to_string(i + 1) +
              ". Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more "
              "details.");
        }
        first_of_step = false;
      }
    }
    return {};
  }

  const Settings& settings_;
  const HttpRequest& request_;
  Json body_;
  Ask ask_;
  std::size_t human_turn_ = 0;
};

}  // namespace

Refusal gemini_refusal(int status, const std::string& message, std::string_view name,
                       const Json& details) {
  Json error{{"code", status}, {"message", message}, {"status", name}};
  if (!details.is_null()) error["details"] = details;
  return {status,
          Json{{"error", error}}.dump(2) + "\n",
          {{"Content-Type", "application/json; charset=UTF-8"}}};
}

Checked<Ask> read_gemini(const Settings& settings, const HttpRequest& request) {
  return Reader{settings, request}.read();
}

std::string seal_thought(const std::string& call, std::size_t bytes, std::uint64_t seed) {
  return seal(thought_kind, {call}, bytes, seed);
}

std::string call_identity(const std::string& name, const Json& args) {
  // Key order may change on the way: arguments are compared as a value.
  const auto sorted = nlohmann::json::parse(args.is_null() ? "{}" : args.dump());
  return to_hex(hash_bytes(name + sorted.dump()));
}

}  // namespace turnpike::simulator
