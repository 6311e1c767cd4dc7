#include "dialect/anthropic_blocks.hpp"

#include <fmt/format.h>

#include <utility>

#include "dialect/tool_ids.hpp"

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

/// What the target could not do either, but another one might.
std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

bool marked(const JsonFields& fields) { return fields["cache_control"].is_object(); }

std::string normal_mime(std::string mime) {
  for (char& c : mime) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return mime == "image/jpg" ? "image/jpeg" : mime;
}

/// The base64 and url forms, the same for images and documents.
Result<ir::Media> read_source(const JsonFields& source, const std::string& param) {
  const auto type = source["type"];
  ir::Media media;
  if (type.text_is("base64")) {
    media.mime = normal_mime(source["media_type"].text());
    media.data = source["data"].text();
    if (!media.mime.empty() && !media.data.empty()) return media;
    return std::unexpected{
        client_error("invalid_value", "A base64 source needs a media_type and data.", param)};
  }
  if (type.text_is("url")) {
    media.url = source["url"].text();
    if (media.url.starts_with("https://") || media.url.starts_with("http://")) return media;
    return std::unexpected{
        client_error("invalid_value", "A url source must be an http(s) URL.", param + ".url")};
  }
  if (type.text_is("file")) {
    return unsupported("Stored files belong to one provider; send the content itself.",
                       param + ".file_id");
  }
  return unsupported(
      fmt::format("Sources of type {} cannot be translated.", quoted_for_message(type.text())),
      param + ".type");
}

/// Title and place of what was found, then its passages: all a model can cite elsewhere.
std::string search_result_text(const JsonFields& fields) {
  std::string text = fields["title"].text();
  const std::string place = fields["source"].text();
  if (!text.empty() && !place.empty()) text += '\n';
  text += place;
  for (const auto& passage : fields["content"].elements()) {
    if (!text.empty()) text += "\n\n";
    text += JsonFields{passage}["text"].text();
  }
  return text;
}

void append_parts(std::vector<ir::Block>&& blocks, std::vector<ir::ResultPart>& parts) {
  for (auto& block : blocks) {
    if (auto* text = std::get_if<ir::Text>(&block)) parts.emplace_back(std::move(*text));
    if (auto* media = std::get_if<ir::Media>(&block)) parts.emplace_back(std::move(*media));
  }
}

}  // namespace

Result<std::vector<ir::Block>> AnthropicBlockReader::read(JsonView content,
                                                          const std::string& param) {
  Blocks blocks;
  if (content.is_string()) {
    blocks.emplace_back(ir::Text{content.text()});
    return blocks;
  }
  std::size_t position = 0;
  for (const auto& raw : content.elements()) {
    auto done = read_block(raw, fmt::format("{}[{}]", param, position++), blocks);
    if (!done) return std::unexpected{std::move(done.error())};
  }
  return blocks;
}

Result<void> AnthropicBlockReader::read_block(JsonView raw, const std::string& param,
                                              Blocks& blocks) {
  const JsonFields fields{raw};
  const auto type = fields["type"].text();
  if (type == "text") {
    losses_.add_if(!fields["citations"].elements().empty(), Loss::citations);
    blocks.emplace_back(ir::Text{fields["text"].text(), marked(fields)});
  } else if (type == "image") {
    auto media = read_source(JsonFields{fields["source"]}, param + ".source");
    if (!media) return std::unexpected{std::move(media.error())};
    media->cache = marked(fields);
    blocks.emplace_back(std::move(*media));
  } else if (type == "document") {
    return read_document(fields, param, blocks);
  } else if (type == "thinking" || type == "redacted_thinking") {
    read_thinking(fields, blocks, type == "redacted_thinking");
  } else if (type == "tool_use") {
    read_call(fields, blocks);
  } else if (type == "tool_result") {
    return read_result(fields, param, blocks);
  } else if (type == "search_result") {
    losses_.add(Loss::citations);
    blocks.emplace_back(ir::Text{search_result_text(fields), marked(fields)});
  } else {
    read_vendor_block(type, fields, blocks);
  }
  return {};
}

