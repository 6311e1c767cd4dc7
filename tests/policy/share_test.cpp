#include "policy/share.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <thread>

#include "catalog/folder.hpp"

using namespace turnpike;
using namespace turnpike::policy;
using namespace std::chrono_literals;
using test::at;

namespace {

using Random = std::mt19937_64;

constexpr double two_points = 0.02 + 1e-9;  // the bound itself is allowed

/// A seed of the day, printed with every failure.
std::uint64_t new_seed() {
  return (std::uint64_t{std::random_device{}()} << 32U) | std::random_device{}();
}

float uniform(Random& random) { return std::uniform_real_distribution<float>{0, 1}(random); }

/// Runs a stream of scores through a controller; returns which steps went to the frontier.
std::vector<char> run(ShareController& control, int steps, const std::function<float(int)>& score) {
  std::vector<char> sent;
  for (int i = 0; i < steps; ++i) {
    const float s = score(i);
    const bool frontier = s >= control.threshold("all");
    control.observe("all", {s, frontier, 1, at("2026-06-01") + std::chrono::seconds{i}});
    sent.push_back(frontier ? 1 : 0);
  }
  return sent;
}

/// The largest distance of the share from the target over all windows of this length, from step
/// `first` on.
double worst_error(const std::vector<char>& sent, std::size_t window, double target,
                   std::size_t first = 0) {
  double worst = 0;
  double sum = 0;
  for (std::size_t i = first; i < sent.size(); ++i) {
    sum += sent[i];
    if (i >= first + window) sum -= sent[i - window];
    if (i + 1 >= first + window)
      worst = std::max(worst, std::abs(sum / static_cast<double>(window) - target));
  }
  return worst;
}

double share_of(const std::vector<char>& sent, std::size_t from, std::size_t to) {
  return std::accumulate(sent.begin() + static_cast<std::ptrdiff_t>(from),
                         sent.begin() + static_cast<std::ptrdiff_t>(to), 0.0) /
         static_cast<double>(to - from);
}

}  // namespace

TEST_CASE("the share is held within two points over every window of 500 steps", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  const std::vector<std::pair<const char*, std::function<float(int)>>> streams{
      {"uniform", [&](int) { return uniform(random); }},
      {"narrow", [&](int) { return 0.45F + 0.02F * uniform(random); }},
      {"skewed", [&](int) { return std::pow(uniform(random), 4.0F); }},
      {"two kinds",
       [&](int) { return uniform(random) < 0.5F ? 0.1F : 0.9F - 0.05F * uniform(random); }},
      {"one score", [&](int) { return 0.37F; }},
  };
  for (const double target : {0.1, 0.3, 0.5}) {
    for (const auto& [name, score] : streams) {
      CAPTURE(target, name);
      ShareController control{{target, ShareOf::steps, SharePer::all, 6h}};
      const auto sent = run(control, 20'000, score);
      CHECK(worst_error(sent, 500, target, 200) <= two_points);
      CHECK(std::abs(share_of(sent, 200, sent.size()) - target) <= 0.002);
    }
  }
}

TEST_CASE("the hardest steps are the ones that go", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  double sent_score = 0;
  double kept_score = 0;
  int hard_missed = 0;
  int easy_sent = 0;
  for (int i = 0; i < 20'000; ++i) {
    const float score = 0.4F + 0.1F * uniform(random);  // a narrow band: percentiles must be learnt
    const bool frontier = score >= control.threshold("all");
    control.observe("all", {score, frontier, 1, at("2026-06-01")});
    if (i < 500) continue;
    (frontier ? sent_score : kept_score) += double{score};
    hard_missed += !frontier && score > 0.49F ? 1 : 0;  // among the hardest tenth
    easy_sent += frontier && score < 0.44F ? 1 : 0;     // among the easiest four tenths
  }
  CHECK(hard_missed <= 40);  // of about 1,950
  CHECK(easy_sent <= 40);    // of about 7,800
  CHECK(sent_score / 5850 > kept_score / 13650);
}

TEST_CASE("after a shift of the workload the share is back within 200 steps", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  const std::vector<std::pair<const char*, std::pair<float, float>>> shifts{
      {"harder", {0.6F, 1.0F}}, {"easier", {0.0F, 0.3F}}, {"narrower", {0.50F, 0.52F}}};
  for (const auto& [name, range] : shifts) {
    CAPTURE(name);
    ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
    const float low = range.first;
    const float high = range.second;
    const auto sent = run(control, 4000, [&](int i) {
      return i < 2000 ? 0.3F + 0.4F * uniform(random) : low + (high - low) * uniform(random);
    });
    CHECK(std::abs(share_of(sent, 2000, 2200) - 0.3) <= 0.08);
    CHECK(worst_error(sent, 500, 0.3, 2200) <= two_points);
    CHECK(std::abs(share_of(sent, 2200, 2400) - 0.3) <= 0.05);
  }
}

TEST_CASE("bursts and daily swings keep the share", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  const auto sent = run(control, 20'000, [&](int i) {
    const bool burst = i / 70 % 5 == 0;  // seventy hard steps in a row, again and again
    return burst ? 0.8F + 0.2F * uniform(random) : 0.6F * uniform(random);
  });
  CHECK(worst_error(sent, 1000, 0.3) <= two_points);
}

