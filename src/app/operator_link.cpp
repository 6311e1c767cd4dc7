#include "app/operator_link.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "account/ledger.hpp"
#include "app/admin.hpp"
#include "app/classifier_state.hpp"
#include "app/data_directory.hpp"
#include "app/snapshots.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

Result<ordered_json> read_answer(int status, const std::string& text) {
  auto json = ordered_json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::unexpected{gateway_error(502, "bad_answer", "the gateway's answer is not JSON")};
  // Some answers say no with a page of their own: a violated invariant, a rejected reload.
  const auto error = json.find("error");
  if (status < 400 || error == json.end()) return json;
  auto failed = gateway_error(status, error->value("code", "failed"), error->value("message", text));
  failed.param = error->value("param", "");
  return std::unexpected{std::move(failed)};
}

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) {
  static_cast<std::string*>(target)->append(data, size * count);
  return size * count;
}

/// HTTP to the admin listener on this machine.
class LiveLink final : public OperatorLink {
 public:
  LiveLink(std::string address, std::string token) : address_(std::move(address)), token_(std::move(token)) {}

  Result<ordered_json> ask(std::string_view method, std::string_view target, const std::string& body) override {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> call{curl_easy_init(), curl_easy_cleanup};
    const std::string url = fmt::format("http://{}{}", address_, target);
    const std::string verb{method};
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers{nullptr, curl_slist_free_all};
    headers.reset(curl_slist_append(nullptr, ("Authorization: Bearer " + token_).c_str()));
    curl_slist_append(headers.get(), "Content-Type: application/json");
    std::string answer;
    curl_easy_setopt(call.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(call.get(), CURLOPT_CUSTOMREQUEST, verb.c_str());
    curl_easy_setopt(call.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(call.get(), CURLOPT_PROXY, "");
    // Reports over a long stretch of the journal take minutes.
    curl_easy_setopt(call.get(), CURLOPT_TIMEOUT, 900L);
    curl_easy_setopt(call.get(), CURLOPT_CONNECTTIMEOUT, 3L);
    curl_easy_setopt(call.get(), CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(call.get(), CURLOPT_WRITEDATA, &answer);
    if (!body.empty()) curl_easy_setopt(call.get(), CURLOPT_POSTFIELDS, body.c_str());
    if (const CURLcode failed = curl_easy_perform(call.get()); failed != CURLE_OK) {
      return std::unexpected{gateway_error(503, "unreachable", fmt::format("the gateway at {} does not answer: {}", address_, curl_easy_strerror(failed)))};
    }
    long status = 0;
    curl_easy_getinfo(call.get(), CURLINFO_RESPONSE_CODE, &status);
    return read_answer(static_cast<int>(status), answer);
  }

 private:
  std::string address_;
  std::string token_;
};

/// Keeps the reply of an admin page that is called without a server.
class KeepReply final : public ResponseSink {
 public:
  void reply(const ResponseHead& head, std::string_view body) override {
    status = head.status;
    text = body;
  }
  void begin(const ResponseHead& head) override { status = head.status; }
  SinkState write(std::string_view bytes) override {
    text += bytes;
    return SinkState::open;
  }
  void finish() override {}
  void abort() override {}
  [[nodiscard]] bool head_sent() const override { return false; }
  [[nodiscard]] bool gone() const override { return false; }
  void watch(SinkWatcher*) override {}

  int status = 0;
  std::string text;
};

/// The directory, through the very pages that the admin listener serves.
class DirectLink final : public OperatorLink {
 public:
  DirectLink(std::unique_ptr<account::Ledger> ledger, Config config, const Clock& clock)
      : ledger_(std::move(ledger)),
        config_(std::move(config)),
        admin_({*ledger_, metrics_, Secret{}, [] { return std::vector<catalog::Fault>{}; }, [] { return std::shared_ptr<const gateway::Snapshot>{}; },
                {*ledger_, clock, [this, &clock] { return planning_snapshot(config_, clock.now()); }, config_.credits_per_usd, config_.data, &learning_, nullptr,
                 key_defaults(config_.limits)}}) {
    state_.load();
  }

  Result<ordered_json> ask(std::string_view method, std::string_view target, const std::string& body) override {
    ClientRequest request;
    request.head.method = method;
    request.head.target = target;
    request.head.path = target.substr(0, target.find('?'));
    if (const auto query = target.find('?'); query != std::string_view::npos) request.head.query = target.substr(query + 1);
    request.body = body;
    KeepReply kept;
    asio::io_context context;
    asio::co_spawn(context, admin_.handle(std::move(request), kept), asio::detached);
    context.run();
    if (!state_.save()) return std::unexpected{gateway_error(500, "store_failed", "what was learned could not be written to the data directory")};
    return read_answer(kept.status, kept.text);
  }

 private:
  PrivateFiles private_files_;
  std::unique_ptr<account::Ledger> ledger_;
  Config config_;
  metrics::Metrics metrics_;
  gateway::Learning learning_{classify::Classifier::built_in()};
  ClassifierState state_{learning_, config_.data / "classifier.state"};
  AdminHandler admin_;
};

std::string first_word(const std::filesystem::path& file) {
  std::ifstream stream{file};
  std::string word;
  stream >> word;
  return word;
}

/// One look: who has the directory now?
Result<std::unique_ptr<OperatorLink>> look_for_link(const Config& config, const Clock& clock) {
  std::optional<Error> wrong_token;
  if (const std::string address = first_word(config.data / "admin.address"); !address.empty()) {
    auto live = std::make_unique<LiveLink>(address, first_word(config.admin_token_file));
    const auto alive = live->ask("GET", "/admin/status", "");
    if (alive) return live;
    if (alive.error().code == "invalid_admin_token") wrong_token = alive.error();
  }
  account::LedgerOptions options;
  options.directory = config.data;
  auto ledger = open_ledger(options, clock, [] { return true; });
  // A gateway runs on the directory and does not know us: that is what to say, not that the directory is in use.
  if (!ledger && ledger.error().code == "store_locked" && wrong_token) return std::unexpected{*wrong_token};
  if (!ledger) return std::unexpected{ledger.error()};
  return std::make_unique<DirectLink>(std::move(*ledger), config, clock);
}

}  // namespace

Result<std::unique_ptr<OperatorLink>> open_link(const Config& config, const Clock& clock) {
  // A gateway that starts or ends has the directory, but no listener to be asked.
  const Monotonic end = clock.monotonic() + lock_patience;
  for (;;) {
    auto link = look_for_link(config, clock);
    if (link || link.error().code != "store_locked" || clock.monotonic() >= end) return link;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
}

}  // namespace turnpike::app