Result<void> AnthropicBlockReader::read_document(const JsonFields& fields, const std::string& param,
                                                 Blocks& blocks) {
  const JsonFields source{fields["source"]};
  const auto title = fields["title"].text();
  losses_.add_if(JsonFields{fields["citations"]}["enabled"].boolean().value_or(false),
                 Loss::citations);
  if (auto context = fields["context"].text(); !context.empty()) {
    blocks.emplace_back(ir::Text{std::move(context)});
  }
  if (source["type"].text_is("text")) {
    const auto text = source["data"].text();
    blocks.emplace_back(ir::Text{title.empty() ? text : title + "\n\n" + text, marked(fields)});
    return {};
  }
  if (source["type"].text_is("content")) {
    auto inner = read(source["content"], param + ".source.content");
    if (!inner) return std::unexpected{std::move(inner.error())};
    if (!title.empty()) blocks.emplace_back(ir::Text{title});
    for (auto& block : *inner) blocks.push_back(std::move(block));
    return {};
  }
  auto media = read_source(source, param + ".source");
  if (!media) return std::unexpected{std::move(media.error())};
  media->kind = ir::Media::Kind::document;
  media->filename = title;
  media->cache = marked(fields);
  if (media->mime.empty()) media->mime = "application/pdf";  // the only type the API takes by URL
  blocks.emplace_back(std::move(*media));
  return {};
}

Result<void> AnthropicBlockReader::read_result(const JsonFields& fields, const std::string& param,
                                               Blocks& blocks) {
  ir::ToolResult result;
  const auto full_id = fields["tool_use_id"].text();
  result.id = split_embedded_signature(full_id).id;
  result.is_error = fields["is_error"].boolean().value_or(false);
  result.cache = marked(fields);
  auto inner = read(fields["content"], param + ".content");
  if (!inner) return std::unexpected{std::move(inner.error())};
  append_parts(std::move(*inner), result.parts);
  blocks.emplace_back(std::move(result));
  return {};
}

void AnthropicBlockReader::read_thinking(const JsonFields& fields, Blocks& blocks, bool redacted) {
  ir::Reasoning reasoning;
  reasoning.redacted = redacted;
  reasoning.text = redacted ? std::string{} : fields["thinking"].text();
  reasoning.signature = fields[redacted ? "data" : "signature"].text();
  blocks.emplace_back(std::move(reasoning));
}

void AnthropicBlockReader::read_call(const JsonFields& fields, Blocks& blocks) {
  const auto full_id = fields["id"].text();
  const auto [id, hidden] = split_embedded_signature(full_id);
  ir::ToolCall call;
  call.id = id;
  call.signature = hidden;
  call.name = fields["name"].text();
  call.arguments = fields["input"].raw();
  blocks.emplace_back(std::move(call));
}

/// What the client's own vendor does or made: tools it ran, summaries it wrote, marks of its own.
void AnthropicBlockReader::read_vendor_block(std::string_view type, const JsonFields& fields,
                                             Blocks& blocks) {
  if (type == "tool_reference") {
    // All tools are sent at once: the one that was searched for is there already.
    blocks.emplace_back(
        ir::Text{fmt::format("Tool {} is now available.", fields["tool_name"].text())});
  } else if (type == "compaction") {
    if (auto text = fields["content"].text(); !text.empty()) {
      blocks.emplace_back(ir::Text{std::move(text), marked(fields)});
    }
  } else if (type == "mid_conv_system") {
    auto text = fields["text"].text();
    if (text.empty()) text = fields["content"].text();
    if (!text.empty()) blocks.emplace_back(ir::Text{"<system>\n" + text + "\n</system>"});
  } else if (type.starts_with("mcp_")) {
    losses_.add(Loss::mcp_servers);
  } else if (type == "server_tool_use" || type.ends_with("_tool_result") ||
             type == "container_upload") {
    losses_.add(Loss::server_tools);
  } else {
    losses_.add(Loss::unknown_field);
  }
}

}  // namespace turnpike::dialect
