#include "answer.hpp"

#include <algorithm>

#include "schema_fill.hpp"
#include "text.hpp"

namespace turnpike::simulator {
namespace {

std::uint64_t seed_of(const Ask& ask) {
  return hash_bytes(ask.prompt.bytes(), hash_bytes(ask.model));
}

// Thinking grows with effort; the numbers are of the order seen in recorded traffic.
std::size_t thinking_tokens(const Ask& ask) {
  if (!ask.thinking) return 0;
  std::int64_t tokens = 60;
  if (ask.effort == "minimal" || ask.effort == "low") tokens = 20;
  if (ask.effort == "high") tokens = 120;
  if (ask.effort == "xhigh" || ask.effort == "max") tokens = 240;
  return static_cast<std::size_t>(
      std::max<std::int64_t>(0, ask.directives.number("think_tokens", tokens)));
}

// A command in backquotes is what the user wants to have run.
std::string quoted_command(const std::string& text) {
  const auto open = text.find('`');
  const auto close = open == std::string::npos ? open : text.find('`', open + 1);
  if (close == std::string::npos || close == open + 1 || text.compare(open, 3, "```") == 0)
    return "";
  return text.substr(open + 1, close - open - 1);
}

std::string command_for(const Ask& ask, std::uint64_t nth) {
  std::string command = ask.directives.text("command", quoted_command(ask.last_user_text));
  if (command.empty()) command = "echo turnpike step " + std::to_string(ask.step);
  if (nth > 0) command += " && echo part " + std::to_string(nth + 1);
  return command;
}

bool allowed(const Ask& ask, const Tool& tool) {
  return ask.allowed_tools.empty() || std::find(ask.allowed_tools.begin(), ask.allowed_tools.end(),
                                                tool.name) != ask.allowed_tools.end();
}

// The one the user names, else a shell, else the first.
const Tool* choose_tool(const Ask& ask) {
  std::vector<const Tool*> open;
  for (const auto& tool : ask.tools) {
    if (allowed(ask, tool)) open.push_back(&tool);
  }
  const std::string wanted = to_lower(ask.directives.text("tool"));
  const std::string asked = to_lower(ask.last_user_text);
  for (const auto* tool : open) {
    if (!wanted.empty() ? to_lower(tool->name) == wanted
                        : contains_word(asked, to_lower(tool->name)))
      return tool;
  }
  for (const auto* name :
       {"bash", "shell", "run_command", "execute_command", "run_shell_command", "terminal"}) {
    for (const auto* tool : open) {
      if (to_lower(tool->name) == name) return tool;
    }
  }
  return open.empty() ? nullptr : open.front();
}

std::int64_t calls_wanted(const Ask& ask) {
  const std::string asked = to_lower(ask.last_user_text);
  const bool several = contains_word(asked, "parallel") || contains_word(asked, "at once");
  const auto calls = ask.directives.number("calls", several ? 2 : 1);
  return ask.parallel_calls ? calls : std::min<std::int64_t>(calls, 1);
}

bool wants_call(const Ask& ask) {
  if (ask.tools.empty() || ask.tool_mode == ToolMode::none || calls_wanted(ask) == 0) return false;
  if (ask.tool_mode == ToolMode::required) return true;
  const auto rounds = ask.directives.number("rounds", 1);
  return ask.step < rounds || (ask.tool_failed && ask.step < rounds + 2);
}

void add_calls(const Ask& ask, Answer& answer) {
  const Tool* tool = choose_tool(ask);
  if (tool == nullptr) return;
  std::string plan = ask.tool_failed
                         ? "That attempt failed, so I will try it another way."
                         : "I will look at this step by step, starting with " + tool->name + ".";
  if (const auto tokens = ask.directives.number("tokens", 0); tokens > 0) {
    plan =
        prose(seed_of(ask), static_cast<std::size_t>(tokens * ask.directives.number("bytes", 4)));
  }
  answer.blocks.push_back({.kind = BlockKind::text, .text = ask.directives.text("text", plan)});
  for (std::int64_t nth = 0; nth < calls_wanted(ask); ++nth) {
    const FillHints hints{.command = command_for(ask, static_cast<std::uint64_t>(nth)),
                          .topic = "turnpike",
                          .variant = static_cast<std::uint64_t>(nth)};
    answer.blocks.push_back(
        {.kind = BlockKind::call,
         .text = tool->custom ? hints.command : fill_schema(tool->schema, hints).dump(),
         .name = tool->name,
         .custom = tool->custom});
  }
  answer.stop = Stop::tool;
}

bool asks_for_title(const Ask& ask) {
  return ask.tools.empty() && (contains_word(to_lower(ask.system_text), "title") ||
                               contains_word(to_lower(ask.last_user_text), "title"));
}

std::string first_line(const std::string& text, std::size_t bytes_max) {
  const auto line = text.substr(0, text.find('\n'));
  return line.substr(0, utf8_cut(line, bytes_max));
}

// The end of the JSON object that begins at `from`, strings respected; npos if it does not end.
std::size_t object_end(const std::string& text, std::size_t from) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (quoted) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        quoted = false;
      continue;
    }
    if (text[i] == '"') quoted = true;
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i + 1;
  }
  return std::string::npos;
}

