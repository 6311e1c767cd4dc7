// What the estimate of a prompt's tokens knows and forgets, and how far it is off on recorded
// traffic.
//
// The recordings are not part of the project: TURNPIKE_SHARED names the folder that holds
// data/wire, by default ../shared beside the sources. docs/api-compatibility.md quotes what the
// last test prints.
#include "gateway/token_meter.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "dialect/facts.hpp"
#include "wire/json_document.hpp"
#include "wire/json_view.hpp"

namespace turnpike::gateway {
namespace {

constexpr std::string_view target = "deepseek/deepseek-flash";

RequestFacts prompt(std::int64_t text_bytes) {
  RequestFacts facts;
  facts.text_bytes = text_bytes;
  return facts;
}

TEST_CASE("without experience a byte is 0.27 tokens, and no prompt has none", "[tokens]") {
  const TokenMeter meter;
  CHECK(meter.estimate(target, prompt(10'000), nullptr, 0) == 2700);
  CHECK(meter.estimate(target, prompt(0), nullptr, 0) == 1);
}

TEST_CASE("what a model bills is learned for that model alone", "[tokens]") {
  TokenMeter meter;
  meter.learn(target, prompt(1000), 400);
  CHECK(meter.estimate(target, prompt(10'000), nullptr, 0) == 4000);
  CHECK(meter.estimate("gemini/gemini-3.8-flash", prompt(10'000), nullptr, 0) == 2700);
  meter.learn(target, prompt(1000), 200);
  CHECK(meter.tokens_per_byte(target) == Approx(0.3));
}

TEST_CASE("old experience fades, so that a changed tokenizer is noticed", "[tokens]") {
  TokenMeter meter;
  for (int i = 0; i < 1000; ++i) meter.learn(target, prompt(1000), 200);
  for (int i = 0; i < 300; ++i) meter.learn(target, prompt(1000), 400);
  CHECK(meter.tokens_per_byte(target) > 0.39);
}

TEST_CASE("a calibrated bound needs two hundred bills, covers all but the rarest, and is no more than a token per byte", "[tokens][bound]") {
  TokenMeter meter;
  constexpr std::int64_t byte_by_byte = 1024;
  for (std::size_t i = 0; i + 1 < TokenMeter::bills_needed; ++i) meter.learn(target, prompt(1024), 256);
  CHECK(meter.calibrated_per_kib(target) == byte_by_byte);
  meter.learn(target, prompt(1024), 256);
  CHECK(meter.calibrated_per_kib(target) == 282);  // 256 x 1.1, rounded up
  CHECK(meter.calibrated_per_kib("gemini/gemini-3.8-flash") == byte_by_byte);
  for (int i = 0; i < 3; ++i) meter.learn(target, prompt(1024), 512);
  CHECK(meter.calibrated_per_kib(target) == 564);
  for (int i = 0; i < 3; ++i) meter.learn(target, prompt(1024), 1200);
  CHECK(meter.calibrated_per_kib(target) == byte_by_byte);
}

TEST_CASE("short prompts, images, files and impossible bills teach nothing", "[tokens]") {
  TokenMeter meter;
  meter.learn(target, prompt(399), 300);
  meter.learn(target, prompt(1000), 1501);
  meter.learn(target, prompt(1000), 49);
  RequestFacts seen = prompt(1000);
  seen.images = 1;
  meter.learn(target, seen, 900);
  RequestFacts read = prompt(1000);
  read.needs.documents = true;
  meter.learn(target, read, 900);
  RequestFacts heard = prompt(1000);
  heard.needs.audio = true;
  meter.learn(target, heard, 900);
  CHECK(meter.tokens_per_byte(target) == Approx(TokenMeter::tokens_per_byte_default));
}

TEST_CASE("of a continued conversation only what is new is estimated", "[tokens]") {
  const TokenMeter meter;
  const BilledPrompt previous{std::string{target}, 5000, 10'000};
  CHECK(meter.estimate(target, prompt(11'000), &previous, 0) == 5270);
  // Images have been billed with the step before.
  RequestFacts pictured = prompt(11'000);
  pictured.images = 2;
  CHECK(meter.estimate(target, pictured, &previous, 2000) == 5270);
  CHECK(meter.estimate(target, pictured, nullptr, 2000) == 2970 + 2000);
}

TEST_CASE("another model's bill, a shorter history and an unknown bill are no beginning",
          "[tokens]") {
  const TokenMeter meter;
  const BilledPrompt elsewhere{"anthropic/claude-opus-5-5", 5000, 10'000};
  CHECK(meter.estimate(target, prompt(11'000), &elsewhere, 0) == 2970);
  const BilledPrompt longer{std::string{target}, 5000, 12'000};
  CHECK(meter.estimate(target, prompt(11'000), &longer, 0) == 2970);
  const BilledPrompt unknown{std::string{target}, 0, 10'000};
  CHECK(meter.estimate(target, prompt(11'000), &unknown, 0) == 2970);
}

// ---- how far it is off

struct Exchange {
  std::string provider;
  std::string file;
  std::string model;
  RequestFacts facts;
  std::int64_t tokens = 0;
};

std::string output_of(const std::string& command) {
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::string text;
  std::array<char, 65536> buffer{};
  for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), count);
  return pclose(pipe) == 0 ? text : std::string{};
}

Exchange read_exchange(std::string_view line) {
  const wire::JsonFields fields{wire::JsonView{line}};
  Exchange exchange{
      fields["provider"].text(), fields["file"].text(), fields["model"].text(), {}, 0};
  exchange.tokens = fields["tokens"].integer().value_or(0);
  std::string body = fields["body"].text();
  const auto document = wire::JsonDocument::parse(body);
  REQUIRE(document);
  const auto client = parse_dialect(fields["dialect"].text());
  REQUIRE(client);
  auto facts = dialect::read_facts(client.value_or(Dialect::openai_chat), *document, RequestHead{});
  INFO(exchange.file);
  REQUIRE(facts);
  exchange.facts = std::move(*facts);
  return exchange;
}

std::vector<Exchange> recorded_exchanges() {
  const char* const shared = std::getenv("TURNPIKE_SHARED");
  const auto folder =
      (shared != nullptr ? std::string{shared} : std::string{TURNPIKE_SOURCE_DIR} + "/../shared") +
      "/data/wire";
  std::vector<Exchange> exchanges;
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    const auto text =
        output_of(fmt::format("{} '{}/tests/gateway/recorded_exchanges.py' '{}' 2>/dev/null",
                              python, TURNPIKE_SOURCE_DIR, folder));
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      exchanges.push_back(read_exchange(std::string_view{text}.substr(at, end - at)));
      at = end + 1;
    }
    if (!exchanges.empty()) break;
  }
  return exchanges;
}

struct Errors {
  std::vector<double> relative;

  void add(std::int64_t estimate, std::int64_t billed) {
    relative.push_back(std::abs(static_cast<double>(estimate - billed)) /
                       static_cast<double>(billed));
  }
  [[nodiscard]] double quantile(double share) const {
    auto sorted = relative;
    std::ranges::sort(sorted);
    return sorted.empty() ? 0
                          : sorted[static_cast<std::size_t>(
                                std::lround(share * static_cast<double>(sorted.size() - 1)))];
  }
  [[nodiscard]] std::string row() const {
    return relative.empty()
               ? "  0"
               : fmt::format("{:>3}  median {:>4.0f} %  p90 {:>4.0f} %", relative.size(),
                             100 * quantile(0.5), 100 * quantile(0.9));
  }
};

struct Measured {
  Errors first;
  Errors short_first;  // prompts in which the frame outweighs the text
  Errors continued;
};

/// What the provider's other files teach.
void learn_from_others(TokenMeter& meter, const std::vector<Exchange>& all, const Exchange& one) {
  for (const auto& other : all) {
    if (other.provider == one.provider && other.file != one.file)
      meter.learn(one.provider, other.facts, other.tokens);
  }
}

std::map<std::string, Measured> measure(const std::vector<Exchange>& all) {
  std::map<std::string, Measured> measured;
  const Exchange* before = nullptr;
  for (const auto& exchange : all) {
    TokenMeter meter;
    learn_from_others(meter, all, exchange);
    const bool follows = before != nullptr && before->file == exchange.file &&
                         before->provider == exchange.provider && before->model == exchange.model &&
                         before->facts.text_bytes < exchange.facts.text_bytes;
    const bool pictured =
        exchange.facts.images > 0 || exchange.facts.needs.documents || exchange.facts.needs.audio;
    auto& errors = measured[exchange.provider];
    if (follows) {
      const BilledPrompt previous{exchange.provider, before->tokens, before->facts.text_bytes};
      errors.continued.add(meter.estimate(exchange.provider, exchange.facts, &previous, 0),
                           exchange.tokens);
    }
    if (!pictured) {
      auto& kind = exchange.facts.text_bytes < 400 ? errors.short_first : errors.first;
      kind.add(meter.estimate(exchange.provider, exchange.facts, nullptr, 0), exchange.tokens);
    }
    before = &exchange;
  }
  return measured;
}

TEST_CASE("estimates of recorded prompts are near what was billed", "[tokens][recorded]") {
  const auto exchanges = recorded_exchanges();
  if (exchanges.empty()) {
    std::cerr << "SKIPPED: no recorded traffic (TURNPIKE_SHARED) or no python3-yaml: error of "
                 "token estimates\n";
    return;
  }
  const auto measured = measure(exchanges);
  Errors continued;
  for (const auto& [provider, errors] : measured) {
    fmt::print("token estimate, {:<10} first turn {}   below 400 bytes {}   continuing {}\n",
               provider, errors.first.row(), errors.short_first.row(), errors.continued.row());
    continued.relative.insert(continued.relative.end(), errors.continued.relative.begin(),
                              errors.continued.relative.end());
  }
  std::vector<std::int64_t> sizes;
  sizes.reserve(exchanges.size());
  for (const auto& exchange : exchanges) sizes.push_back(exchange.tokens);
  std::ranges::sort(sizes);
  fmt::print(
      "token estimate, all: continuing {}; {} prompts, half of them below {} tokens, none above "
      "{}\n",
      continued.row(), sizes.size(), sizes[sizes.size() / 2], sizes.back());
  CHECK(measured.size() == 4);
  CHECK(continued.quantile(0.5) < 0.25);
}

}  // namespace
}  // namespace turnpike::gateway
