#include "dialect/moving_counters.hpp"

#include <algorithm>

#include "wire/json_walk.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t no_number = SIZE_MAX;
constexpr std::size_t digits_max = 15;  // larger ones are left to the reader, which doubts them

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

/// A whole number without a leading zero that has few enough digits. A fraction or an exponent may
/// still follow.
std::optional<MovingCounters::Number> MovingCounters::number_at(std::string_view text,
                                                                std::size_t begin) {
  Number number{begin, begin, 0};
  for (; number.end < text.size() && is_digit(text[number.end]); ++number.end) {
    if (number.end - begin == digits_max) return std::nullopt;
    number.value = number.value * 10 + (text[number.end] - '0');
  }
  const auto digits = number.end - begin;
  if (digits == 0 || (digits > 1 && text[begin] == '0')) return std::nullopt;
  return number;
}

bool MovingCounters::find_numbers(std::size_t begin, std::size_t end) {
  numbers_.clear();
  for (std::size_t at = begin; at < end;) {
    if (rest_[at] == '"') {
      at = wire::string_end(rest_, at);
      continue;
    }
    if (!is_digit(rest_[at])) {
      if (rest_[at] == '-') return false;
      ++at;
      continue;
    }
    const auto number = number_at(rest_, at);
    if (!number || std::string_view{".eE"}.contains(rest_[number->end])) return false;
    numbers_.push_back(*number);
    at = number->end;
  }
  return true;
}

bool MovingCounters::learn(std::string_view rest, const RawCursor& usage, std::size_t begin,
                           const UsageReport* report) {
  moved_ = false;
  learned_.reset();
  rest_ = rest;
  if (!find_numbers(begin, begin + usage.text().size())) return false;
  for (std::size_t i = 0; i < gemini_counters.size(); ++i) {
    number_of_[i] = no_number;
    const RawCursor value = usage.member(gemini_counters[i].name);
    if (value.text().empty() || value.text() == "null") continue;
    const auto number =
        std::ranges::find(numbers_, begin + value.begin() - usage.begin(), &Number::begin);
    if (number == numbers_.end()) return false;
    number_of_[i] = static_cast<std::size_t>(number - numbers_.begin());
    if (gemini_counters[i].decisive && report != nullptr) learned_ = *report;
  }
  return true;
}

std::size_t MovingCounters::match(std::string_view rest) {
  if (rest_.empty()) return 0;
  if (rest.starts_with(rest_)) return rest_.size();
  const std::string_view known{rest_};
  found_.clear();
  std::size_t known_at = 0;
  std::size_t at = 0;
  for (const Number& number : numbers_) {
    const auto between = known.substr(known_at, number.begin - known_at);
    if (!rest.substr(at).starts_with(between)) return 0;
    const auto moved = number_at(rest, at + between.size());
    if (!moved) return 0;
    found_.push_back(*moved);
    at = moved->end;
    known_at = number.end;
  }
  if (!rest.substr(at).starts_with(known.substr(known_at))) return 0;
  at += known.size() - known_at;
  rest_.assign(rest.substr(0, at));
  numbers_.swap(found_);
  moved_ = learned_.has_value();
  return at;
}

std::optional<UsageReport> MovingCounters::moved() {
  if (!moved_) return std::nullopt;
  moved_ = false;
  GeminiCounts counts;
  for (std::size_t i = 0; i < gemini_counters.size(); ++i) {
    if (number_of_[i] != no_number)
      counts.*gemini_counters[i].count = numbers_[number_of_[i]].value;
  }
  UsageReport report = usage_report_of(counts, true);
  report.usage.items = learned_->usage.items;  // told by other members, which have not changed
  return report;
}

}  // namespace turnpike::dialect
