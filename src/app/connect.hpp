// `turnpike connect`: shows how a harness is pointed at the gateway, and does it.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "app/commands.hpp"
#include "app/config.hpp"
#include "app/harnesses.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

struct ConnectOptions {
  std::string harness;
  std::string url;          // empty: the configured listener
  std::string key;          // empty: a placeholder; "env": what TURNPIKE_KEY holds
  std::string model;        // empty: the policy's name for routing by difficulty
  std::string small_model;  // empty: the policy's name for its easy tier
  std::string wire;         // chat, messages, responses, gemini; empty: the harness's usual one
  std::string home;         // empty: the user's
  bool write = false;
  bool print_env = false;
  bool quiet = false;
};

/// Names that a policy gives to its ways of routing.
struct RoutingNames {
  std::string by_difficulty = "auto";
  std::string by_difficulty_otherwise = "auto";  // another name than "auto" where there is one
  std::string easy = "auto";                     // the easy tier
};

/// What the verb takes from its surroundings.
struct ConnectContext {
  std::string url;
  RoutingNames names;
  Homes homes;
  std::optional<std::string> key_in_environment;
  Instant now{};  // stamps backups
};

/// The whole verb but for its surroundings; returns the exit code. With options.write no file is
/// touched unless all of them can be edited.
int connect(const ConnectOptions& options, const ConnectContext& context, Output output,
            std::ostream& out, std::ostream& err);

int run_connect(const Config& config, const Clock& clock, const ConnectOptions& options,
                Output output);

}  // namespace turnpike::app
