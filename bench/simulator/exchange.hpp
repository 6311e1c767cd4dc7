// What a request asks for, in words that hold for all APIs, and what is answered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "directive.hpp"
#include "endpoint.hpp"
#include "prompt.hpp"

namespace turnpike::simulator {

/// Keeps the order of keys: a provider's cache and its bindings notice when a gateway reorders
/// them.
using Json = nlohmann::ordered_json;

/// Disjoint counters, re-declared here: the oracle does not share them with the gateway.
struct Tokens {
  std::int64_t input_fresh = 0;
  std::int64_t input_cache_read = 0;
  std::int64_t input_cache_write_5m = 0;
  std::int64_t input_cache_write_1h = 0;
  std::int64_t output_text = 0;
  std::int64_t output_reasoning = 0;
  std::int64_t web_searches = 0;  // made by the provider itself

  [[nodiscard]] std::int64_t input() const {
    return input_fresh + input_cache_read + input_cache_write_5m + input_cache_write_1h;
  }
  [[nodiscard]] std::int64_t output() const { return output_text + output_reasoning; }
};

/// Searches that a declared tool allows when the request sets no bound.
inline constexpr std::int64_t searches_unbounded = 1000;

struct Tool {
  std::string name;
  Json schema;
  bool custom = false;  // takes text as it is, no JSON
};

enum class ToolMode : std::uint8_t { none, automatic, required };

/// What only a Responses request asks.
struct ResponsesAsk {
  Json echo = Json::object();  // members that the response repeats
  Json items = Json::array();  // the whole input, that of earlier responses included
  bool store = false;
  bool encrypted = false;   // wants reasoning as encrypted_content
  bool summary = false;     // wants reasoning summed up
  bool obfuscation = true;  // deltas are padded to hide their length
};

/// A request that passed its provider's checks.
struct Ask {
  Endpoint endpoint = Endpoint::deepseek_chat;
  std::string model;
  bool stream = false;

  std::vector<Tool> tools;
  ToolMode tool_mode = ToolMode::automatic;
  std::vector<std::string> allowed_tools;  // for ToolMode::required; empty: any
  std::int64_t searches_max = 0;  // of the web, by the provider; 0: the tool is not declared
  bool parallel_calls = true;

  std::string system_text;
  std::string first_user_text;
  std::string last_user_text;             // the last message a human wrote, tool results skipped
  std::vector<std::string> tool_results;  // of the last message; empty at a human turn
  bool tool_failed = false;
  int step = 0;  // tool-calling turns since the last human message

  std::optional<Json> output_schema;
  bool json_object = false;

  bool thinking = false;
  bool thinking_shown = true;
  std::string effort;
  std::int64_t output_tokens_max = 0;
  std::vector<std::string> stop_sequences;

  Prompt prompt;
  std::string cache_scope;         // prompts are shared only inside it
  std::vector<std::string> notes;  // accepted, but odd: shown in the billing log
  bool signs_calls = false;        // Gemini 3
  bool gives_call_ids = true;
  bool binds_prefix = false;  // Claude 5.5 and Fable
  std::string family;         // Claude: whose thinking this model reads

  ResponsesAsk responses;
  bool usage_asked = true;  // chat streams tell their usage only when asked, at most services

  Directives directives;

  [[nodiscard]] Provider provider() const { return provider_of(endpoint); }
};

enum class BlockKind : std::uint8_t { thinking, text, call };

struct Block {
  BlockKind kind = BlockKind::text;
  std::string text;  // thinking, text, or the call's arguments as JSON
  std::string name;  // of the tool
  std::string id;    // of the call
  std::string signature;
  std::string item_id;  // Responses
  bool custom = false;  // a call whose text is no JSON
  bool refusal = false;
};

enum class Stop : std::uint8_t { natural, tool, length, sequence, refusal };

struct Answer {
  std::vector<Block> blocks;
  Stop stop = Stop::natural;
  std::string stop_sequence;
};

/// One request from acceptance to its billing entry.
struct Exchange {
  std::uint64_t sequence = 0;
  std::uint64_t seed = 0;      // unique per request; names are drawn from it
  std::string request_id;      // goes out in a header
  std::string trace_id;        // DeepSeek's own header
  std::string response_id;     // goes out in the body
  std::string client_key;      // fingerprint of the key that came with the request
  std::int64_t created_s = 0;  // wall clock
  Ask ask;
  Answer answer;
  Tokens usage;
};

}  // namespace turnpike::simulator
