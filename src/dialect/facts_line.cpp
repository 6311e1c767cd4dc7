#include "dialect/facts_line.hpp"

#include "dialect/facts.hpp"

namespace turnpike::dialect {
namespace {

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

/// A share of 0..1; nothing if it is absent or null.
Result<std::optional<float>> share_of(const simdjson::dom::element& outcome, const char* name) {
  simdjson::dom::element field;
  if (outcome[name].get(field) != simdjson::SUCCESS || field.is_null()) return std::nullopt;
  double value = -1;
  if (field.get(value) == simdjson::SUCCESS && value >= 0 && value <= 1) return static_cast<float>(value);
  return std::unexpected{client_error("bad_row", "an outcome is a number from 0 to 1", std::string{"learn."} + name)};
}

Result<std::optional<KnownOutcome>> outcome_of(const simdjson::dom::element& row) {
  simdjson::dom::element learn;
  if (row["learn"].get(learn) != simdjson::SUCCESS) return std::nullopt;
  const auto weak = share_of(learn, "weak");
  if (!weak) return std::unexpected{weak.error()};
  const auto strong = share_of(learn, "strong");
  if (!strong) return std::unexpected{strong.error()};
  if (!*weak) return std::unexpected{client_error("bad_row", "\"learn\" needs \"weak\", the weak model's outcome", "learn.weak")};
  return KnownOutcome{**weak, *strong};
}

Result<RequestFacts> facts_of_row(const wire::JsonDocument& document) {
  const simdjson::dom::element root = document.root();
  for (const auto* const key : {"request", "body"}) {
    simdjson::dom::element request;
    if (root[key].get(request) == simdjson::SUCCESS && request.is_object()) return facts_of_request(request);
  }
  if (root["messages"].error() == simdjson::SUCCESS) return read_facts(Dialect::openai_chat, document, RequestHead{});
  std::string_view text;
  if (root["text"].get(text) == simdjson::SUCCESS) return facts_of_text(text);
  return std::unexpected{client_error("bad_row", "a row needs text, request, body or messages")};
}

}  // namespace

Result<FactsRow> read_facts_line(std::string& line) {
  line.reserve(line.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(line);
  if (!document) return std::unexpected{document.error()};
  const simdjson::dom::element root = document->root();
  if (!root.is_object()) return std::unexpected{client_error("bad_row", "a row must be a JSON object")};
  auto outcome = outcome_of(root);
  if (!outcome) return std::unexpected{std::move(outcome.error())};
  std::string id = id_of(root);  // before the request inside is parsed: that ends the life of `root`
  auto facts = facts_of_row(*document);
  if (!facts) return std::unexpected{std::move(facts.error())};
  return FactsRow{std::move(id), std::move(*facts), *outcome};
}

}  // namespace turnpike::dialect
