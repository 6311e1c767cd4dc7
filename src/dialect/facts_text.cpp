#include "dialect/facts_text.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace turnpike::dialect {
namespace {

constexpr std::size_t tagged_context_bytes_min = 256;
constexpr std::size_t question_bytes_min = 12;  // less than this is not worth calling a question
constexpr int context_run_lines_min =
    3;                                // single lines that look like a log may well be the question
constexpr int tags_unclosed_max = 8;  // each costs a look through the rest of the text

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool starts_with(std::string_view text, std::string_view lower_case_prefix) {
  if (text.size() < lower_case_prefix.size()) return false;
  return std::ranges::equal(text.substr(0, lower_case_prefix.size()), lower_case_prefix,
                            [](char a, char b) { return lower(a) == b; });
}

bool equals(std::string_view text, std::string_view lower_case) {
  return text.size() == lower_case.size() && starts_with(text, lower_case);
}

bool ends_with(std::string_view text, std::string_view lower_case_suffix) {
  return text.size() >= lower_case_suffix.size() &&
         starts_with(text.substr(text.size() - lower_case_suffix.size()), lower_case_suffix);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// ---- tags

struct Tag {
  std::string_view name;
  std::size_t end = 0;  // one past '>'
};

/// tag := '<' '/'? name attribute* '>' on one line, at `at`, where the '<' is. An empty name means
/// there is none.
Tag read_tag(std::string_view text, std::size_t at, bool closing) {
  std::size_t begin = at + 1;
  if (closing) {
    if (begin >= text.size() || text[begin] != '/') return {};
    ++begin;
  }
  std::size_t end = begin;
  while (end < text.size() &&
         (is_letter(text[end]) || is_digit(text[end]) || text[end] == '-' || text[end] == '_')) {
    ++end;
  }
  if (end == begin || !is_letter(text[begin]) || end - begin > 48) return {};
  const std::string_view rest = text.substr(end, 256);
  const std::size_t close = rest.find_first_of(">\n");
  if (close == std::string_view::npos || rest[close] != '>') return {};
  return {.name = text.substr(begin, end - begin), .end = end + close + 1};
}

/// Where the block that `open` begins has its closing tag; npos if it has none.
std::size_t find_closing(std::string_view text, const Tag& open, Tag& closing) {
  for (std::size_t at = text.find("</", open.end); at != std::string_view::npos;
       at = text.find("</", at + 2)) {
    closing = read_tag(text, at, true);
    if (closing.name.size() == open.name.size() &&
        std::ranges::equal(closing.name, open.name, {}, lower, lower)) {
      return at;
    }
  }
  return std::string_view::npos;
}

bool is_harness_tag(std::string_view name) {
  constexpr std::array<std::string_view, 7> endings{"reminder",      "_instructions", "-instructions", "_context",
                                                    "_notification", "-notification", "-diagnostics"};
  constexpr std::array<std::string_view, 27> beginnings{
      "environment_",   "environment-",   "system_",            "system-",
      "ide_",           "command-",       "local-command-",     "user-prompt-",
      "workspace_",     "editor_",        "vscode_",            "permissions",
      "turn_aborted",   "codex_",         "bash-input",         "bash-stdout",
      "bash-stderr",    "user-memory-",   "user_shell_command", "collaboration_mode",
      "model_switch",   "task_progress",  "user_info",          "project_layout",
      "additional_data", "open_and_recently_", "git_status"};
  return std::ranges::any_of(endings,
                             [&](std::string_view ending) { return ends_with(name, ending); }) ||
         std::ranges::any_of(
             beginnings, [&](std::string_view beginning) { return starts_with(name, beginning); });
}

bool is_wrapper_tag(std::string_view name) {
  constexpr std::array<std::string_view, 9> wrappers{"task",         "user_input",   "user_query",
                                                     "user_message", "user_request", "question",
                                                     "query",        "feedback",     "prompt"};
  return std::ranges::any_of(wrappers,
                             [&](std::string_view wrapper) { return equals(name, wrapper); });
}

/// Codex puts a project's AGENTS.md in front of the first question: "# AGENTS.md instructions for
/// <folder>" and an <INSTRUCTIONS> block. Without the heading such a block may well be a person's
/// own.
std::string_view after_agents_file(std::string_view text) {
  constexpr std::string_view closing = "</INSTRUCTIONS>";
  if (!starts_with(trim(text), "# agents.md instructions for ")) return text;
  const std::size_t at = text.find(closing);
  return at == std::string_view::npos ? text : text.substr(at + closing.size());
}

/// A part that a harness wrote whole, known by how it begins: the dump of its surroundings that Gemini CLI and Qwen Code
/// put first, Cline's reminder of its own list, OpenCode's note of a file it has read for the user.
bool is_harness_part(std::string_view part) {
  constexpr std::array<std::string_view, 4> beginnings{"# task_progress", "# todo list", "[error] you did not use a tool",
                                                       "called the read tool with the following input"};
  const std::string_view text = trim(part);
  if (std::ranges::any_of(beginnings, [&](std::string_view beginning) { return starts_with(text, beginning); })) return true;
  if (!starts_with(text, "this is the ")) return false;
  constexpr std::string_view mark = "setting up the context for our chat";
  const std::string_view first_line = text.substr(0, std::min<std::size_t>(text.find('\n'), 160));
  return !std::ranges::search(first_line, mark, [](char a, char b) { return lower(a) == b; }).empty();
}

/// Drops harness blocks wherever they stand and takes wrappers off.
std::string without_harness(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  int unclosed = 0;
  while (at < text.size()) {
    const std::size_t open_at = text.find('<', at);
    if (open_at == std::string_view::npos || unclosed >= tags_unclosed_max) break;
    out.append(text.substr(at, open_at - at));
    const bool closing = open_at + 1 < text.size() && text[open_at + 1] == '/';
    const Tag open = read_tag(text, open_at, closing);
    at = open_at + 1;
    if (!open.name.empty() && is_wrapper_tag(open.name)) {
      at = open.end;
      continue;
    }
    if (!closing && !open.name.empty() && is_harness_tag(open.name)) {
      Tag end;
      if (find_closing(text, open, end) != std::string_view::npos) {
        at = end.end;
        continue;
      }
      ++unclosed;
    }
    out += '<';
  }
  out.append(text.substr(std::min(at, text.size())));
  return out;
}

// ---- lines

/// "x-some-billing-header: …": a transport header that was put into the text.
bool is_header_line(std::string_view line) {
  if (!starts_with(line, "x-")) return false;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon > 64) return false;
  return std::ranges::all_of(line.substr(0, colon),
                             [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

/// Lines that a harness puts between what a person wrote.
bool is_harness_line(std::string_view line) {
  return is_header_line(line) || starts_with(line, "[request interrupted by user") ||
         starts_with(line, "caveat: the messages below were generated by the user while running local commands");
}

/// "2026-11-22", "[12:30:11", "12:30:11,5": digits and separators, with at least two separators.
bool starts_with_time(std::string_view line) {
  if (!line.empty() && line.front() == '[') line.remove_prefix(1);
  int digits = 0;
  int separators = 0;
  for (const char c : line.substr(0, 10)) {
    if (is_digit(c)) {
      ++digits;
    } else if (c == ':' || c == '-') {
      ++separators;
    } else {
      break;
    }
  }
  return digits >= 4 && separators >= 2;
}

bool looks_like_log(std::string_view line) {
  constexpr std::array<std::string_view, 17> beginnings{
      "traceback (most", "file \"",    "frame #", "at org.", "at com.",   "at java.",
      "at object.",      "diff --git", "@@ ",     "+++ ",    "--- a/",    "error ",
      "warn ",           "info ",      "debug ",  "trace ",  "goroutine "};
  if (starts_with_time(line)) return true;
  if (line.size() > 1 && line[0] == '#' && is_digit(line[1])) return true;
  if (starts_with(line, "at ") && line.find(':') != std::string_view::npos && line.ends_with(')'))
    return true;
  return std::ranges::any_of(
      beginnings, [&](std::string_view beginning) { return starts_with(line, beginning); });
}

/// Sorts a message's lines into question and context.
class LineSorter {
 public:
  explicit LineSorter(HumanText& out) : out_(out) {}

  void sort(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = trim(text.substr(at, end - at));
      const std::size_t block_end = fence_.empty() && !line.empty() && line.front() == '<'
                                        ? tagged_block_end(text, at + (text.substr(at).find('<')))
                                        : 0;
      if (block_end > 0) {
        out_.context_bytes += static_cast<std::int64_t>(block_end - at);
        at = block_end;
        continue;
      }
      take(line, end - at + 1);
      at = end + 1;
    }
    end_run();
    fence_ = {};  // parts do not share fences
  }

 private:
  /// End of a tagged document that begins at `at`; 0 if there is none or it is short.
  std::size_t tagged_block_end(std::string_view text, std::size_t at) {
    if (unclosed_ >= tags_unclosed_max) return 0;
    const Tag open = read_tag(text, at, false);
    if (open.name.empty()) return 0;
    Tag closing;
    const std::size_t close = find_closing(text, open, closing);
    if (close == std::string_view::npos) {
      ++unclosed_;
      return 0;
    }
    return close - open.end < tagged_context_bytes_min ? 0 : closing.end;
  }

  void take(std::string_view line, std::size_t bytes) {
    const auto size = static_cast<std::int64_t>(bytes);
    if (!fence_.empty()) {
      out_.context_bytes += size;
      out_.fenced_code_bytes += size;
      if (line.starts_with(fence_)) fence_ = {};
      return;
    }
    if (line.starts_with("```") || line.starts_with("~~~")) {
      end_run();
      fence_ = line.substr(0, 3);
      out_.context_bytes += size;
      out_.fenced_code_bytes += size;
      return;
    }
    if (line.empty() || is_harness_line(line)) return;
    if (line.starts_with("> ") || line == ">") {
      out_.context_bytes += size;
      return;
    }
    if (looks_like_log(line)) {
      if (run_lines_ == 0) run_begin_ = out_.question.size();
      ++run_lines_;
      after_frame_ = starts_with(line, "file \"");
    } else if (after_frame_) {
      after_frame_ = false;  // Python shows the source line under its frame
    } else {
      end_run();
    }
    out_.question.append(line);
    out_.question += '\n';
  }

  void end_run() {
    if (run_lines_ >= context_run_lines_min) {
      out_.context_bytes += static_cast<std::int64_t>(out_.question.size() - run_begin_);
      out_.question.resize(run_begin_);
    }
    run_lines_ = 0;
    after_frame_ = false;
  }

  HumanText& out_;
  std::string_view fence_;  // what closes the open fence; empty outside
  std::size_t run_begin_ = 0;
  int run_lines_ = 0;
  bool after_frame_ = false;
  int unclosed_ = 0;
};

void cut_window(std::string& question) {
  while (!question.empty() && is_blank(question.back())) question.pop_back();
  if (question.size() <= question_bytes_max) return;
  constexpr std::size_t half = question_bytes_max / 2 - 1;
  std::string window{head_of(question, half)};
  window += '\n';
  window += tail_of(question, half);
  question = std::move(window);
}

}  // namespace

std::string_view head_of(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) --bytes;
  return text.substr(0, bytes);
}

std::string_view tail_of(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  std::size_t begin = text.size() - bytes;
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) ++begin;
  return text.substr(begin);
}

