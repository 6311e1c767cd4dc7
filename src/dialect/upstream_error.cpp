#include "dialect/upstream_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "dialect/json_reading.hpp"
#include "dialect/retry_after.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t message_bytes_max = 2000;
constexpr int retry_after_unknown_s =
    5;  // some clients give up at once on a 429 without retry-after

/// What a refusal is about, found from status and words. Each has one line in the table of outcomes
/// below.
enum class Fault : std::uint8_t {
  bad_request,
  context_length,
  credential,
  forbidden,
  quota,
  not_found,
  conflict,
  too_large,
  rate_limit,
  timeout,
  overloaded,
  server,
  unexpected,  // an answer no provider should give
};

struct Outcome {
  Fault fault;
  int status;  // shown to the client
  Retry retry;
  std::string_view code;
  bool about_request;  // the provider's own body may go to a client of the same dialect
};

constexpr std::array<Outcome, 13> outcomes = {{
    {Fault::bad_request, 400, Retry::never, "invalid_request_error", true},
    {Fault::context_length, 400, Retry::next_candidate, "context_length_exceeded", true},
    {Fault::credential, 502, Retry::next_candidate, "upstream_auth", false},
    {Fault::forbidden, 502, Retry::next_candidate, "upstream_auth", false},
    {Fault::quota, 502, Retry::next_candidate, "upstream_quota", false},
    {Fault::not_found, 404, Retry::never, "model_not_found", true},
    {Fault::conflict, 409, Retry::never, "conflict", true},
    {Fault::too_large, 413, Retry::never, "request_too_large", true},
    {Fault::rate_limit, 429, Retry::next_candidate, "rate_limit_exceeded", false},
    {Fault::timeout, 504, Retry::same_then_next, "upstream_timeout", false},
    {Fault::overloaded, 503, Retry::same_then_next, "overloaded", false},
    {Fault::server, 502, Retry::same_then_next, "upstream_error", false},
    {Fault::unexpected, 502, Retry::next_candidate, "bad_upstream", false},
}};

const Outcome& outcome_of(Fault fault) {
  return *std::ranges::find(outcomes, fault, &Outcome::fault);
}

bool contains(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  return !std::ranges::search(text, word, same).empty();
}

template <std::size_t count>
bool contains_any(std::string_view text, const std::array<std::string_view, count>& words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return contains(text, word); });
}

constexpr std::array<std::string_view, 8> context_words = {
    "maximum context length", "prompt is too long",  "input token count",
    "context window",         "context_length",      "maximum number of tokens",
    "too many tokens",        "exceed context limit"};
/// Providers quote the request in the message of a 400, so words anywhere in it say nothing of our
/// key: there the fault's own name counts, or a sentence of the provider's that begins the message.
constexpr std::array<std::string_view, 4> quota_names = {
    "insufficient_quota", "billing_error", "billing_not_active", "insufficient_balance"};
constexpr std::array<std::string_view, 4> quota_openings = {
    "your credit balance is too low", "insufficient balance",
    "you have reached your specified api usage limits", "you exceeded your current quota"};
constexpr std::array<std::string_view, 3> credential_names = {"api_key_invalid", "invalid_api_key",
                                                              "authentication_error"};
constexpr std::array<std::string_view, 2> credential_openings = {"api key not valid",
                                                                 "incorrect api key provided"};
constexpr std::array<std::string_view, 7> quota_words = {
    "insufficient_quota", "billing_error", "insufficient balance", "credit balance",
    "billing_not_active", "spend limit",   "api usage limits"};
constexpr std::array<std::string_view, 4> rate_words = {"rate_limit", "RESOURCE_EXHAUSTED",
                                                        "too many requests", "rate-limited"};
constexpr std::array<std::string_view, 4> overload_words = {
    "overloaded", "UNAVAILABLE", "server_busy", "insufficient_system_resource"};
constexpr std::array<std::string_view, 3> timeout_words = {"timeout", "DEADLINE_EXCEEDED",
                                                           "timed out"};

/// The words that a refusal is judged by.
struct Told {
  std::string
      names;  // type, code, and Gemini's reasons, with blanks between: what no client writes
  std::string words;    // these and the message
  std::string message;  // fit to be shown
  std::string param;
  std::optional<RetryDelay> delay;  // from the body
};

