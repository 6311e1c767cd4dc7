#include "service.hpp"

#include <chrono>
#include <optional>

#include "answer.hpp"
#include "model_list.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

/// A whole answer that is known at once.
class Immediate final : public Reply {
 public:
  Immediate(int status, Headers headers, const std::string& body, const HttpRequest& request)
      : then_(request.wants_close() ? Then::close : Then::finished) {
    headers.emplace_back("Content-Length", std::to_string(body.size()));
    bytes_ = response_head(status, headers);
    if (request.method != "HEAD") bytes_ += body;
  }
  Next pump(Instant, std::string& out) override {
    out += bytes_;
    return {then_};
  }
  void client_gone(Instant) override {}

 private:
  Then then_;
  std::string bytes_;
};

std::unique_ptr<Reply> json_reply(int status, const std::string& body, const HttpRequest& request) {
  return std::make_unique<Immediate>(status, Headers{{"Content-Type", "application/json"}}, body,
                                     request);
}

std::unique_ptr<Reply> not_found(const HttpRequest& request) {
  return json_reply(
      404, R"({"error":{"message":"Not found","type":"invalid_request_error","code":404}})",
      request);
}

bool asks_for_count(std::string_view path) {
  return path.ends_with("/count_tokens") || path.ends_with(":countTokens");
}

void replace_first(std::string& text, std::string_view what, std::string_view with) {
  if (const auto at = text.find(what); at != std::string::npos) text.replace(at, what.size(), with);
}

std::string presented_key(const HttpRequest& request) {
  for (const auto* name : {"x-api-key", "x-goog-api-key"}) {
    if (const auto key = request.header(name); !key.empty()) return std::string{key};
  }
  const auto key = bearer(request);
  return key.empty() ? request.query_value("key") : std::string{key};
}

std::uint64_t query_number(const HttpRequest& request, std::string_view name) {
  const auto text = request.query_value(name);
  return text.empty() ? 0 : std::strtoull(text.c_str(), nullptr, 10);
}

}  // namespace

Service::Service(Settings settings, Records& records)
    : settings_(std::move(settings)),
      records_(records),
      wires_{make_deepseek(settings_),
             make_compatible_messages(Endpoint::deepseek_messages, settings_),
             make_responses(Endpoint::deepseek_responses, settings_),
             make_anthropic(settings_),
             make_gemini(settings_),
             make_compatible_chat(Endpoint::openai_chat, settings_),
             make_responses(Endpoint::openai_responses, settings_),
             make_compatible_chat(Endpoint::local_chat, settings_),
             make_compatible_messages(Endpoint::local_messages, settings_)} {}

std::unique_ptr<Reply> Service::handle(const HttpRequest& request, Instant now) {
  if (request.path.starts_with("/_sim/")) return examine(request);
  const auto endpoint = endpoint_of(request.path);
  records_.keep_request(++sequence_, endpoint, request);
  if (endpoint && request.method == "POST") {
    return asks_for_count(request.path) ? count_tokens(*endpoint, request)
                                        : answer(*endpoint, request, now);
  }
  if (request.method == "GET" && request.path.ends_with("/models"))
    return json_reply(200, model_list(request), request);
  if (request.path == "/" || request.path == "/healthz")
    return json_reply(200, R"({"status":"ok"})", request);
  return not_found(request);
}

std::unique_ptr<Reply> Service::answer(Endpoint endpoint, const HttpRequest& request, Instant now) {
  Exchange exchange;
  exchange.sequence = sequence_;
  exchange.created_s = std::chrono::duration_cast<std::chrono::seconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  exchange.seed =
      hash_bytes(request.body, sequence_ ^ (static_cast<std::uint64_t>(exchange.created_s) << 24));
  exchange.request_id = "req_011C" + random_name(exchange.seed + 99, 20, base62);
  exchange.client_key = to_hex(hash_bytes(presented_key(request))).substr(0, 8);
  auto ask = wire(endpoint).read(request);
  if (!ask) {
    auto& refusal = ask.error();
    exchange.ask.endpoint = endpoint;
    exchange.ask.model = string_member(Json::parse(request.body, nullptr, false), "model");
    replace_first(refusal.body, "@request@", exchange.request_id);
    refusal.headers.emplace_back("x-request-id", exchange.request_id);
    records_.bill({.exchange = &exchange,
                   .outcome = Outcome::refused,
                   .status = refusal.status,
                   .fault = refusal.body.substr(0, utf8_cut(refusal.body, 400))});
    return std::make_unique<Immediate>(refusal.status, refusal.headers, refusal.body, request);
  }
  exchange.ask = std::move(*ask);
  limit_faults(exchange.ask);
  differ(exchange);
  exchange.answer = compose(exchange.ask);
  share_cache(exchange, now);
  count_output(exchange.answer, exchange.usage);
  exchange.usage.web_searches = std::clamp<std::int64_t>(
      exchange.ask.directives.number("searches", 0), 0, exchange.ask.searches_max);
  wire(endpoint).complete(exchange);
  return std::make_unique<Playback>(wire(endpoint), records_, settings_, std::move(exchange), now,
                                    request.wants_close());
}

