#include "app/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "server/descriptors.hpp"

namespace turnpike::app {
namespace {

using catalog::FaultLog;
using catalog::TableReader;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;
constexpr std::int64_t gib = 1024 * mib;

void read_size(TableReader& table, std::string_view key, std::size_t& into, std::int64_t least, std::int64_t most) {
  if (const auto value = table.integer(key, least, most)) into = static_cast<std::size_t>(*value);
}

template <typename Unit>
void read_time(TableReader& table, std::string_view key, milliseconds& into, std::int64_t least, std::int64_t most) {
  if (const auto value = table.integer(key, least, most)) into = Unit{*value};
}

/// The client's side of HTTP. Source of the defaults: reliability specification, "HTTP input rules".
void read_http(TableReader& table, server::ServerLimits& limits) {
  read_size(table, "head_bytes", limits.head_bytes_max, kib, 64 * kib);
  read_size(table, "target_bytes", limits.target_bytes_max, 256, 64 * kib);
  read_size(table, "fields", limits.fields_max, 16, 1000);
  read_size(table, "body_bytes", limits.body_bytes_max, kib, gib);
  read_size(table, "body_bytes_per_s", limits.body_bytes_per_second_min, 1, mib);
  read_time<seconds>(table, "head_s", limits.head_timeout, 1, 300);
  read_time<seconds>(table, "idle_s", limits.idle_timeout, 1, 3600);
  read_time<seconds>(table, "body_grace_s", limits.body_grace, 0, 300);
  read_time<seconds>(table, "body_s", limits.body_timeout, 1, 3600);
  read_size(table, "stream_buffer_bytes", limits.write_queue_bytes_max, 16 * kib, 64 * mib);
  read_time<seconds>(table, "slow_reader_s", limits.slow_reader_timeout, 1, 3600);
  read_size(table, "connections", limits.connections_max, 0, 1'000'000);
  read_time<milliseconds>(table, "accept_pause_ms", limits.accept_pause, 50, 10'000);
  if (limits.target_bytes_max > limits.head_bytes_max)
    table.faults().error(table.at("target_bytes"), "target_bytes is part of head_bytes and cannot be more");
  if (limits.body_grace > limits.body_timeout)
    table.faults().error(table.at("body_grace_s"), "body_grace_s is part of body_s and cannot be longer");
}

void read_queue(TableReader& table, const server::ServerLimits& http, gateway::GateLimits& gate) {
  if (const auto count = table.integer("in_flight", 0, 1'000'000)) gate.in_flight_max = static_cast<std::uint32_t>(*count);
  read_size(table, "queue_requests", gate.queue.requests_max, 0, 1'000'000);
  const bool bytes_given = table.find("queue_bytes") != nullptr;
  read_size(table, "queue_bytes", gate.queue.bytes_max, kib, 64 * gib);
  read_time<milliseconds>(table, "queue_wait_ms", gate.wait_max, 1, 60'000);
  if (gate.queue.bytes_max >= http.body_bytes_max) return;
  if (bytes_given) {
    table.faults().error(table.at("queue_bytes"),
                         fmt::format("a body may have body_bytes = {}, so queue_bytes must be at least that", http.body_bytes_max));
  } else {
    gate.queue.bytes_max = http.body_bytes_max;
  }
}

void read_memory(TableReader& table, Limits& limits) {
  constexpr std::int64_t least = 64 * mib;
  const catalog::TomlNode* node = table.find("memory_bytes");
  if (node == nullptr) return;
  if (node->kind == catalog::TomlKind::string && node->text == "auto") {
    limits.memory = Limits::Memory::automatic;
  } else if (node->kind == catalog::TomlKind::string && node->text == "off") {
    limits.memory = Limits::Memory::off;
  } else if (node->kind == catalog::TomlKind::integer && node->integer >= least) {
    limits.memory = Limits::Memory::bytes;
    limits.memory_bytes = static_cast<std::uint64_t>(node->integer);
  } else {
    table.faults().error(node->at, fmt::format("memory_bytes is \"auto\", \"off\", or a number of bytes from {} on", least));
  }
}

std::optional<std::int32_t> read_rate(TableReader& table, std::string_view key, std::int64_t most) {
  const auto value = table.integer(key, 1, most);
  return value ? std::optional{static_cast<std::int32_t>(*value)} : std::nullopt;
}

/// The command line's words for the same bounds are too short to be near.
void refuse_short_words(TableReader& table, const catalog::TomlNode& node) {
  for (const auto& [word, meant] : {std::pair{"rpm", "requests_per_minute"}, {"tpm", "tokens_per_minute"}}) {
    if (table.find(word) == nullptr) continue;
    const auto entry = std::ranges::find(node.entries, std::string_view{word}, &catalog::TomlEntry::key);
    table.faults().error(entry->at, fmt::format("[limits.key]: unknown key \"{}\" (nearest: \"{}\")", word, meant));
  }
}

void read_key_defaults(const catalog::TomlNode& node, Limits& limits, FaultLog& faults) {
  TableReader table{node, "[limits.key]", faults};
  limits.overload.rates.requests_per_minute = read_rate(table, "requests_per_minute", 1'000'000);
  limits.overload.rates.tokens_per_minute = read_rate(table, "tokens_per_minute", 1'000'000'000);
  limits.key_concurrency = read_rate(table, "concurrency", 1'000'000);
  refuse_short_words(table, node);
  table.finish();
}

}  // namespace

void read_limits(const catalog::TomlNode& node, Limits& limits, FaultLog& faults) {
  TableReader table{node, "[limits]", faults};
  read_http(table, limits.server);
  read_queue(table, limits.server, limits.overload.gate);
  read_memory(table, limits);
  if (const auto* keys = table.table("key")) read_key_defaults(*keys, limits, faults);
  table.finish();
}

Limits fitted_to(Limits limits, std::size_t descriptors) {
  limits.server.connections_max = server::connection_bound(limits.server.connections_max, descriptors);
  auto& in_flight = limits.overload.gate.in_flight_max;
  if (in_flight == 0) in_flight = static_cast<std::uint32_t>(server::request_bound(limits.server.connections_max, descriptors));
  return limits;
}

}  // namespace turnpike::app
