// turnpike-decide-speed [--root DIR] [--rounds N] [--check]
//
// Classify and decide together, on the facts of agents' requests of several sizes, with a policy of three tiers and eight
// targets and all that a decision can be told. Times are this machine's and this moment's; allocations are exact.
// --check: exit code 1 if classifying allocates, or deciding more than docs/policies.md states.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "classify/classifier.hpp"
#include "counted.hpp"
#include "dialect/facts.hpp"
#include "policy/decide.hpp"
#include "turnpike/clock.hpp"
#include "wire/json_document.hpp"

namespace {

using namespace turnpike;

/// As docs/policies.md states it, for a list of eight candidates.
constexpr std::uint64_t allocations_stated = 80;

constexpr auto policy_text = R"([policy]
name = "speed"
easy_tier = "bulk"
hard_tier = "frontier"
[frontier_share]
target = 0.3
[[tier]]
name = "bulk"
order = "cheapest"
targets = ["deepseek/deepseek-flash", "gemini/gemini-3.8-flash", "anthropic/claude-haiku-5-5"]
fallback = ["deepseek/deepseek-v4-pro", "anthropic/claude-sonnet-5-5", "anthropic/claude-opus-5-5", "gemini/gemini-3.1-pro-preview", "anthropic/claude-fable-5-1"]
escalate_to = "middle"
[[tier]]
name = "middle"
order = "balanced"
targets = ["deepseek/deepseek-v4-pro", "anthropic/claude-sonnet-5-5"]
fallback = ["tier:bulk"]
escalate_to = "frontier"
[[tier]]
name = "frontier"
frontier = true
order = "fastest"
targets = ["anthropic/claude-opus-5-5", "gemini/gemini-3.1-pro-preview", "anthropic/claude-fable-5-1"]
fallback = ["tier:middle", "tier:bulk"]
[[rule]]
name = "titles"
step = ["title_or_summary"]
route = "tier:bulk"
[[rule]]
name = "interns"
team = "interns-*"
route = "tier:bulk"
[models]
"auto" = "auto"
"claude-*haiku*" = "tier:bulk"
"claude-*" = "auto"
"gpt-*" = "auto"
)";

struct Options {
  std::filesystem::path root = ".";
  std::size_t rounds = 4000;
  bool check = false;
};

/// An agent's loop of about `bytes`: tools, a question, then calls and results.
std::string agent_body(std::size_t bytes, bool in_loop) {
  std::string body = R"({"model":"auto","stream":true,"tools":[)";
  for (int i = 0; i < 20; ++i) {
    body += fmt::format(R"({}{{"type":"function","function":{{"name":"tool_{}","description":"{}","parameters":{{"type":"object"}}}}}})",
                        i == 0 ? "" : ",", i, std::string(400, 'd'));
  }
  body += R"(],"messages":[{"role":"system","content":")" + std::string(3000, 's') + R"("},{"role":"user","content":")";
  for (int i = 0; i < 40; ++i) body += fmt::format("Why does worker {} lose its lock when two writers meet? ", i);
  body += R"("})";
  for (int i = 0; body.size() < bytes; ++i) {
    body += fmt::format(R"(,{{"role":"assistant","content":null,"tool_calls":[{{"id":"c{0}","type":"function","function":{{"name":"run_shell","arguments":"{{\"command\": \"make test {0}\"}}"}}}}]}})", i);
    body += fmt::format(R"(,{{"role":"tool","tool_call_id":"c{}","content":")", i);
    for (int line = 0; line < 40; ++line) body += fmt::format("src/a{}.cpp:{}: a line of output\\n", line, line * 7);
    body += fmt::format("exit code {}\"}}", i % 3);
  }
  if (!in_loop) body += R"(,{"role":"assistant","content":"done"},{"role":"user","content":"now the same for readers, and explain the race"})";
  return body + "]}";
}

RequestFacts facts_of(const std::string& body) {
  std::string padded = body;
  padded.reserve(padded.size() + wire::json_slack);
  const auto document = wire::JsonDocument::parse(padded);
  return dialect::read_facts(Dialect::openai_chat, document.value(), RequestHead{}).value();
}

RouteInputs full_inputs(const policy::Policy& policy, const RequestFacts& facts) {
  RouteInputs inputs;
  inputs.health = HealthView{{{"gemini/gemini-3.8-flash", Health::degraded}, {"deepseek/deepseek-v4-pro", Health::ejected}}};
  inputs.threshold = 0.6F;
  inputs.stay = Stay{.target = "anthropic/claude-opus-5-5", .tier = "frontier", .cached_tokens = facts.text_bytes / 5, .thinking_kept = true, .steps = 40, .tier_steps = 9, .calm_steps = 9};
  for (const auto* target : {"anthropic/claude-opus-5-5", "deepseek/deepseek-flash", "gemini/gemini-3.1-pro-preview", "anthropic/claude-sonnet-5-5"})
    inputs.warm.push_back({target, facts.text_bytes / 5, 0.7F});
  for (const auto& target : policy.everyone)
    inputs.paces.push_back({.target = target.name, .first_token_ms = 900, .token_ms = 11, .headroom = 0.5F, .tokens_per_byte = 0.26F, .cache_hit = 0.95F});
  inputs.steps_left = 22;
  inputs.output_tokens = 410;
  return inputs;
}

