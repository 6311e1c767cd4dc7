#include "dialect/facts_trace.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "dialect/facts_text.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t newest_bytes_read = 2048;
constexpr std::size_t older_bytes_read = 768;
constexpr std::size_t arguments_normalised_max = 512;
constexpr std::size_t arguments_end_bytes = 1024;
constexpr std::size_t command_bytes_read_max = 512;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_letter(char lower_case) { return lower_case >= 'a' && lower_case <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& list) {
  return std::ranges::find(list, word) != list.end();
}

/// A run of letters or of digits in lower-case text, and what stands around it.
struct Token {
  std::string_view word;
  bool number = false;
  bool nonzero = false;          // a number other than 0
  bool first_in_line = false;    // nothing before it in its line
  bool no_blank_before = false;  // nor a blank: "java.lang.FooException"
  bool after_colon = false;      // "main.c:3: error"
  char next = 0;
};

/// Splits text that is in lower case already.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  bool next(Token& token) {
    while (at_ < text_.size() && !is_letter(text_[at_]) && !is_digit(text_[at_])) skip(text_[at_]);
    if (at_ >= text_.size()) return false;
    const std::size_t begin = at_;
    token.first_in_line = at_ == line_begin_;
    token.no_blank_before = !blank_in_line_;
    token.after_colon = at_ >= 2 && text_[at_ - 1] == ' ' && text_[at_ - 2] == ':';
    token.number = is_digit(text_[at_]);
    while (at_ < text_.size() && (token.number ? is_digit(text_[at_]) : is_letter(text_[at_])))
      ++at_;
    token.word = text_.substr(begin, at_ - begin);
    token.nonzero = token.number && token.word.find_first_not_of('0') != std::string_view::npos;
    token.next = at_ < text_.size() ? text_[at_] : '\0';
    return true;
  }

 private:
  void skip(char c) {
    ++at_;
    if (c == '\n') {
      line_begin_ = at_;
      blank_in_line_ = false;
    } else if (is_blank(c)) {
      blank_in_line_ = true;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
  bool blank_in_line_ = false;
};

/// A bounded piece of text in lower case, on the stack.
class LowerCase {
 public:
  explicit LowerCase(std::string_view text) : size_(std::min(text.size(), bytes_.size())) {
    std::ranges::transform(text.substr(0, size_), bytes_.begin(), lower);
  }
  [[nodiscard]] std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 2048> bytes_;
  std::size_t size_;
};

/// One bit per first letter: most words are ruled out by it.
constexpr std::uint32_t letter_mask(std::string_view letters) {
  std::uint32_t mask = 0;
  for (const char c : letters) mask |= 1U << (c - 'a');
  return mask;
}

bool begins_with_one_of(std::string_view word, std::uint32_t mask) {
  const auto letter = static_cast<std::uint32_t>(word.front() - 'a');
  return letter < 26 && ((mask >> letter) & 1U) != 0;
}

bool is_error_word(std::string_view word) {
  constexpr std::array<std::string_view, 22> words{
      "error",     "errors",    "failed",     "failure",  "failures", "fails",
      "fail",      "exception", "fatal",      "panic",    "panicked", "traceback",
      "denied",    "undefined", "unresolved", "segfault", "aborted",  "timeout",
      "assertion", "conflict",  "refused",    "dumped"};
  constexpr std::uint32_t initials = letter_mask("efptdusacr");
  if (begins_with_one_of(word, initials) && is_one_of(word, words)) return true;
  return (word.size() > 5 && word.ends_with("error")) ||
         (word.size() > 9 && word.ends_with("exception"));
}

/// Reads the tokens of one tool result, two tokens of memory.
class ResultReader {
 public:
  /// At most 2 KiB at a time.
  void read(std::string_view text) {
    const LowerCase lower_case{text};
    Tokens tokens{lower_case.text()};
    Token token;
    while (tokens.next(token)) {
      see(token);
      before_ = last_;
      last_ = token;
      ++seen_;
    }
    last_ = before_ = {};  // they point into this piece
  }

  [[nodiscard]] ResultSigns signs() const {
    const bool failed = exit_code_failed_.value_or(strong_ || starts_badly_);
    return {.failed = failed, .error_words = error_words_};
  }

 private:
  void see(const Token& token) {
    if (token.number) {
      if (names_exit_code()) exit_code_failed_ = token.nonzero;
      return;
    }
    const std::string_view word = token.word;
    if (is_phrase(word)) strong_ = true;
    if (!is_error_word(word) || is_denied()) return;
    ++error_words_;
    if (seen_ == 0 && !is_one_of(word, std::array<std::string_view, 2>{"timeout", "conflict"}))
      starts_badly_ = true;
    if (token.next == ':' && (token.first_in_line || token.after_colon || token.no_blank_before))
      strong_ = true;
    if (is_failure_count(word)) strong_ = true;
  }

  /// "exit code", "exited with code", "exit status", "return code", "exitcode", "returncode", "rc".
  [[nodiscard]] bool names_exit_code() const {
    const auto word = last_.word;
    if (is_one_of(word, std::array<std::string_view, 3>{"exitcode", "returncode", "rc"}))
      return true;
    if (word != "code" && word != "status") return false;
    return is_one_of(before_.word, std::array<std::string_view, 5>{"exit", "exited", "with",
                                                                   "return", "returned"});
  }

  /// "0 errors", "no failures": nothing has failed.
  [[nodiscard]] bool is_denied() const {
    const auto zero = [](const Token& token) { return token.number && !token.nonzero; };
    if (zero(last_) || last_.word == "no" || last_.word == "without") return true;
    return (last_.word == "tests" || last_.word == "test") && zero(before_);
  }

  /// "3 failed", "7 of 31 tests failed", "FAILED importer": a test runner's way of saying so.
  [[nodiscard]] bool is_failure_count(std::string_view word) const {
    if (word != "failed" && word != "failures" && word != "failing") return false;
    return last_.number || last_.word == "tests" || last_.word == "test" || last_.word == "build";
  }

  [[nodiscard]] bool is_phrase(std::string_view word) const {
    struct Phrase {
      std::string_view first;
      std::string_view second;
    };
    constexpr std::array phrases{Phrase{"core", "dumped"},         Phrase{"segmentation", "fault"},
                                 Phrase{"most", "recent"},         Phrase{"command", "not"},
                                 Phrase{"such", "file"},           Phrase{"permission", "denied"},
                                 Phrase{"undefined", "reference"}, Phrase{"assertion", "failed"},
                                 Phrase{"success", "false"},       Phrase{"ok", "false"},
                                 Phrase{"connection", "refused"},  Phrase{"timed", "out"},
                                 Phrase{"cannot", "find"},         Phrase{"panicked", "at"},
                                 Phrase{"iserror", "true"}};
    constexpr std::uint32_t initials = letter_mask("dfrnoat");  // of the second words
    if (!begins_with_one_of(word, initials)) return false;
    if (word == "true" && last_.word == "error" && before_.word == "is") return true;
    return std::ranges::any_of(phrases, [&](const Phrase& phrase) {
      return word == phrase.second && last_.word == phrase.first &&
             (phrase.first != "most" || before_.word == "traceback");
    });
  }

  Token last_;
  Token before_;
  std::int64_t seen_ = 0;
  std::optional<bool> exit_code_failed_;
  bool strong_ = false;
  bool starts_badly_ = false;
  std::int32_t error_words_ = 0;
};

// ---- calls

constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30U;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27U;
  x *= 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

std::uint64_t hash_bytes(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = seed ^ (text.size() * 0x9E3779B97F4A7C15ULL);
  while (text.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    hash = std::rotl(hash ^ word, 23) * 0x9E3779B97F4A7C15ULL;
    text.remove_prefix(8);
  }
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return mix(hash);
}

/// Sum over the outermost members of a hash that leaves out blanks between tokens: their order does
/// not matter.
class MemberHash {
 public:
  void add(char c) {
    if (!in_string_ && (is_blank(c) || ends_member(c))) return;
    if (c == '"' && !escaped_) in_string_ = !in_string_;
    escaped_ = in_string_ && c == '\\' && !escaped_;
    member_ = (member_ ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL + 1;
  }

  [[nodiscard]] std::uint64_t value() const { return sum_ + mix(member_); }

 private:
  bool ends_member(char c) {
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') --depth_;
    if (depth_ > 1 || (c != ',' && c != '{' && c != '}')) return false;
    sum_ += mix(member_);
    member_ = 0;
    return true;
  }

  std::uint64_t sum_ = 0;
  std::uint64_t member_ = 0;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

std::uint64_t hash_members(std::string_view json) {
  MemberHash hash;
  for (const char c : json) hash.add(c);
  return hash.value();
}

/// A set of hashes that never grows: at most half of its slots are filled.
class HashSet {
 public:
  explicit HashSet(std::size_t most) : slots_(std::bit_ceil(2 * most + 2), 0) {}

  /// True if it was there already.
  bool insert(std::uint64_t hash) {
    if (hash == 0) hash = 1;
    for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at] == hash) return true;
      if (slots_[at] == 0) {
        slots_[at] = hash;
        return false;
      }
    }
  }

 private:
  std::vector<std::uint64_t> slots_;
};