TEST_CASE("tool loops that stay where they began count as they run", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  std::vector<char> sent;
  while (sent.size() < 30'000) {
    const int loop = std::uniform_int_distribution<int>{1, 12}(random);
    bool frontier = false;
    for (int i = 0; i < loop; ++i) {
      const float score = uniform(random);
      if (i == 0) frontier = score >= control.threshold("all");
      control.observe("all", {score, frontier, 1, at("2026-06-01")});
      sent.push_back(frontier ? 1 : 0);
    }
  }
  UNSCOPED_INFO(worst_error(sent, 500, 0.3, 200));
  CHECK(worst_error(sent, 1000, 0.3, 1000) <= two_points);
  CHECK(std::abs(share_of(sent, 1000, 30'000) - 0.3) <= 0.003);
}

TEST_CASE("a share of tokens is held by weight", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  ShareController control{{0.3, ShareOf::tokens, SharePer::all, 6h}};
  double all = 0;
  double frontier_tokens = 0;
  for (int i = 0; i < 40'000; ++i) {
    const float score = uniform(random);
    // Hard steps are longer, lengths spread over two orders of magnitude.
    const double tokens =
        std::exp(std::uniform_real_distribution<double>{5, 9}(random)) * (1.0 + double{score});
    const bool frontier = score >= control.threshold("all");
    control.observe("all", {score, frontier, tokens, at("2026-06-01")});
    if (i < 500) continue;
    all += tokens;
    frontier_tokens += frontier ? tokens : 0;
  }
  CHECK(std::abs(frontier_tokens / all - 0.3) <= 0.01);
}

TEST_CASE("a long run of pinned steps is not made up for endlessly", "[policy][share]") {
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  for (int i = 0; i < 5000; ++i) control.observe("all", {0.5F, true, 1, at("2026-06-01")});
  CHECK_FALSE(control.steer("all").escalation_allowed);
  Random random{7};
  const auto sent = run(control, 600, [&](int) { return uniform(random); });
  CHECK(share_of(sent, 0, 200) < 0.3);
  CHECK(std::abs(share_of(sent, 200, 600) - 0.3) <= 0.06);
  CHECK(control.steer("all").escalation_allowed);
}

TEST_CASE("every key has a loop of its own", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  ShareController control{{0.3, ShareOf::steps, SharePer::key, 6h}};
  constexpr int keys = 40;
  std::vector<std::vector<char>> sent(keys);
  for (int i = 0; i < keys * 2000; ++i) {
    const auto key = std::uniform_int_distribution<std::size_t>{0, keys - 1}(random);
    Account account;
    account.key_id = std::to_string(key);
    const auto scope = control.scope_of(account);
    const float score =
        uniform(random) * (static_cast<float>(key) + 1) / keys;  // each its own distribution
    const bool frontier = score >= control.threshold(scope);
    control.observe(scope, {score, frontier, 1, at("2026-06-01")});
    sent[key].push_back(frontier ? 1 : 0);
  }
  for (const auto& one : sent) CHECK(worst_error(one, 500, 0.3, 200) <= two_points);
  CHECK(control.scopes().size() == keys);
}

TEST_CASE("a cold start uses the shipped calibration", "[policy][share]") {
  Quantiles quantiles{};
  for (std::size_t i = 0; i <= 100; ++i) quantiles[i] = 0.4F + 0.001F * static_cast<float>(i);
  const ShareController plain{{0.3, ShareOf::steps, SharePer::all, 6h}};
  const ShareController calibrated{{0.3, ShareOf::steps, SharePer::all, 6h}, quantiles};
  CHECK(plain.threshold("new") == Approx(0.7F).margin(0.01));
  CHECK(calibrated.threshold("new") == Approx(0.47F).margin(0.005));
}

TEST_CASE("targets of nothing and everything are kept to the letter", "[policy][share]") {
  Random random{3};
  ShareController none{{0, ShareOf::steps, SharePer::all, 6h}};
  ShareController all{{1, ShareOf::steps, SharePer::all, 6h}};
  CHECK(share_of(run(none, 2000, [&](int) { return uniform(random); }), 0, 2000) == 0);
  CHECK(share_of(run(all, 2000, [&](int) { return uniform(random); }), 0, 2000) == 1);
}

TEST_CASE("state survives being written and read", "[policy][share]") {
  Random random{11};
  ShareController first{{0.3, ShareOf::steps, SharePer::all, 6h}};
  run(first, 3000, [&](int) { return 0.2F + 0.1F * uniform(random); });
  ShareController second{{0.3, ShareOf::steps, SharePer::all, 6h}};
  REQUIRE(second.restore(first.serialise()));
  CHECK(second.threshold("all") == Approx(first.threshold("all")).margin(1e-4));
  const auto now = at("2026-06-01") + 3000s;
  CHECK(second.report("all", now).steps == 3000);
  CHECK(second.report("all", now).weight == first.report("all", now).weight);
  CHECK(second.report("all", now).share == first.report("all", now).share);
  const auto before = second.serialise();
  for (const auto* bad : {"nonsense", "steps share1 1 2\tall", "steps share2 nan 0 0\tx\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(second.restore(bad));
  }
  auto cut = before;
  cut.resize(cut.size() / 2);
  CHECK_FALSE(second.restore(cut));
  CHECK(second.serialise() == before);
}

TEST_CASE("what was stored for other weights is not taken over", "[policy][share]") {
  ShareController steps{{0.3, ShareOf::steps, SharePer::all, 6h}};
  run(steps, 100, [](int i) { return static_cast<float>(i) / 100; });
  ShareController tokens{{0.3, ShareOf::tokens, SharePer::all, 6h}};
  CHECK_FALSE(tokens.restore(steps.serialise()));
  CHECK(tokens.scopes().empty());
  ShareController other_window{{0.3, ShareOf::steps, SharePer::all, 12h}};
  REQUIRE(other_window.restore(steps.serialise()));
  CHECK(other_window.report("all", at("2026-06-01")).steps == 100);
  CHECK(other_window.report("all", at("2026-06-01")).weight == 0);  // the window begins anew
}

TEST_CASE("a step counts from its decision on and is corrected at its outcome", "[policy][share]") {
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  const auto debt = [&] { return control.report("all", at("2026-06-01")).debt; };
  {
    auto step = control.open("all", {.score = 0.9F, .frontier = true});
    CHECK(debt() == Approx(0.7));
    CHECK(control.report("all", at("2026-06-01")).open == 1);
    CHECK(control.report("all", at("2026-06-01")).steps == 0);
    step.settle({.ran = true, .frontier = false, .weight = 1.0, .at = at("2026-06-01")});  // a fallback
    CHECK(debt() == Approx(-0.3));
    step.settle({});  // once is enough
  }
  CHECK(debt() == Approx(-0.3));
  CHECK(control.report("all", at("2026-06-01")).frontier_steps == 0);
  { const auto dropped = control.open("all", {.score = 0.9F, .frontier = true}); }
  CHECK(debt() == Approx(-0.3));
  CHECK(control.report("all", at("2026-06-01")).steps == 1);
  const auto open = control.open("all", {.score = 0.9F, .frontier = true});
  ShareController after_restart{{0.3, ShareOf::steps, SharePer::all, 6h}};
  REQUIRE(after_restart.restore(control.serialise()));
  CHECK(after_restart.report("all", at("2026-06-01")).debt == Approx(-0.3));
  CHECK(after_restart.report("all", at("2026-06-01")).open == 0);
}

TEST_CASE("open steps beyond what the debt can hold are taken back by no more than they moved it", "[policy][share]") {
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  const auto debt_in = [](const ShareController& which) { return which.report("all", at("2026-06-01")).debt; };
  for (int i = 0; i < 10; ++i) control.observe("all", {0.5F, i < 5, 1, at("2026-06-01")});
  const double start = debt_in(control);
  REQUIRE(start == Approx(2));
  std::vector<OpenShareStep> in_flight;
  for (int i = 0; i < 200; ++i)
    in_flight.push_back(control.open("all", {.score = 0.9F, .frontier = true, .course = ShareCourse::bound}));
  CHECK(debt_in(control) == Approx(20));  // what lies beyond is forgiven
  ShareController after_restart{{0.3, ShareOf::steps, SharePer::all, 6h}};
  REQUIRE(after_restart.restore(control.serialise()));
  CHECK(debt_in(after_restart) == Approx(start));
  SECTION("none ran") {
    for (auto& step : in_flight) step.settle({.ran = false});
    CHECK(debt_in(control) == Approx(start));
  }
  SECTION("the last ones did not run") {
    for (std::size_t i = in_flight.size(); i-- > 100;) in_flight[i].settle({.ran = false});
    CHECK(debt_in(control) == Approx(20));  // they had moved nothing
  }
}

TEST_CASE("a guess of a step's weight is corrected by how guesses have done", "[policy][share]") {
  ShareController control{{0.3, ShareOf::tokens, SharePer::all, 6h}};
  for (int i = 0; i < 200; ++i) {
    const bool frontier = i % 10 < 3;
    auto step = control.open("all", {.score = 0.5F, .frontier = frontier, .weight_guess = 1000});
    step.settle({.ran = true, .frontier = frontier, .weight = 3000.0, .at = at("2026-06-01")});
  }
  const double before = control.report("all", at("2026-06-01")).debt;
  const auto open = control.open("all", {.score = 0.5F, .frontier = true, .weight_guess = 2000});
  CHECK(control.report("all", at("2026-06-01")).debt - before == Approx(2 * 0.7).epsilon(0.01));
}

TEST_CASE("a new scope begins where the others stand", "[policy][share]") {
  Random random{9};
  ShareController control{{0.3, ShareOf::steps, SharePer::key, 6h}};
  for (int i = 0; i < 3000; ++i) {
    const std::string scope = "key:" + std::to_string(i % 5);
    const float score = 0.40F + 0.1F * uniform(random);
    control.observe(scope, {score, score >= control.threshold(scope), 1, at("2026-06-01")});
  }
  CHECK(control.threshold("key:new") == Approx(0.47F).margin(0.02));
  CHECK(control.percentile("key:new", 0.45F) == Approx(0.5F).margin(0.06));
  const auto step = control.open("key:new", {.score = 0.45F});
  CHECK(control.threshold("key:new") == Approx(0.47F).margin(0.02));
}

TEST_CASE("of many scopes the busiest are told", "[policy][share]") {
  ShareController control{{0.3, ShareOf::steps, SharePer::key, 6h}};
  for (int key = 0; key < 30; ++key) {
    for (int i = 0; i <= key; ++i) control.observe("key:" + std::to_string(key), {0.5F, false, 1, at("2026-06-01")});
  }
  const auto told = control.busiest(3, at("2026-06-01"));
  REQUIRE(told.size() == 3);
  CHECK(told[0].scope == "key:27");
  CHECK(told[2].scope == "key:29");
  CHECK(told[2].steps == 30);
}

TEST_CASE("the report covers the window and forgets what is older", "[policy][share]") {
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 12h}};
  const auto start = at("2026-06-01");
  CHECK(control.report("all", start).share == 0.3);
  for (int i = 0; i < 10; ++i) control.observe("all", {0.9F, i < 5, 1, start});
  for (int i = 0; i < 10; ++i) control.observe("all", {0.1F, false, 1, start + 6h});
  CHECK(control.report("all", start + 6h).share == 0.25);
  CHECK(control.report("all", start + 6h).weight == 20);
  CHECK(control.report("all", start + 13h).share == 0);
  CHECK(control.report("all", start + 13h).weight == 10);
}

TEST_CASE("the number of scopes is bounded", "[policy][share]") {
  ShareController control{{0.3, ShareOf::steps, SharePer::key, 6h}};
  for (int i = 0; i < 30'000; ++i)
    control.observe("key:" + std::to_string(i), {0.5F, false, 1, at("2026-06-01")});
  CHECK(control.scopes().size() <= ShareController::scopes_max);
}

TEST_CASE("several threads may steer and observe at once", "[policy][share]") {
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&control, t] {
      Random random{t};
      for (int i = 0; i < 5000; ++i) {
        const float score = uniform(random);
        control.observe("all", {score, score >= control.threshold("all"), 1, at("2026-06-01")});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto report = control.report("all", at("2026-06-01"));
  CHECK(report.steps == 20'000);
  CHECK(std::abs(report.share - 0.3) <= 0.01);
}

TEST_CASE("a score's percentile is the share of recent steps that were easier", "[policy][share]") {
  const auto seed = new_seed();
  CAPTURE(seed);
  Random random{seed};
  ShareController control{{0.3, ShareOf::steps, SharePer::all, 6h}};
  CHECK(control.percentile("all", 0.25F) == Approx(0.25F).margin(0.01));  // scores as percentiles
  run(control, 5000, [&](int) { return 0.2F + 0.4F * uniform(random); });
  CHECK(control.percentile("all", 0.2F) <= 0.02F);
  CHECK(control.percentile("all", 0.4F) == Approx(0.5F).margin(0.1));
  CHECK(control.percentile("all", 0.61F) >= 0.98F);
  float last = 0;
  for (int i = -10; i <= 110; ++i) {
    const float now = control.percentile("all", static_cast<float>(i) / 100);
    CHECK(now >= last);
    CHECK(now <= 1);
    last = now;
  }
  CHECK(control.percentile("all", std::nanf("")) == 0);
}
