#include "play.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <queue>
#include <tuple>

namespace turnpike::economics {
namespace {

/// Beyond, the windows of the models are full and the conversation is over.
constexpr std::int64_t bytes_max = 2'000'000;

/// An agent between two steps.
struct Agent {
  const Conversation* conversation = nullptr;
  std::size_t turn = 0;
  std::size_t step = 0;
  int attempt = 0;
  std::uint64_t number = 0;  // of all steps
  std::int64_t bytes = 0;    // of the messages so far
  std::vector<PromptMark> marks;
  TraceCounters trace;
  std::deque<bool> recent;  // whether the last tool results look failed
  std::string last_target;
  bool last_failed = false;
};

class Player {
 public:
  Player(const Prompts& prompts, World& world, Router& router) : prompts_(prompts), world_(world), router_(router) {}

  Sums run(const std::vector<Conversation>& traffic) {
    agents_.resize(traffic.size());
    for (std::size_t i = 0; i < traffic.size(); ++i) {
      agents_[i].conversation = &traffic[i];
      begin_turn(agents_[i]);
      due_.emplace(traffic[i].begins, i);
    }
    while (!due_.empty()) {
      const auto [at, index] = due_.top();
      due_.pop();
      Agent& agent = agents_[index];
      const auto next = take_step(agent, at);
      if (agent.turn < agent.conversation->turns.size()) {
        due_.emplace(next, index);
      } else {
        agent = {};  // long conversations have long trails
      }
    }
    return sums_;
  }

 private:
  using Due = std::pair<Instant, std::size_t>;

  const Turn& turn_of(const Agent& agent) const { return agent.conversation->turns[agent.turn]; }
  const Prompt* prompt_of(const Agent& agent) const {
    const auto& turn = turn_of(agent);
    return prompts_.draw(turn.hard, static_cast<double>(turn.prompt) / 1e9);
  }

  void add_message(Agent& agent, std::int64_t bytes) {
    agent.bytes += bytes;
    const auto place = static_cast<std::int32_t>(agent.marks.size()) + 1;
    agent.marks.push_back({.hash = {agent.conversation->id, static_cast<std::uint64_t>(place)}, .text_bytes = agent.bytes, .messages = place});
  }

  void begin_turn(Agent& agent) {
    const auto* prompt = prompt_of(agent);
    std::int64_t bytes = prompt == nullptr ? 400 : prompt->facts.text_bytes;
    if (agent.turn == 0) bytes += agent.conversation->shape->first + agent.conversation->pasted_bytes;
    add_message(agent, bytes);
    ++agent.trace.human_turns;
    agent.trace.tool_results_since_human = 0;
    agent.trace.error_streak = 0;
    agent.step = 0;
    agent.attempt = 0;
  }

  RequestFacts facts_of(const Agent& agent) const {
    RequestFacts facts;
    if (const auto* prompt = prompt_of(agent)) facts = prompt->facts;
    facts.model = "auto";
    facts.needs.tools = true;
    facts.tools = 12;
    facts.in_tool_loop = agent.step > 0 || agent.attempt > 0;
    facts.step = agent.conversation->subagent ? StepKind::subagent : facts.in_tool_loop ? StepKind::tool_continuation : StepKind::human_turn;
    if (facts.in_tool_loop) facts.tool_tail = agent.last_failed ? "error: the command failed\nexit code 1" : "done\nexit code 0";
    facts.trace = agent.trace;
    facts.messages = static_cast<std::int32_t>(agent.marks.size());
    facts.trail.head = {agent.conversation->subagent ? 2U : 1U, static_cast<std::uint64_t>(agent.conversation->shape->head)};
    facts.trail.head_bytes = agent.conversation->shape->head / (agent.conversation->subagent ? 2 : 1);
    facts.trail.marks = agent.marks;
    facts.text_bytes = facts.trail.head_bytes + agent.bytes;
    facts.conversation = fmt::format("{:016x}", agent.conversation->id);
    return facts;
  }

  /// Returns when the agent's next step begins.
  Instant take_step(Agent& agent, Instant at) {
    const Turn& turn = turn_of(agent);
    Step step{agent.conversation, agent.number++, facts_of(agent), turn.hard_steps[agent.step], at};
    // A drawn score is the question's, as most of a recorded one is.
    const auto difficulty = prompts_.score(step.facts, turn.hard, world_.chance().of(77, step.conversation->id, agent.turn));
    const Choice choice = router_.choose(step, difficulty);
    const Answer answer = world_.answer(step, choice.target);
    router_.answered(step, choice, answer);
    count(agent, step, choice, answer);
    const bool succeeded = world_.succeeds(step, choice.frontier);
    const std::int64_t grown = world_.growth(step);
    add_message(agent, answer.usage.output() * 4);
    ++agent.trace.assistant_turns;
    return go_on(agent, succeeded, grown, answer.ended);
  }

  Instant go_on(Agent& agent, bool succeeded, std::int64_t grown, Instant ended) {
    const Turn& turn = turn_of(agent);
    const bool full = agent.bytes > bytes_max;
    const bool given_up = full || (!succeeded && ++agent.attempt >= world_.assumed().attempts_max);
    if (succeeded) {
      agent.attempt = 0;
      ++agent.step;
    }
    if (given_up || agent.step >= turn.hard_steps.size()) {
      ++sums_.turns;
      sums_.turns_failed += given_up ? 1 : 0;
      ++agent.turn;
      if (agent.bytes > bytes_max) agent.turn = agent.conversation->turns.size();
      if (agent.turn >= agent.conversation->turns.size()) return ended;
      begin_turn(agent);
      return ended + std::chrono::milliseconds{static_cast<std::int64_t>(turn_of(agent).pause_s * 1000)};
    }
    tool_result(agent, !succeeded, grown);
    return ended + std::chrono::seconds{6};
  }

  void tool_result(Agent& agent, bool failed, std::int64_t bytes) {
    add_message(agent, bytes);
    agent.last_failed = failed;
    agent.recent.push_back(failed);
    if (agent.recent.size() > 6) agent.recent.pop_front();
    auto& trace = agent.trace;
    ++trace.tool_results;
    ++trace.tool_results_since_human;
    trace.error_streak = failed ? trace.error_streak + 1 : 0;
    trace.errors_recent = static_cast<std::int32_t>(std::ranges::count(agent.recent, true));
    trace.error_words_recent = trace.errors_recent;
    trace.edits = trace.tool_results / 5;
    trace.test_runs = trace.tool_results / 6;
  }

  void count(Agent& agent, const Step& step, const Choice& choice, const Answer& answer) {
    sums_.cost += answer.cost;
    ++sums_.steps;
    sums_.frontier_steps += choice.frontier ? 1 : 0;
    sums_.input_tokens += answer.usage.input();
    sums_.read_tokens += answer.usage.input_cache_read;
    if (!agent.last_target.empty()) {
      ++sums_.later_steps;
      sums_.switches += agent.last_target != choice.target ? 1 : 0;
    }
    agent.last_target = choice.target;
    if (!step.hard || agent.attempt > 0) return;
    ++sums_.hard_steps;
    sums_.under_routed += choice.frontier ? 0 : 1;
  }

  const Prompts& prompts_;
  World& world_;
  Router& router_;
  std::vector<Agent> agents_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  Sums sums_;
};

}  // namespace

Sums play(const std::vector<Conversation>& traffic, const Prompts& prompts, World& world, Router& router) {
  return Player{prompts, world, router}.run(traffic);
}

}  // namespace turnpike::economics
