// Prompts grow at their end only: providers bind caches and signatures to prefixes.
//
// Random conversations, told in each client's dialect as a harness sends them (everything, each
// time), go through translate() for each target. The messages of a request, without the closing
// bracket, must be a byte prefix of those of the next request; system prompt and tools must be the
// same bytes. Cache marks are left out of the comparison: they move with the conversation on
// purpose and are no part of what is cached.
//
// Where other models have had turns, the past of two targets may change, in its thinking blocks and
// nowhere else:
// - Claude (adaptive, bound): all thinking of the conversation or none. The first foreign turn with
// calls takes it out,
//   once and for good.
// - Claude (budget): a loop that does not begin with the model's own thinking is answered with
// thinking off, and then no
//   turn carries any. It comes back with the next loop. Changing that switch empties Anthropic's
//   message cache anyway.
// Gemini's stand-in signatures, DeepSeek's reasoning and everything else are decided by a step
// alone, whoever made it.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>

#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "anthropic_support.hpp"
#include "dialect/issuer_tag.hpp"
#include "dialect/opaque_store.hpp"
#include "dialect/sha256.hpp"
#include "dialect/stream_translator.hpp"
#include "recorded_answers.hpp"
#include "responses_support.hpp"
#include "support/fake_clock.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect::test {
namespace {

using ::turnpike::test::FakeClock;
using Json = OrderedJson;

constexpr auto all_clients = {Dialect::openai_chat, Dialect::openai_responses,
                              Dialect::anthropic_messages, Dialect::gemini_generate};
constexpr auto seed_name = "TURNPIKE_PREFIX_SEED";

std::string text_of(Dialect dialect) { return std::string{to_string(dialect)}; }

Candidate claude_bound() {
  auto candidate = claude(ThinkingStyle::claude_always);
  candidate.quirks.thinking_bound = true;
  candidate.betas_passed = true;
  return candidate;
}

Candidate generic_chat() {
  Candidate candidate;
  candidate.provider = "local";
  candidate.model = "some-model";
  candidate.family = "local";
  candidate.dialect = Dialect::openai_chat;
  return candidate;
}

/// DeepSeek's other endpoints are for clients of their dialect.
std::vector<Candidate> targets_of(Dialect client) {
  std::vector<Candidate> targets{claude_bound(),
                                 claude(),
                                 claude(ThinkingStyle::claude_budget),
                                 gemini(),
                                 gemini(ThinkingStyle::gemini_budget),
                                 deepseek(),
                                 generic_chat()};
  if (client == Dialect::anthropic_messages) targets.push_back(deepseek_messages());
  if (client == Dialect::openai_responses) targets.push_back(deepseek_responses());
  return targets;
}

struct Call {
  std::string id;
  std::string command;
};

/// One assistant turn.
struct Answer {
  Candidate maker;
  std::string thought;
  std::string text;
  std::vector<Call> calls;
};

// ---- what stays in the gateway ----------------------------------------------------------------

std::string signature_of(const Answer& answer) {
  auto signature = claude_signature();
  const auto mark = sha256_hex(answer.thought);
  return signature.replace(8, mark.size(), mark);
}

void remember(OpaqueStore& store, const Answer& answer) {
  OpaqueState state{answer.maker.provider, answer.maker.family, OpaqueKind::deepseek_reasoning, {}};
  OpaqueBlock block{OpaqueBlock::Form::reasoning, answer.thought, {}};
  const bool gemini_made = answer.maker.dialect == Dialect::gemini_generate;
  if (answer.maker.provider == "local") return;
  if (gemini_made) {
    state.kind = OpaqueKind::gemini_signature;
    block = {OpaqueBlock::Form::signature, {}, signature_of(answer)};
  } else if (answer.maker.provider == "anthropic") {
    state.kind = OpaqueKind::claude_thinking;
    block = {OpaqueBlock::Form::thinking, answer.thought, signature_of(answer)};
  }
  state.blocks.push_back(block);
  for (const auto& call : answer.calls) {
    store.put("k", call.id, state);
    if (gemini_made) return;  // of parallel calls the first is signed
  }
  if (answer.calls.empty()) store.put("k", turn_key(answer.text), state);
}

// ---- how clients tell it ----------------------------------------------------------------------

/// A conversation in one client's words; `keeps`: state that came with an answer is sent back.
class Teller {
 public:
  Teller(Dialect client, bool keeps) : client_(client), keeps_(keeps) {}

