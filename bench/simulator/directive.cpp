#include "directive.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace turnpike::simulator {
namespace {

using Values = std::map<std::string, std::string, std::less<>>;

constexpr std::array<std::string_view, 23> fault_names = {
    "status",        "stall_after",     "cut_after",     "garbage",
    "html",          "empty",           "no_usage",      "usage",
    "delay_ms",      "error_first",     "error_after",   "refuse",
    "cut",           "retry_after",     "message",       "type",
    "redirect",      "duplicate_start", "no_terminator", "drip",
    "truncate_json", "spend_limit",     "code"};

std::string_view next_word(std::string_view& rest) {
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t' || rest.front() == '\n'))
    rest.remove_prefix(1);
  std::size_t end = 0;
  bool quoted = false;
  while (end < rest.size() &&
         (quoted || (rest[end] != ' ' && rest[end] != '\t' && rest[end] != '\n'))) {
    if (rest[end] == '"') quoted = !quoted;
    ++end;
  }
  const auto word = rest.substr(0, end);
  rest.remove_prefix(end);
  return word;
}

Values parse(std::string_view inside) {
  Values values;
  for (auto word = next_word(inside); !word.empty(); word = next_word(inside)) {
    const auto equals = word.find('=');
    std::string_view value = equals == std::string_view::npos ? "1" : word.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    values.insert_or_assign(std::string{word.substr(0, equals)}, std::string{value});
  }
  return values;
}

bool lists(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == name) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool fits(const Values& values, const Directives::Situation& situation) {
  const auto names_us = [&](const std::string& list) {
    return lists(list, situation.provider) || lists(list, situation.dialect);
  };
  if (const auto only = values.find("only"); only != values.end() && !names_us(only->second))
    return false;
  if (const auto without = values.find("not"); without != values.end() && names_us(without->second))
    return false;
  const auto at = values.find("step");
  return at == values.end() || at->second == std::to_string(situation.step);
}

// The spelling of the measuring kit's mock: microseconds and bodies by size.
void accept_mock_spelling(Values& values) {
  if (const auto pace = values.find("pace_us"); pace != values.end())
    values.insert_or_assign("cadence_us", pace->second);
  if (const auto chunks = values.find("chunks"); chunks != values.end())
    values.insert_or_assign("tokens", chunks->second);
}

}  // namespace

void Directives::add_from(std::string_view text, const Situation& situation) {
  for (auto at = text.find("[["); at != std::string_view::npos; at = text.find("[[", at + 2)) {
    const auto rest = text.substr(at + 2);
    const bool sim = rest.starts_with("sim ") || rest.starts_with("sim]");
    const bool mock = rest.starts_with("mock ");
    const auto end = rest.find("]]");
    if ((!sim && !mock) || end == std::string_view::npos) continue;
    auto values = parse(rest.substr(sim ? 3 : 4, end - (sim ? 3 : 4)));
    if (mock) accept_mock_spelling(values);
    if (!fits(values, situation)) continue;
    for (auto& [name, value] : values) values_.insert_or_assign(name, std::move(value));
  }
}

void Directives::add(std::string_view inside) {
  for (auto& [name, value] : parse(inside)) values_.insert_or_assign(name, value);
}

void Directives::drop_faults() {
  for (const auto name : fault_names) {
    if (const auto at = values_.find(name); at != values_.end()) values_.erase(at);
  }
}

bool Directives::faulty() const {
  return std::any_of(fault_names.begin(), fault_names.end(), [&](auto name) { return has(name); });
}

std::int64_t Directives::number(std::string_view name, std::int64_t otherwise) const {
  const auto at = values_.find(name);
  if (at == values_.end()) return otherwise;
  std::int64_t value = 0;
  const auto& text = at->second;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size() ? value : otherwise;
}

std::string Directives::text(std::string_view name, std::string_view otherwise) const {
  const auto at = values_.find(name);
  return at == values_.end() ? std::string{otherwise} : at->second;
}

std::string Directives::canonical() const {
  std::string out;
  for (const auto& [name, value] : values_) {
    out += name;
    out += '=';
    out += value;
    out += ' ';
  }
  return out;
}

}  // namespace turnpike::simulator
