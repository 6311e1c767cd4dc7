#include "app/wiring.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "app/admin_token.hpp"
#include "app/classifier_gauges.hpp"
#include "app/classifier_state.hpp"
#include "app/commands.hpp"
#include "app/data_directory.hpp"
#include "app/disabled_keys.hpp"
#include "app/gauges.hpp"
#include "app/handover.hpp"
#include "app/listener_tls.hpp"
#include "app/memory_watch.hpp"
#include "app/opaque_persistence.hpp"
#include "app/overload_gauges.hpp"
#include "app/price_watch.hpp"
#include "app/restart_settings.hpp"
#include "app/routing_state.hpp"
#include "app/service_manager.hpp"
#include "app/shadow_service.hpp"
#include "app/share_state.hpp"
#include "gateway/gateway.hpp"
#include "server/descriptors.hpp"
#include "server/event_loop.hpp"
#include "server/listener.hpp"
#include "turnpike/ids.hpp"
#include "upstream/curl_upstream.hpp"

namespace turnpike::app {
namespace {

/// One event loop with everything that lives on it.
struct Worker {
  Worker(const Clock& clock, const gateway::Shared& shared, metrics::Metrics& metrics,
         std::shared_ptr<const gateway::Snapshot> snapshot, const gateway::GatewayLimits& limits)
      : loop(clock),
        upstream(loop.context(), clock),
        gateway(shared, upstream, metrics.add_shard(), std::move(snapshot), limits) {
    loop.on_tick([this](Monotonic now) {
      upstream.on_tick(now);
      gateway.on_tick(now);
    });
    gateway.start_shadows_with([this](asio::awaitable<void> task) { asio::co_spawn(loop.context(), std::move(task), asio::detached); });
  }
  server::EventLoop loop;
  upstream::CurlUpstream upstream;
  gateway::Gateway gateway;
};

}  // namespace

class Application::Impl {
 public:
  Impl(Config config, std::shared_ptr<const gateway::Snapshot> snapshot, const Clock& clock,
       std::unique_ptr<account::Ledger> ledger, Secret token, std::shared_ptr<const server::TlsContext> tls)
      : config_(std::move(config)),
        limits_(fitted_to(config_.limits, server::descriptor_limit())),
        clock_(clock),
        tls_(std::move(tls)),
        overload_(limits_.overload, clock),
        ledger_(std::move(ledger)),
        opaque_(clock, config_.opaque_bytes_max, config_.opaque_lifetime),
        opaque_file_(keep_opaque()),
        backends_(clock, randomness_),
        shadows_(*ledger_, clock, config_.data),
        snapshot_(std::move(snapshot)),
        admin_loop_(clock),
        admin_({*ledger_, metrics_, std::move(token), [this] { return reload(); }, [this] { return current(); },
                {*ledger_, clock, [this] { return current(); }, config_.credits_per_usd, config_.data, &learning_, &backends_, key_defaults(config_.limits)}, [this] { return loops_tick(); }}),
        price_watch_({*ledger_, clock, [this] { return current(); }, config_.data / "price_watch.state"}) {
    gateway::Shared shared{*ledger_, opaque_, conversations_, backends_, tokens_, clock_, randomness_, learned_, &learning_};
    shared.shadows = &shadows_.hub();
    shared.loops_tick = [this] { return loops_tick(); };
    shared.overload = &overload_;
    shadows_.apply(snapshot_->policy);
    gateway::GatewayLimits limits;
    limits.admission = config_.admission;
    limits.attempts_max = config_.attempts_max;
    limits.hedge = config_.hedge;
    const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
    for (std::int64_t i = 0; i < (config_.threads > 0 ? config_.threads : cores); ++i) {
      workers_.push_back(std::make_unique<Worker>(clock_, shared, metrics_, snapshot_, limits));
    }
    metrics_.add_gauges(gauges({*ledger_, opaque_, conversations_, backends_, clock_, [this] { return current(); },
                                [this] { return reload_failed_.load(); }, [this] { return open_requests(); }, opaque_file_.get()}));
    metrics_.add_gauges([this](std::vector<metrics::Gauge>& out) { shadows_.gauges(out); });
    metrics_.add_gauges(classifier_gauges(learning_));
    metrics_.add_gauges(tls_gauges([this] { return tls_; }, [this] { return data_ ? data_->tls_figures() : server::TlsFigures{}; }));
    metrics_.add_gauges(overload_gauges(overload_, memory_, [this] { return data_ ? data_->figures() : server::ListenerFigures{}; }));
    reload_shard_ = &metrics_.add_shard();
    share_state_.restore(*snapshot_);
    routing_state_.restore();
    restore_disabled_keys(disabled_keys_file(config_.data), snapshot_->catalog, backends_);
    classifier_state_.load();
    admin_loop_.on_tick([this](Monotonic now) {
      price_watch_.on_tick(now);
      memory_.on_tick(now);
      shed_log_.on_tick(now);
      classifier_state_.on_tick(now);
      if (now - share_saved_ < share_save_interval) return;
      share_saved_ = now;
      share_state_.save(*current());
      routing_state_.save();
      shadows_.apply(current()->policy);
    });
  }

