#include "claude_family.hpp"

#include <charconv>

namespace turnpike::simulator {
namespace {

struct ParsedName {
  std::string line;
  int version = 0;
};

// "claude-opus-4-5-20251101", "claude-3-7-sonnet-20250219", "claude-sonnet-4-20250514",
// "claude-fable-5-1".
std::optional<ParsedName> parse(std::string_view model) {
  if (!model.starts_with("claude-")) return std::nullopt;
  model.remove_prefix(7);
  ParsedName parsed;
  std::vector<int> numbers;
  while (!model.empty()) {
    const auto dash = std::min(model.find('-'), model.size());
    const auto word = model.substr(0, dash);
    model.remove_prefix(std::min(dash + 1, model.size()));
    int number = 0;
    const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), number);
    const bool is_number = fault == std::errc{} && end == word.data() + word.size();
    if (is_number && word.size() <= 2) numbers.push_back(number);
    for (const auto* line : {"opus", "sonnet", "haiku", "fable", "mythos"}) {
      if (word == line) parsed.line = line;
    }
  }
  if (parsed.line.empty() || numbers.empty()) return std::nullopt;
  parsed.version = numbers[0] * 10 + (numbers.size() > 1 ? numbers[1] : 0);
  return parsed;
}

bool always_thinks(const ParsedName& name) {
  return name.line == "fable" || name.line == "mythos" ||
         (name.line == "opus" && name.version >= 55);
}

std::vector<std::string> efforts_of(const ParsedName& name) {
  if (name.version >= 47) return {"high", "low", "max", "medium", "xhigh"};
  if (name.version == 46) return {"high", "low", "max", "medium"};
  if (name.version == 45 && name.line == "opus") return {"high", "low", "medium"};
  return {};
}

}  // namespace

std::optional<ClaudeFamily> claude_family(std::string_view model) {
  const auto name = parse(model);
  if (!name) return std::nullopt;
  const int version = name->version;
  ClaudeFamily family;
  family.name =
      name->line + "-" + std::to_string(version / 10) + "." + std::to_string(version % 10);
  family.version = version;
  family.budget = version >= 37 && version <= 46;
  family.adaptive = version >= 46;
  family.may_disable = !always_thinks(*name);
  family.thinks_by_default = always_thinks(*name) || (name->line == "opus" && version >= 50);
  family.sampling = version <= 46;
  family.prefill = version <= 45;
  family.mid_system = version >= 48;
  family.binds_prefix =
      version >= 55 || ((name->line == "fable" || name->line == "mythos") && version >= 51);
  family.shows_thinking = version <= 46;
  family.efforts = efforts_of(*name);
  if (version >= 46) {
    family.context_tokens = 1'000'000;
    family.output_tokens_max = name->line == "sonnet" && version == 46 ? 64'000 : 128'000;
  }
  return family;
}

bool reads_thinking_of(const ClaudeFamily& reader, std::string_view writer) {
  if (writer == reader.name) return true;
  if (reader.name == "haiku-5.5") return false;
  if (writer == "haiku-5.5") return true;
  const auto bound = [](std::string_view name) {
    return name.starts_with("fable") || name.starts_with("mythos") || name.ends_with("5.5");
  };
  return !bound(writer);
}

}  // namespace turnpike::simulator
