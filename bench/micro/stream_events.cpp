// What one event of a streamed answer costs in the translator, without sockets: nanoseconds per
// event, best of several rounds, for bursts of 200 events and for events that come one by one.
//
//   bench_stream_events [rounds]        under callgrind, one round gives instructions per event
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"

namespace {

using namespace turnpike;

constexpr int events_per_stream = 200;
constexpr int streams_per_round = 500;

/// The pieces a provider might say, some with escapes and other scripts.
std::string_view text_of(int event) {
  constexpr std::string_view texts[] = {" the",
                                        " quick",
                                        "\\n\\n",
                                        " über",
                                        "漢字",
                                        " said \\\"no\\\"",
                                        " and a somewhat longer piece of forty bytes"};
  return texts[static_cast<std::size_t>(event) % std::size(texts)];
}

/// `varying` gives every event another time, so that no two have the same shape.
std::vector<std::string> stream_of(std::string_view key, bool varying) {
  std::vector<std::string> events;
  for (int i = 0; i < events_per_stream; ++i) {
    events.push_back(fmt::format(
        R"(data: {{"id":"chatcmpl-1","object":"chat.completion.chunk","created":{},"model":"m",)"
        R"("choices":[{{"index":0,"delta":{{"{}":"{}"}},"finish_reason":null}}]}})"
        "\n\n",
        1763800000 + (varying ? i : 0), key, text_of(i)));
  }
  events.emplace_back(
      "data: "
      "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
      "\n\ndata: [DONE]\n\n");
  return events;
}

double nanoseconds_per_event(const std::vector<std::string>& pieces, int rounds) {
  Candidate candidate;
  candidate.dialect = Dialect::openai_chat;
  candidate.provider = "bench";
  double best = 1e18;
  std::string out;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < streams_per_round; ++i) {
      dialect::StreamTranslator translator{candidate, {}};
      for (const std::string& piece : pieces) {
        translator.feed(piece, out);
        out.clear();
      }
      if (!translator.complete()) std::abort();
    }
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
    best = std::min(best, spent.count() / (streams_per_round * events_per_stream));
  }
  return best;
}

void report(std::string_view name, const std::vector<std::string>& events, int rounds) {
  std::string whole;
  for (const std::string& event : events) whole += event;
  fmt::print("{:<28}{:>10.0f}{:>14.0f}\n", name, nanoseconds_per_event({whole}, rounds),
             nanoseconds_per_event(events, rounds));
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  fmt::print("{:<28}{:>10}{:>14}\n", "ns per event", "burst", "one by one");
  report("chat, one shape", stream_of("content", false), rounds);
  report("chat reasoning, one shape", stream_of("reasoning_content", false), rounds);
  report("chat, no two alike", stream_of("content", true), rounds);
}
