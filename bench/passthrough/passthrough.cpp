// What one piece of a streamed answer costs inside of the gateway, without sockets: passed through
// to a client of the provider's own dialect, and on each crossing to that client. The same content
// in all; ratios are to the passed stream.
//
//   bench_passthrough [rounds]          CPU time of the thread, in nanoseconds: the least of so
//   many rounds (30), which
//                                       take turns, so that a disturbance meets all alike
//   bench_passthrough_bytes             bytes copied and allocated
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "answers.hpp"
#include "counters.hpp"
#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"

namespace {

using namespace turnpike;
using bench::Answer;
using bench::Content;

constexpr int answers_per_round = 20;

enum class Arrival { one_by_one, at_once };

std::int64_t cpu_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

struct Crossing {
  Dialect client;
  Dialect provider;
  std::vector<std::string> reads;  // what arrives in one read each
  std::size_t content_bytes;
  double best = 1e18;  // nanoseconds per piece

  [[nodiscard]] bool passed() const { return client == provider; }
};

Candidate target_of(Dialect provider) {
  Candidate candidate;
  candidate.dialect = provider;
  candidate.provider = "bench";
  candidate.model = "model";
  candidate.family = "family";
  return candidate;
}

/// One answer from its first byte to its last; gives the bytes that the client gets.
std::size_t run_answer(const Crossing& crossing, std::string& out) {
  static const auto targets =
      std::array{target_of(Dialect::openai_chat), target_of(Dialect::openai_responses),
                 target_of(Dialect::anthropic_messages), target_of(Dialect::gemini_generate)};
  const auto* const target = std::ranges::find(targets, crossing.provider, &Candidate::dialect);
  dialect::StreamOptions options;
  options.client = crossing.client;
  options.id = "answer-01M825E9PR6NWF";
  options.model = "model";
  options.include_usage = true;
  dialect::StreamTranslator translator{*target, std::move(options)};
  std::size_t bytes = 0;
  for (const auto& read : crossing.reads) {
    translator.feed(read, out);
    bytes += out.size();
    out.clear();
  }
  translator.end({}, out);
  bytes += out.size();
  out.clear();
  const bool whole =
      translator.complete() && !translator.failure() &&
      static_cast<std::size_t>(translator.tally().output_bytes) == crossing.content_bytes;
  if (!whole) {
    fmt::print(stderr, "{} -> {}: the answer did not come through whole ({} of {} bytes)\n",
               to_string(crossing.provider), to_string(crossing.client),
               translator.tally().output_bytes, crossing.content_bytes);
    std::exit(1);
  }
  return bytes;
}

std::vector<Crossing> crossings(Content content, Arrival arrival) {
  constexpr auto clients =
      std::to_array<Dialect>({Dialect::openai_chat, Dialect::anthropic_messages,
                              Dialect::openai_responses, Dialect::gemini_generate});
  std::vector<Crossing> all;
  for (const auto client : clients) {
    const auto add = [&](Dialect provider) {
      Answer answer = bench::answer_of(provider, content);
      std::vector<std::string> reads;
      if (arrival == Arrival::one_by_one) {
        reads = std::move(answer.events);
      } else {
        std::string& whole = reads.emplace_back();
        for (const auto& event : answer.events) whole += event;
      }
      all.push_back({client, provider, std::move(reads), answer.content_bytes});
    };
    add(client);
    for (const auto provider : clients) {
      // Responses is only ever passed through.
      if (provider != client && provider != Dialect::openai_responses) add(provider);
    }
  }
  return all;
}

void measure(std::vector<Crossing>& all, int rounds) {
  std::string out;
  for (int round = 0; round < rounds; ++round) {
    for (auto& crossing : all) {
      const auto begin = cpu_nanoseconds();
      for (int i = 0; i < answers_per_round; ++i) run_answer(crossing, out);
      const auto spent = static_cast<double>(cpu_nanoseconds() - begin);
      crossing.best =
          std::min(crossing.best, spent / (answers_per_round * static_cast<double>(bench::pieces)));
    }
  }
}

void print_times(std::string_view title, const std::vector<Crossing>& single,
                 const std::vector<Crossing>& burst) {
  fmt::print("\n{}\n{:<20}{:<22}{:>12}{:>8}{:>12}{:>8}\n", title, "client", "provider",
             "one by one", "ratio", "at once", "ratio");
  double passed = 0;
  double passed_burst = 0;
  for (std::size_t i = 0; i < single.size(); ++i) {
    if (single[i].passed()) passed = single[i].best;
    if (burst[i].passed()) passed_burst = burst[i].best;
    fmt::print("{:<20}{:<22}{:>9.0f} ns{:>8.2f}{:>9.0f} ns{:>8.2f}\n", to_string(single[i].client),
               single[i].passed() ? "the same: passed" : to_string(single[i].provider),
               single[i].best, single[i].best / passed, burst[i].best,
               burst[i].best / passed_burst);
  }
}

void print_bytes(std::string_view title, const std::vector<Crossing>& all) {
  fmt::print("\n{}\n{:<20}{:<22}{:>8}{:>8}{:>9}{:>8}{:>11}{:>8}\n", title, "client", "provider",
             "in", "out", "copied", "ratio", "allocated", "allocs");
  double passed = 0;
  std::string out;
  for (const auto& crossing : all) {
    run_answer(crossing, out);  // what is allocated once is no cost of an event
    std::size_t in = 0;
    for (const auto& read : crossing.reads) in += read.size();
    const auto before = bench::counters();
    const auto written = run_answer(crossing, out);
    const auto after = bench::counters();
    const auto per_piece = [](auto total) {
      return static_cast<double>(total) / static_cast<double>(bench::pieces);
    };
    const double copied = per_piece(after.copied_bytes - before.copied_bytes);
    if (crossing.passed()) passed = copied;
    fmt::print("{:<20}{:<22}{:>8.0f}{:>8.0f}{:>9.0f}{:>8.2f}{:>11.0f}{:>8.2f}\n",
               to_string(crossing.client),
               crossing.passed() ? "the same: passed" : to_string(crossing.provider), per_piece(in),
               per_piece(written), copied, copied / passed,
               per_piece(after.allocated_bytes - before.allocated_bytes),
               per_piece(after.allocations - before.allocations));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 30;
  for (const auto content : {Content::text, Content::tools}) {
    const std::string_view what =
        content == Content::text ? "one text in 200 deltas" : "20 tool calls in 200 pieces";
    auto single = crossings(content, Arrival::one_by_one);
    if (bench::counts()) {
      print_bytes(fmt::format("{}, bytes per piece, one event a read", what), single);
      continue;
    }
    auto burst = crossings(content, Arrival::at_once);
    measure(single, rounds);
    measure(burst, rounds);
    print_times(fmt::format("{}, CPU per piece, least of {} rounds", what, rounds), single, burst);
  }
}
