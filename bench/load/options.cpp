#include "options.hpp"

#include <stdexcept>
#include <string_view>

#include "../flags.hpp"

namespace turnpike::load {

const char* const usage_text =
    "usage: turnpike-load --url URL --key KEY [--models A,B,…] [--concurrency N] [--requests N] "
    "[--seconds N]\n"
    "\n"
    "Runs N agents at once against a Chat Completions endpoint and checks the form of every "
    "answer: one finish\n"
    "reason, [DONE] last, whole tool calls, nothing after the end. Prints one JSON line; exits 1 "
    "if any answer\n"
    "was malformed. Refusals (4xx, 5xx with a JSON error) and in-band errors are counted, not "
    "faults.\n"
    "\n"
    "  --url URL            http://HOST:PORT (numeric address)\n"
    "  --path PATH          default /v1/chat/completions\n"
    "  --models A,B         one is drawn per conversation (default auto)\n"
    "  --concurrency N      agents (default 16)       --requests N   requests in all (default "
    "100)\n"
    "  --seconds N          stop starting after (60), or at SIGTERM  --timeout-s N  per request "
    "(60)\n"
    "  --ramp-ms N          spread the first requests over so long\n"
    "  --stream-share F     part of conversations that stream (0.7)\n"
    "  --cancel-share F     part of streams that are left midway (0)\n"
    "  --loop-share F       part of conversations that run a tool loop (0.3)\n"
    "  --reasoning-share F  part of loops that send reasoning_content back (0.5)\n"
    "  --prompt-bytes N     padding of the first message   --max-tokens N  the request's limit\n"
    "  --equal              every conversation begins with the same bytes\n"
    "  --directive TEXT     for the simulator: [[sim TEXT]] goes into each first message "
    "(tokens=20)\n"
    "  --trace FILE         a line per request: begun (unix us), took (us), until the first "
    "content\n"
    "                       (us, -1: none), outcome\n"
    "  --seed N             draws are repeatable (default 1)\n";

namespace {

using bench::parsed;

void read_url(Options& options, std::string_view url) {
  constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme)) throw std::invalid_argument("--url must begin with http://");
  url.remove_prefix(scheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  const auto colon = url.rfind(':');
  if (colon == std::string_view::npos) throw std::invalid_argument("--url needs a port");
  options.host = url.substr(0, colon);
  options.port = parsed<std::uint16_t>("--url", url.substr(colon + 1));
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (comma > 0) parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  if (parts.empty()) throw std::invalid_argument("--models wants at least one name");
  return parts;
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  bench::Flags flags;
  flags.with_value = {
      {"--url", [&](std::string_view text) { read_url(options, text); }},
      {"--models", [&](std::string_view text) { options.models = split(text); }},
  };
  flags.switches = {{"--equal", &options.equal}};
  flags.words("--path", options.path);
  flags.words("--key", options.key);
  flags.words("--directive", options.directive);
  flags.words("--trace", options.trace_file);
  flags.number("--seed", options.seed);
  flags.number("--concurrency", options.concurrency);
  flags.number("--requests", options.requests_max);
  flags.number("--seconds", options.seconds_max);
  flags.number("--timeout-s", options.timeout_s);
  flags.number("--ramp-ms", options.ramp_ms);
  flags.number("--prompt-bytes", options.prompt_bytes);
  flags.number("--max-tokens", options.output_tokens_max);
  flags.number("--stream-share", options.stream_share);
  flags.number("--cancel-share", options.cancel_share);
  flags.number("--loop-share", options.loop_share);
  flags.number("--reasoning-share", options.reasoning_share);
  options.help = !flags.read(argc, argv);
  return options;
}

}  // namespace turnpike::load
