// Cases J2, J4. What is decided on is what the provider will read: of every body that is accepted,
// another strict parser finds each deciding member at most once, in one spelling, with the value
// that was read.
//
//   setting := client's dialect (low 2 bits) and whether tokens are only counted (bit 2),
//              3 bytes unused
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/facts.hpp"
#include "dialect/request_rules.hpp"
#include "fuzz_target.hpp"
#include "plain_reading.hpp"
#include "wire/json_document.hpp"

namespace turnpike::fuzz {
namespace {

using dialect::RequestView;
using Kind = PlainMember::Kind;
using Paths = std::initializer_list<std::string_view>;

void check_refusal(const Error& error) {
  require(error.origin == Origin::client && error.http_status == 400,
          "what a body breaks is the client's fault: " + error.code);
  require(!error.code.empty() && !error.message.empty(), "and told in words");
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  require(
      std::ranges::none_of(error.message, control) && std::ranges::none_of(error.param, control),
      "which carry no control bytes: " + error.param);
}

/// The one occurrence that is not null; nothing if there is none.
const PlainMember* only(const PlainReading& reading, Paths paths) {
  const auto found = reading.named(paths);
  require(found.size() <= 1, "a deciding member occurs once: " + std::string{*paths.begin()});
  if (found.empty() || found[0]->kind == Kind::null) return nullptr;
  const bool exact = std::ranges::find(paths, found[0]->path) != paths.end();
  require(exact, "in its own spelling: " + found[0]->path);
  return found[0];
}

std::optional<std::int64_t> integer(const PlainReading& reading, Paths paths) {
  const auto* member = only(reading, paths);
  if (member == nullptr) return std::nullopt;
  require(member->kind == Kind::integer, "a limit is an integer: " + member->path);
  require(member->integer >= 1 && member->integer < std::int64_t{1} << 31U, "within its range");
  return member->integer;
}

bool flag(const PlainReading& reading, Paths paths, bool otherwise = false) {
  const auto* member = only(reading, paths);
  if (member == nullptr) return otherwise;
  require(member->kind == Kind::boolean, "a switch is a boolean: " + member->path);
  return member->integer == 1;
}

std::string text(const PlainReading& reading, Paths paths) {
  const auto* member = only(reading, paths);
  if (member == nullptr) return {};
  require(member->kind == Kind::text, "a name is a string: " + member->path);
  return member->text;
}

void check_chat(const PlainReading& reading, const RequestView& view) {
  require(view.model == text(reading, {"model"}), "the model is the same");
  require(view.stream == flag(reading, {"stream"}), "so is stream");
  require(view.include_usage == flag(reading, {"stream_options/include_usage"}), "and usage");
  require(view.choices == integer(reading, {"n"}).value_or(1), "and n");
  const auto old = integer(reading, {"max_tokens"});
  const auto now = integer(reading, {"max_completion_tokens"});
  const auto larger = old && now ? std::max(old, now) : old ? old : now;
  require(view.output_tokens_max == larger, "and the limit of the answer");
  require(view.max_tokens.has_value() == old.has_value(), "whose place is known");
}

void check_messages(const PlainReading& reading, const RequestView& view) {
  require(view.model == text(reading, {"model"}), "the model is the same");
  require(view.stream == flag(reading, {"stream"}), "so is stream");
  require(view.output_tokens_max == integer(reading, {"max_tokens"}), "and the limit");
}

void check_responses(const PlainReading& reading, const RequestView& view) {
  require(view.model == text(reading, {"model"}), "the model is the same");
  require(view.stream == flag(reading, {"stream"}), "so is stream");
  require(view.output_tokens_max == integer(reading, {"max_output_tokens"}), "and the limit");
  require(view.previous_response_id == text(reading, {"previous_response_id"}),
          "and the answer before");
  require(view.refers_to_items == flag(reading, {"store"}, true), "and store");
}

/// A request that is counted may be wrapped; then nothing outside of it counts.
void check_gemini(const PlainReading& reading, const RequestView& view) {
  if (!reading.named({"generateContentRequest", "generate_content_request"}).empty()) return;
  const auto limit = integer(
      reading, {"generationConfig/maxOutputTokens", "generationConfig/max_output_tokens",
                "generation_config/maxOutputTokens", "generation_config/max_output_tokens"});
  require(view.output_tokens_max == limit, "the limit is the same");
  const auto choices =
      integer(reading, {"generationConfig/candidateCount", "generationConfig/candidate_count",
                        "generation_config/candidateCount", "generation_config/candidate_count"});
  require(view.choices == choices.value_or(1), "so is the number of candidates");
}

void check_agreement(Dialect client, const PlainReading& reading, const RequestView& view) {
  switch (client) {
    case Dialect::openai_chat:
      return check_chat(reading, view);
    case Dialect::anthropic_messages:
      return check_messages(reading, view);
    case Dialect::openai_responses:
      return check_responses(reading, view);
    case Dialect::gemini_generate:
      return check_gemini(reading, view);
  }
}

/// A place holds the bytes that will be replaced: exactly the value.
void check_place(const std::string& body, const dialect::ByteRange& place, std::string_view what) {
  require(place.begin < place.end && place.end <= body.size(), "a place is in the body");
  const auto value =
      read_plainly(std::string_view{body}.substr(place.begin, place.end - place.begin));
  require(value.valid || value.huge_number, "and is one whole value: " + std::string{what});
}

void check_facts(Dialect client, const wire::JsonDocument& document, const RequestView& view) {
  static const RequestHead head;
  const auto facts = dialect::read_facts(client, document, head);
  if (!facts) return check_refusal(facts.error());
  require(facts->output_tokens_max == view.output_tokens_max, "facts have the view's limit");
  require(facts->choices == view.choices, "and choices");
  require(facts->text_bytes >= 0 && facts->messages >= 0 && facts->tools >= 0, "counts count");
  if (client == Dialect::gemini_generate) return;
  require(facts->model == view.model && facts->stream == view.stream, "and model and stream");
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike;
  using namespace turnpike::fuzz;
  const Input input = read_input(data, size);
  const auto client = static_cast<Dialect>(input.setting[0] & 3U);
  const auto purpose =
      (input.setting[0] & 4U) != 0 ? dialect::Purpose::count : dialect::Purpose::answer;
  std::string body;
  body.reserve(input.text.size() + wire::json_slack);
  body = input.text;
  const auto document = wire::JsonDocument::parse(body);
  if (!document) {
    check_refusal(document.error());
    const auto reading = read_plainly(body);
    require(!reading.valid || reading.depth > wire::json_depth_max,
            "what is refused another parser refuses: " + document.error().message);
    return 0;
  }
  const auto view = dialect::read_view(client, body, *document, purpose);
  if (!view) {
    check_refusal(view.error());
    return 0;
  }
  const auto reading = read_plainly(body);
  require(reading.valid || reading.huge_number, "what is accepted another parser accepts");
  require(reading.depth <= wire::json_depth_max, "and it is not too deep");
  check_facts(client, *document, *view);
  if (reading.huge_number) return 0;  // members behind it are not read
  check_agreement(client, reading, *view);
  if (client != Dialect::gemini_generate) check_place(body, view->model_value, "model");
  if (view->max_tokens) check_place(body, *view->max_tokens, "limit");
  check_place(body, view->messages, "messages");
  return 0;
}