  ~Impl() {
    ledger_->on_lost({});  // it outlives what the callback wakes
    // The admin loop first: a scrape asks the data listener.
    admin_listener_.reset();
    admin_loop_.stop();
    admin_loop_.join();
    door_.reset();
    data_.reset();
    overload_.gate.close();
    for (auto& worker : workers_) worker->loop.stop();
    for (auto& worker : workers_) worker->loop.join();
    std::error_code ignored;
    std::filesystem::remove(config_.data / "admin.address", ignored);
  }

  Result<void> listen(Handed handed) {
    std::vector<server::LoopBinding> bindings;
    bindings.reserve(workers_.size());
    for (auto& worker : workers_) bindings.push_back({worker->loop, worker->gateway});
    auto data = handed.activated.get() >= 0 ? server::Listener::adopt(handed.activated.release(), bindings, limits_.server, clock_)
                                            : listen_at(config_.listen, std::move(handed.data), bindings, limits_.server);
    if (!data) return std::unexpected{data.error()};
    data_ = std::move(*data);
    if (tls_) data_->use_tls(tls_);
    std::vector<server::LoopBinding> admin_binding;
    admin_binding.push_back({admin_loop_, admin_});
    server::ServerLimits few;
    few.connections_max = admin_connections_max;
    auto admin = listen_at(config_.admin, std::move(handed.admin), std::move(admin_binding), few);
    if (!admin) return std::unexpected{admin.error()};
    admin_listener_ = std::move(*admin);
    // The command line finds the running instance by this file.
    std::ofstream{config_.data / "admin.address"} << config_.admin.host << ':' << admin_listener_->port() << '\n';
    door_ = std::make_unique<HandoverDoor>(
        admin_loop_.context(), config_.data, [this] { return listeners_to_give(); }, [this](Descriptor link) { taken_over(std::move(link)); });
    return {};
  }

  int run() {
    wait_for_signals();
    for (auto& worker : workers_) worker->loop.start();
    admin_loop_.start();
    log(LogLevel::info, "ready",
        {{"data_port", std::int64_t{data_->port()}},
         {"admin_port", std::int64_t{admin_listener_->port()}},
         {"policy", std::string_view{snapshot_->policy.name}},
         {"config_version", std::string_view{snapshot_->version}},
         {"tls", tls_ != nullptr},
         {"threads", static_cast<std::int64_t>(workers_.size())},
         {"attempts_recovered", ledger_->recovery().attempts_closed}});
    ledger_->on_lost([this](const Error&) {
      const std::lock_guard wake{stop_mutex_};
      ledger_lost_ = true;
      stopping_.notify_all();
    });
    do {
      manager_.ready(fmt::format("serving on port {}", data_->port()));
      wait_for_the_end();
    } while (!drain());
    end();
    return ledger_lost_ ? exit_store_failed : 0;
  }

 private:
  /// A socket that was handed over is used if it still is where the configuration says.
  Result<std::unique_ptr<server::Listener>> listen_at(const ListenAddress& address, Descriptor handed, std::vector<server::LoopBinding> bindings,
                                                      const server::ServerLimits& limits) {
    if (handed.get() >= 0 && listens_at(handed.get(), address)) return server::Listener::adopt(handed.release(), std::move(bindings), limits, clock_);
    return server::Listener::open(address.host, address.port, std::move(bindings), limits, clock_);
  }

  [[nodiscard]] HandoverDoor::Listeners listeners_to_give() {
    const std::lock_guard lock{stop_mutex_};
    if (stops_ > 0 || handed_over_ || ledger_lost_) return {};
    return {data_->listening_socket(), admin_listener_->listening_socket()};
  }

