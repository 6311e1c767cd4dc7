// Routes requests to the provider they are meant for, and answers the examiner's own questions
// under /_sim/.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "playback.hpp"
#include "prompt.hpp"
#include "records.hpp"
#include "server.hpp"
#include "wire.hpp"

namespace turnpike::simulator {

class Service final : public Handler {
 public:
  Service(Settings settings, Records& records);

  std::unique_ptr<Reply> handle(const HttpRequest& request, Instant now) override;
  /// How many connections are open, for /_sim/stats.
  void set_connection_count(std::function<std::size_t()> count) {
    connection_count_ = std::move(count);
  }

 private:
  std::unique_ptr<Reply> answer(Endpoint endpoint, const HttpRequest& request, Instant now);
  std::unique_ptr<Reply> count_tokens(Endpoint endpoint, const HttpRequest& request);
  std::unique_ptr<Reply> examine(const HttpRequest& request);
  std::unique_ptr<Reply> set_faults(const HttpRequest& request);
  static void differ(Exchange& exchange);
  void share_cache(Exchange& exchange, Instant now);
  /// Lets a fault with `times` go once it has struck that often.
  void limit_faults(Ask& ask);
  [[nodiscard]] const Wire& wire(Endpoint endpoint) const {
    return *wires_[static_cast<std::size_t>(endpoint)];
  }

  Settings settings_;
  Records& records_;
  std::array<std::unique_ptr<Wire>, endpoint_count> wires_;  // in the order of Endpoint
  PromptCache cache_;
  std::uint64_t sequence_ = 0;
  std::uint64_t fault_generation_ = 0;
  std::map<std::string, std::int64_t, std::less<>> strikes_;
  std::map<Provider, std::string> standing_faults_;
  std::function<std::size_t()> connection_count_ = [] { return std::size_t{0}; };
};

}  // namespace turnpike::simulator
