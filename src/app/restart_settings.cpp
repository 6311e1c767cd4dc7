#include "app/restart_settings.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

namespace turnpike::app {
namespace {

std::string text_of(const std::string& value) { return value; }
std::string text_of(const std::filesystem::path& value) { return value.string(); }
std::string text_of(const ListenAddress& value) { return fmt::format("{}:{}", value.host, value.port); }
std::string text_of(Credits value) { return to_string(value); }

template <typename Rep, typename Period>
std::string text_of(std::chrono::duration<Rep, Period> value) {
  return fmt::format("{}", std::chrono::milliseconds{value}.count());
}

template <typename Number>
  requires std::is_arithmetic_v<Number>
std::string text_of(Number value) {
  return fmt::format("{}", value);
}

template <typename Word>
  requires std::is_enum_v<Word>
std::string text_of(Word value) {
  return fmt::format("{}", static_cast<std::int64_t>(value));
}

template <typename Value>
std::string text_of(const std::optional<Value>& value) {
  return value ? text_of(*value) : std::string{"-"};
}

/// `member` of the replica's options; of a gateway that is alone: nothing.
template <typename Member>
std::string of_replica(const Config& config, Member member) {
  return config.replica ? text_of((*config.replica).*member) : std::string{"-"};
}

struct Setting {
  std::string_view name;
  std::string (*value)(const Config&);
};

using account::ReplicaOptions;

constexpr std::array process_settings{
    Setting{"[server] listen", [](const Config& c) { return text_of(c.listen); }},
    Setting{"[server] admin", [](const Config& c) { return text_of(c.admin); }},
    Setting{"[server] threads", [](const Config& c) { return text_of(c.threads); }},
    Setting{"[server] drain_delay_s", [](const Config& c) { return text_of(c.drain_delay); }},
    Setting{"[server] drain_deadline_s", [](const Config& c) { return text_of(c.drain_deadline); }},
    Setting{"[paths] data", [](const Config& c) { return text_of(c.data); }},
    Setting{"[auth] admin_token_file", [](const Config& c) { return text_of(c.admin_token_file); }},
    Setting{"[auth] insecure_allow_anonymous", [](const Config& c) { return text_of(c.insecure_allow_anonymous); }},
    Setting{"[opaque] persist", [](const Config& c) { return text_of(c.opaque_persist); }},
    Setting{"[opaque] bytes_max", [](const Config& c) { return text_of(c.opaque_bytes_max); }},
    Setting{"[opaque] lifetime_h", [](const Config& c) { return text_of(c.opaque_lifetime); }},
    Setting{"[upstream] attempts_max", [](const Config& c) { return text_of(c.attempts_max); }},
    Setting{"[upstream] hedge", [](const Config& c) { return text_of(c.hedge); }},
    Setting{"[log] level", [](const Config& c) { return text_of(c.log_level); }}};

constexpr std::array ledger_settings{
    Setting{"[ledger] intent", [](const Config& c) { return text_of(c.intent); }},
    Setting{"[ledger] admit_on", [](const Config& c) { return text_of(c.admission.calibrated); }},
    Setting{"[ledger] prefix_tightening", [](const Config& c) { return text_of(c.admission.prefix_tightening); }},
    Setting{"[ledger] credits_per_usd", [](const Config& c) { return text_of(c.credits_per_usd); }},
    Setting{"[ledger] central", [](const Config& c) { return c.replica ? c.replica->central.fingerprint() : std::string{}; }},
    Setting{"[ledger] replica", [](const Config& c) { return of_replica(c, &ReplicaOptions::name); }},
    Setting{"[ledger] store_down", [](const Config& c) { return of_replica(c, &ReplicaOptions::allow_when_down); }},
    Setting{"[ledger] lease_block_max", [](const Config& c) { return of_replica(c, &ReplicaOptions::block_max); }},
    Setting{"[ledger] lease_s", [](const Config& c) { return of_replica(c, &ReplicaOptions::lease_length); }}};

constexpr std::array limit_settings{
    Setting{"[limits] head_bytes", [](const Config& c) { return text_of(c.limits.server.head_bytes_max); }},
    Setting{"[limits] target_bytes", [](const Config& c) { return text_of(c.limits.server.target_bytes_max); }},
    Setting{"[limits] fields", [](const Config& c) { return text_of(c.limits.server.fields_max); }},
    Setting{"[limits] body_bytes", [](const Config& c) { return text_of(c.limits.server.body_bytes_max); }},
    Setting{"[limits] body_bytes_per_s", [](const Config& c) { return text_of(c.limits.server.body_bytes_per_second_min); }},
    Setting{"[limits] head_s", [](const Config& c) { return text_of(c.limits.server.head_timeout); }},
    Setting{"[limits] idle_s", [](const Config& c) { return text_of(c.limits.server.idle_timeout); }},
    Setting{"[limits] body_grace_s", [](const Config& c) { return text_of(c.limits.server.body_grace); }},
    Setting{"[limits] body_s", [](const Config& c) { return text_of(c.limits.server.body_timeout); }},
    Setting{"[limits] stream_buffer_bytes", [](const Config& c) { return text_of(c.limits.server.write_queue_bytes_max); }},
    Setting{"[limits] slow_reader_s", [](const Config& c) { return text_of(c.limits.server.slow_reader_timeout); }},
    Setting{"[limits] connections", [](const Config& c) { return text_of(c.limits.server.connections_max); }},
    Setting{"[limits] accept_pause_ms", [](const Config& c) { return text_of(c.limits.server.accept_pause); }},
    Setting{"[limits] in_flight", [](const Config& c) { return text_of(c.limits.overload.gate.in_flight_max); }},
    Setting{"[limits] queue_requests", [](const Config& c) { return text_of(c.limits.overload.gate.queue.requests_max); }},
    Setting{"[limits] queue_bytes", [](const Config& c) { return text_of(c.limits.overload.gate.queue.bytes_max); }},
    Setting{"[limits] queue_wait_ms", [](const Config& c) { return text_of(c.limits.overload.gate.wait_max); }},
    Setting{"[limits] memory_bytes", [](const Config& c) { return text_of(c.limits.memory) + " " + text_of(c.limits.memory_bytes); }},
    Setting{"[limits.key] requests_per_minute", [](const Config& c) { return text_of(c.limits.overload.rates.requests_per_minute); }},
    Setting{"[limits.key] tokens_per_minute", [](const Config& c) { return text_of(c.limits.overload.rates.tokens_per_minute); }},
    Setting{"[limits.key] concurrency", [](const Config& c) { return text_of(c.limits.key_concurrency); }}};

template <std::size_t count>
void compare(const std::array<Setting, count>& settings, const Config& running, const Config& fresh, std::vector<std::string_view>& changed) {
  for (const auto& [name, value] : settings) {
    if (value(running) != value(fresh)) changed.push_back(name);
  }
}

}  // namespace

std::vector<std::string_view> waiting_for_restart(const Config& running, const Config& fresh) {
  std::vector<std::string_view> changed;
  compare(process_settings, running, fresh, changed);
  compare(ledger_settings, running, fresh, changed);
  compare(limit_settings, running, fresh, changed);
  return changed;
}

}  // namespace turnpike::app
