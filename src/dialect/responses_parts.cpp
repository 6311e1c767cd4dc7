#include "dialect/responses_parts.hpp"

#include <fmt/format.h>

#include <utility>

namespace turnpike::dialect {

namespace {

using wire::JsonFields;
using wire::JsonView;

using Part = ir::ResultPart;

std::unexpected<Error> invalid(std::string message, std::string param) {
  return std::unexpected{client_error("invalid_value", std::move(message), std::move(param))};
}

std::unexpected<Error> unsupported(std::string message, std::string param) {
  auto error = client_error("unsupported_parameter", std::move(message), std::move(param));
  error.retry = Retry::next_candidate;
  return std::unexpected{std::move(error)};
}

std::unexpected<Error> stored_file(const std::string& param) {
  return unsupported("Stored files belong to one provider; send the content itself.",
                     param + ".file_id");
}

std::string normal_mime(std::string_view mime) {
  std::string lower;
  for (const char c : mime) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower == "image/jpg" ? "image/jpeg" : lower;
}

bool is_web_url(std::string_view url) {
  return url.starts_with("https://") || url.starts_with("http://");
}

/// "data:image/png;base64,AAAA"
Result<ir::Media> from_data_url(std::string_view url, const std::string& param) {
  const auto comma = url.find(',');
  const auto head = url.substr(5, comma == std::string_view::npos ? 0 : comma - 5);
  if (comma == std::string_view::npos || !head.ends_with(";base64"))
    return invalid("A data: URL must be base64.", param);
  ir::Media media;
  media.mime = normal_mime(head.substr(0, head.find(';')));
  media.data = url.substr(comma + 1);
  if (media.mime.empty() || media.data.empty())
    return invalid("A data: URL needs a media type and data.", param);
  return media;
}

Result<ir::Media> read_image(const JsonFields& part, const std::string& param, Losses& losses) {
  const auto image = part["image_url"];
  // Chat's form, an object, is met from clients that speak both.
  const auto url = image.is_string() ? image.text() : JsonFields{image}["url"].text();
  const auto detail = part["detail"];
  losses.add_if(!detail.none() && !detail.text_is("auto"), Loss::detail);
  if (url.starts_with("data:")) return from_data_url(url, param + ".image_url");
  if (is_web_url(url)) {
    ir::Media media;
    media.url = url;
    return media;
  }
  if (url.empty() && !part["file_id"].none()) return stored_file(param);
  return invalid("An image must be a data: or http(s) URL.", param + ".image_url");
}

Result<ir::Media> read_file(const JsonFields& part, const std::string& param) {
  const auto data = part["file_data"].text();
  const auto url = part["file_url"].text();
  Result<ir::Media> media;
  if (data.starts_with("data:")) {
    media = from_data_url(data, param + ".file_data");
  } else if (!data.empty()) {
    media = from_data_url("data:application/pdf;base64," + data, param + ".file_data");
  } else if (is_web_url(url)) {
    media->url = url;
  } else if (!url.empty()) {
    return invalid("A file's address must be http(s).", param + ".file_url");
  } else {
    return stored_file(param);
  }
  if (!media) return media;
  media->kind =
      media->mime.starts_with("image/") ? ir::Media::Kind::image : ir::Media::Kind::document;
  media->filename = part["filename"].text();
  return media;
}

Result<ir::Media> read_audio(const JsonFields& part, const std::string& param) {
  const JsonFields audio{part["input_audio"]};
  ir::Media media;
  media.kind = ir::Media::Kind::audio;
  media.data = audio["data"].text();
  media.mime = "audio/" + audio["format"].text();
  if (media.data.empty()) return invalid("Audio needs data.", param + ".input_audio.data");
  return media;
}

Result<Part> boxed(Result<ir::Media> media) {
  if (!media) return std::unexpected{std::move(media.error())};
  return Part{std::move(*media)};
}

Result<Part> read_part(JsonView raw, const std::string& param, Losses& losses) {
  const JsonFields part{raw};
  const auto type = part["type"].text();
  if (type == "input_text" || type == "output_text" || type == "text") {
    losses.add_if(!part["annotations"].elements().empty(), Loss::citations);
    return Part{ir::Text{part["text"].text()}};
  }
  if (type == "refusal") return Part{ir::Text{part["refusal"].text()}};
  if (type == "input_image") return boxed(read_image(part, param, losses));
  if (type == "input_file") return boxed(read_file(part, param));
  if (type == "input_audio") return boxed(read_audio(part, param));
  return unsupported(
      fmt::format("Parts of type {} cannot be translated.", quoted_for_message(type)),
      param + ".type");
}

std::string joined_texts(JsonView parts) {
  std::string joined;
  for (const auto& part : parts.elements()) {
    const auto text = JsonFields{part}["text"].text();
    if (text.empty()) continue;
    if (!joined.empty()) joined += "\n\n";
    joined += text;
  }
  return joined;
}

}  // namespace

Result<std::vector<ir::ResultPart>> read_responses_parts(JsonView content, const std::string& param,
                                                         Losses& losses) {
  std::vector<Part> parts;
  if (content.is_string()) parts.emplace_back(ir::Text{content.text()});
  std::size_t index = 0;
  for (const auto& raw : content.elements()) {
    auto part = read_part(raw, fmt::format("{}[{}]", param, index++), losses);
    if (!part) return std::unexpected{std::move(part.error())};
    parts.push_back(std::move(*part));
  }
  return parts;
}

std::string responses_reasoning_text(const JsonFields& item) {
  auto text = joined_texts(item["content"]);
  return text.empty() ? joined_texts(item["summary"]) : text;
}

}  // namespace turnpike::dialect
