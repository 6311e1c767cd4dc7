#include "dialect/result_signs.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "dialect/facts_text.hpp"
#include "dialect/plain_words.hpp"

namespace turnpike::dialect {
namespace {

bool is_error_word(std::string_view word) {
  static constexpr WordSet words{std::to_array<std::string_view>(
      {"error",     "errors",    "failed",     "failure",  "failures", "fails",
       "fail",      "exception", "fatal",      "panic",    "panicked", "traceback",
       "denied",    "undefined", "unresolved", "segfault", "aborted",  "timeout",
       "assertion", "conflict",  "refused",    "dumped"})};
  if (words.contains(word)) return true;
  if (word.back() == 'r') return word.size() > 5 && word.ends_with("error");
  return word.back() == 'n' && word.size() > 9 && word.ends_with("exception");
}

/// Two words in a row that only failures print.
struct Phrase {
  std::string_view first;
  std::string_view second;
};
constexpr auto phrases = std::to_array<Phrase>({{"core", "dumped"},
                                                {"segmentation", "fault"},
                                                {"most", "recent"},
                                                {"command", "not"},
                                                {"such", "file"},
                                                {"permission", "denied"},
                                                {"undefined", "reference"},
                                                {"assertion", "failed"},
                                                {"success", "false"},
                                                {"ok", "false"},
                                                {"connection", "refused"},
                                                {"timed", "out"},
                                                {"cannot", "find"},
                                                {"panicked", "at"},
                                                {"iserror", "true"}});
constexpr WordSet second_words{[] {
  std::array<std::string_view, phrases.size()> words;
  std::ranges::transform(phrases, words.begin(), &Phrase::second);
  return words;
}()};

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::ranges::find(list, word) != list.end();
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
      see(token, tokens);
      before_ = last_;
      last_ = token;
      first_ = false;
    }
    last_ = before_ = {};  // they point into this piece
  }

  [[nodiscard]] ResultSigns signs() const {
    const bool failed = exit_code_failed_.value_or(strong_ || starts_badly_);
    return {.failed = failed, .error_words = error_words_};
  }

 private:
  void see(const Token& token, const Tokens& tokens) {
    if (token.number) {
      if (names_exit_code()) exit_code_failed_ = !token.is_zero();
      return;
    }
    const std::string_view word = token.word;
    if (second_words.contains(word) && is_phrase(word)) strong_ = true;
    if (!is_error_word(word) || is_denied()) return;
    ++error_words_;
    if (first_ && !is_one_of(word, {"timeout", "conflict"})) starts_badly_ = true;
    if (tokens.follower() == ':' && begins_report(tokens.line_before(token))) strong_ = true;
    if (is_failure_count(word)) strong_ = true;
  }

  /// "error: ...", "java.lang.FooException: ...", "main.c:3: error: ...", by what stands before the
  /// word in its line.
  static bool begins_report(std::string_view before) {
    return std::ranges::none_of(before, is_blank) || before.ends_with(": ");
  }

  /// "exit code", "exited with code", "exit status", "return code", "exitcode", "returncode", "rc".
  [[nodiscard]] bool names_exit_code() const {
    const auto word = last_.word;
    if (is_one_of(word, {"exitcode", "returncode", "rc"})) return true;
    if (word != "code" && word != "status") return false;
    return is_one_of(before_.word, {"exit", "exited", "with", "return", "returned"});
  }

  /// "0 errors", "no failures": nothing has failed.
  [[nodiscard]] bool is_denied() const {
    if (last_.is_zero() || last_.word == "no" || last_.word == "without") return true;
    return (last_.word == "tests" || last_.word == "test") && before_.is_zero();
  }

  /// "3 failed", "7 of 31 tests failed", "FAILED importer": a test runner's way of saying so.
  [[nodiscard]] bool is_failure_count(std::string_view word) const {
    if (word != "failed" && word != "failures" && word != "failing") return false;
    return last_.number || last_.word == "tests" || last_.word == "test" || last_.word == "build";
  }

  [[nodiscard]] bool is_phrase(std::string_view word) const {
    if (word == "true" && last_.word == "error" && before_.word == "is") return true;
    return std::ranges::any_of(phrases, [&](const Phrase& phrase) {
      return word == phrase.second && last_.word == phrase.first &&
             (phrase.first != "most" || before_.word == "traceback");
    });
  }

  Token last_;
  Token before_;
  bool first_ = true;  // nothing but this token has been seen
  std::optional<bool> exit_code_failed_;
  bool strong_ = false;
  bool starts_badly_ = false;
  std::int32_t error_words_ = 0;
};

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

}  // namespace turnpike::dialect
