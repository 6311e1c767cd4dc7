// One line of a state file: numbers within bounds, then a name, which may hold blanks.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

namespace turnpike::gateway {

class StateLine {
 public:
  explicit StateLine(std::string_view line) : left_(line) {}

  /// The next word; 0 and no longer good() if it is none within the bounds.
  std::int64_t integer(std::int64_t least, std::int64_t most) { return take<std::int64_t>(least, most); }
  float number(float least, float most) { return take<float>(least, most); }
  /// Everything behind the words taken so far.
  [[nodiscard]] std::string_view rest() const { return left_; }
  [[nodiscard]] bool good() const { return good_; }

 private:
  template <typename Number>
  Number take(Number least, Number most) {
    const auto blank = left_.find(' ');
    const auto word = left_.substr(0, blank);
    left_ = blank == std::string_view::npos ? std::string_view{} : left_.substr(blank + 1);
    Number value{};
    const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), value);
    // Written so that no comparison holds for what is not a number.
    good_ = good_ && fault == std::errc{} && end == word.data() + word.size() && value >= least && value <= most;
    return good_ ? value : Number{};
  }

  std::string_view left_;
  bool good_ = true;
};

}  // namespace turnpike::gateway
