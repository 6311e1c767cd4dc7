#include "options.hpp"

#include <charconv>
#include <functional>
#include <map>
#include <stdexcept>
#include <string_view>

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
    "  --seconds N          stop starting after (60)  --timeout-s N  per request (60)\n"
    "  --ramp-ms N          spread the first requests over so long\n"
    "  --stream-share F     part of conversations that stream (0.7)\n"
    "  --cancel-share F     part of streams that are left midway (0)\n"
    "  --loop-share F       part of conversations that run a tool loop (0.3)\n"
    "  --reasoning-share F  part of loops that send reasoning_content back (0.5)\n"
    "  --prompt-bytes N     padding of the first message   --max-tokens N  the request's limit\n"
    "  --equal              every conversation begins with the same bytes\n"
    "  --directive TEXT     for the simulator: [[sim TEXT]] goes into each first message "
    "(tokens=20)\n"
    "  --seed N             draws are repeatable (default 1)\n";

namespace {

template <typename Number>
Number parsed(std::string_view flag, std::string_view text) {
  Number value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || value < Number{}) {
    throw std::invalid_argument(std::string{flag} + " wants a number, not \"" + std::string{text} +
                                "\"");
  }
  return value;
}

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
  using Setter = std::function<void(std::string_view)>;
  const auto integer = [](const char* flag, std::int64_t& target) {
    return Setter{
        [flag, &target](std::string_view text) { target = parsed<std::int64_t>(flag, text); }};
  };
  const auto share = [](const char* flag, double& target) {
    return Setter{[flag, &target](std::string_view text) { target = parsed<double>(flag, text); }};
  };
  const auto words = [](std::string& target) {
    return Setter{[&target](std::string_view text) { target = text; }};
  };
  const std::map<std::string_view, Setter> setters{
      {"--url", [&](std::string_view text) { read_url(options, text); }},
      {"--models", [&](std::string_view text) { options.models = split(text); }},
      {"--seed",
       [&](std::string_view text) { options.seed = parsed<std::uint64_t>("--seed", text); }},
      {"--path", words(options.path)},
      {"--key", words(options.key)},
      {"--directive", words(options.directive)},
      {"--concurrency", integer("--concurrency", options.concurrency)},
      {"--requests", integer("--requests", options.requests_max)},
      {"--seconds", integer("--seconds", options.seconds_max)},
      {"--timeout-s", integer("--timeout-s", options.timeout_s)},
      {"--ramp-ms", integer("--ramp-ms", options.ramp_ms)},
      {"--prompt-bytes", integer("--prompt-bytes", options.prompt_bytes)},
      {"--max-tokens", integer("--max-tokens", options.output_tokens_max)},
      {"--stream-share", share("--stream-share", options.stream_share)},
      {"--cancel-share", share("--cancel-share", options.cancel_share)},
      {"--loop-share", share("--loop-share", options.loop_share)},
      {"--reasoning-share", share("--reasoning-share", options.reasoning_share)},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      options.help = true;
      return options;
    }
    if (flag == "--equal") {
      options.equal = true;
      continue;
    }
    const auto setter = setters.find(flag);
    if (setter == setters.end()) throw std::invalid_argument(std::string{flag} + ": unknown flag");
    if (i + 1 == argc) throw std::invalid_argument(std::string{flag} + " wants a value");
    setter->second(argv[++i]);
  }
  return options;
}

}  // namespace turnpike::load