bool contains_any(std::string_view text, std::span<const std::string_view> lower_case_needles) {
  const auto same = [](char a, char b) { return lower(a) == b; };
  return std::ranges::any_of(lower_case_needles, [&](std::string_view needle) {
    return !std::ranges::search(text, needle, same).empty();
  });
}

bool runs_commands(const Call& call) {
  constexpr std::array<std::string_view, 6> shells{"shell",   "bash",     "exec",
                                                   "command", "terminal", "run"};
  return contains_any(call.name, shells);
}

bool is_test_word(std::string_view word) {
  constexpr std::array<std::string_view, 9> words{"test", "tests",  "pytest", "unittest", "ctest",
                                                  "jest", "vitest", "rspec",  "phpunit"};
  return is_one_of(word, words);
}

void count_calls(const Outline& outline, TraceCounters& trace) {
  HashSet seen{outline.calls.size()};
  HashSet seen_roughly{outline.calls.size()};
  for (std::size_t i = 0; i < outline.calls.size(); ++i) {
    const Call& call = outline.calls[i];
    const bool recent = outline.calls.size() - i <= recent_calls;
    const bool near = seen_roughly.insert(hash_call_roughly(call));
    if (seen.insert(hash_call(call))) {
      ++trace.repeats_exact;
      if (recent) ++trace.repeats_recent;
    } else if (near && recent) {
      ++trace.repeats_near;
    }
    if (looks_like_edit(call)) ++trace.edits;
    if (looks_like_test_run(call)) ++trace.test_runs;
  }
}