/// Within message_bytes_max, cut between characters, without control characters.
std::string shown(std::string_view message) {
  std::size_t length = std::min(message.size(), message_bytes_max);
  while (length > 0 && length < message.size() &&
         (static_cast<unsigned char>(message[length]) & 0xC0U) == 0x80U) {
    --length;
  }
  std::string text{message.substr(0, length)};
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

std::optional<JsonObject> error_member(const JsonElement& root) {
  JsonElement element = root;
  JsonArray array;
  if (root.get(array) == simdjson::SUCCESS && array.size() > 0) element = array.at(0);
  JsonObject object;
  if (element.get(object) != simdjson::SUCCESS) return std::nullopt;
  const auto inner = object_member(object, "error");
  return inner ? inner : object;
}

/// Gemini puts the true reason and the delay into `details`, OpenRouter the provider's words into
/// `metadata`.
void read_details(const JsonObject& error, Told& told) {
  told.param = text_member(error, "param");
  if (const auto metadata = object_member(error, "metadata")) {
    const std::string_view raw = text_member(*metadata, "raw");
    if (!raw.empty()) told.message = shown(raw);
  }
  bool per_day = false;
  for_each_object(error, "details", [&](const JsonObject& detail, std::size_t /*position*/) {
    told.names.append(" ").append(text_member(detail, "reason"));
    const std::string_view delay = text_member(detail, "retryDelay");
    if (!delay.empty()) told.delay = parse_duration(delay);
    for_each_object(detail, "violations", [&](const JsonObject& violation, std::size_t /*p*/) {
      per_day |= contains(text_member(violation, "quotaId"), "PerDay");
    });
  });
  if (per_day) told.delay = RetryDelay{retry_after_max_s};
}

Told read_body(std::string_view body) {
  Told told;
  const auto json = parse_provider_json(body);
  if (!json) return told;
  const JsonElement root = json->document.root();
  const ProviderError error = read_error_object(root);
  told.message = shown(error.message);
  told.names.append(error.type).append(" ").append(error.code);
  if (const auto object = error_member(root)) read_details(*object, told);
  told.words = fmt::format("{} {}", told.names, error.message);
  return told;
}

bool same_word(std::string_view left, std::string_view right) {
  return left.size() == right.size() && contains(left, right);
}

/// `names` are parted by blanks.
template <std::size_t count>
bool names_any(std::string_view names, const std::array<std::string_view, count>& wanted) {
  for (std::size_t begin = 0; begin < names.size();) {
    const auto end = std::min(names.find(' ', begin), names.size());
    const auto name = names.substr(begin, end - begin);
    if (std::ranges::any_of(wanted, [name](auto one) { return same_word(name, one); })) return true;
    begin = end + 1;
  }
  return false;
}

template <std::size_t count>
bool opens_with_any(std::string_view message, const std::array<std::string_view, count>& openings) {
  return std::ranges::any_of(openings, [message](auto opening) {
    return same_word(message.substr(0, opening.size()), opening);
  });
}

Fault fault_of_request(std::string_view names, std::string_view message) {
  if (names_any(names, credential_names) || opens_with_any(message, credential_openings))
    return Fault::credential;
  if (names_any(names, quota_names) || opens_with_any(message, quota_openings)) return Fault::quota;
  if (contains_any(names, context_words) || contains_any(message, context_words))
    return Fault::context_length;
  return Fault::bad_request;
}

Fault fault_of(int status, const Told& told) {
  const std::string_view words = told.words;
  switch (status) {
    case 400:
    case 422:
      return fault_of_request(told.names, told.message);
    case 401:
      return Fault::credential;
    case 402:
      return Fault::quota;
    case 403:
      return contains_any(words, quota_words) ? Fault::quota : Fault::forbidden;
    case 404:
      return Fault::not_found;
    case 409:
      return Fault::conflict;
    case 413:
      return contains_any(words, context_words) ? Fault::context_length : Fault::too_large;
    case 429:
      return contains_any(words, quota_words) ? Fault::quota : Fault::rate_limit;
    case 408:
    case 504:
      return Fault::timeout;
    case 503:
    case 529:
      return Fault::overloaded;
    default:
      break;
  }
  if (status == 425 || (status >= 500 && status < 600)) return Fault::server;
  return Fault::unexpected;
}

/// What the client reads. A provider's words about our own key are kept back: they may quote it.
std::string message_for(const Candidate& candidate, Fault fault, int status,
                        const std::string& told) {
  const std::string target = candidate.target();
  switch (fault) {
    case Fault::credential:
    case Fault::forbidden:
      return fmt::format(
          "{} refused the gateway's credential; its operator has to look at the key.", target);
    case Fault::quota:
      return fmt::format("The gateway's account with {} is out of credit or over its spend limit.",
                         candidate.provider);
    default:
      break;
  }
  if (!told.empty()) return told;
  if (status == 0) return fmt::format("{} reported an error without a message.", target);
  return fmt::format("{} answered with status {} and no message.", target, status);
}

Error make_error(const Candidate& candidate, Fault fault, int status, const std::string& told) {
  const Outcome& outcome = outcome_of(fault);
  return upstream_error(outcome.status, outcome.retry, std::string{outcome.code},
                        message_for(candidate, fault, status, told));
}

/// Whether SDKs of the dialect find type and message where they look for them. Servers that speak a
/// dialect beside their own may answer errors in their own: DeepSeek's Messages endpoint does.
bool has_form_of(Dialect dialect, std::string_view body) {
  const auto json = parse_provider_json(body);
  JsonObject root;
  if (!json || json->document.root().get(root) != simdjson::SUCCESS) return false;
  const auto error = object_member(root, "error");
  if (!error || text_member(*error, "message").empty()) return false;
  if (dialect == Dialect::anthropic_messages) {
    return text_member(root, "type") == "error" && !text_member(*error, "type").empty();
  }
  if (dialect == Dialect::gemini_generate) return !text_member(*error, "status").empty();
  return true;
}

}  // namespace

