// Whatever a client sends, it is refused with an error of its own or becomes valid JSON for each
// target, the same bytes every time.
//
//   setting := client's dialect (low 2 bits) and flags, further flags, target to
//              repeat, 1 byte unused
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "dialect/error_body.hpp"
#include "dialect/facts.hpp"
#include "dialect/losses.hpp"
#include "dialect/opaque_store.hpp"
#include "dialect/request_rules.hpp"
#include "dialect/responses_support.hpp"
#include "dialect/translate.hpp"
#include "fuzz_target.hpp"
#include "support/fake_clock.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"

namespace turnpike::fuzz {
namespace {

/// Translating wraps what clients nest; providers refuse far less than this.
constexpr std::size_t depth_max = 4 * wire::json_depth_max;

struct Case {
  Dialect client = Dialect::openai_chat;
  dialect::TranslateOptions options;
  dialect::Purpose purpose = dialect::Purpose::answer;
  bool stream = false;
  std::size_t repeated = 0;  // number of the target that is translated for twice more
  std::string body;
};

const HeaderList& beta_headers() {
  static const HeaderList headers{
      {"anthropic-beta", "interleaved-thinking-2025-05-14,context-1m-2025-08-07"},
      {"anthropic-version", "2023-06-01"}};
  return headers;
}

/// What earlier answers of a conversation have left, under the call ids that the corpus uses.
const dialect::OpaqueStore& filled_store() {
  static const turnpike::test::FakeClock clock;
  static dialect::OpaqueStore store{clock};
  static const bool filled = [] {
    using dialect::OpaqueBlock;
    using dialect::OpaqueKind;
    const OpaqueBlock thought{OpaqueBlock::Form::thinking, "I look.", "c2lnbmF0dXJl", 0, false};
    const OpaqueBlock redacted{OpaqueBlock::Form::redacted, "", "cmVkYWN0ZWQ=", 1, true};
    const OpaqueBlock signature{OpaqueBlock::Form::signature, "", "c2lnbmF0dXJl", 0, false};
    const OpaqueBlock reasoning{OpaqueBlock::Form::reasoning, "I look.", "", 0, false};
    const auto put = [&](const char* key, const char* vendor, const char* family, OpaqueKind kind,
                         std::vector<OpaqueBlock> blocks) {
      store.put("key-1", key, {vendor, family, kind, std::move(blocks)});
    };
    put("call_1", "anthropic", "claude-4.6", OpaqueKind::claude_thinking, {thought, redacted});
    put("call_2", "gemini", "gemini-3", OpaqueKind::gemini_signature, {signature});
    put("call_3", "deepseek", "deepseek-v4", OpaqueKind::deepseek_reasoning, {reasoning});
    put("toolu_1", "anthropic", "claude-5.5", OpaqueKind::claude_thinking, {thought});
    put("toolu_2", "anthropic", "claude-4.5", OpaqueKind::claude_thinking, {});
    return true;
  }();
  require(filled, "the store is filled once");
  return store;
}

Case read_case(const Input& input) {
  const auto flag = [&](std::size_t byte, unsigned bit) {
    return (input.setting[byte] >> bit & 1U) != 0;
  };
  Case found;
  found.client = static_cast<Dialect>(input.setting[0] & 3U);
  dialect::TranslateOptions& options = found.options;
  options.owner = "key-1";
  if (!flag(0, 2)) options.opaque = &filled_store();
  if (flag(0, 3)) options.output_tokens_cap = 1;
  options.cache_hints = !flag(1, 0);
  options.continues_own_response = flag(1, 1);
  options.count_only = flag(1, 2);
  if (flag(1, 3)) options.client_headers = &beta_headers();
  if (options.count_only) found.purpose = dialect::Purpose::count;
  found.stream = flag(0, 6);
  found.repeated = input.setting[2];
  found.body = input.text;
  found.body.reserve(found.body.size() + wire::json_slack);
  return found;
}

/// Every way in which the targets think, and the clients' own endpoints.
const std::vector<Candidate>& targets() {
  using namespace dialect::test;
  static const std::vector<Candidate> all = [] {
    std::vector<Candidate> list{deepseek(),
                                claude(ThinkingStyle::claude_adaptive),
                                claude(ThinkingStyle::claude_always),
                                claude(ThinkingStyle::claude_budget),
                                gemini(ThinkingStyle::gemini_level),
                                gemini(ThinkingStyle::gemini_budget),
                                openai_responses(),
                                deepseek_responses()};
    for (Candidate& target : list) {
      target.counts_tokens = target.dialect != Dialect::openai_chat;
      target.betas_passed = target.quirks.mid_system_accepted;
      target.quirks.strips_call_ids = target.family == "gemini-2.5";
    }
    return list;
  }();
  return all;
}

bool is_object(const std::string& text) {
  return !wire::check_json(text, depth_max).fault && text[text.find_first_not_of(" \t\r\n")] == '{';
}

void check_error(Dialect client, const Error& error) {
  require(!error.code.empty() && !error.message.empty(), "an error has a code and a message");
  require(error.http_status >= 400 && error.http_status < 600, "and a status of errors");
  require(!wire::check_json(dialect::error_body(client, error), wire::json_depth_max).fault,
          "its body is JSON: " + error.message);
}

void check_refusal(Dialect client, const Error& error) {
  check_error(client, error);
  require(
      error.origin == Origin::client && error.http_status == 400,
      fmt::format("what a body breaks is the client's fault: {} {}", error.code, error.message));
}

void check_outgoing(const dialect::Outgoing& outgoing) {
  require(is_object(outgoing.body), "the outgoing body is a JSON object: " + outgoing.body);
  require(outgoing.path.starts_with('/'), "the path begins with a slash: " + outgoing.path);
  require(std::ranges::is_sorted(outgoing.losses), "losses are in order");
  for (const std::string& loss : outgoing.losses) {
    require(std::ranges::count(dialect::loss_names, loss) == 1, "losses are from the list");
    require(std::ranges::count(outgoing.losses, loss) == 1, "each loss once");
  }
  require(outgoing.echo.empty() || is_object("{" + outgoing.echo + "}"),
          "the echo is members: " + outgoing.echo);
}

void check_target(const Case& given, const dialect::RequestView& view, const Candidate& target) {
  const auto outgoing = translate(given.client, given.body, view, target, given.options);
  if (!outgoing) return check_error(given.client, outgoing.error());
  check_outgoing(*outgoing);
}

void check_repetition(const Case& given, const dialect::RequestView& view,
                      const Candidate& target) {
  const auto first = translate(given.client, given.body, view, target, given.options);
  const auto second = translate(given.client, given.body, view, target, given.options);
  require(first.has_value() == second.has_value(), "the same request has the same fate");
  if (!first) return;
  require(first->path == second->path && first->body == second->body &&
              first->headers == second->headers && first->losses == second->losses &&
              first->tools == second->tools && first->echo == second->echo,
          "the same request gives the same bytes");
}

/// The gateway's own way: parse, rules, facts, translation.
void check_request(Case& given) {
  const std::string original = given.body;
  const auto document = wire::JsonDocument::parse(given.body);
  require(document.has_value() == !wire::check_json(original, wire::json_depth_max).fault,
          "the fast and the slow parser agree");
  require(given.body.size() == original.size(), "repairs keep offsets");
  if (!document) return check_refusal(given.client, document.error());
  auto view = dialect::read_view(given.client, given.body, *document, given.purpose);
  if (!view) return check_refusal(given.client, view.error());
  RequestHead head;
  head.path = given.options.count_only ? "/v1/messages/count_tokens" : "/v1/messages";
  const auto facts = dialect::read_facts(given.client, *document, head);
  if (!facts) return check_refusal(given.client, facts.error());
  require(facts->text_bytes >= 0 && facts->prompt_tokens_bound() > 0, "the prompt has a size");
  require(facts->conversation.size() == 16, "a conversation has a name");
  if (given.client == Dialect::gemini_generate) {  // the path has what others say in the body
    view->model = "auto";
    view->stream = given.stream;
  }
  for (const Candidate& target : targets()) check_target(given, *view, target);
  check_repetition(given, *view, targets()[given.repeated % targets().size()]);
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike::fuzz;
  auto given = read_case(read_input(data, size));
  check_request(given);
  return 0;
}