// A model also follows a schema that it is told in words: the first object after the last "JSON
// Schema".
std::optional<Json> schema_in_words(const Ask& ask) {
  for (const auto* text : {&ask.system_text, &ask.last_user_text}) {
    const auto named = text->rfind("JSON Schema");
    const auto from = named == std::string::npos ? named : text->find('{', named);
    const auto end = from == std::string::npos ? from : object_end(*text, from);
    if (end == std::string::npos) continue;
    auto schema = Json::parse(text->substr(from, end - from), nullptr, false);
    if (schema.is_object()) return schema;
  }
  return std::nullopt;
}

std::string final_text(const Ask& ask) {
  if (const auto text = ask.directives.text("text"); !text.empty()) return text;
  if (const auto tokens = ask.directives.number("tokens", 0); tokens > 0) {
    return prose(seed_of(ask),
                 static_cast<std::size_t>(tokens * ask.directives.number("bytes", 4)));
  }
  if (const auto body = ask.directives.number("json", 0); body > 0)
    return prose(seed_of(ask), static_cast<std::size_t>(body));
  const auto schema = ask.output_schema ? ask.output_schema : schema_in_words(ask);
  if (schema) {
    return fill_schema(*schema, {.command = "true", .topic = "turnpike", .optional_too = true})
        .dump();
  }
  if (ask.json_object)
    return R"({"answer": "turnpike", "steps": )" + std::to_string(ask.step) + "}";
  if (asks_for_title(ask)) return "Checking the gateway's routing";
  std::string text;
  if (!ask.tool_results.empty()) {
    text = "The tool answered: " + first_line(ask.tool_results.back(), 160) + "\n\n";
  }
  return text + prose(seed_of(ask), 320) + "\n\nDone.";
}

// Providers stop in the middle of a block; what would follow is never generated.
void cut_to_limit(const Ask& ask, Answer& answer) {
  std::int64_t left = ask.output_tokens_max;
  for (std::size_t i = 0; i < answer.blocks.size(); ++i) {
    auto& block = answer.blocks[i];
    const auto needed = tokens_of(block.text);
    if (needed <= left) {
      left -= needed;
      continue;
    }
    answer.stop = Stop::length;
    const bool keep_part = block.kind != BlockKind::call && left > 0;
    if (keep_part) block.text.resize(utf8_cut(block.text, static_cast<std::size_t>(left) * 4));
    answer.blocks.resize(keep_part ? i + 1 : i);
    return;
  }
}

void cut_at_stop_sequence(const Ask& ask, Answer& answer) {
  for (std::size_t i = 0; i < answer.blocks.size(); ++i) {
    auto& block = answer.blocks[i];
    if (block.kind != BlockKind::text) continue;
    for (const auto& stop : ask.stop_sequences) {
      const auto at = stop.empty() ? std::string::npos : block.text.find(stop);
      if (at == std::string::npos) continue;
      block.text.resize(at);
      answer.blocks.resize(i + 1);
      answer.stop = Stop::sequence;
      answer.stop_sequence = stop;
      return;
    }
  }
}

}  // namespace

Answer compose(const Ask& ask) {
  Answer answer;
  if (const auto tokens = thinking_tokens(ask); tokens > 0) {
    answer.blocks.push_back(
        {.kind = BlockKind::thinking, .text = prose(seed_of(ask) + 1, tokens * 4)});
  }
  if (ask.directives.text("finish") == "refusal") {
    answer.blocks.clear();
    answer.stop = Stop::refusal;
    return answer;
  }
  if (wants_call(ask)) {
    add_calls(ask, answer);
  } else {
    answer.blocks.push_back({.kind = BlockKind::text, .text = final_text(ask)});
  }
  cut_at_stop_sequence(ask, answer);
  cut_to_limit(ask, answer);
  std::erase_if(answer.blocks, [](const Block& block) {
    return block.kind != BlockKind::call && block.text.empty();
  });
  if (ask.directives.text("finish") == "length") answer.stop = Stop::length;
  return answer;
}

void count_output(const Answer& answer, Tokens& usage) {
  for (const auto& block : answer.blocks) {
    (block.kind == BlockKind::thinking ? usage.output_reasoning : usage.output_text) +=
        tokens_of(block.text);
  }
  if (usage.output() == 0) usage.output_text = 1;
}

}  // namespace turnpike::simulator
