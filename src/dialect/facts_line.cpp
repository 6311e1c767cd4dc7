#include "dialect/facts_line.hpp"

#include "dialect/facts.hpp"

namespace turnpike::dialect {
namespace {

using Row = std::pair<std::string, RequestFacts>;

std::string id_of(const simdjson::dom::element& row) {
  std::string_view text;
  if (row["id"].get(text) == simdjson::SUCCESS) return std::string{text};
  return {};
}

/// The request inside a row has been parsed with it; its facts are read from a document of its own.
Result<RequestFacts> facts_of_request(const simdjson::dom::element& request) {
  std::string body = simdjson::minify(request);
  body.reserve(body.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(body);
  if (!document) return std::unexpected{document.error()};
  auto facts = read_facts(Dialect::openai_chat, *document, RequestHead{});
  if (facts) facts->body_bytes = static_cast<std::int64_t>(body.size());
  return facts;
}

}  // namespace

Result<Row> read_facts_line(std::string& line) {
  line.reserve(line.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(line);
  if (!document) return std::unexpected{document.error()};
  const simdjson::dom::element root = document->root();
  if (!root.is_object())
    return std::unexpected{client_error("bad_row", "a row must be a JSON object")};
  if (root["learn"].error() == simdjson::SUCCESS) {
    return std::unexpected{client_error("learn_unsupported",
                                        "this version does not learn from outcomes", "learn", 422)};
  }
  std::string id = id_of(root);
  for (const auto* const key : {"request", "body"}) {
    simdjson::dom::element request;
    if (root[key].get(request) != simdjson::SUCCESS || !request.is_object()) continue;
    auto facts = facts_of_request(request);
    if (!facts) return std::unexpected{std::move(facts.error())};
    return Row{std::move(id), std::move(*facts)};
  }
  if (root["messages"].error() == simdjson::SUCCESS) {
    auto facts = read_facts(Dialect::openai_chat, *document, RequestHead{});
    if (!facts) return std::unexpected{std::move(facts.error())};
    return Row{std::move(id), std::move(*facts)};
  }
  std::string_view text;
  if (root["text"].get(text) != simdjson::SUCCESS) {
    return std::unexpected{client_error("bad_row", "a row needs text, request, body or messages")};
  }
  return Row{std::move(id), facts_of_text(text)};
}

}  // namespace turnpike::dialect
