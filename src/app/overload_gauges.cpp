#include "app/overload_gauges.hpp"

#include <utility>

#include "turnpike/log.hpp"

namespace turnpike::app {

std::function<void(std::vector<metrics::Gauge>&)> overload_gauges(const gateway::Overload& overload, const MemoryWatch& memory,
                                                                  std::function<server::ListenerFigures()> listener) {
  return [&overload, &memory, listener = std::move(listener)](std::vector<metrics::Gauge>& out) {
    const auto add = [&out](const char* name, const char* help, auto value) {
      out.push_back({name, help, {}, static_cast<double>(value)});
    };
    const auto& gate = overload.gate;
    add("turnpike_in_flight_requests", "Requests that have a place: being worked on or answered.", gate.in_flight());
    add("turnpike_in_flight_max", "Places for requests.", gate.limits().in_flight_max);
    add("turnpike_queue_requests", "Requests in line for a place.", gate.waiting());
    add("turnpike_queue_bytes", "Bodies of the requests in line.", gate.waiting_bytes());
    const server::ListenerFigures clients = listener();
    add("turnpike_connections_max", "Client connections held at most.", clients.connections_max);
    add("turnpike_accept_pauses_total", "Times accepting paused for want of connections or descriptors.", clients.accepts_paused);
    add("turnpike_upstreams_paused", "Answers whose provider waits for a slow client.", clients.responses_paused);
    add("turnpike_slow_readers_cut_total", "Clients cut because they took no byte for slow_reader_s.", clients.slow_readers_cut);
    add("turnpike_idle_connections_closed_total", "Idle connections closed for want of memory.", clients.idle_closed);
    add("turnpike_memory_resident_bytes", "Memory of the process.", memory.resident());
    add("turnpike_memory_target_bytes", "Its target; 0: none.", memory.target());
    add("turnpike_memory_level", "0 normal, 1 tight (batch is shed), 2 critical (all new requests are shed).",
        static_cast<int>(overload.memory.load(std::memory_order_relaxed)));
  };
}

void ShedLog::on_tick(Monotonic now) {
  const std::uint64_t total = overload_.shed.load(std::memory_order_relaxed);
  if (total == told_ || (told_at_ != Monotonic{} && now - told_at_ < pause)) return;
  log(LogLevel::warn, "requests_shed",
      {{"requests", static_cast<std::int64_t>(total - told_)},
       {"in_flight", static_cast<std::int64_t>(overload_.gate.in_flight())},
       {"waiting", static_cast<std::int64_t>(overload_.gate.waiting())}});
  told_ = total;
  told_at_ = now;
}

}  // namespace turnpike::app
