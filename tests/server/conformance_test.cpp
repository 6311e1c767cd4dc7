// Every rule of tests/server/conformance over a real socket, in one write and cut in two.
#include <netinet/tcp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <set>
#include <sstream>
#include <string>

#include "server/conformance/rule.hpp"
#include "server/fixture.hpp"

using namespace turnpike::server::test;
using namespace std::chrono_literals;

namespace {

constexpr auto silence = 60ms;  // in which a server that waits says nothing
constexpr auto gap = 300us;     // between two pieces, so that they are read apart
constexpr std::size_t cuts_in_short = 8;

std::vector<Rule> all_rules() {
  std::vector<Rule> all;
  for (auto& part : {message_rules(), body_rules(), semantic_rules()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

struct Expectation {
  std::vector<int> statuses;
  std::string fate;
};

Expectation expectation_of(const Rule& rule) {
  Expectation wanted;
  std::istringstream words{rule.expected};
  for (std::string word; words >> word;) {
    if (word[0] >= '0' && word[0] <= '9') {
      wanted.statuses.push_back(std::stoi(word));
    } else {
      wanted.fate = word;
    }
  }
  return wanted;
}

bool asks_for_head(const Rule& rule) { return rule.sent.starts_with("HEAD"); }

/// "kept": the connection serves another request, and its answer is the next one.
bool serves_another(Client& client) {
  client.send("GET /echo?probe HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto answer = client.read_response();
  return answer.status == 200 && answer.body == "GET /echo?probe ";
}

void check(Server& server, const Rule& rule, std::size_t cut) {
  INFO(rule.section << ": " << rule.says << ", cut at " << cut);
  const auto wanted = expectation_of(rule);
  Client client{server};
  client.send(std::string_view{rule.sent}.substr(0, cut));
  if (cut < rule.sent.size()) {
    std::this_thread::sleep_for(gap);
    client.send(std::string_view{rule.sent}.substr(cut));
  }
  Response answer;
  for (const int status : wanted.statuses) {
    answer = client.read_response(asks_for_head(rule));
    REQUIRE(answer.status == status);
    CHECK(answer.complete);
  }
  CHECK((answer.head + answer.body).find(rule.shows) != std::string::npos);
  if (wanted.fate == "kept") {
    CHECK(serves_another(client));
  } else if (wanted.fate == "closed") {
    CHECK(client.read_to_end().empty());  // nothing behind the last answer
    CHECK(client.closed);
  } else {
    CHECK_FALSE(client.read_more(silence));
    CHECK(client.timed_out);
  }
}

/// Where a rule is cut: everywhere, or in a few places that change from rule to rule.
std::vector<std::size_t> cuts_of(const Rule& rule, std::size_t number, bool everywhere) {
  std::vector<std::size_t> cuts;
  if (!rule.cuttable || expectation_of(rule).fate == "waits") return cuts;
  const std::size_t step =
      everywhere ? 1 : std::max<std::size_t>(1, rule.sent.size() / cuts_in_short);
  const std::size_t dense = std::min<std::size_t>(rule.sent.size(), 600);  // long ones are filler
  for (std::size_t at = 1 + (everywhere ? 0 : number % step); at < dense; at += step)
    cuts.push_back(at);
  return cuts;
}

std::size_t check_cut(bool everywhere) {
  Server server;
  std::size_t number = 0;
  std::size_t checked = 0;
  for (const auto& rule : all_rules()) {
    for (const std::size_t cut : cuts_of(rule, number, everywhere)) {
      check(server, rule, cut);
      ++checked;
    }
    ++number;
  }
  return checked;
}

}  // namespace

TEST_CASE("H14: every rule of RFC 9110 and 9112 on reading requests holds", "[server][H14]") {
  const auto rules = all_rules();
  std::cerr << "conformance: " << rules.size() << " rules\n";
  CHECK(rules.size() >= 110);
  std::set<std::string> distinct;
  for (const auto& rule : rules) distinct.insert(rule.sent);
  CHECK(distinct.size() >= 110);
  Server server;
  for (const auto& rule : rules) check(server, rule, rule.sent.size());
}

TEST_CASE("H14: rules hold however the bytes are cut", "[server][H14]") {
  std::cerr << "conformance: " << check_cut(false) << " cut requests\n";
}

TEST_CASE("H14: rules hold cut at every byte", "[.full][H14]") {
  std::cerr << "conformance: " << check_cut(true) << " cut requests\n";
}
