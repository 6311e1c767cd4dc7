#include "app/doctor.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <utility>

#include "app/doctor_speakers.hpp"
#include "app/table.hpp"

namespace turnpike::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array dialects = {Dialect::openai_chat, Dialect::openai_responses,
                                 Dialect::anthropic_messages, Dialect::gemini_generate};
constexpr long seconds_max = 180;

struct HttpAnswer {
  int status = 0;
  std::string text;
  std::string failure;  // why there is no answer
};

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) {
  static_cast<std::string*>(target)->append(data, size * count);
  return size * count;
}

class Client {
 public:
  Client(std::string url, std::string key) : url_(std::move(url)), key_(std::move(key)) {}

  /// GET without a body.
  [[nodiscard]] HttpAnswer ask(const std::string& path, const std::string& body) const {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> call{curl_easy_init(),
                                                                   curl_easy_cleanup};
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers{
        curl_slist_append(nullptr, "Content-Type: application/json"), curl_slist_free_all};
    if (!key_.empty()) curl_slist_append(headers.get(), ("Authorization: Bearer " + key_).c_str());
    HttpAnswer answer;
    const std::string url = url_ + path;
    curl_easy_setopt(call.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(call.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(call.get(), CURLOPT_PROXY, "");
    curl_easy_setopt(call.get(), CURLOPT_TIMEOUT, seconds_max);
    curl_easy_setopt(call.get(), CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(call.get(), CURLOPT_WRITEDATA, &answer.text);
    if (!body.empty()) curl_easy_setopt(call.get(), CURLOPT_POSTFIELDS, body.c_str());
    if (const CURLcode failed = curl_easy_perform(call.get()); failed != CURLE_OK) {
      answer.failure = fmt::format("{}: {}", url_, curl_easy_strerror(failed));
      return answer;
    }
    long status = 0;
    curl_easy_getinfo(call.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<int>(status);
    return answer;
  }

 private:
  std::string url_;
  std::string key_;
};

/// ok; a dash for what the target cannot do and says so; else what went wrong.
struct Verdict {
  enum class Kind : std::uint8_t { ok, cannot, failed };
  Kind kind = Kind::ok;
  std::string why;
};

Verdict failed(std::string why) { return {Verdict::Kind::failed, std::move(why)}; }

/// One dialect at one target.
class Patient {
 public:
  Patient(const Client& client, Dialect dialect, std::string target)
      : client_(client), speaker_(make_doctor_speaker(dialect)), target_(std::move(target)) {}

  Verdict text(bool stream) const {
    const auto answer = ask({.text = "Say hello in one short sentence.", .stream = stream});
    if (auto wrong = unanswered(answer)) return *wrong;
    return answer.text.empty() ? failed("no text") : Verdict{};
  }

  Verdict tool_call() const {
    return loop("Use the tool get_weather for Paris, then tell me the weather.", 1);
  }
  Verdict parallel_tools() const {
    return loop(
        "Call get_weather for Paris and for Rome, both in parallel in one step, then compare.", 2);
  }

  Verdict thinking() const {
    const auto answer =
        ask({.text = "Which is larger, 17 * 24 or 20 * 20? Think first.", .effort = true});
    if (auto wrong = unanswered(answer)) return *wrong;
    if (answer.reasoning.empty() && !answer.reasoning_counted)
      return {Verdict::Kind::cannot, "no thinking was shown or counted"};
    return {};
  }

  /// The same long prompt three times: a cache may need one to be written and one to be found.
  Verdict prompt_cache() const {
    std::string rules = "You answer questions about a list of rules.\n";
    for (int i = 0; i < 400; ++i)
      rules += fmt::format("Rule {}: item {} comes before item {}.\n", i, i, i + 1);
    for (int round = 0; round < 3; ++round) {
      const auto answer = ask({.text = "Which item comes before item 7?", .system = rules});
      if (auto wrong = unanswered(answer)) return *wrong;
      if (round > 0 && answer.cached_tokens > 0) return {};
    }
    return {Verdict::Kind::cannot, "no cached tokens were reported"};
  }

  Verdict json_schema() const {
    const auto answer = ask({.text = "Name the capital of France as JSON.", .schema = true});
    if (auto wrong = unanswered(answer)) return *wrong;
    const Json value = Json::parse(answer.text, nullptr, false);
    if (value.is_discarded() || !value.is_object() || !value.contains("city"))
      return failed("the answer is not the JSON that was asked for");
    return {};
  }

  Verdict error_shape() const {
    const auto answer = ask({.text = "hello", .wrong = true});
    if (answer.status < 400 || answer.status > 499)
      return failed(fmt::format("status {} for a wrong request", answer.status));
    return answer.error.empty() ? failed("the error is not in the dialect's shape") : Verdict{};
  }

 private:
  [[nodiscard]] DoctorAnswer ask(DoctorQuestion question) const {
    question.model = target_;
    const HttpAnswer got = client_.ask(speaker_->path(question), speaker_->body(question).dump());
    if (!got.failure.empty()) {
      DoctorAnswer none;
      none.error = got.failure;
      return none;
    }
    return speaker_->read(got.status, got.text, question.stream);
  }

  static std::optional<Verdict> unanswered(const DoctorAnswer& answer) {
    if (answer.status == 400 && answer.error.find("support") != std::string::npos)
      return Verdict{Verdict::Kind::cannot, answer.error};
    if (answer.status != 200) return failed(fmt::format("{} {}", answer.status, answer.error));
    if (!answer.complete) return failed("the answer is not complete");
    return std::nullopt;
  }

  /// Calls, their results, the final words.
  [[nodiscard]] Verdict loop(const std::string& text, std::size_t calls) const {
    DoctorQuestion question{.text = text, .tools = true};
    const auto first = ask(question);
    if (auto wrong = unanswered(first)) return *wrong;
    if (first.calls.empty()) return failed("no tool call");
    if (first.calls.size() < calls) return {Verdict::Kind::cannot, "one call at a time"};
    for (const auto& call : first.calls) {
      if (call.name != "get_weather" || !call.arguments.is_object())
        return failed("a call without the tool's name or arguments");
      question.results.emplace_back("18 degrees, light rain");
    }
    question.first = &first;
    const auto second = ask(question);
    if (auto wrong = unanswered(second)) return *wrong;
    return second.text.empty() && second.calls.empty() ? failed("nothing after the tool's result")
                                                       : Verdict{};
  }

  const Client& client_;
  std::unique_ptr<DoctorSpeaker> speaker_;
  std::string target_;
};

struct Probe {
  const char* name;
  std::function<Verdict(const Patient&)> run;
};

const std::vector<Probe>& probes() {
  static const std::vector<Probe> all = {
      {"text", [](const Patient& p) { return p.text(false); }},
      {"stream", [](const Patient& p) { return p.text(true); }},
      {"tool call", &Patient::tool_call},
      {"parallel tools", &Patient::parallel_tools},
      {"thinking", &Patient::thinking},
      {"prompt cache", &Patient::prompt_cache},
      {"JSON schema", &Patient::json_schema},
      {"error shape", &Patient::error_shape},
  };
  return all;
}

/// The first model of each provider, in the gateway's own order.
Result<std::vector<std::string>> targets_of(const Client& client) {
  const HttpAnswer got = client.ask("/v1/models", {});
  if (!got.failure.empty()) return std::unexpected{gateway_error(503, "unreachable", got.failure)};
  const Json body = Json::parse(got.text, nullptr, false);
  if (got.status != 200 || body.is_discarded() || !body.contains("data")) {
    return std::unexpected{gateway_error(
        502, "bad_answer", fmt::format("GET /v1/models answers {}; is --key right?", got.status))};
  }
  std::vector<std::string> targets;
  std::set<std::string> providers;
  for (const Json& model : body["data"]) {
    const std::string id = model.value("id", "");
    const std::size_t slash = id.find('/');
    if (slash != std::string::npos && providers.insert(id.substr(0, slash)).second)
      targets.push_back(id);
  }
  return targets;
}

struct Finding {
  std::string dialect, target, probe;
  Verdict verdict;
};

std::string_view word_of(Verdict::Kind kind) {
  return kind == Verdict::Kind::ok ? "ok" : kind == Verdict::Kind::cannot ? "-" : "FAILED";
}

void print(const std::vector<Finding>& findings) {
  std::vector<Table::Column> columns{{"client", Align::left}, {"target", Align::left}};
  for (const auto& probe : probes()) columns.push_back({probe.name, Align::left});
  Table table{std::move(columns)};
  std::vector<std::string> row;
  for (const auto& finding : findings) {
    if (row.empty()) row = {finding.dialect, finding.target};
    row.emplace_back(word_of(finding.verdict.kind));
    if (row.size() == probes().size() + 2) table.add(std::exchange(row, {}));
  }
  table.print(std::cout);
  for (const auto& finding : findings) {
    if (finding.verdict.kind == Verdict::Kind::ok) continue;
    std::cout << fmt::format("{} {} > {}, {}: {}\n", word_of(finding.verdict.kind), finding.dialect,
                             finding.target, finding.probe, finding.verdict.why.substr(0, 240));
  }
}

void print_json(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const auto& finding : findings) {
    list.push_back(
        {{"client", finding.dialect},
         {"target", finding.target},
         {"probe", finding.probe},
         {"result",
          word_of(finding.verdict.kind) == "-" ? "cannot" : word_of(finding.verdict.kind)},
         {"why", finding.verdict.why}});
  }
  std::cout << Json{{"findings", list}}.dump() << '\n';
}

Result<std::vector<Dialect>> chosen_dialects(const std::vector<std::string>& names) {
  if (names.empty()) return std::vector<Dialect>{dialects.begin(), dialects.end()};
  std::vector<Dialect> chosen;
  for (const auto& name : names) {
    const auto dialect = parse_dialect(name);
    if (!dialect) {
      return std::unexpected{client_error(
          "unknown_dialect", fmt::format("no dialect {}; known: openai-chat, openai-responses, "
                                         "anthropic-messages, gemini-generate",
                                         quoted_for_message(name)))};
    }
    chosen.push_back(*dialect);
  }
  return chosen;
}

}  // namespace

int run_doctor(const Config& config, const DoctorOptions& options, Output output) {
  const std::string listener = fmt::format("{}://{}:{}", config.tls_on() ? "https" : "http", config.listen.host, config.listen.port);
  const Client client{options.url.empty() ? listener : options.url, options.key};
  const auto chosen = chosen_dialects(options.dialects);
  if (!chosen) return fail(chosen.error());
  std::vector<std::string> targets = options.targets;
  if (targets.empty()) {
    auto found = targets_of(client);
    if (!found) return fail(found.error());
    targets = std::move(*found);
  }
  std::vector<Finding> findings;
  for (const Dialect dialect : *chosen) {
    for (const auto& target : targets) {
      const Patient patient{client, dialect, target};
      for (const auto& probe : probes()) {
        if (!output.json)
          std::cerr << fmt::format("\r{} > {}: {} ...\x1b[K", to_string(dialect), target,
                                   probe.name);
        findings.push_back(
            {std::string{to_string(dialect)}, target, probe.name, probe.run(patient)});
      }
    }
  }
  if (!output.json) std::cerr << "\r\x1b[K";
  output.json ? print_json(findings) : print(findings);
  return std::ranges::any_of(
             findings, [](const Finding& f) { return f.verdict.kind == Verdict::Kind::failed; })
             ? 1
             : 0;
}

}  // namespace turnpike::app
