// turnpike-simulator: DeepSeek, Anthropic and Gemini on one loopback port. See docs/simulator.md.
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

#include "fixed.hpp"
#include "records.hpp"
#include "server.hpp"
#include "service.hpp"

namespace {

using namespace turnpike::simulator;

// Set by a signal handler, which reaches nothing else.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> stop_requested{false};

struct Flags {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8900;
  std::string billing_file;
  Settings settings;
  bool fixed = false;
  bool help = false;
};

constexpr std::string_view usage_text =
    "usage: turnpike-simulator [--port N] [--address A] [--billing FILE] [--cadence-ms N] "
    "[--think-ms N]\n"
    "                          [--require-key KEY]... [--strict-schema] [--any-model] "
    "[--fixed]\n"
    "\n"
    "Answers as DeepSeek (POST /chat/completions), Anthropic (POST /v1/messages) and Gemini\n"
    "(POST /v1beta/models/M:generateContent, :streamGenerateContent?alt=sse) on one port.\n"
    "\n"
    "  --port N          port to listen on; 0 takes a free one (default 8900)\n"
    "  --address A       IPv4 address to listen on (default 127.0.0.1)\n"
    "  --billing FILE    append one JSON line per request\n"
    "  --cadence-ms N    pause between two pieces of an answer (default 0)\n"
    "  --think-ms N      pause before the first piece (default 0)\n"
    "  --require-key K   accept only this key; may be repeated (default: any without \"invalid\" "
    "in it)\n"
    "  --strict-schema   Gemini: refuse JSON Schema keywords outside the documented subset\n"
    "  --any-model       accept model names of other makers\n"
    "  --fixed           for load: fixed answers, nothing checked, kept or billed\n"
    "\n"
    "The first line on stdout is \"listening on ADDRESS:PORT\". GET /_sim/billing, /_sim/requests "
    "and\n"
    "/_sim/stats tell what happened. Messages may carry directives such as [[sim tokens=200 "
    "cadence_ms=5]].\n";

std::int64_t number(std::string_view flag, std::string_view text) {
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || value < 0) {
    throw std::invalid_argument(std::string{flag} + " wants a number, not \"" + std::string{text} +
                                "\"");
  }
  return value;
}

Flags read_flags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      flags.help = true;
    } else if (flag == "--strict-schema") {
      flags.settings.strict_schema = true;
    } else if (flag == "--any-model") {
      flags.settings.any_model = true;
    } else if (flag == "--fixed") {
      flags.fixed = true;
    } else {
      if (i + 1 == argc)
        throw std::invalid_argument(std::string{flag} + ": unknown flag, or its value is missing");
      const std::string_view value = argv[++i];
      if (flag == "--port")
        flags.port = static_cast<std::uint16_t>(number(flag, value));
      else if (flag == "--address")
        flags.address = value;
      else if (flag == "--billing")
        flags.billing_file = value;
      else if (flag == "--cadence-ms")
        flags.settings.cadence_us = number(flag, value) * 1000;
      else if (flag == "--think-ms")
        flags.settings.think_us = number(flag, value) * 1000;
      else if (flag == "--require-key")
        flags.settings.accepted_keys.emplace_back(value);
      else
        throw std::invalid_argument(std::string{flag} + ": unknown flag");
    }
  }
  return flags;
}

void run(const Flags& flags, Server& server) {
  std::printf("listening on %s:%u\n", flags.address.c_str(), static_cast<unsigned>(server.port()));
  std::fflush(stdout);
  server.run(stop_requested);
}

int serve(const Flags& flags) {
  if (flags.fixed) {
    FixedService service;
    Server server{flags.address, flags.port, service};
    run(flags, server);
    return 0;
  }
  Records records{flags.billing_file};
  Service service{flags.settings, records};
  Server server{flags.address, flags.port, service};
  service.set_connection_count([&] { return server.connections(); });
  run(flags, server);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto flags = read_flags(argc, argv);
    if (flags.help) {
      std::cout << usage_text;
      return 0;
    }
    for (const int signal : {SIGTERM, SIGINT})
      std::signal(signal, [](int) { stop_requested = true; });
    std::signal(SIGPIPE, SIG_IGN);
    return serve(flags);
  } catch (const std::invalid_argument& fault) {
    std::cerr << "turnpike-simulator: " << fault.what() << "\n\n" << usage_text;
    return 64;
  } catch (const std::exception& fault) {
    std::cerr << "turnpike-simulator: " << fault.what() << '\n';
    return 70;
  }
}
