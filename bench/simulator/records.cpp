#include "records.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "text.hpp"

namespace turnpike::simulator {
namespace {

Json tokens_json(const Tokens& tokens) {
  Json json{{"input_fresh", tokens.input_fresh},
            {"input_cache_read", tokens.input_cache_read},
            {"input_cache_write_5m", tokens.input_cache_write_5m},
            {"input_cache_write_1h", tokens.input_cache_write_1h},
            {"output_text", tokens.output_text},
            {"output_reasoning", tokens.output_reasoning}};
  if (tokens.web_searches > 0) json["web_search"] = tokens.web_searches;
  return json;
}

bool is_secret(std::string_view header) {
  return header == "authorization" || header == "proxy-authorization" || header == "x-api-key" ||
         header == "api-key" || header == "x-goog-api-key" || header == "cookie";
}

// Gemini takes its key in the query as well.
std::string without_key(std::string_view query) {
  std::string out;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    if (!out.empty()) out += '&';
    out += pair.starts_with("key=") ? std::string_view{"key=(withheld)"} : pair;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return out;
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  constexpr std::array<std::string_view, 4> names = {"complete", "aborted", "fault", "refused"};
  return names[static_cast<std::size_t>(outcome)];
}

Records::Records(const std::string& billing_file) {
  if (billing_file.empty()) return;
  file_.reset(std::fopen(billing_file.c_str(), "ae"));
  if (!file_) throw std::system_error(errno, std::generic_category(), billing_file);
}

void Records::bill(const BillingEntry& entry) {
  const auto& exchange = *entry.exchange;
  const auto& ask = exchange.ask;
  Json line{{"seq", exchange.sequence},
            {"request_id", exchange.request_id},
            {"response_id", exchange.response_id},
            {"provider", to_string(ask.provider())},
            {"dialect", dialect_of(ask.endpoint)},
            {"model", ask.model},
            {"key", exchange.client_key},
            {"stream", ask.stream},
            {"status", entry.status},
            {"outcome", to_string(entry.outcome)},
            {"usage_sent", entry.usage_sent},
            {"usage", tokens_json(exchange.usage)},
            {"billed", tokens_json(entry.billed)},
            {"step", ask.step},
            {"calls", 0},
            {"events", entry.events},
            {"started_unix_s", exchange.created_s},
            {"first_byte_us", entry.first_byte_us},
            {"wall_us", entry.wall_us}};
  std::int64_t calls = 0;
  for (const auto& block : exchange.answer.blocks) calls += block.kind == BlockKind::call ? 1 : 0;
  line["calls"] = calls;
  if (const auto tag = ask.directives.text("tag"); !tag.empty()) line["tag"] = tag;
  if (!exchange.trace_id.empty()) line["trace_id"] = exchange.trace_id;
  if (!entry.fault.empty()) line["fault"] = entry.fault;
  if (!ask.notes.empty()) line["notes"] = ask.notes;
  entries_.push_back(
      {exchange.sequence, line.dump(-1, ' ', false, Json::error_handler_t::replace)});
  if (entries_.size() > entries_max) entries_.pop_front();
  if (file_) {
    std::fputs((entries_.back().json + "\n").c_str(), file_.get());
    std::fflush(file_.get());
  }
  ++counts_[std::string{to_string(ask.provider())} + "." + std::string{to_string(entry.outcome)}];
}

void Records::keep_request(std::uint64_t sequence, std::optional<Endpoint> endpoint,
                           const HttpRequest& request) {
  Json headers = Json::object();
  for (const auto& [name, value] : request.headers)
    headers[name] = is_secret(name) ? "(withheld)" : value;
  const Json who{
      {"seq", sequence},
      {"provider", endpoint ? Json(to_string(provider_of(*endpoint))) : Json()},
      {"dialect", endpoint ? Json(dialect_of(*endpoint)) : Json()},
      {"method", request.method},
      {"path", request.path},
      {"query", without_key(request.query)},
      {"headers", std::move(headers)},
  };
  std::string json = who.dump(-1, ' ', false, Json::error_handler_t::replace);
  json.back() = ',';
  json += "\"body\":";
  append_json_string(json, request.body);
  json += "}";
  request_bytes_ += json.size();
  requests_.push_back({sequence, std::move(json)});
  while (requests_.size() > requests_max ||
         (request_bytes_ > request_bytes_max && requests_.size() > 1)) {
    request_bytes_ -= requests_.front().json.size();
    requests_.pop_front();
  }
}

std::string Records::billing_since(std::uint64_t since) const {
  std::string out;
  for (const auto& entry : entries_) {
    if (entry.sequence > since) out += entry.json + "\n";
  }
  return out;
}

std::string Records::requests_since(std::uint64_t since) const {
  std::string out;
  for (const auto& request : requests_) {
    if (request.sequence > since) out += (out.empty() ? "" : ",\n") + request.json;
  }
  return "[" + out + "]\n";
}

std::string Records::stats(std::size_t connections) const {
  Json counts = Json::object();
  std::int64_t ended = 0;
  for (const auto& [name, count] : counts_) {
    counts[name] = count;
    ended += count;
  }
  return Json{{"open", open_},
              {"open_peak", open_peak_},
              {"connections", connections},
              {"ended", ended},
              {"outcomes", counts}}
             .dump() +
         "\n";
}

void Records::clear() {
  entries_.clear();
  requests_.clear();
  request_bytes_ = 0;
  counts_.clear();
  open_peak_ = open_;
}

}  // namespace turnpike::simulator