/// A model that does not always do the same: in so many of 100 answers, drawn anew for each request, it runs another command.
void Service::differ(Exchange& exchange) {
  const auto chance = exchange.ask.directives.number("differ", 0);
  const auto drawn = hash_bytes("differ", exchange.seed);
  if (static_cast<std::int64_t>(drawn % 100) >= chance) return;
  exchange.ask.directives.add("command=\"true " + std::to_string(drawn % 1'000'000) + "\"");
}

void Service::share_cache(Exchange& exchange, Instant now) {
  const auto& ask = exchange.ask;
  auto& used = exchange.usage;
  const auto provider = ask.provider();
  const auto scope = std::string{to_string(provider)} + '/' + ask.cache_scope;
  const auto floor = ask.directives.number("cache_floor", 1024);
  CacheShare share;  // a local server tells nothing of its cache
  if (provider == Provider::deepseek) share = cache_.automatic(scope, ask.prompt, 64, 64);
  if (provider == Provider::gemini) share = cache_.automatic(scope, ask.prompt, 256, floor);
  if (provider == Provider::openai) share = cache_.automatic(scope, ask.prompt, 128, floor);
  if (provider == Provider::anthropic) share = cache_.at_breakpoints(scope, ask.prompt, floor, now);
  used.input_cache_read = share.read;
  used.input_cache_write_5m = share.write_5m;
  used.input_cache_write_1h = share.write_1h;
  used.input_fresh = ask.prompt.tokens() - used.input();
}

void Service::limit_faults(Ask& ask) {
  if (const auto standing = standing_faults_.find(ask.provider());
      standing != standing_faults_.end()) {
    ask.directives.add(standing->second);
  }
  if (!ask.directives.faulty() || !ask.directives.has("times")) return;
  const bool standing = standing_faults_.contains(ask.provider());
  const auto conversation =
      standing ? std::to_string(fault_generation_) : to_hex(hash_bytes(ask.first_user_text));
  auto& strikes = strikes_[conversation + ask.directives.canonical()];
  if (strikes >= ask.directives.number("times", 1)) {
    ask.directives.drop_faults();
  } else {
    ++strikes;
  }
}

std::unique_ptr<Reply> Service::count_tokens(Endpoint endpoint, const HttpRequest& request) {
  const bool anthropic = endpoint == Endpoint::anthropic_messages;
  if (!anthropic && endpoint != Endpoint::gemini_generate) return not_found(request);
  HttpRequest copy = request;
  if (anthropic) {
    // The same checks as for a message, which needs a limit that counting does not have.
    auto body = Json::parse(request.body, nullptr, false);
    if (body.is_object() && !body.contains("max_tokens")) body["max_tokens"] = 32'000;
    copy.body = body.dump();
  } else {
    // Gemini counts bare contents, or a whole request, which names its model once more.
    auto body = Json::parse(request.body, nullptr, false);
    if (body.is_object() && body.size() == 1 && body.contains("generateContentRequest") &&
        string_member(body["generateContentRequest"], "model").starts_with("models/")) {
      body = body["generateContentRequest"];
      body.erase("model");
      copy.body = body.dump();
    }
  }
  auto ask = wire(endpoint).read(copy);
  if (!ask)
    return std::make_unique<Immediate>(ask.error().status, ask.error().headers, ask.error().body,
                                       request);
  const auto tokens = std::to_string(ask->prompt.tokens());
  return json_reply(
      200, anthropic ? "{\"input_tokens\":" + tokens + "}" : "{\"totalTokens\":" + tokens + "}",
      request);
}

std::unique_ptr<Reply> Service::examine(const HttpRequest& request) {
  const auto what = std::string_view{request.path}.substr(6);
  if (what == "billing") {
    return std::make_unique<Immediate>(200, Headers{{"Content-Type", "application/x-ndjson"}},
                                       records_.billing_since(query_number(request, "since")),
                                       request);
  }
  if (what == "requests")
    return json_reply(200, records_.requests_since(query_number(request, "since")), request);
  if (what == "stats") return json_reply(200, records_.stats(connection_count_()), request);
  if (what == "faults" && request.method == "POST") return set_faults(request);
  if (what == "reset" && request.method == "POST") {
    records_.clear();
    cache_.clear();
    strikes_.clear();
    standing_faults_.clear();
    for (auto& wire : wires_) wire->forget();
    return json_reply(200, "{}", request);
  }
  return json_reply(
      404, R"({"error":"known here: billing, requests, stats, and by POST faults, reset"})",
      request);
}

// {"provider":"deepseek","directive":"status=529 times=3"}; an empty directive lifts the fault.
std::unique_ptr<Reply> Service::set_faults(const HttpRequest& request) {
  const auto body = Json::parse(request.body, nullptr, false);
  const auto name = string_member(body, "provider");
  const auto directive = string_member(body, "directive");
  for (const auto provider : all_providers) {
    if (!name.empty() && name != to_string(provider)) continue;
    standing_faults_.erase(provider);
    if (!directive.empty()) standing_faults_.emplace(provider, directive);
  }
  ++fault_generation_;
  return json_reply(200, "{}", request);
}

}  // namespace turnpike::simulator
