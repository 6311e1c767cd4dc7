#include "gateway/billed_prompts.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "gateway/recent_ratios.hpp"

namespace turnpike::gateway {
namespace {

const BoundRates bytes_as_tokens{1024, 1000};

/// A conversation of `messages` messages of 100 bytes; those of the same `branch` begin alike.
RequestFacts prompt(std::int32_t messages, std::uint64_t branch = 1, std::int32_t common = 0) {
  RequestFacts facts;
  facts.messages = messages;
  facts.tools = 2;
  facts.trail.head = {9, 9};
  facts.trail.head_bytes = 1000;
  for (std::int32_t i = 1; i <= messages; ++i) {
    const std::uint64_t from = i <= common ? 0 : branch;
    facts.trail.marks.push_back({{static_cast<std::uint64_t>(i), from}, i * 100, i, 0});
  }
  facts.text_bytes = 1000 + messages * 100;
  return facts;
}

BilledPrompts billed(const RequestFacts& facts, std::int64_t tokens,
                     const Additions& additions = {}) {
  BilledPrompts prompts;
  prompts.add(billed_step("p/m", facts, additions, tokens), facts);
  return prompts;
}

}  // namespace

TEST_CASE("without knowledge each byte is a token", "[gateway][bound]") {
  auto facts = prompt(3);
  CHECK(plain_bound(facts, {}, bytes_as_tokens) == PromptBound{1300 + 1024 + 3 * 16 + 2 * 64, 0});
  CHECK(plain_bound(facts, {}, bytes_as_tokens).tokens == facts.prompt_tokens_bound());
  facts.images = 2;
  facts.files = 1;
  CHECK(plain_bound(facts, {.growth = 512 + 50, .put_back = {20, 10}}, bytes_as_tokens).tokens ==
        1350 + 1024 + 3 * 16 + 2 * 64 + 3 * 1000);
  CHECK(plain_bound(facts, {.growth = -400, .put_back = {20, 10}}, bytes_as_tokens).tokens ==
        1330 + 1024 + 3 * 16 + 2 * 64 + 3 * 1000);
}

TEST_CASE("what was billed before counts as billed, the rest by its bytes", "[gateway][bound]") {
  const auto prompts = billed(prompt(3), 325);
  CHECK(prompts.bound("p/m", prompt(5), {}, bytes_as_tokens) ==
        PromptBound{325 + 200 + 1024 + 2 * 16, 325});
  CHECK(prompts.bound("p/m", prompt(3), {}, bytes_as_tokens) == PromptBound{325 + 1024, 325});
  CHECK(prompts.bound("p/other", prompt(5), {}, bytes_as_tokens) ==
        plain_bound(prompt(5), {}, bytes_as_tokens));
}

TEST_CASE("a rewritten newest message loses itself only", "[gateway][bound]") {
  const auto prompts = billed(prompt(6, 1, 5), 400);
  CHECK(prompts.bound("p/m", prompt(8, 2, 5), {}, bytes_as_tokens).tokens ==
        400 + 300 + 1024 + 3 * 16);
  // Further back nothing is remembered: the bytes count.
  CHECK(prompts.bound("p/m", prompt(8, 2, 2), {}, bytes_as_tokens).known == 0);
}

TEST_CASE("tools or system that have changed count by their bytes", "[gateway][bound]") {
  const auto prompts = billed(prompt(3), 325);
  auto changed = prompt(4);
  changed.trail.head = {8, 8};
  CHECK(prompts.bound("p/m", changed, {}, bytes_as_tokens).tokens ==
        325 + 1000 + 100 + 1024 + 16 + 16 + 2 * 64);
}

TEST_CASE("what translation adds to the rest is on top, what the billed prompt had of it is not",
          "[gateway][bound]") {
  const Additions then{.growth = 40, .put_back = {10, 20}};
  const auto prompts = billed(prompt(3), 325, then);
  const auto bound = [&](const Additions& now) {
    return prompts.bound("p/m", prompt(5), now, bytes_as_tokens).tokens -
           (325 + 200 + 1024 + 2 * 16);
  };
  CHECK(bound(then) == 0);
  CHECK(bound({.growth = 40 + 512, .put_back = {10, 20}}) == 0);  // the frame has room for that
  CHECK(bound({.growth = 65 + 512, .put_back = {10, 20}}) == 25);
  CHECK(bound({.growth = 0, .put_back = {10, 20, 30}}) == 30);
  CHECK(bound({.growth = 90 + 512, .put_back = {10, 20, 30}}) == 50);
  // Pieces that are gone hide none that are new.
  CHECK(bound({.growth = 40, .put_back = {20, 30}}) == 50);
  CHECK(bound({.growth = 40, .put_back = {30}}) == 30);
}

TEST_CASE("of several billed steps the one that gives the least counts", "[gateway][bound]") {
  BilledPrompts prompts = billed(prompt(3), 325);
  prompts.add(billed_step("p/m", prompt(10, 5), {}, 9000), prompt(10, 5));
  CHECK(prompts.bound("p/m", prompt(4), {}, bytes_as_tokens).known == 325);
  // A large bill for a beginning that is mostly gone is worse than the bytes.
  BilledPrompts large = billed(prompt(3), 80'000);
  CHECK(large.bound("p/m", prompt(4), {}, bytes_as_tokens) ==
        plain_bound(prompt(4), {}, bytes_as_tokens));
}

TEST_CASE("branches side by side keep their own, whatever their number of steps",
          "[gateway][bound]") {
  BilledPrompts prompts;
  constexpr std::uint64_t branches = 9;
  for (std::int32_t step = 1; step <= 40; ++step) {
    for (std::uint64_t branch = 1; branch <= branches; ++branch) {
      const auto facts = prompt(step * 2, branch);
      prompts.add(billed_step("p/m", facts, {}, 100 * step + static_cast<std::int64_t>(branch)),
                  facts);
    }
  }
  CHECK(prompts.steps().size() <= BilledPrompts::steps_max);
  for (std::uint64_t branch = 1; branch <= branches; ++branch) {
    CHECK(prompts.bound("p/m", prompt(82, branch), {}, bytes_as_tokens).known ==
          4000 + static_cast<std::int64_t>(branch));
  }
}

TEST_CASE("a client that goes back some steps finds what they were billed", "[gateway][bound]") {
  BilledPrompts prompts;
  for (std::int32_t step = 1; step <= 30; ++step) {
    const auto facts = prompt(step * 2, 1, step * 2);
    prompts.add(billed_step("p/m", facts, {}, 100 * step), facts);
  }
  CHECK(prompts.steps().size() == 1 + BilledPrompts::continued_max);
  CHECK(prompts.bound("p/m", prompt(57, 7, 56), {}, bytes_as_tokens).known == 2800);
}

TEST_CASE("the ratio of bytes to tokens shrinks the unknown part only", "[gateway][bound]") {
  const BoundRates measured{300, 1000};
  const auto prompts = billed(prompt(3), 325);
  CHECK(prompts.bound("p/m", prompt(5), {}, measured).tokens ==
        325 + (200 * 300 + 1023) / 1024 + 1024 + 2 * 16);
  CHECK(plain_bound(prompt(3), {}, {5000, 0}).tokens ==
        plain_bound(prompt(3), {}, {1024, 0}).tokens);
}

TEST_CASE("one ratio in a hundred may be above the percentile, and old ones leave",
          "[gateway][bound]") {
  RecentRatios ratios;
  CHECK(ratios.percentile_99() == 0);
  for (int i = 0; i < 990; ++i) ratios.add(250);
  for (int i = 0; i < 10; ++i) ratios.add(900);
  CHECK(ratios.percentile_99() == 250);
  ratios.add(900);
  CHECK(ratios.percentile_99() == 900);
  for (std::size_t i = 0; i < RecentRatios::remembered_max; ++i) ratios.add(300);
  CHECK(ratios.size() == RecentRatios::remembered_max);
  CHECK(ratios.percentile_99() == 300);
  ratios.add(1 << 20);
  CHECK(ratios.percentile_99() == 300);
}

}  // namespace turnpike::gateway
