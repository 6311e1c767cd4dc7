#include "scenarios.hpp"

namespace turnpike::economics {
namespace {

constexpr auto window = "bench/economics/window-policy.toml";

Instant day(const char* text) { return parse_instant(text).value(); }

std::vector<Scenario> made() {
  const auto today = day("2026-11-21");  // a Saturday: no peak prices for a day and more
  return {
      {"mixed", "interactive work: four turns, loops of some ten steps, pauses of a minute or two", "policies/seventy-thirty.toml", today, {.conversations = 220}},
      {"short chats", "two turns without tools, pauses of a minute", "policies/seventy-thirty.toml", today,
       {.conversations = 2200, .turns = 2, .loop_scale = 0, .pause_s = 60}},
      {"long loops", "one or two turns, loops of forty steps and more", "policies/seventy-thirty.toml", today,
       {.conversations = 80, .turns = 1.5, .loop_scale = 4}},
      {"long pauses", "eight turns of short loops, twenty minutes between them", "policies/seventy-thirty.toml", today,
       {.conversations = 160, .turns = 8, .loop_scale = 0.5, .pause_s = 1200}},
      {"quick turns", "twelve turns of short loops, half a minute between them", "policies/seventy-thirty.toml", today,
       {.conversations = 120, .turns = 12, .loop_scale = 0.3, .pause_s = 30, .pause_sigma = 0.5}},
      {"many subagents", "four turns, each starts three agents with loops of their own", "policies/seventy-thirty.toml", today,
       {.conversations = 70, .subagents = 3}},
      {"huge context", "a repository of 600 KB is pasted first", "policies/seventy-thirty.toml", today,
       {.conversations = 130, .turns = 6, .loop_scale = 0.6, .pasted_bytes = 600'000}},
      {"free window", "the bulk model is free", window, day("2026-11-10"), {.conversations = 220}},
      {"price change", "the free window ends in the middle of the day", window, today, {.conversations = 220}},
      {"peak hours", "DeepSeek's prices double for hours of a working day", "policies/seventy-thirty.toml", day("2026-11-23"), {.conversations = 220}},
  };
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const auto all = made();
  return all;
}

}  // namespace turnpike::economics