bool looks_like_harness_only(std::span<const std::string_view> parts) {
  return std::ranges::all_of(parts, [](std::string_view part) {
    const std::string_view text = trim(part);
    const bool one_line = text.find('\n') == std::string_view::npos;
    if (text.empty() || is_harness_part(text) || (one_line && is_harness_line(text))) return true;
    const Tag open = text.front() == '<' ? read_tag(text, 0, false) : Tag{};
    if (open.name.empty() || !is_harness_tag(open.name)) return false;
    Tag closing;
    return find_closing(text, open, closing) != std::string_view::npos && closing.end == text.size();
  });
}

HumanText split_human_text(std::span<const std::string_view> parts) {
  HumanText out;
  std::string
      plain;  // without harness blocks, for the case that everything turns out to be context
  LineSorter sorter{out};
  for (const std::string_view whole : parts) {
    if (is_harness_part(whole)) continue;
    const std::string_view part = after_agents_file(whole);
    if (part.size() <= human_bytes_read_max) {
      const std::string text = without_harness(part);
      sorter.sort(text);
      plain.append(text).append("\n");
      continue;
    }
    const std::string head = without_harness(head_of(part, human_bytes_read_max / 2));
    const std::string tail = without_harness(tail_of(part, human_bytes_read_max / 2));
    sorter.sort(head);
    out.context_bytes += static_cast<std::int64_t>(part.size() - human_bytes_read_max);
    sorter.sort(tail);
    plain.append(head).append("\n").append(tail).append("\n");
  }
  out.question = std::string{trim(out.question)};
  if (out.question.size() < question_bytes_min && out.context_bytes > 0)
    out.question = std::string{trim(plain)};
  out.question_bytes = static_cast<std::int64_t>(out.question.size());
  cut_window(out.question);
  return out;
}

}  // namespace turnpike::dialect
