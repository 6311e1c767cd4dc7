// Cases of the ledger that need a clock which is told, through the whole gateway. Numbers: reliability specification,
// "Test cases".
#include <thread>

#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;

namespace {

// The bench's clock stands at 2026-11-22T12:00:00Z. The price doubles ten seconds later and ends after another ten; the
// free model ends with it.
const std::string changing_prices = R"(
[provider]
id = "cheap"
dialect = "openai-chat"
base_url = "http://127.0.0.1:1"
[[model]]
id = "small"
family = "small"
context_tokens = 100000
output_tokens_max = 1000
as_of = 2026-11-22
source = "test"
successor = "strong/large"
[[model.price]]
from = 2026-01-01
until = 2026-11-22T12:00:10Z
input_per_mtok = "1"
output_per_mtok = "2"
[[model.price]]
from = 2026-11-22T12:00:10Z
until = 2026-11-22T12:00:20Z
input_per_mtok = "2"
output_per_mtok = "4"
[[model]]
id = "free"
family = "free"
context_tokens = 100000
output_tokens_max = 1000
as_of = 2026-11-22
source = "test"
[[model.price]]
from = 2026-01-01
until = 2026-11-22T12:00:10Z
input_per_mtok = "0"
output_per_mtok = "0"
)";

std::string asking(const std::string& model, bool stream = false) {
  return R"({"model":")" + model + R"(","stream":)" + (stream ? "true" : "false") +
         R"(,"max_tokens":50,"messages":[{"role":"user","content":"hi"}]})";
}

Script whole_script() {
  Script script;
  script.head.content_type = "application/json";
  script.chunks = {whole_answer};
  return script;
}

/// What one more answer of the bench's usual size adds to the ledger.
std::int64_t cost_of_one(Bench& bench, const std::string& model) {
  const auto before = bench.figures().settled;
  bench.upstream->expect(whole_script());
  const auto sink = bench.ask(asking(model));
  CAPTURE(sink.body);
  REQUIRE(sink.head.status == 200);
  return (bench.figures().settled - before).nano();
}

}  // namespace

TEST_CASE("B8: a price changes at its second, for what is decided from then on", "[gateway][ledger]") {
  Bench bench{changing_prices};
  bench.clock.advance(std::chrono::seconds{9});
  CHECK(cost_of_one(bench, "cheap/small") == exact_cost_nano);
  bench.clock.advance(std::chrono::microseconds{999'999});
  CHECK(cost_of_one(bench, "cheap/small") == exact_cost_nano);
  bench.clock.advance(std::chrono::microseconds{1});
  CHECK(cost_of_one(bench, "cheap/small") == 2 * exact_cost_nano);
  bench.clock.advance(std::chrono::seconds{1});
  CHECK(cost_of_one(bench, "cheap/small") == 2 * exact_cost_nano);
}

TEST_CASE("B8: a request that is under way when the price changes keeps its own", "[gateway][ledger]") {
  Bench bench{changing_prices};
  bench.clock.advance(std::chrono::microseconds{9'999'999});
  Script script = good_stream();
  script.chunks.insert(script.chunks.begin() + 2, 100, chunk(R"({"content":"0123456789"})"));
  bench.upstream->expect(script);
  RecordingSink sink;
  sink.full_above = 1000;
  bench.start(asking("cheap/small", true), sink);
  bench.run();
  REQUIRE_FALSE(sink.finished);
  bench.clock.advance(std::chrono::seconds{5});
  for (int i = 0; i < 200 && !sink.finished; ++i) {
    sink.drain();
    bench.run();
  }
  REQUIRE(sink.finished);
  CHECK(bench.figures().settled.nano() == exact_cost_nano);
}

TEST_CASE("B8: after its last price a model is retired, a free one too", "[gateway][ledger]") {
  Bench bench{changing_prices};
  CHECK(cost_of_one(bench, "cheap/free") == 0);
  bench.clock.advance(std::chrono::microseconds{9'999'999});
  CHECK(cost_of_one(bench, "cheap/free") == 0);
  const auto sent = bench.upstream->sent.size();
  bench.clock.advance(std::chrono::microseconds{1});
  CHECK(bench.ask(asking("cheap/free")).head.status == 410);
  bench.clock.advance(std::chrono::seconds{10});
  const auto retired = bench.ask(asking("cheap/small"));
  CHECK(retired.head.status == 410);
  CHECK(retired.body.find("strong/large") != std::string::npos);  // the successor
  CHECK(bench.upstream->sent.size() == sent);
  CHECK(bench.figures().attempts_open == 0);
}

TEST_CASE("B10: a stream over the end of the month is charged to the month it began in", "[gateway][ledger]") {
  Bench bench;
  account::BudgetSettings settings;
  settings.budget = "org:acme";
  settings.by = "test";
  account::WindowRule month;
  month.kind = account::WindowKind::month;
  month.zone = "Europe/Berlin";  // December begins at 23:00 UTC
  month.limit = *parse_credits("1");
  settings.windows.push_back(month);
  REQUIRE(bench.ledger->set_budget(settings));
  bench.clock.advance(*parse_instant("2026-11-30T22:59:59Z") - bench.clock.now());
  Script script;
  script.chunks = {chunk(R"({"role":"assistant","content":"Hel"})")};
  script.hold_open = true;
  bench.upstream->expect(script);
  RecordingSink sink;
  bench.start(streamed, sink);
  bench.run();
  const auto window = [&] { return bench.ledger->budgets().at(0).windows.at(0); };
  CHECK(window().reserved > Credits{});
  bench.clock.advance(std::chrono::seconds{2});
  CHECK(window().start == *parse_instant("2026-11-30T23:00:00Z"));
  CHECK(window().reserved == Credits{});
  sink.leave();
  bench.run();
  CHECK(bench.figures().settled > Credits{});
  CHECK(window().settled == Credits{});  // November's
  bench.upstream->expect(whole_script());
  REQUIRE(bench.ask(whole).head.status == 200);
  CHECK(window().settled.nano() == exact_cost_nano);
  CHECK(bench.ledger->verify()->ok());
}

TEST_CASE("B17: two ambiguous failures and an answer are three ends and one sum", "[gateway][ledger]") {
  Bench bench;
  Script ambiguous;  // all of it was sent, nothing came back: it may have cost something
  ambiguous.head_error = upstream_error(502, Retry::next_candidate, "upstream_closed", "closed before the head");
  Script again = ambiguous;
  again.head_error->retry = Retry::same_then_next;
  bench.upstream->expect(ambiguous);
  bench.upstream->expect(again);
  RecordingSink sink;
  bench.upstream->expect(whole_script());
  bench.start(whole, sink);
  for (int i = 0; i < 200 && !sink.replied; ++i) {  // a pause before the third attempt
    bench.run();
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  CAPTURE(sink.body);
  REQUIRE(sink.head.status == 200);
  REQUIRE(bench.upstream->sent.size() == 3);
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().estimated == 2);
  const auto sum = bench.figures().settled;
  CHECK(sum.nano() > 10 * exact_cost_nano);  // the third was answered by the dearer model, two stand at their reservation
  CHECK(sink.header("x-turnpike-cost") == to_string(sum));
}
