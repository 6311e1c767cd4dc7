// One provider API: what it accepts, how it answers. One implementation per endpoint or pair of
// endpoints that differ in details only.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exchange.hpp"
#include "http.hpp"

namespace turnpike::simulator {

/// A provider's error answer.
struct Refusal {
  int status = 400;
  std::string body;
  Headers headers;  // Content-Type included
};

template <typename T>
using Checked = std::expected<T, Refusal>;

struct Settings {
  std::vector<std::string> accepted_keys;  // empty: any key that does not contain "invalid"
  bool strict_schema = false;  // Gemini: refuse JSON Schema keywords outside the documented subset
  bool any_model = false;      // accept model names of other makers
  std::int64_t cadence_us = 0;
  std::int64_t think_us = 0;
};

enum class StepKind : std::uint8_t { start, ping, open, delta, sign, close, finish, end };

/// One event of a stream: which block, and for deltas which bytes of it.
struct Step {
  StepKind kind = StepKind::start;
  std::size_t block = 0;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  std::uint32_t number = 0;  // of its first event, in dialects that count their events
};

/// What a service does beside answering.
struct Habits {
  bool head_waits = false;       // nothing is sent before the first token, not even the head
  bool opening_comment = false;  // a comment at once, also when there is no wait
  bool blank_lines = false;      // a caller who waits for a whole answer is sent blank lines
  bool bills_the_rest = false;   // hanging up does not stop the meter of a stream
  bool whole_calls = false;      // a call is one event
};

class Wire {
 public:
  virtual ~Wire() = default;
  /// Authenticates, parses and checks as strictly as the real service; the answer is its own error
  /// otherwise.
  virtual Checked<Ask> read(const HttpRequest& request) const = 0;
  /// Ids and signatures, once the answer is composed. May drop blocks that the API cannot show.
  virtual void complete(Exchange& exchange) const = 0;
  virtual std::vector<Step> plan(const Exchange& exchange) const = 0;
  /// Appends the event's bytes. `sent` is what the client has been given up to and including this
  /// step.
  virtual void render(const Exchange& exchange, const Step& step, const Tokens& sent,
                      std::string& out) const = 0;
  virtual std::string body(const Exchange& exchange) const = 0;
  virtual Headers headers(const Exchange& exchange) const = 0;
  /// The service's error for a status, as a whole answer and as an event inside a stream.
  virtual Refusal failure(int status, const Directives& wishes) const = 0;
  /// `number`: what the next event of the stream would carry.
  virtual void render_error(const Exchange& exchange, int status, std::uint32_t number,
                            std::string& out) const = 0;
  /// An event that breaks off in the middle of its JSON.
  virtual void render_garbage(std::string& out) const {
    out += "data: {\"id\":\"broken\",\"choices\":[{\"delta\":{\"content\":\"ha\n\n";
  }
  [[nodiscard]] virtual Habits habits() const { return {}; }
  /// Lets go of what it remembers between requests.
  virtual void forget() {}
};

std::unique_ptr<Wire> make_deepseek(const Settings& settings);
std::unique_ptr<Wire> make_anthropic(const Settings& settings);
std::unique_ptr<Wire> make_gemini(const Settings& settings);
/// Messages as DeepSeek's and as a local server's compatible endpoint have it.
std::unique_ptr<Wire> make_compatible_messages(Endpoint endpoint, const Settings& settings);
/// Chat as OpenAI and a local server have it.
std::unique_ptr<Wire> make_compatible_chat(Endpoint endpoint, const Settings& settings);
/// Responses as DeepSeek and OpenAI have it.
std::unique_ptr<Wire> make_responses(Endpoint endpoint, const Settings& settings);

// ---- shared by all ----

bool key_accepted(const Settings& settings, std::string_view key);
/// The token after "Bearer ".
std::string_view bearer(const HttpRequest& request);
/// A usage figure as JSON text; the directive `usage` replaces or ("x3") multiplies it.
std::string figure(const Exchange& exchange, std::int64_t tokens);
bool shows_usage(const Exchange& exchange);
/// Collects directives from system text, last human text and last tool results, later ones winning.
void read_directives(Ask& ask);
bool looks_failed(std::string_view tool_result);
/// Cuts a block's text into deltas of `bytes` each, at characters.
void add_deltas(std::vector<Step>& steps, std::size_t block, std::string_view text,
                std::size_t bytes);
/// Bytes per delta: the directive `bytes`, or 4 when `tokens` is given, or the provider's habit.
std::size_t delta_bytes(const Ask& ask, std::size_t habit);
/// Member `name` if it is a string, else `otherwise`.
std::string string_member(const Json& object, const char* name, std::string_view otherwise = "");
/// Member `name`, or null: absent and null read alike.
const Json& member(const Json& object, const char* name);

}  // namespace turnpike::simulator