  /// From here on a successor holds the sockets and waits for the ledger: as on SIGTERM, but nobody has to look away first.
  void taken_over(Descriptor link) {
    log(LogLevel::info, "taken_over");
    admin_listener_->hold_accepting();
    const std::lock_guard lock{stop_mutex_};
    successor_ = std::move(link);
    handed_over_ = true;
    stopping_.notify_all();
  }

  /// The successor has ended while it waited for us: the sockets are ours alone again, and so are those who stand in line
  /// at them. On the main thread.
  void take_back() {
    log(LogLevel::warn, "take_over_taken_back", {{"why", "the successor ended before it could serve"}});
    for (auto& worker : workers_) {
      worker->loop.post([&gateway = worker->gateway] { gateway.set_ready(true); });
    }
    data_->resume();
    admin_listener_->resume();
    // Last: from here on another successor may take over, and what it holds must stay held.
    const std::lock_guard lock{stop_mutex_};
    handed_over_ = false;
    successor_ = {};
  }

  void wait_for_the_end() {
    std::unique_lock lock{stop_mutex_};
    const auto stop_asked = [this] { return stops_ > 0 || handed_over_ || ledger_lost_; };
    // On this thread, not on the admin loop, which a long report may keep busy.
    constexpr std::chrono::milliseconds forever{std::chrono::hours{1}};
    const auto turn = manager_.sign_interval().count() > 0 ? manager_.sign_interval() : forever;
    while (!stopping_.wait_for(lock, turn, stop_asked)) manager_.on_turn(loops_tick());
  }

  void wait_for_signals() {
    signals_.async_wait([this](const boost::system::error_code& failed, int signal) {
      if (failed) return;
      if (signal == SIGHUP) {
        manager_.reloading();
        reload();
        manager_.ready(reload_failed_ ? "the last reload was rejected; see the log" : "serving");
      } else {
        const std::lock_guard lock{stop_mutex_};
        ++stops_;
        stopping_.notify_all();
      }
      wait_for_signals();
    });
  }

  /// Readiness goes first; after the delay new connections; then what runs has time until the deadline; a second signal ends it.
  /// False: a successor was drained for that is gone, and we serve on.
  bool drain() {
    log(LogLevel::info, "draining", {{"open_requests", static_cast<std::int64_t>(data_->open_requests())}});
    for (auto& worker : workers_) {
      worker->loop.post([&gateway = worker->gateway] { gateway.set_ready(false); });
    }
    data_->drain();
    if (succeeded()) {
      data_->hold_accepting();
    } else {
      manager_.stopping();
      wait_drain_delay();
      data_->stop_accepting();
    }
    const Monotonic begun = clock_.monotonic();
    // Without a store the ends of what runs are in the front journal at best: the sooner a start takes them in, the better.
    const auto patience = [this] { return ledger_lost_ ? std::min(config_.drain_deadline, lost_drain_deadline) : config_.drain_deadline; };
    std::unique_lock lock{stop_mutex_};
    // A connection that was just accepted may be about to send: idle ones get the listener's own short grace.
    do {
      stopping_.wait_for(lock, std::chrono::milliseconds{20});
      manager_.on_turn(loops_tick());
      if (handed_over_ && stops_ == 0 && !ledger_lost_ && !peer_lives(successor_)) {
        lock.unlock();
        take_back();
        return false;
      }
    } while (!data_->idle() && clock_.monotonic() - begun < patience() && stops_ < 2);
    return true;
  }

  [[nodiscard]] bool succeeded() {
    const std::lock_guard lock{stop_mutex_};
    return handed_over_ && stops_ == 0 && !ledger_lost_;
  }

  /// Ends what still runs, and brings to the disk what is to be found there.
  void end() {
    if (succeeded()) manager_.stopping();
    for (auto& worker : workers_) {
      worker->loop.post([&gateway = worker->gateway] { gateway.end_all(); });
    }
    // Each ended attempt settles on its own loop; the error events need a moment to leave.
    const Monotonic grace = clock_.monotonic() + std::chrono::seconds{5};
    while (ledger_->figures().attempts_open > 0 && clock_.monotonic() < grace) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    if (data_->open_requests() > 0) std::this_thread::sleep_for(std::chrono::milliseconds{100});
    data_->close_all();
    share_state_.save(*current());
    routing_state_.save();
    classifier_state_.save();
    ledger_->flush();
    if (opaque_file_) opaque_file_->flush();
    shadows_.flush();
    log(LogLevel::info, "stopped", {{"attempts_open", ledger_->figures().attempts_open}});
  }