Error read_upstream_error(const Candidate& candidate, Dialect client, int status,
                          const HeaderList& headers, std::string_view body) {
  const Told told = read_body(body);
  const Fault fault = fault_of(status, told);
  Error error = make_error(candidate, fault, status, told.message);
  const Outcome& outcome = outcome_of(fault);
  if (fault == Fault::bad_request) error.http_status = status;
  if (outcome.about_request) error.param = told.param;
  const auto delay = first_to_wait(retry_delay(headers), told.delay);
  if (delay) error.retry_after_s = delay->seconds;
  if (fault == Fault::rate_limit && !error.retry_after_s) {
    error.retry_after_s = retry_after_unknown_s;
  }
  if (outcome.about_request && client == candidate.dialect && has_form_of(client, body)) {
    error.upstream_body = body;
  }
  return error;
}

std::optional<Instant> spends_again_at(std::string_view body) {
  constexpr std::string_view before = "regain access on ";
  constexpr std::string_view between = " at ";
  const auto found = body.find(before);
  if (found == std::string_view::npos) return std::nullopt;
  const auto text = body.substr(found + before.size());
  const auto date = text.substr(0, 10);
  const bool hour_told = text.size() >= 19 && text.substr(10, 4) == between;
  const auto instant = parse_instant(hour_told ? fmt::format("{}T{}:00Z", date, text.substr(14, 5))
                                               : std::string{date});
  return instant ? std::optional{*instant} : std::nullopt;
}

Error classify_stream_error(const Candidate& candidate, std::string_view type,
                            std::string_view code, std::string_view message) {
  const std::string words = fmt::format("{} {} {}", type, code, message);
  Fault fault = fault_of_request(fmt::format("{} {}", type, code), message);
  if (fault == Fault::bad_request) {
    const bool about_request = type == "invalid_request_error" || type == "INVALID_ARGUMENT";
    if (code == "429" || contains_any(words, rate_words)) {
      fault = Fault::rate_limit;
    } else if (code == "503" || code == "529" || contains_any(words, overload_words)) {
      fault = Fault::overloaded;
    } else if (code == "504" || code == "408" || contains_any(words, timeout_words)) {
      fault = Fault::timeout;
    } else if (!about_request) {
      fault = Fault::server;
    }
  }
  Error error = make_error(candidate, fault, 0, shown(message));
  if (fault == Fault::rate_limit) error.retry_after_s = retry_after_unknown_s;
  return error;
}

}  // namespace turnpike::dialect
