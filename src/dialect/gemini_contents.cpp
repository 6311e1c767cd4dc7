#include "dialect/gemini_contents.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dialect/gemini_calls.hpp"
#include "dialect/gemini_fields.hpp"
#include "dialect/gemini_words.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonView;

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

std::string lower_case(std::string_view word) {
  std::string lower;
  for (const char c : word) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

/// Nothing if it is not base64 (of either alphabet) of UTF-8.
std::optional<std::string> decoded_text(std::string data) {
  std::ranges::replace(data, '-', '+');
  std::ranges::replace(data, '_', '/');
  const auto padding = data.find_last_not_of('=') == std::string::npos
                           ? 0
                           : data.size() - 1 - data.find_last_not_of('=');
  if (data.empty() || data.size() % 4 != 0 || padding > 2) return std::nullopt;
  std::string text(data.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(data.data()),
                                     static_cast<int>(data.size()));
  if (length < 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(length) - padding);
  if (!simdjson::validate_utf8(text)) return std::nullopt;
  return text;
}

/// Text files are text to everybody; all else is media.
using MediaOrText = std::variant<ir::Text, ir::Media>;

Result<MediaOrText> read_media(const GeminiFields& part, const std::string& param) {
  const bool inlined = part["inlineData"].is_object();
  const GeminiFields source{part[inlined ? "inlineData" : "fileData"]};
  ir::Media media;
  media.mime = lower_case(source["mimeType"].text());
  if (media.mime == "image/jpg") media.mime = "image/jpeg";
  media.url = source["fileUri"].text();
  const auto kind = gemini_media_kind(media.mime, media.url);
  if (kind == GeminiMedia::video) return unsupported("Video cannot be translated.", param);
  if (inlined) {
    media.data = source["data"].text();
    if (kind == GeminiMedia::text) {
      auto text = decoded_text(media.data);
      if (!text) return unsupported("This is no text in UTF-8.", param + ".inlineData.data");
      return ir::Text{std::move(*text)};
    }
    if (media.mime.empty() || media.data.empty()) {
      return std::unexpected{client_error(
          "invalid_value", "Inline data needs a media type and data.", param + ".inlineData")};
    }
  } else {
    const bool open_web = media.url.starts_with("https://") || media.url.starts_with("http://");
    const bool stored =
        media.url.find("://generativelanguage.googleapis.com/") != std::string::npos;
    if (!open_web || stored || kind == GeminiMedia::text) {
      return unsupported("Stored files belong to one provider; send the content as inlineData.",
                         param + ".fileData.fileUri");
    }
  }
  media.kind = kind == GeminiMedia::image   ? ir::Media::Kind::image
               : kind == GeminiMedia::audio ? ir::Media::Kind::audio
                                            : ir::Media::Kind::document;
  media.filename = source["displayName"].text();
  return media;
}

bool is_media(const GeminiFields& part) {
  return part["inlineData"].is_object() || part["fileData"].is_object();
}

/// Work of the client's own vendor that has no counterpart.
bool is_server_tool(const GeminiFields& part) {
  constexpr auto names = std::to_array<std::string_view>(
      {"executableCode", "codeExecutionResult", "toolCall", "toolResponse"});
  return std::ranges::any_of(names, [&](std::string_view name) { return !part[name].none(); });
}

/// The text of a response object: what clients wrap it in is taken off.
void unwrap_response(JsonView response, ir::ToolResult& result) {
  const GeminiFields fields{response};
  if (fields.empty()) return;
  std::string text{response.raw()};
  if (!fields["error"].none() && fields["output"].none() && fields["result"].none()) {
    result.is_error = true;
    if (fields["error"].is_string()) text = fields["error"].text();
  } else {
    for (const std::string_view wrapper : {"output", "result", "content"}) {
      // The AI SDK puts the function's name beside the content.
      const auto beside = fields["name"].none() ? 1 : 2;
      if (fields[wrapper].is_string() && fields.end() - fields.begin() == beside) {
        text = fields[wrapper].text();
      }
    }
  }
  result.parts.emplace_back(ir::Text{std::move(text)});
}

class ContentsReader {
 public:
  explicit ContentsReader(ir::Request& request) : request_(request) {}

  void read_instruction(JsonView instruction) {
    ir::Message message;
    message.role = ir::Role::system;
    if (instruction.is_string()) message.blocks.emplace_back(ir::Text{instruction.text()});
    for (const auto& content : gemini_list(instruction)) {
      for (const auto& part : gemini_list(GeminiFields{content}["parts"])) {
        const auto text = GeminiFields{part}["text"];
        if (text.is_string()) message.blocks.emplace_back(ir::Text{text.text()});
      }
    }
    if (!message.blocks.empty()) request_.messages.push_back(std::move(message));
  }

  Result<void> read(JsonView contents) {
    for (const auto& content : gemini_list(contents)) {
      if (auto done = read_content(GeminiFields{content}); !done) return done;
      ++index_;
    }
    return {};
  }

 private:
  Result<void> read_content(const GeminiFields& content) {
    const auto role = lower_case(content["role"].text());
    const auto parts = gemini_list(content["parts"]);
    if (role == "model" || role == "assistant") return read_model(parts);
    if (role == "system") return read_others(parts, ir::Role::system);
    if (role.empty() || role == "user" || role == "function" || role == "tool") {
      if (auto done = read_responses(parts); !done) return done;
      return read_others(parts, ir::Role::user);
    }
    return std::unexpected{client_error(
        "invalid_value", fmt::format("Nobody knows the role {}.", quoted_for_message(role)),
        fmt::format("contents[{}].role", index_))};
  }

  [[nodiscard]] std::string path(std::size_t part) const {
    return fmt::format("contents[{}].parts[{}]", index_, part);
  }

  // ---- the model

  Result<void> read_model(const std::vector<JsonView>& parts) {
    ir::Message message;
    message.role = ir::Role::assistant;
    calls_.begin_model(index_);
    std::string issuer;  // the gateway's token on one of the calls
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const GeminiFields part{parts[i]};
      const auto signature = part["thoughtSignature"].text();
      if (part["functionCall"].is_object()) {
        const auto tag = gemini_issuer_tag(signature);
        if (tag && issuer.empty()) issuer = write_issuer_tag(*tag);
        message.blocks.emplace_back(read_call(GeminiFields{part["functionCall"]}, tag, signature));
      } else if (part["text"].is_string() && part["thought"].boolean() == true) {
        message.blocks.emplace_back(ir::Reasoning{part["text"].text(), signature});
      } else if (auto done = read_other(part, path(i), message.blocks); !done) {
        return done;
      }
    }
    // Thoughts bear no mark of their own; the calls beside them tell who had them.
    for (auto& block : message.blocks) {
      auto* reasoning = std::get_if<ir::Reasoning>(&block);
      if (reasoning != nullptr && reasoning->signature.empty()) reasoning->signature = issuer;
    }
    request_.messages.push_back(std::move(message));
    return {};
  }

  ir::ToolCall read_call(const GeminiFields& call, const std::optional<IssuerTag>& tag,
                         const std::string& signature) {
    ir::ToolCall read;
    read.name = call["name"].text();
    read.id = calls_.add_call({call["id"].text(), read.name}, tag);
    read.arguments = call["args"].is_object() ? call["args"].raw() : "{}";
    if (!tag) read.signature = signature;
    return read;
  }

  // ---- everybody else

  Result<void> read_responses(const std::vector<JsonView>& parts) {
    ir::Message message;
    message.role = ir::Role::tool;
    std::vector<GeminiCallName> names;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto raw = GeminiFields{parts[i]}["functionResponse"];
      if (!raw.is_object()) continue;
      const GeminiFields response{raw};
      names.push_back({response["id"].text(), response["name"].text()});
      ir::ToolResult result;
      result.name = names.back().name;
      unwrap_response(response["response"], result);
      for (const auto& part : gemini_list(response["parts"])) {
        const GeminiFields fields{part};
        if (!is_media(fields)) continue;
        auto media = read_media(fields, path(i) + ".functionResponse.parts");
        if (!media) return std::unexpected{std::move(media.error())};
        std::visit([&result](auto& one) { result.parts.emplace_back(std::move(one)); }, *media);
      }
      message.blocks.emplace_back(std::move(result));
    }
    if (names.empty()) return {};
    auto ids = calls_.answer(names);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      std::get<ir::ToolResult>(message.blocks[i]).id = std::move(ids[i]);
    }
    request_.messages.push_back(std::move(message));
    return {};
  }

  Result<void> read_others(const std::vector<JsonView>& parts, ir::Role role) {
    ir::Message message;
    message.role = role;
    bool responses = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const GeminiFields part{parts[i]};
      if (part["functionResponse"].is_object()) {
        responses = true;
      } else if (auto done = read_other(part, path(i), message.blocks); !done) {
        return done;
      }
    }
    if (!responses || !message.blocks.empty()) request_.messages.push_back(std::move(message));
    return {};
  }

  Result<void> read_other(const GeminiFields& part, const std::string& param,
                          std::vector<ir::Block>& blocks) {
    request_.losses.add_if(!part["mediaResolution"].none(), Loss::media_resolution);
    request_.losses.add_if(!part["videoMetadata"].none(), Loss::unknown_field);
    if (part["text"].is_string()) {
      blocks.emplace_back(ir::Text{part["text"].text()});
    } else if (is_media(part)) {
      auto media = read_media(part, param);
      if (!media) return std::unexpected{std::move(media.error())};
      std::visit([&blocks](auto& one) { blocks.emplace_back(std::move(one)); }, *media);
    } else {
      request_.losses.add(is_server_tool(part) ? Loss::server_tools : Loss::unknown_field);
    }
    return {};
  }

  ir::Request& request_;
  GeminiCalls calls_;
  std::size_t index_ = 0;
};

}  // namespace

Result<void> read_gemini_contents(wire::JsonView instruction, wire::JsonView contents,
                                  ir::Request& request) {
  ContentsReader reader{request};
  reader.read_instruction(instruction);
  return reader.read(contents);
}

}  // namespace turnpike::dialect