  /// Balancers that ask /readyz now and then still send connections here: they are served.
  void wait_drain_delay() {
    std::unique_lock lock{stop_mutex_};
    stopping_.wait_for(lock, config_.drain_delay, [this] { return handed_over_ || stops_ > 1 || ledger_lost_; });
  }

  /// All or nothing. Runs on the admin loop, from a signal or the admin page.
  std::vector<catalog::Fault> reload() {
    Config fresh = config_;
    if (!config_.file.empty()) {
      auto read = load_config(config_.file);
      if (!read) return refuse_reload(read.error());
      fresh = std::move(*read);
    }
    const auto later = waiting_for_restart(config_, fresh);
    fresh.credits_per_usd = config_.credits_per_usd;  // the unit of what is in the books, until a restart
    const auto previous = current();
    ConfigFiles files;
    auto built = build_snapshot(fresh, clock_.now(), previous.get(), &files);
    if (!built) return refuse_reload(built.error());
    auto warnings = (*built)->policy.warnings();
    if (auto refused = renew_certificate(fresh, warnings); !refused.empty()) return refuse_reload(refused);
    shadows_.apply((*built)->policy);
    keep_config(config_, files);
    restore_disabled_keys(disabled_keys_file(config_.data), (*built)->catalog, backends_);
    {
      const std::lock_guard lock{snapshot_mutex_};
      snapshot_ = *built;
    }
    for (auto& worker : workers_) {
      worker->loop.post([&gateway = worker->gateway, snapshot = *built] { gateway.use(snapshot); });
    }
    if (!later.empty()) warnings.push_back(told_to_wait(fresh, later));
    reload_failed_ = false;
    reload_shard_->add(metrics::Family::config_reload_total, {"applied"});
    log(LogLevel::info, "config_reloaded",
        {{"policy", std::string_view{(*built)->policy.name}}, {"config_version", std::string_view{(*built)->version}}});
    return warnings;
  }

  static catalog::Fault told_to_wait(const Config& fresh, const std::vector<std::string_view>& settings) {
    const std::string names = fmt::format("{}", fmt::join(settings, ", "));
    log(LogLevel::warn, "config_waits_for_restart", {{"settings", std::string_view{names}}});
    return {fresh.file.string(), 0, 0, fmt::format("until a restart the old value stays in force of: {}", names), catalog::Severity::warning};
  }

  /// Last of a reload's steps that may fail. What it has to say without refusing is added to `warnings`.
  std::vector<catalog::Fault> renew_certificate(const Config& fresh, std::vector<catalog::Fault>& warnings) {
    if (fresh.tls_on() != (tls_ != nullptr)) {
      warnings.push_back({fresh.file.string(), 0, 0, "[server] TLS is switched on or off by a restart only", catalog::Severity::warning});
      return {};
    }
    if (!tls_) return {};
    auto renewed = load_listener_tls(fresh, clock_.now(), tls_.get());
    if (!renewed) return renewed.error();
    warnings.insert(warnings.end(), renewed->warnings.begin(), renewed->warnings.end());
    tls_ = std::move(renewed->context);
    data_->use_tls(tls_);
    return {};
  }

  std::vector<catalog::Fault> refuse_reload(const std::vector<catalog::Fault>& faults) {
    reload_failed_ = true;
    reload_shard_->add(metrics::Family::config_reload_total, {"rejected"});
    for (const auto& fault : faults) log(LogLevel::error, "config_reload_rejected", {{"fault", std::string_view{to_string(fault)}}});
    return faults;
  }

  std::shared_ptr<const gateway::Snapshot> current() const {
    const std::lock_guard lock{snapshot_mutex_};
    return snapshot_;
  }

  std::unique_ptr<OpaquePersistence> keep_opaque() {
    if (!config_.opaque_persist) return nullptr;
    account::OpaqueFileOptions options;
    options.directory = config_.data;
    options.bytes_max = config_.opaque_bytes_max;
    return std::make_unique<OpaquePersistence>(std::move(options), clock_, opaque_);
  }

  /// An event loop that has not ticked for a second is stuck, and what is on it with it.
  [[nodiscard]] bool loops_tick() const {
    const Monotonic now = clock_.monotonic();
    return std::ranges::all_of(workers_, [now](const auto& worker) { return now - worker->loop.last_tick() < std::chrono::seconds{1}; });
  }