  void user(const std::string& text) {
    switch (client_) {
      case Dialect::openai_chat:
      case Dialect::anthropic_messages:
        items_.push_back({{"role", "user"}, {"content", text}});
        break;
      case Dialect::openai_responses:
        items_.push_back({{"type", "message"},
                          {"role", "user"},
                          {"content", Json::array({{{"type", "input_text"}, {"text", text}}})}});
        break;
      case Dialect::gemini_generate:
        items_.push_back({{"role", "user"}, {"parts", Json::array({{{"text", text}}})}});
        break;
    }
  }

  /// What a harness puts between results and the next step, where its dialect has a word for it.
  void reminder(const std::string& text) {
    if (client_ == Dialect::openai_chat) items_.push_back({{"role", "system"}, {"content", text}});
    if (client_ == Dialect::openai_responses)
      items_.push_back({{"type", "message"}, {"role", "developer"}, {"content", text}});
  }

  void answer(const Answer& answer) {
    switch (client_) {
      case Dialect::openai_chat:
        return chat(answer);
      case Dialect::anthropic_messages:
        return messages(answer);
      case Dialect::openai_responses:
        return responses(answer);
      case Dialect::gemini_generate:
        return gemini_parts(answer);
    }
  }

  void results(const std::vector<Call>& calls) {
    Json together = Json::array();
    for (const auto& call : calls) {
      const auto text = "ran " + call.command + "\n";
      if (client_ == Dialect::openai_chat)
        items_.push_back({{"role", "tool"}, {"tool_call_id", call.id}, {"content", text}});
      else if (client_ == Dialect::openai_responses)
        items_.push_back(
            {{"type", "function_call_output"}, {"call_id", call.id}, {"output", text}});
      else if (client_ == Dialect::anthropic_messages)
        together.push_back({{"type", "tool_result"}, {"tool_use_id", call.id}, {"content", text}});
      else
        together.push_back(
            {{"functionResponse",
              {{"id", call.id}, {"name", "bash"}, {"response", {{"output", text}}}}}});
    }
    if (client_ == Dialect::anthropic_messages)
      items_.push_back({{"role", "user"}, {"content", together}});
    if (client_ == Dialect::gemini_generate)
      items_.push_back({{"role", "user"}, {"parts", together}});
  }

  [[nodiscard]] std::string body() const {
    const Json schema = {{"type", "object"},
                         {"properties", {{"command", {{"type", "string"}}}}},
                         {"required", {"command"}}};
    Json body;
    switch (client_) {
      case Dialect::openai_chat: {
        Json all = Json::array({{{"role", "system"}, {"content", "Be careful."}}});
        for (const auto& item : items_) all.push_back(item);
        body = {{"model", "auto"}, {"messages", all}, {"reasoning_effort", "high"}};
        body["tools"] = Json::array(
            {{{"type", "function"}, {"function", {{"name", "bash"}, {"parameters", schema}}}}});
        break;
      }
      case Dialect::anthropic_messages:
        body = {{"model", "auto"}, {"max_tokens", 8000}, {"system", "Be careful."}};
        body["thinking"] = {{"type", "enabled"}, {"budget_tokens", 2000}};
        body["messages"] = items_;
        body["tools"] = Json::array({{{"name", "bash"}, {"input_schema", schema}}});
        break;
      case Dialect::openai_responses:
        body = {{"model", "auto"}, {"instructions", "Be careful."}, {"input", items_}};
        body["store"] = false;
        body["include"] = {"reasoning.encrypted_content"};
        body["reasoning"] = {{"effort", "high"}};
        body["tools"] =
            Json::array({{{"type", "function"}, {"name", "bash"}, {"parameters", schema}}});
        break;
      case Dialect::gemini_generate:
        body = {{"systemInstruction", {{"parts", Json::array({{{"text", "Be careful."}}})}}}};
        body["contents"] = items_;
        body["tools"] =
            Json::array({{{"functionDeclarations",
                           Json::array({{{"name", "bash"}, {"parametersJsonSchema", schema}}})}}});
        body["generationConfig"] = {
            {"thinkingConfig", {{"thinkingLevel", "HIGH"}, {"includeThoughts", true}}}};
        break;
    }
    return body.dump();
  }

