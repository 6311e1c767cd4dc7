#include "plain_reading.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace turnpike::fuzz {
namespace {

constexpr std::size_t objects_deep = 3;
constexpr int number_overflow = 406;  // nlohmann's id of that error

/// Listens to nlohmann's parser, which does not recurse.
class Listener final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Listener(PlainReading& reading) : reading_(reading) {}

  bool null() override { return value({.kind = PlainMember::Kind::null}); }
  bool boolean(bool flag) override {
    return value({.kind = PlainMember::Kind::boolean, .integer = flag ? 1 : 0});
  }
  bool number_integer(number_integer_t number) override {
    return value({.kind = PlainMember::Kind::integer, .integer = number});
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (number > INT64_MAX) return value({.kind = PlainMember::Kind::number});
    return number_integer(static_cast<std::int64_t>(number));
  }
  bool number_float(number_float_t /*number*/, const string_t& /*text*/) override {
    return value({.kind = PlainMember::Kind::number});
  }
  bool string(string_t& text) override {
    return value({.kind = PlainMember::Kind::text, .text = text});
  }
  bool binary(binary_t& /*bytes*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(true); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*size*/) override { return open(false); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (in_objects()) keys_[open_.size() - 1] = name;
    return true;
  }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& fault) override {
    reading_.huge_number = fault.id == number_overflow;
    return false;
  }

 private:
  /// Everything open is an object whose members are kept.
  [[nodiscard]] bool in_objects() const {
    return !open_.empty() && open_.size() <= objects_deep && arrays_ == 0;
  }

  bool value(PlainMember member) {
    if (!in_objects()) return true;
    for (std::size_t i = 0; i < open_.size(); ++i) member.path += (i == 0 ? "" : "/") + keys_[i];
    reading_.members.push_back(std::move(member));
    return true;
  }

  bool open(bool object) {
    value({.kind = PlainMember::Kind::container});
    open_.push_back(object);
    if (!object) ++arrays_;
    reading_.depth = std::max(reading_.depth, open_.size());
    return true;
  }

  bool close() {
    if (!open_.back()) --arrays_;
    open_.pop_back();
    return true;
  }

  PlainReading& reading_;
  std::vector<bool> open_;  // true: an object
  std::size_t arrays_ = 0;
  std::string keys_[objects_deep];
};

bool same_but_for_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

std::vector<const PlainMember*> PlainReading::named(
    std::initializer_list<std::string_view> paths) const {
  std::vector<const PlainMember*> found;
  for (const auto& member : members) {
    for (const auto path : paths) {
      if (same_but_for_case(member.path, path)) found.push_back(&member);
    }
  }
  return found;
}

PlainReading read_plainly(std::string_view text) {
  PlainReading reading;
  // nlohmann skips a byte order mark and takes NUL for the end; RFC 8259 allows neither.
  if (text.starts_with("\xEF\xBB\xBF") || text.find('\0') != std::string_view::npos) return reading;
  Listener listener{reading};
  reading.valid = nlohmann::json::sax_parse(text.begin(), text.end(), &listener);
  return reading;
}

}  // namespace turnpike::fuzz
