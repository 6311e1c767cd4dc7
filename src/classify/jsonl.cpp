#include "classify/jsonl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "classify/learner.hpp"

namespace turnpike::classify {
namespace {

std::string json_string(std::string_view text) {
  std::string out{'"'};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string score_line(std::string_view id, const Difficulty& difficulty, double microseconds) {
  return fmt::format(
      "{{\"id\":{},\"score\":{:.8f},\"confidence\":{:.3f},\"abstain\":{},\"weak_fails\":{:.3f},\"step\":\"{}\",\"us\":"
      "{:.2f}}}\n",
      json_string(id), difficulty.score, difficulty.confidence, difficulty.abstained,
      difficulty.weak_fails, to_string(difficulty.step), microseconds);
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

Result<void> classify_jsonl(std::istream& in, std::ostream& out, const Classifier& classifier,
                            const LineReader& read_line, Clock& clock) {
  std::string line;
  std::int64_t number = 0;
  std::int64_t failed = 0;
  Learner learner{classifier};
  while (std::getline(in, line)) {
    ++number;
    if (is_blank(line)) continue;
    const Monotonic begin = clock.monotonic();
    const auto row = read_line(line);
    if (row && row->learn) {
      const Lesson lesson{.weak_failed = 1 - row->learn->weak, .strong_right = row->learn->strong};
      learner.learn(classifier.footprint(row->facts), lesson, Learner::Kind::known);
    } else if (row) {
      const Difficulty difficulty = learner.classify(row->facts);
      const std::chrono::duration<double, std::micro> spent = clock.monotonic() - begin;
      out << score_line(row->id, difficulty, spent.count());
    } else {
      ++failed;
      out << fmt::format("{{\"line\":{},\"error\":{}}}\n", number,
                         json_string(row.error().message));
    }
    // Somebody who waits for each answer gets it at once; a file that is piped in is not flushed
    // line by line.
    if (in.rdbuf()->in_avail() <= 0) out.flush();
  }
  out.flush();
  if (!out)
    return std::unexpected{gateway_error(500, "output_failed", "the scores could not be written")};
  if (failed > 0) {
    return std::unexpected{
        client_error("bad_lines", fmt::format("{} of {} lines could not be read", failed, number))};
  }
  return {};
}

}  // namespace turnpike::classify