 private:
  void chat(const Answer& answer) {
    Json message = {{"role", "assistant"}, {"content", nullptr}};
    if (!answer.text.empty()) message["content"] = answer.text;
    if (keeps_) message["reasoning_content"] = answer.thought;
    for (const auto& call : answer.calls) {
      message["tool_calls"].push_back(
          {{"id", call.id},
           {"type", "function"},
           {"function", {{"name", "bash"}, {"arguments", arguments(call).dump()}}}});
    }
    items_.push_back(message);
  }

  void messages(const Answer& answer) {
    Json content = Json::array();
    if (keeps_) {
      const bool native = answer.maker.provider == "anthropic";
      content.push_back(
          {{"type", "thinking"},
           {"thinking", answer.thought},
           {"signature", native ? signature_of(answer) : write_issuer_tag(answer.maker)}});
    }
    if (!answer.text.empty()) content.push_back({{"type", "text"}, {"text", answer.text}});
    for (const auto& call : answer.calls)
      content.push_back(
          {{"type", "tool_use"}, {"id", call.id}, {"name", "bash"}, {"input", arguments(call)}});
    items_.push_back({{"role", "assistant"}, {"content", content}});
  }

  void responses(const Answer& answer) {
    if (keeps_) {
      items_.push_back(
          {{"type", "reasoning"},
           {"id", "rs_" + sha256_hex(answer.thought)},
           {"summary", Json::array({{{"type", "summary_text"}, {"text", answer.thought}}})},
           {"encrypted_content", write_issuer_tag(answer.maker)}});
    }
    if (!answer.text.empty()) {
      const Json part = {
          {"type", "output_text"}, {"text", answer.text}, {"annotations", Json::array()}};
      items_.push_back(
          {{"type", "message"}, {"role", "assistant"}, {"content", Json::array({part})}});
    }
    for (const auto& call : answer.calls)
      items_.push_back({{"type", "function_call"},
                        {"call_id", call.id},
                        {"name", "bash"},
                        {"arguments", arguments(call).dump()}});
  }

  void gemini_parts(const Answer& answer) {
    Json parts = Json::array();
    const bool native = answer.maker.dialect == Dialect::gemini_generate;
    if (keeps_) parts.push_back({{"text", answer.thought}, {"thought", true}});
    if (!answer.text.empty()) parts.push_back({{"text", answer.text}});
    for (const auto& call : answer.calls) {
      Json part = {
          {"functionCall", {{"id", call.id}, {"name", "bash"}, {"args", arguments(call)}}}};
      const bool first = &call == &answer.calls.front();
      if (keeps_ && !native) part["thoughtSignature"] = write_issuer_tag(answer.maker, call.id);
      if (keeps_ && native && first) part["thoughtSignature"] = signature_of(answer);
      parts.push_back(part);
    }
    items_.push_back({{"role", "model"}, {"parts", parts}});
  }

  static Json arguments(const Call& call) { return {{"command", call.command}}; }

  Dialect client_;
  bool keeps_;
  Json items_ = Json::array();
};

// ---- one conversation ---------------------------------------------------------------------------

struct Plan {
  Dialect client;
  Candidate target;
  bool one_maker;  // the target itself made every turn
  unsigned seed;
};

class Conversation {
 public:
  explicit Conversation(Plan plan)
      : plan_(std::move(plan)), random_(plan_.seed), teller_(plan_.client, pick(2) == 0) {}

