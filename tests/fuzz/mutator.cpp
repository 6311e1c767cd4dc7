// Mutations that know what JSON and event streams are made of: half of the time whole values,
// members and events are moved, doubled, dropped or replaced; the other half is libFuzzer's own.
//
// The text is only scanned, never checked: it is broken as often as not.
#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz_target.hpp"

namespace turnpike::fuzz {
namespace {

struct Span {
  std::size_t begin;
  std::size_t end;
  [[nodiscard]] std::size_t size() const { return end - begin; }
};

bool in_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
         c == 'E';
}

std::size_t string_end(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

/// Everything that looks like a JSON value, keys included.
std::vector<Span> values_in(std::string_view text) {
  std::vector<Span> found;
  std::vector<std::size_t> open;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t begin = at++;
    const char c = text[begin];
    if (c == '"') {
      at = string_end(text, begin);
      found.push_back({begin, at});
    } else if (c == '{' || c == '[') {
      open.push_back(begin);
    } else if (c == '}' || c == ']') {
      if (open.empty()) continue;
      found.push_back({open.back(), at});
      open.pop_back();
    } else if (in_word(c)) {
      while (at < text.size() && in_word(text[at])) ++at;
      found.push_back({begin, at});
    }
  }
  return found;
}

/// Events with their blank lines; of a text that is no stream the whole.
std::vector<Span> events_in(std::string_view text) {
  std::vector<Span> found;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = std::min(text.find("\n\n", begin), text.find("\r\n\r\n", begin));
    end = end == std::string_view::npos ? text.size() : end + (text[end] == '\n' ? 2 : 4);
    found.push_back({begin, end});
    begin = end;
  }
  return found;
}

constexpr auto odd_values = std::to_array<std::string_view>({"null",
                                                             "true",
                                                             "false",
                                                             "0",
                                                             "1",
                                                             "-1",
                                                             "1e999",
                                                             "-0.0",
                                                             "9223372036854775807",
                                                             "2147483648",
                                                             "18446744073709551616",
                                                             "\"\"",
                                                             "\" \"",
                                                             "\"x\"",
                                                             "{}",
                                                             "[]",
                                                             "[null]",
                                                             "{\"\":null}",
                                                             "\"\\ud800\"",
                                                             "\"\\u0000\"",
                                                             "\"\\u2028\"",
                                                             "\"{}\"",
                                                             "\"{\\\"a\\\":\"",
                                                             "\"null\"",
                                                             "\"\xE2\x80\xA8\"",
                                                             "\"\xF0\x9F\x98\x80\"",
                                                             "\"data:,\""});

class Mutation {
 public:
  Mutation(std::string text, unsigned seed) : text_(std::move(text)), random_(seed) {}

  std::string result() {
    const auto events = events_in(text_);
    if (events.size() > 1 && pick(3) == 0) {
      move_event(events);
    } else if (const auto values = values_in(text_); !values.empty()) {
      change_value(values);
    }
    return std::move(text_);
  }

 private:
  std::size_t pick(std::size_t bound) { return random_() % bound; }
  template <typename List>
  const auto& one_of(const List& list) {
    return list[pick(list.size())];
  }
  [[nodiscard]] std::string of(const Span& span) const {
    return text_.substr(span.begin, span.size());
  }

  void move_event(const std::vector<Span>& events) {
    const Span from = one_of(events);
    const std::string bytes = of(from);
    const std::size_t to = one_of(events).begin;
    switch (pick(3)) {
      case 0:
        text_.erase(from.begin, from.size());
        break;
      case 1:
        text_.insert(to, bytes);
        break;
      default:
        text_.erase(from.begin, from.size());
        text_.insert(std::min(to, text_.size()), bytes);
    }
  }

  void change_value(const std::vector<Span>& values) {
    const Span place = one_of(values);
    const std::string old = of(place);
    switch (pick(8)) {
      case 0:
        return replace(place, std::string{one_of(odd_values)});
      case 1:
      case 2:
        return replace(place, of(one_of(values)));
      case 3:
        return replace(place, "[" + old + "]");
      case 4:
        return replace(place, old + "," + old);
      case 5:
        return replace(place, quoted(old));
      case 6:
        return replace(place, unquoted(old));
      default:
        drop(place);
    }
  }

  void replace(const Span& place, const std::string& bytes) {
    text_.replace(place.begin, place.size(), bytes);
  }

  /// With the comma before or behind, and with its key.
  void drop(Span place) {
    while (place.begin > 0 && text_[place.begin - 1] != ',' && text_[place.begin - 1] != '{' &&
           text_[place.begin - 1] != '[' && text_[place.begin - 1] != '\n')
      --place.begin;
    if (place.begin > 0 && text_[place.begin - 1] == ',') {
      --place.begin;
    } else if (place.end < text_.size() && text_[place.end] == ',') {
      ++place.end;
    }
    text_.erase(place.begin, place.size());
  }

  static std::string quoted(std::string_view json) {
    std::string out = "\"";
    for (const char c : json) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + "\"";
  }

  /// JSON inside a string becomes JSON.
  static std::string unquoted(std::string_view string) {
    if (string.size() < 2 || string.front() != '"') return std::string{string};
    std::string out;
    for (std::size_t at = 1; at + 1 < string.size(); ++at) {
      if (string[at] == '\\' && at + 2 < string.size()) ++at;
      out += string[at];
    }
    return out;
  }

  std::string text_;
  std::minstd_rand random_;
};

}  // namespace
}  // namespace turnpike::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace turnpike::fuzz;
  std::minstd_rand random{seed};
  random.discard(2);
  if (random() % 2 == 0 || size <= setting_bytes) return LLVMFuzzerMutate(data, size, max_size);
  auto* text = reinterpret_cast<char*>(data) + setting_bytes;
  const std::string changed =
      Mutation{std::string{text, size - setting_bytes}, static_cast<unsigned>(random())}.result();
  const std::size_t kept = std::min(changed.size(), max_size - setting_bytes);
  std::copy_n(changed.data(), kept, text);
  return setting_bytes + kept;
}