ResultSigns read_turn(const Outline& outline, const Turn& turn, std::size_t bytes) {
  const auto texts = outline.texts(turn);
  // Of several parts the last one is read: clients put notes and images before it.
  ResultSigns signs = texts.empty() ? ResultSigns{} : read_tool_result(texts.back(), bytes);
  signs.failed = signs.failed || turn.failed;
  return signs;
}

/// The recent results, newest first.
void count_results(const Outline& outline, TraceCounters& trace) {
  std::size_t read = 0;
  bool streak = true;
  for (std::size_t i = outline.turns.size(); i > 0 && read < recent_results; --i) {
    const Turn& turn = outline.turns[i - 1];
    if (turn.speaker != Speaker::tool) continue;
    const ResultSigns signs =
        read_turn(outline, turn, read == 0 ? newest_bytes_read : older_bytes_read);
    ++read;
    // Results stand in the order of their calls, so that the last belong together.
    const bool tested = read <= outline.calls.size() && looks_like_test_run(outline.calls[outline.calls.size() - read]);
    if (tested) ++(signs.failed ? trace.tests_failed_recent : trace.tests_passed_recent);
    trace.error_words_recent += signs.error_words;
    if (signs.failed) ++trace.errors_recent;
    streak = streak && signs.failed;
    if (streak) ++trace.error_streak;
  }
}

}  // namespace