  std::size_t open_requests() const { return data_ ? data_->open_requests() : 0; }

  Config config_;
  static constexpr std::size_t admin_connections_max = 32;  // of the descriptors that are not clients'
  const Limits limits_;
  const Clock& clock_;
  std::shared_ptr<const server::TlsContext> tls_;  // null: plain HTTP. From run() on: admin loop only
  ServiceManager manager_{clock_};
  Descriptor successor_;  // told by its end that ours has come; outlives the ledger. stop_mutex_
  gateway::Overload overload_;
  MemoryWatch memory_{memory_target(limits_), overload_, [this] { data_->close_idle(); }};  // admin loop only
  ShedLog shed_log_{overload_};                                                             // admin loop only
  SystemRandomness randomness_;
  std::unique_ptr<account::Ledger> ledger_;
  dialect::OpaqueStore opaque_;
  std::unique_ptr<OpaquePersistence> opaque_file_;  // opaque_ tells it everything; null: told not to
  gateway::Conversations conversations_{gateway::Conversations::entries_max_default, randomness_.next()};
  gateway::Backends backends_;
  ShadowService shadows_;
  gateway::TokenMeter tokens_;
  gateway::RouteLearning learned_;
  RoutingState routing_state_{config_.data / "routing.state", learned_};
  gateway::Learning learning_{classify::Classifier::built_in()};
  ClassifierState classifier_state_{learning_, config_.data / "classifier.state"};  // admin loop only
  metrics::Metrics metrics_;
  static constexpr std::chrono::seconds share_save_interval{30};  // what a crash may forget of the share's course
  Monotonic share_saved_{};
  const ShareState share_state_{config_.data / "share.state"};
  metrics::Shard* reload_shard_ = nullptr;  // written on the admin loop only
  mutable std::mutex snapshot_mutex_;
  std::shared_ptr<const gateway::Snapshot> snapshot_;
  std::atomic<bool> reload_failed_{false};
  server::EventLoop admin_loop_;
  AdminHandler admin_;
  PriceWatch price_watch_;  // admin loop only
  std::vector<std::unique_ptr<Worker>> workers_;
  boost::asio::signal_set signals_{admin_loop_.context(), SIGTERM, SIGINT, SIGHUP};
  std::unique_ptr<server::Listener> data_;
  std::unique_ptr<server::Listener> admin_listener_;
  std::unique_ptr<HandoverDoor> door_;
  std::mutex stop_mutex_;
  std::condition_variable stopping_;
  int stops_ = 0;
  bool handed_over_ = false;
  static constexpr std::chrono::seconds lost_drain_deadline{10};
  std::atomic<bool> ledger_lost_{false};
};

Application::Application(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Application::~Application() = default;

Result<std::unique_ptr<Application>> Application::make(Config config, std::shared_ptr<const gateway::Snapshot> snapshot,
                                                       std::shared_ptr<const server::TlsContext> tls, const Clock& clock, Handed handed) {
  account::LedgerOptions options;
  options.directory = config.data;
  options.intent = config.intent;
  options.replica = config.replica;
  options.key_concurrency_max = config.limits.key_concurrency;
  options.allow_anonymous = config.insecure_allow_anonymous;
  Monotonic end = clock.monotonic() + lock_patience;
  const auto give_up = [&] {
    if (handed.predecessor_lives()) end = clock.monotonic() + lock_patience;
    return clock.monotonic() >= end;
  };
  auto ledger = open_ledger(options, clock, give_up);
  if (!ledger) return std::unexpected{ledger.error()};
  const bool nobody = std::ranges::none_of((*ledger)->keys(), [](const auto& key) { return !key.revoked; });
  if (nobody && !config.insecure_allow_anonymous) {
    return std::unexpected{gateway_error(
        500, "no_keys", "no key exists, so nobody could be served; make one with `turnpike keys create --org ORG --name NAME`")};
  }
  auto token = admin_token(config.admin_token_file);
  if (!token) return std::unexpected{token.error()};
  auto impl = std::make_unique<Impl>(std::move(config), std::move(snapshot), clock, std::move(*ledger), std::move(*token),
                                     std::move(tls));
  if (auto listening = impl->listen(std::move(handed)); !listening) return std::unexpected{listening.error()};
  return std::unique_ptr<Application>{new Application{std::move(impl)}};
}

int Application::run() { return impl_->run(); }

}  // namespace turnpike::app