struct Case {
  std::string name;
  RequestFacts facts;
  RouteInputs inputs;
};

std::vector<Case> cases(const policy::Policy& policy) {
  std::vector<Case> all;
  for (const std::size_t size : {std::size_t{4'000}, std::size_t{50'000}, std::size_t{200'000}, std::size_t{1'000'000}}) {
    for (const bool in_loop : {true, false}) {
      const auto body = agent_body(size, in_loop);
      Case one{fmt::format("{} of {} KB", in_loop ? "step of a loop" : "human turn", body.size() / 1000), facts_of(body), {}};
      one.inputs = full_inputs(policy, one.facts);
      all.push_back(std::move(one));
    }
  }
  return all;
}

class Folder {
 public:
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path = std::filesystem::temp_directory_path() / fmt::format("turnpike-decide-{}", ::getpid());
};

int run(const Options& options) {
  const SystemClock clock;
  const auto now = parse_instant("2026-11-22T12:00:00Z").value();
  const auto catalog = catalog::Catalog::load(options.root / "providers");
  if (!catalog) throw std::runtime_error{to_string(catalog.error().front())};
  const Folder folder;
  std::filesystem::create_directories(folder.path);
  std::ofstream{folder.path / "speed.toml"} << policy_text;
  const auto policy = policy::Policy::load(folder.path / "speed.toml", *catalog, {.now = now});
  if (!policy) throw std::runtime_error{to_string(policy.error().front())};
  const auto& classifier = classify::Classifier::built_in();
  const Account account{.key_id = "k", .key_name = "dev", .org = "acme", .team = "search"};
  const Allowance allowance;
  bool good = true;
  fmt::print("{} rounds each; policy of {} tiers, {} targets\n", options.rounds, policy->tiers.size(), policy->everyone.size());
  fmt::print("{:<26} {:>10} {:>10} {:>10} {:>12} {:>12} {:>10}\n", "", "p50 us", "p99 us", "max us", "classify new", "decide new", "bytes");
  for (const auto& one : cases(*policy)) {
    std::vector<double> times;
    times.reserve(options.rounds);
    std::uint64_t by_classify = 0;
    bench::Allocations by_decide;
    std::size_t candidates = 0;
    for (std::size_t round = 0; round < options.rounds + 10; ++round) {
      const auto start = bench::allocations();
      const Monotonic begin = clock.monotonic();
      const Difficulty difficulty = classifier.classify(one.facts);
      const auto middle = bench::allocations();
      auto decision = policy::decide(*policy, *catalog, {one.facts, difficulty, allowance, account, one.inputs, now});
      const Monotonic end = clock.monotonic();
      const auto after = bench::allocations();
      if (!decision) throw std::runtime_error{decision.error().message};
      candidates = decision->candidates.size();
      by_classify = middle.count - start.count;
      by_decide = {after.count - middle.count, after.bytes - middle.bytes};
      if (round >= 10) times.push_back(std::chrono::duration<double, std::micro>(end - begin).count());
    }
    std::ranges::sort(times);
    fmt::print("{:<26} {:>10.1f} {:>10.1f} {:>10.1f} {:>12} {:>12} {:>10}   {} candidates\n", one.name, times[times.size() / 2],
               times[times.size() * 99 / 100], times.back(), by_classify, by_decide.count, by_decide.bytes, candidates);
    good = good && by_classify == 0 && by_decide.count <= allocations_stated;
  }
  if (options.check && !good) fmt::print("FAILED: more than the {} allocations stated\n", allocations_stated);
  return options.check && !good ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options;
    for (int i = 1; i < argc; ++i) {
      const std::string flag = argv[i];
      if (flag == "--check") {
        options.check = true;
      } else if (flag == "--root" && i + 1 < argc) {
        options.root = argv[++i];
      } else if (flag == "--rounds" && i + 1 < argc) {
        options.rounds = std::stoull(argv[++i]);
      } else {
        throw std::runtime_error{"unknown flag: " + flag};
      }
    }
    return run(options);
  } catch (const std::exception& failed) {
    std::cerr << "turnpike-decide-speed: " << failed.what() << '\n';
    return 2;
  }
}