  /// The upstream body of every request, in order.
  std::vector<std::string> run() {
    const int turns = 2 + pick(4);
    for (int turn = 0; turn < turns; ++turn) {
      teller_.user("question " + std::to_string(turn) + " é \"quoted\"");
      request();
      const int steps = pick(4);
      for (int step = 0; step < steps; ++step) {
        const auto made = answer(1 + pick(2) * pick(3));
        teller_.results(made.calls);
        if (pick(5) == 0) teller_.reminder("a reminder");
        request();
      }
      answer(0);
    }
    return bodies_;
  }

 private:
  int pick(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }

  Answer answer(int calls) {
    Answer made{plan_.target, "thought " + std::to_string(++made_), {}, {}};
    if (!plan_.one_maker && pick(2) == 0) {
      const auto makers = targets_of(Dialect::openai_chat);
      made.maker = makers[static_cast<std::size_t>(pick(static_cast<int>(makers.size())))];
    }
    if (calls == 0 || pick(2) == 0) made.text = "text " + std::to_string(made_);
    for (int i = 0; i < calls; ++i) {
      const auto number = std::to_string(made_) + "x" + std::to_string(i);
      made.calls.push_back({"call_" + number, "echo " + number});
    }
    remember(store_, made);
    teller_.answer(made);
    return made;
  }

  void request() {
    auto body = teller_.body();
    body.reserve(body.size() + 64);
    TranslateOptions options;
    options.opaque = &store_;
    options.owner = "k";
    auto view = read_view(plan_.client, body);
    REQUIRE(view.has_value());
    view->model = "auto";
    const auto first = translate(plan_.client, body, *view, plan_.target, options);
    if (!first) FAIL(first.error().message + " @" + first.error().param);
    const auto again = translate(plan_.client, body, *view, plan_.target, options);
    REQUIRE(again.has_value());
    CHECK(first->body == again->body);
    bodies_.push_back(first->body);
  }

