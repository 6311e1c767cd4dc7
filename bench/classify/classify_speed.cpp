// Prints p50 and p99 of classifying: over the prompts of an evaluation set, and over made-up agent
// bodies up to 200 KB. Usage: turnpike-classify-speed [dev.jsonl]; the times are this machine's and
// this moment's.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "classify/classifier.hpp"
#include "classify/learner.hpp"
#include "dialect/facts.hpp"
#include "turnpike/clock.hpp"
#include "wire/json_document.hpp"

namespace {

using namespace turnpike;

struct Timing {
  double p50 = 0;
  double p99 = 0;
};

/// Each call once to warm the caches, then `rounds` times; in microseconds.
template <typename Work>
std::vector<double> measure(const Clock& clock, int rounds, Work work) {
  std::vector<double> times;
  work();
  for (int i = 0; i < rounds; ++i) {
    const Monotonic begin = clock.monotonic();
    work();
    times.push_back(std::chrono::duration<double, std::micro>(clock.monotonic() - begin).count());
  }
  return times;
}

Timing summary(std::vector<double> times) {
  std::ranges::sort(times);
  return {.p50 = times[times.size() / 2], .p99 = times[times.size() * 99 / 100]};
}

void print(std::string_view what, std::size_t bytes, const std::vector<double>& times) {
  const Timing t = summary(times);
  const double kib = static_cast<double>(bytes) / 1024;
  fmt::print("{:<44} {:>8} B  p50 {:>7.2f} us  p99 {:>7.2f} us  {:>7.3f} us/KB\n", what, bytes,
             t.p50, t.p99, t.p50 / kib);
}

/// An agent's loop of about `bytes`: tools, a question with a pasted log, then calls and results.
std::string agent_body(std::size_t bytes) {
  std::string body = R"({"model":"auto","stream":true,"tools":[)";
  for (int i = 0; i < 20; ++i) {
    body += fmt::format(
        R"({}{{"type":"function","function":{{"name":"tool_{}","description":"{}","parameters":{{"type":"object","properties":{{"path":{{"type":"string"}},"lines":{{"type":"integer"}}}}}}}}}})",
        i == 0 ? "" : ",", i, std::string(static_cast<std::size_t>(60 + 20 * i), 'd'));
  }
  body += R"(],"messages":[{"role":"system","content":")" + std::string(9000, 's') +
          R"("},{"role":"user","content":")";
  for (int i = 0; i < 40; ++i)
    body += fmt::format("Why does worker {} lose its lock when two writers meet? ", i);
  body += R"("})";
  for (int i = 0; body.size() < bytes; ++i) {
    body += fmt::format(
        R"(,{{"role":"assistant","content":null,"tool_calls":[{{"id":"c{0}","type":"function","function":{{"name":"run_shell","arguments":"{{\"command\": \"make test {0}\"}}"}}}}]}})",
        i);
    body += fmt::format(R"(,{{"role":"tool","tool_call_id":"c{}","content":")", i);
    for (int line = 0; line < 40; ++line)
      body += fmt::format("src/a{}.cpp:{}: a line of output\\n", line, line * 7);
    body += fmt::format("exit code {}\"}}", i % 3);
  }
  return body + "]}";
}

void measure_texts(const Clock& clock, const classify::Classifier& classifier,
                   const std::string& file) {
  std::ifstream in{file};
  if (!in) {
    fmt::print("{}: cannot be read, prompts left out\n", file);
    return;
  }
  std::vector<double> reading;
  std::vector<double> classifying;
  std::vector<double> together;
  std::vector<double> learned;
  std::vector<double> lessons;
  classify::Learner learner{classifier};
  std::size_t bytes = 0;
  std::string line;
  while (std::getline(in, line)) {
    line.reserve(line.size() + wire::json_slack);
    const auto document = wire::JsonDocument::parse(line);
    std::string_view parsed;
    if (!document || document->root()["text"].get(parsed) != simdjson::SUCCESS ||
        parsed.size() > 4096)
      continue;
    const std::string text{parsed};
    bytes += text.size();
    RequestFacts facts;
    const double read =
        summary(measure(clock, 5, [&] { facts = dialect::facts_of_text(text); })).p50;
    float sink = 0;
    const double scored =
        summary(measure(clock, 5, [&] { sink += classifier.classify(facts).score; })).p50;
    reading.push_back(read);
    classifying.push_back(scored);
    together.push_back(read + scored + (sink < 0 ? 1 : 0));
    // Each text is a lesson of its own, so that scoring finds a layer that is as full as it gets.
    const auto footprint = classifier.footprint(facts);
    const classify::Lesson lesson{.weak_failed = text.size() % 2 == 0 ? 1.0F : 0.0F, .strong_right = 1.0F};
    const Monotonic begin = clock.monotonic();
    learner.learn(footprint, lesson, classify::Learner::Kind::hint);
    lessons.push_back(std::chrono::duration<double, std::micro>(clock.monotonic() - begin).count());
    learned.push_back(summary(measure(clock, 5, [&] { sink += learner.classify(facts).score; })).p50);
  }
  if (reading.empty()) return;
  const std::size_t mean = bytes / reading.size();
  fmt::print("{} prompts of at most 4 KB; bytes are the mean:\n", reading.size());
  print("  facts of the text", mean, reading);
  print("  classify", mean, classifying);
  print("  both", mean, together);
  print("  classify with what was learned", mean, learned);
  print("  one lesson", mean, lessons);
}

void measure_bodies(const Clock& clock, const classify::Classifier& classifier) {
  constexpr int rounds = 2000;
  RequestHead head;
  for (const std::size_t size : {std::size_t{12000}, std::size_t{50000}, std::size_t{200000}}) {
    std::string body = agent_body(size);
    body.reserve(body.size() + wire::json_slack);
    fmt::print("agent body:\n");
    int parsed = 0;
    print("  parse (simdjson)", body.size(),
          measure(clock, rounds / 4, [&] { parsed += wire::JsonDocument::parse(body) ? 1 : 0; }));
    const auto document = wire::JsonDocument::parse(body);
    if (!document) return;
    RequestFacts facts;
    print("  facts", body.size(), measure(clock, rounds, [&] {
            if (auto read = dialect::read_facts(Dialect::openai_chat, *document, head))
              facts = std::move(*read);
          }));
    float sink = 0;
    print("  classify", body.size(),
          measure(clock, rounds, [&] { sink += classifier.classify(facts).score; }));
  }
  std::string long_text;
  while (long_text.size() < 200000)
    long_text += "Consider the third case, where 17 nodes (x_1, y_2) fail at once. ";
  RequestFacts facts;
  fmt::print("one question of 200 KB:\n");
  print("  facts", long_text.size(),
        measure(clock, rounds, [&] { facts = dialect::facts_of_text(long_text); }));
  print("  classify (8 KiB window)", facts.question.size(),
        measure(clock, rounds, [&] { (void)classifier.classify(facts); }));
}

}  // namespace

int main(int argc, char** argv) {
  const SystemClock clock;
  const auto& classifier = classify::Classifier::built_in();
  fmt::print("weights {}\n", classifier.version());
  if (argc > 1) measure_texts(clock, classifier, argv[1]);
  measure_bodies(clock, classifier);
  return 0;
}
