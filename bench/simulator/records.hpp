// What the simulator remembers for its examiners: a billing entry per request, the bodies it
// received, counters.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "exchange.hpp"
#include "http.hpp"

namespace turnpike::simulator {

enum class Outcome : std::uint8_t {
  complete,  // the answer was written to its end
  aborted,   // the client left first
  fault,     // the answer was broken off on request
  refused,   // a status of 400 or more
};
std::string_view to_string(Outcome outcome);

/// One line of the billing log.
struct BillingEntry {
  const Exchange* exchange = nullptr;
  Outcome outcome = Outcome::complete;
  int status = 200;
  bool usage_sent = false;
  std::string fault;
  Tokens billed;
  std::int64_t first_byte_us = -1;  // from acceptance; -1: nothing was sent
  std::int64_t wall_us = 0;
  std::int64_t events = 0;  // content events written
};

class Records {
 public:
  /// `billing_file`: empty for none; else appended to, one JSON object per line. Throws
  /// std::system_error.
  explicit Records(const std::string& billing_file);

  void bill(const BillingEntry& entry);
  /// Keeps what came in, credentials withheld. `endpoint`: nothing for paths that no service has.
  void keep_request(std::uint64_t sequence, std::optional<Endpoint> endpoint,
                    const HttpRequest& request);
  void count_open(int change) {
    open_ += change;
    if (open_ > open_peak_) open_peak_ = open_;
  }
  /// Entries with a sequence number above `since`, one JSON object per line.
  [[nodiscard]] std::string billing_since(std::uint64_t since) const;
  /// A JSON array.
  [[nodiscard]] std::string requests_since(std::uint64_t since) const;
  [[nodiscard]] std::string stats(std::size_t connections) const;
  void clear();

 private:
  static constexpr std::size_t entries_max = 500'000;
  static constexpr std::size_t requests_max = 2'000;
  static constexpr std::size_t request_bytes_max = 64 * 1024 * 1024;
  struct Line {
    std::uint64_t sequence;
    std::string json;
  };
  struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::unique_ptr<std::FILE, FileCloser> file_;
  std::deque<Line> entries_;
  std::deque<Line> requests_;
  std::size_t request_bytes_ = 0;
  std::map<std::string, std::int64_t, std::less<>> counts_;
  std::int64_t open_ = 0;
  std::int64_t open_peak_ = 0;
};

}  // namespace turnpike::simulator