  Plan plan_;
  std::mt19937 random_;
  FakeClock clock_;
  OpaqueStore store_{clock_};
  Teller teller_;
  std::vector<std::string> bodies_;
  int made_ = 0;
};

// ---- comparing

struct Compared {
  std::string before;    // system prompt and tools
  std::string messages;  // without the closing bracket
};

Compared compared(std::string body) {
  const std::string mark = R"(,"cache_control":{"type":"ephemeral"})";
  for (auto at = body.find(mark); at != std::string::npos; at = body.find(mark))
    body.erase(at, mark.size());
  const wire::JsonFields fields{wire::JsonView{body}};
  Compared result;
  for (const auto* key : {"system", "systemInstruction", "instructions", "tools"})
    result.before += std::string{fields[key].raw()} + "\n";
  for (const auto* key : {"messages", "contents", "input"}) result.messages += fields[key].raw();
  REQUIRE(result.messages.ends_with("]"));
  result.messages.pop_back();
  return result;
}

std::string without_thinking(const std::string& body) {
  auto json = Json::parse(body);
  for (auto& message : json["messages"]) {
    auto& content = message["content"];
    if (!content.is_array()) content = Json::array({{{"type", "text"}, {"text", content}}});
    for (std::size_t i = content.size(); i-- > 0;) {
      if (text_at(content[i], "type") == "thinking") content.erase(i);
    }
  }
  return json.dump();
}

bool may_lose_thinking(const Plan& plan) {
  return !plan.one_maker && plan.target.provider == "anthropic";
}

/// How often the past has changed from one request to the next.
int changes(const std::vector<std::string>& bodies) {
  int count = 0;
  for (std::size_t i = 1; i < bodies.size(); ++i)
    count += compared(bodies[i]).messages.starts_with(compared(bodies[i - 1]).messages) ? 0 : 1;
  return count;
}

void check_prefixes(const Plan& plan, std::vector<std::string> bodies) {
  if (may_lose_thinking(plan)) {
    if (plan.target.thinking != ThinkingStyle::claude_budget) CHECK(changes(bodies) <= 1);
    for (auto& body : bodies) body = without_thinking(body);
  }
  for (std::size_t i = 1; i < bodies.size(); ++i) {
    const auto before = compared(bodies[i - 1]);
    const auto after = compared(bodies[i]);
    CHECK(after.before == before.before);
    if (after.messages.starts_with(before.messages) &&
        after.messages.size() > before.messages.size())
      continue;
    FAIL_CHECK("request " << i << " is no prefix of the next\n"
                          << before.messages << "\n"
                          << after.messages);
  }
}

unsigned chosen_seed() {
  const char* given = std::getenv(seed_name);
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                          : std::random_device{}();
}

/// visit(plan) for `rounds` conversations per client, target and kind of maker.
template <typename Visit>
void for_each_plan(unsigned seed, unsigned rounds, Visit visit) {
  for (unsigned round = 0; round < rounds; ++round) {
    for (const auto client : all_clients) {
      for (const auto& target : targets_of(client)) {
        for (const bool one_maker : {true, false})
          visit(Plan{client, target, one_maker, seed + round});
      }
    }
  }
}

TEST_CASE("A request's messages are a byte prefix of the next one's, for every client and target",
          "[dialect][property][prefix]") {
  const auto seed = chosen_seed();
  WARN(seed_name << "=" << seed);
  std::size_t requests = 0;
  for_each_plan(seed, 12, [&](const Plan& plan) {
    INFO(seed_name << "=" << plan.seed << " " << text_of(plan.client) << " to "
                   << plan.target.target() << (plan.one_maker ? "" : ", several makers"));
    const auto bodies = Conversation{plan}.run();
    requests += bodies.size();
    check_prefixes(plan, bodies);
  });
  CHECK(requests > 2000);
}

// ---- across processes

std::string hash_of_requests(unsigned seed) {
  std::string all;
  for_each_plan(seed, 3, [&](const Plan& plan) {
    for (const auto& body : Conversation{plan}.run()) all += body + "\n";
  });
  return sha256_hex(all);
}

/// All recorded answers, told to each kind of client. Empty without recordings.
std::string hash_of_answers() {
  std::string all;
  for (const auto& answer : recorded_answers()) {
    if (answer.contains("skip") || answer.at("form") != "stream") continue;
    const auto dialect = parse_dialect(answer.at("dialect").get<std::string>());
    if (!dialect) continue;
    const auto body = answer["body"].get<std::string>();
    for (const auto client : all_clients) {
      Candidate candidate;
      candidate.provider = "maker";
      candidate.family = "family";
      candidate.dialect = *dialect;
      StreamOptions options;
      options.client = client;
      options.id = "answer-1";
      options.created = 1764000000;
      options.model = "auto";
      StreamTranslator translator{candidate, options};
      translator.feed(body, all);
      translator.end({}, all);
      all += "\n";
    }
  }
  return all.empty() ? all : sha256_hex(all);
}

// Hidden: a child process of the test below.
TEST_CASE("prefix hash of one process", "[.][prefix-hash]") {
  std::cout << "PREFIX_HASH=" << hash_of_requests(chosen_seed()) << "," << hash_of_answers()
            << "\n";
}

TEST_CASE("The same requests and answers give the same bytes, across processes",
          "[dialect][property][prefix]") {
  const auto seed = chosen_seed();
  WARN(seed_name << "=" << seed);
  const auto expected = "PREFIX_HASH=" + hash_of_requests(seed) + "," + hash_of_answers();
  for (int child = 0; child < 2; ++child) {
    const auto printed =
        output_of(std::string{seed_name} + "=" + std::to_string(seed) + " /proc/" +
                  std::to_string(getpid()) + "/exe 'prefix hash of one process' 2>/dev/null");
    const auto at = printed.find("PREFIX_HASH=");
    REQUIRE(at != std::string::npos);
    CHECK(printed.substr(at, expected.size()) == expected);
  }
}

}  // namespace
}  // namespace turnpike::dialect::test