ResultSigns read_tool_result(std::string_view text, std::size_t bytes) {
  ResultReader reader;
  if (text.size() <= bytes) {
    reader.read(text);
  } else {
    reader.read(head_of(text, bytes / 4));
    reader.read(tail_of(text, bytes - bytes / 4));
  }
  return reader.signs();
}

std::uint64_t hash_call(const Call& call) {
  const std::uint64_t name = hash_bytes(call.name, 1);
  if (call.arguments.size() <= arguments_normalised_max) return name ^ hash_members(call.arguments);
  const auto head =
      hash_bytes(call.arguments.substr(0, arguments_end_bytes), call.arguments.size());
  const auto tail = call.arguments.substr(call.arguments.size() -
                                          std::min(call.arguments.size(), arguments_end_bytes));
  return name ^ hash_bytes(tail, head);
}

std::uint64_t hash_call_roughly(const Call& call) {
  const auto rough = [](std::string_view text, std::uint64_t hash) {
    bool in_number = false;
    for (const char c : text) {
      if (is_blank(c)) continue;
      if (is_digit(c) && in_number) continue;
      in_number = is_digit(c);
      hash = (hash ^ static_cast<unsigned char>(in_number ? '0' : lower(c))) * 0x100000001B3ULL;
    }
    return mix(hash);
  };
  const std::uint64_t name = hash_bytes(call.name, 2);
  if (call.arguments.size() <= arguments_normalised_max) return rough(call.arguments, name);
  return rough(tail_of(call.arguments, arguments_end_bytes), rough(head_of(call.arguments, arguments_end_bytes), name));
}

bool looks_like_edit(const Call& call) {
  constexpr std::array<std::string_view, 6> verbs{"edit",    "write",  "patch",
                                                  "replace", "insert", "create_file"};
  constexpr std::array<std::string_view, 1> no_file{"todo"};
  constexpr std::array<std::string_view, 4> commands{"sed -i", "apply_patch", "git apply", "cat >"};
  if (contains_any(call.name, verbs)) return !contains_any(call.name, no_file);
  return runs_commands(call) &&
         contains_any(call.arguments.substr(0, command_bytes_read_max), commands);
}

bool looks_like_test_run(const Call& call) {
  Token token;
  const LowerCase name_text{call.name};
  Tokens name{name_text.text()};
  while (name.next(token)) {
    if (is_test_word(token.word)) return true;
  }
  if (!runs_commands(call)) return false;
  const LowerCase command_text{call.arguments.substr(0, command_bytes_read_max)};
  Tokens command{command_text.text()};
  while (command.next(token)) {
    // "cat tests/a.py" reads a test, "make test" runs them.
    const bool in_path = token.next == '/' || token.next == '.' || token.next == '_';
    if (is_test_word(token.word) && !in_path) return true;
  }
  return false;
}

TraceCounters count_trace(const Outline& outline, std::size_t last_human) {
  TraceCounters trace;
  for (std::size_t i = 0; i < outline.turns.size(); ++i) {
    switch (outline.turns[i].speaker) {
      case Speaker::human:
        // Reminders beside a tool's result are nobody's turn; media alone are a person's.
        if (outline.texts(outline.turns[i]).empty() || !looks_like_harness_only(outline.texts(outline.turns[i]))) ++trace.human_turns;
        break;
      case Speaker::assistant:
        ++trace.assistant_turns;
        if (last_human >= outline.turns.size() || i > last_human) ++trace.steps_since_human;
        break;
      case Speaker::system:
        break;
      case Speaker::tool:
        ++trace.tool_results;
        if (last_human >= outline.turns.size() || i > last_human) ++trace.tool_results_since_human;
        break;
    }
  }
  count_results(outline, trace);
  count_calls(outline, trace);
  return trace;
}

}  // namespace turnpike::dialect
