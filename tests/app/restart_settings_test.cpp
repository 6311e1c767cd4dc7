// What a reload cannot put in force is named.
#include "app/restart_settings.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace turnpike;
using namespace turnpike::app;

namespace {

Config config_of(const std::string& text) {
  auto config = read_config(text, "/nowhere/turnpike.toml");
  if (!config) FAIL(to_string(config.error().front()));
  return *std::move(config);
}

using Names = std::vector<std::string_view>;

Names changed_by(const std::string& text) { return waiting_for_restart(config_of(""), config_of(text)); }

}  // namespace

TEST_CASE("the settings that wait for a restart are named, each by its own name", "[app][reload]") {
  CHECK(changed_by("").empty());
  CHECK(changed_by("[server]\nlisten = \"127.0.0.1:8080\"\nthreads = 0\n[limits]\nin_flight = 0\n").empty());  // the defaults, said
  CHECK(changed_by("[server]\nlisten = \"[::1]:8080\"\nthreads = 3\ndrain_deadline_s = 20\n") ==
        Names{"[server] listen", "[server] threads", "[server] drain_deadline_s"});
  CHECK(changed_by("[limits]\nqueue_wait_ms = 100\nmemory_bytes = \"off\"\n[limits.key]\nconcurrency = 4\n") ==
        Names{"[limits] queue_wait_ms", "[limits] memory_bytes", "[limits.key] concurrency"});
  CHECK(changed_by("[log]\nlevel = \"debug\"\n[opaque]\npersist = false\n[upstream]\nhedge = true\n") ==
        Names{"[opaque] persist", "[upstream] hedge", "[log] level"});
  CHECK(changed_by("[paths]\ndata = \"elsewhere\"\n") == Names{"[paths] data", "[auth] admin_token_file"});
  CHECK(changed_by("[ledger]\nintent = \"disk\"\ncredits_per_usd = \"100\"\n") == Names{"[ledger] intent", "[ledger] credits_per_usd"});
}

TEST_CASE("what a reload puts in force is not named", "[app][reload]") {
  CHECK(changed_by("[server]\ndecision_headers = false\n[log]\nrequests = false\n[paths]\npolicy = \"other\"\n[override]\ndeepseek = \"http://127.0.0.1:1\"\n")
            .empty());
}

TEST_CASE("every setting of a bound that is shipped is compared", "[app][reload]") {
  const std::string limits = R"([limits]
head_bytes = 2048
target_bytes = 1024
fields = 17
body_bytes = 2048
body_bytes_per_s = 2
head_s = 2
idle_s = 2
body_grace_s = 2
body_s = 3
stream_buffer_bytes = 16384
slow_reader_s = 2
connections = 7
accept_pause_ms = 51
in_flight = 7
queue_requests = 7
queue_bytes = 4096
queue_wait_ms = 7
memory_bytes = 100000000
[limits.key]
requests_per_minute = 7
tokens_per_minute = 7
concurrency = 7
)";
  CHECK(changed_by(limits).size() == 21);
}
