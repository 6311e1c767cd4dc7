// What a call and a chunk cost in the upstream room alone, and how that grows. CPU is user + system
// time of this thread; each figure is the median of `rounds_max` rounds. Seconds on a shared
// machine are for reading, ratios for judging.
//   bench_upstream [rounds]
#include <fmt/core.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench_server.hpp"
#include "support/permit_for_tests.hpp"
#include "support/test_certificate.hpp"
#include "turnpike/clock.hpp"
#include "upstream/curl_upstream.hpp"

namespace turnpike::bench {
namespace {

double thread_cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

double resident_kb() {
  std::ifstream statm{"/proc/self/statm"};
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * 4;
}

/// Counts, so that nothing is optimised away and nothing is missed.
class Counter final : public BodyReceiver {
 public:
  Flow on_bytes(std::string_view bytes) override {
    received += bytes.size();
    return Flow::proceed;
  }
  void on_end(const Result<void>& outcome) override { done.set(outcome.has_value()); }

  std::size_t received = 0;
  OneShot<bool> done;
};

struct Call {
  std::string url;
  std::string path;
  std::size_t body_bytes = 1024;
};

class Bench {
 public:
  explicit Bench(std::string ca_file, upstream::CurlLimits limits = {})
      : ca_file_(std::move(ca_file)), upstream_(loop_, clock_, limits) {}

  /// CPU microseconds per call of `count` calls, `at_once` at a time.
  double run(const Call& call, int count, int at_once) {
    const auto endpoint = endpoint_of(call);
    left_ = count;
    int workers = at_once;
    const double begin = thread_cpu_us();
    for (int i = 0; i < at_once; ++i) {
      asio::co_spawn(loop_, worker(call, endpoint),
                     [&workers](const std::exception_ptr&) { --workers; });
    }
    while (workers > 0) loop_.run_one();
    return (thread_cpu_us() - begin) / count;
  }

  /// Opens streams that send one event and then nothing; returns resident kilobytes per stream.
  double hold(const Call& call, int count) {
    const auto endpoint = endpoint_of(call);
    ::malloc_trim(0);
    const double before = resident_kb();
    const auto wanted = held_.size() + static_cast<std::size_t>(count);
    while (held_.size() < wanted) {
      auto& stream = *held_.emplace_back(std::make_unique<Held>());
      stream.transfer = upstream_.send(request(call, endpoint));
      asio::co_spawn(loop_, open(stream), asio::detached);
      while (stream.counter.received == 0 && held_.size() % 64 == 0) loop_.run_one();
    }
    for (const auto& stream : held_) {
      while (stream->counter.received == 0) loop_.run_one();
    }
    return (resident_kb() - before) / count;
  }

  [[nodiscard]] int failures() const { return failures_; }

 private:
  struct Held {
    std::unique_ptr<Transfer> transfer;
    Counter counter;
  };

  std::shared_ptr<const Endpoint> endpoint_of(const Call& call) const {
    auto endpoint = std::make_shared<Endpoint>();
    endpoint->provider = "bench";
    endpoint->base_url = call.url;
    endpoint->auth_header = "Authorization";
    endpoint->auth_prefix = "Bearer ";
    endpoint->key = Secret{"sk-bench-0123456789abcdef0123456789abcdef"};
    endpoint->ca_file = ca_file_;
    return endpoint;
  }

  static UpstreamRequest request(const Call& call, std::shared_ptr<const Endpoint> endpoint) {
    UpstreamRequest made{account::Reservation::permit("bench"), std::move(endpoint), call.path,
                         std::string(call.body_bytes, 'x')};
    made.stream = true;
    return made;
  }

  asio::awaitable<void> worker(const Call& call, std::shared_ptr<const Endpoint> endpoint) {
    while (left_-- > 0) {
      const auto transfer = upstream_.send(request(call, endpoint));
      const auto head = co_await transfer->head();
      if (!head) {
        if (failures_++ == 0) fmt::print(stderr, "first failure: {}\n", head.error().message);
        continue;
      }
      Counter counter;
      transfer->receive(counter);
      const bool complete = co_await counter.done.wait();
      if (!complete) ++failures_;
    }
  }

  asio::awaitable<void> open(Held& stream) {
    const auto head = co_await stream.transfer->head();
    if (!head) {
      fmt::print(stderr, "a held stream failed: {}\n", head.error().message);
      std::exit(1);
    }
    stream.transfer->receive(stream.counter);
  }

  std::string ca_file_;
  asio::io_context loop_{1};
  SystemClock clock_;
  upstream::CurlUpstream upstream_;
  std::vector<std::unique_ptr<Held>> held_;
  int left_ = 0;
  int failures_ = 0;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// The system's bundle and the bench server's certificate in one file: what a real trust store
/// costs.
std::string full_size_bundle(const test::TestCertificate& certificate, int& certificates) {
  const auto path =
      std::filesystem::temp_directory_path() / fmt::format("bench-upstream-{}.pem", ::getpid());
  std::ofstream bundle{path};
  for (const auto* source :
       {"/etc/ssl/certs/ca-certificates.crt", certificate.certificate_file().c_str()}) {
    std::ifstream file{source};
    for (std::string line; std::getline(file, line);) {
      bundle << line << '\n';
      certificates += line.starts_with("-----BEGIN CERTIFICATE");
    }
  }
  return path.string();
}

class Table {
 public:
  explicit Table(int rounds) : rounds_(rounds) {
    fmt::print("{:<58} {:>12} {:>9}\n", "scenario", "CPU us", "ratio");
  }

