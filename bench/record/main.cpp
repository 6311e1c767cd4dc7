// What a decision record costs: CPU time of its text (the ledger's writer thread), of reading it back (replay), and of
// handing an exchange over (an event loop), for an agent's step with three candidates.
//
//   bench_record [ROUNDS]
//   valgrind --tool=callgrind --toggle-collect='record_text*' bench_record 2000     instructions of one part

#include <ctime>

#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "record/record.hpp"
#include "turnpike/exchange.hpp"

namespace {

using namespace turnpike;

Candidate candidate(const char* provider, const char* model, const char* tier) {
  Candidate made{.provider = provider, .model = model, .family = model, .tier = tier, .context_tokens = 1'000'000, .output_tokens_max = 64'000};
  made.efforts = {"low", "high", "max"};
  made.quote.price_id = fmt::format("{}/{}@2026-09-14", provider, model);
  made.quote.tiers[0].rates = {.input = 5'000'000, .cache_read = 500'000, .cache_write_5m = 6'250'000, .cache_write_1h = 10'000'000, .output = 25'000'000};
  made.quote.ceiling = made.quote.tiers[0].rates;
  return made;
}

Exchange step() {
  Exchange exchange;
  exchange.decision_id = "01M825GWZ7MVNA4JHWWFG15BK7";
  exchange.config_version = "0123456789abcdef";
  exchange.account = std::make_shared<Account>(Account{.key_id = "d42brawnjsep", .key_name = "laptop", .org = "acme", .team = "search", .user = "ada"});
  exchange.facts.model = "auto";
  exchange.facts.question = std::string(4000, 'q');
  exchange.facts.tool_tail = std::string(2000, 't');
  exchange.facts.trail.marks.resize(40);
  exchange.facts.conversation = "0123456789abcdef";
  exchange.difficulty = {.score = 0.4375F, .confidence = 0.75F, .signals = {{{"length", 0.25F}, {"error_streak", 0.5F}, {"code", -0.125F}, {"question", 0.1F}}}};
  exchange.inputs.stay = Stay{.target = "deepseek/deepseek-flash", .tier = "bulk", .cached_tokens = 40'000, .steps = 12};
  exchange.decision.policy = "seventy-thirty";
  exchange.decision.tier = "bulk";
  exchange.decision.candidates = {candidate("deepseek", "deepseek-flash", "bulk"), candidate("anthropic", "claude-haiku-5-5", "bulk"), candidate("gemini", "gemini-3.8-flash", "bulk")};
  exchange.decision.why = {{Reason::auto_routed, "auto"}, {Reason::stayed_in_tool_loop, "deepseek/deepseek-flash"}, {Reason::fallback, "anthropic/claude-haiku-5-5, gemini/gemini-3.8-flash"}};
  Attempt attempt{.id = "a.1", .target = "deepseek/deepseek-flash", .provider = "deepseek", .model = "deepseek-flash", .price_id = "deepseek/deepseek-flash@2026-09-14"};
  attempt.usage = {.input_fresh = 900, .input_cache_read = 40'000, .output_text = 300};
  exchange.attempts.push_back(attempt);
  return exchange;
}

double cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

[[gnu::noinline]] std::string record_text(const Exchange& exchange) { return record::to_json(exchange); }

/// As Ledger::record() and the writer's queue do it.
[[gnu::noinline]] void hand_over(Exchange exchange, std::mutex& mutex, std::vector<Exchange>& queue) {
  { const std::string gone = std::move(exchange.facts.question); }
  { const std::string gone = std::move(exchange.facts.tool_tail); }
  { const auto gone = std::move(exchange.facts.trail.marks); }
  const std::lock_guard lock{mutex};
  queue.push_back(std::move(exchange));
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20'000;
  const auto exchange = step();
  std::size_t bytes = 0;
  auto begun = cpu_us();
  for (int i = 0; i < rounds; ++i) bytes += record_text(exchange).size();
  const double text = (cpu_us() - begun) / rounds;
  const auto record = record_text(exchange);
  begun = cpu_us();
  int read = 0;
  for (int i = 0; i < rounds; ++i) read += record::from_json(record).has_value() ? 1 : 0;
  const double back = (cpu_us() - begun) / rounds;
  std::mutex mutex;
  std::vector<Exchange> finished(static_cast<std::size_t>(rounds), exchange);
  std::vector<Exchange> queue;
  queue.reserve(finished.size());
  begun = cpu_us();
  for (auto& one : finished) hand_over(std::move(one), mutex, queue);
  const double over = (cpu_us() - begun) / rounds;
  fmt::print("{} bytes a record; CPU time: text {:.2f} us (writer thread), read back {:.2f} us, handed over {:.2f} us (event loop), {:.1f} % of the text\n",
             bytes / static_cast<std::size_t>(rounds), text, back, over, 100 * over / text);
  return read == rounds && queue.size() == finished.size() ? 0 : 1;
}
