#include "options.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "../flags.hpp"

namespace turnpike::meter {

const char* const usage_text =
    "usage: turnpike-meter --url http://HOST:PORT/v1/chat/completions [--key KEY] [--model NAME] "
    "…\n"
    "\n"
    "Sends Chat Completions requests shaped like an agent's (system text, tools, calls and "
    "results)\n"
    "and prints one line of JSON: latency, first event, time under way, CPU and memory of --pids.\n"
    "\n"
    "  --stream             ask for streams\n"
    "  --body-bytes N[,N]   size of the request; of several one is drawn (1024)\n"
    "  --events N[-M]       pieces of an answer (200), asked of the simulator   --piece-bytes N "
    "(24)\n"
    "  --cadence-us N       pause between two pieces (0)\n"
    "  --connections N      kept open (16)\n"
    "  --requests N         measured (1000), after --warmup N others (50)\n"
    "  --seconds N          send no more after N seconds, 0: all of them (0)\n"
    "  --rate R             requests a second, latency from the scheduled instant; 0: as fast as\n"
    "                       the connections can (0)\n"
    "  --hold N             open N streams, keep them open, and weigh; requests before and beside\n"
    "                       them are measured as above     --hold-rate N  opened a second (1000)\n"
    "  --settle-ms N        before weighing (3000)\n"
    "  --pids A,B           processes to account, with their children\n"
    "  --timeout-s N        give up after so long without progress (60)     --seed N (1)\n";

namespace {

using bench::parsed;

template <typename Number>
std::vector<Number> parsed_list(std::string_view flag, std::string_view list) {
  std::vector<Number> values;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    values.push_back(parsed<Number>(flag, list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  if (values.empty()) throw std::invalid_argument(std::string{flag} + " wants at least one number");
  return values;
}

void read_url(Options& options, std::string_view url) {
  constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme)) throw std::invalid_argument("--url must begin with http://");
  url.remove_prefix(scheme.size());
  const auto slash = std::min(url.find('/'), url.size());
  if (slash < url.size()) options.path = url.substr(slash);
  const auto authority = url.substr(0, slash);
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos) throw std::invalid_argument("--url needs a port");
  options.host = authority.substr(0, colon);
  if (options.host == "localhost") options.host = "127.0.0.1";
  options.port = parsed<std::uint16_t>("--url", authority.substr(colon + 1));
}

void read_events(Options& options, std::string_view text) {
  const auto dash = text.find('-');
  options.events_min = parsed<std::int64_t>("--events", text.substr(0, dash));
  options.events_max = dash == std::string_view::npos
                           ? options.events_min
                           : parsed<std::int64_t>("--events", text.substr(dash + 1));
  if (options.events_max < options.events_min)
    throw std::invalid_argument("--events wants the smaller number first");
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  bench::Flags flags;
  flags.with_value = {
      {"--url", [&](std::string_view text) { read_url(options, text); }},
      {"--events", [&](std::string_view text) { read_events(options, text); }},
      {"--body-bytes",
       [&](std::string_view text) {
         options.body_bytes = parsed_list<std::int64_t>("--body-bytes", text);
       }},
      {"--pids", [&](std::string_view text) { options.pids = parsed_list<pid_t>("--pids", text); }},
  };
  flags.switches = {{"--stream", &options.stream}};
  flags.words("--key", options.key);
  flags.words("--model", options.model);
  flags.number("--rate", options.rate);
  flags.number("--seed", options.seed);
  flags.number("--piece-bytes", options.piece_bytes);
  flags.number("--cadence-us", options.cadence_us);
  flags.number("--connections", options.connections);
  flags.number("--requests", options.requests);
  flags.number("--warmup", options.warmup);
  flags.number("--hold", options.hold);
  flags.number("--hold-rate", options.hold_rate);
  flags.number("--settle-ms", options.settle_ms);
  flags.number("--seconds", options.seconds_max);
  flags.number("--timeout-s", options.timeout_s);
  options.help = !flags.read(argc, argv);
  options.connections = std::max<std::int64_t>(options.connections, 1);
  options.hold_rate = std::max<std::int64_t>(options.hold_rate, 1);
  return options;
}

}  // namespace turnpike::meter