  /// `measure` gives one round's CPU microseconds per unit.
  void row(const std::string& name, const std::function<double()>& measure) {
    std::vector<double> values;
    for (int round = 0; round < rounds_; ++round) values.push_back(measure());
    const double value = median(values);
    if (!first_) first_ = value;
    fmt::print("{:<58} {:>12.2f} {:>9.2f}\n", name, value, value / *first_);
    std::fflush(stdout);
  }

 private:
  int rounds_;
  std::optional<double> first_;
};

void measure_requests(Table& table, Bench& bench, const std::string& url, const std::string& kind) {
  table.row("request, 1 KB, " + kind,
            [&] { return bench.run({url, "/json?bytes=1500"}, 4000, 16); });
  table.row("request, 200 KB, " + kind,
            [&] { return bench.run({url, "/json?bytes=1500", 200'000}, 400, 16); });
  table.row("chunk in a burst of 200, " + kind,
            [&] { return bench.run({url, "/sse?chunks=200"}, 200, 4) / 200; });
  table.row("chunk every 20 ms on 100 streams, " + kind,
            [&] { return bench.run({url, "/sse?chunks=50&pace_us=20000"}, 100, 100) / 50; });
}

// Streams that say one word and then nothing for an hour.
const std::string silent = "/sse?chunks=2&pace_us=3600000000";

void measure_growth(Table& table, const BenchServer& server, const std::string& bundle,
                    int per_multi, const std::string& kind) {
  upstream::CurlLimits limits;
  limits.active_per_multi_max = static_cast<std::size_t>(per_multi);
  limits.connections_per_multi_max = static_cast<std::size_t>(2 * per_multi);
  Bench bench{bundle, limits};
  for (const int open : {0, 1000, 2000}) {
    if (open > 0) bench.hold({server.plain_url(), silent}, 1000);
    table.row(fmt::format("request, 1 KB, plain, {} streams open{}", open, kind),
              [&] { return bench.run({server.plain_url(), "/json?bytes=1500"}, 2000, 16); });
  }
}

int run(int rounds) {
  std::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const test::TestCertificate certificate{"IP:127.0.0.1"};
  int certificates = 0;
  const auto bundle = full_size_bundle(certificate, certificates);
  const BenchServer server{certificate.certificate_file(), certificate.key_file()};

  // Memory first, while the heap is untouched.
  std::vector<std::string> memory;
  for (const std::size_t kilobytes : {4U, 8U, 16U}) {
    upstream::CurlLimits limits;
    limits.receive_buffer_bytes = kilobytes * 1024;
    for (const auto& url : {server.plain_url(), server.tls_url()}) {
      Bench bench{bundle, limits};
      bench.run({url, "/json"}, 32, 1);  // the trust store and the first pools are not a stream's
      memory.push_back(fmt::format("open stream, {:>2} KB read buffer, {:<5} {:>8.1f} KB",
                                   kilobytes, url == server.plain_url() ? "plain" : "TLS",
                                   bench.hold({url, silent}, 1000)));
    }
  }

  Table table{rounds};
  Bench bench{bundle};
  bench.run({server.plain_url(), "/json"}, 500, 16);
  measure_requests(table, bench, server.plain_url(), "plain");
  bench.run({server.tls_url(), "/json"}, 500, 16);
  measure_requests(table, bench, server.tls_url(), "TLS");
  table.row(fmt::format("request on a new TLS connection, {} certificates", certificates),
            [&] { return bench.run({server.tls_url(), "/json?bytes=1500&close=1"}, 200, 4); });
  for (const std::size_t kilobytes : {4U, 8U, 16U}) {
    upstream::CurlLimits limits;
    limits.receive_buffer_bytes = kilobytes * 1024;
    Bench other{bundle, limits};
    for (const auto& url : {server.plain_url(), server.tls_url()}) {
      table.row(fmt::format("chunk in a burst of 200, {} KB read buffer, {}", kilobytes,
                            url.starts_with("https") ? "TLS" : "plain"),
                [&] { return other.run({url, "/sse?chunks=200"}, 200, 4) / 200; });
    }
  }
  measure_growth(table, server, bundle, 32, "");
  measure_growth(table, server, bundle, 100'000, ", one multi for all");
  fmt::print("\n");
  for (const auto& line : memory) fmt::print("{}\n", line);
  fmt::print("calls that failed: {}\n", bench.failures());
  std::filesystem::remove(bundle);
  return bench.failures() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace turnpike::bench

int main(int argc, char** argv) {
  return turnpike::bench::run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 3);
}
