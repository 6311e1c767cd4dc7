// A value inside validated JSON text, looked into on demand and never copied before it is asked
// for.
//
// Fragments that only pass through (schemas, arguments, numbers) stay the bytes they were: raw(). A
// view lives as long as the text. Each look into a container walks it once; JsonFields keeps the
// result for repeated look-ups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::wire {

/// Between the quotes of a JSON string to the text it stands for. Lone surrogates become U+FFFD.
std::string unescape(std::string_view between_quotes);

class JsonView {
 public:
  struct Member;

  JsonView() = default;  // absent
  /// `validated` is the text of exactly one valid value; blanks around it are tolerated.
  explicit JsonView(std::string_view validated);

  [[nodiscard]] bool absent() const { return raw_.empty(); }
  /// Absent or null: clients use both for "not set".
  [[nodiscard]] bool none() const { return raw_.empty() || raw_[0] == 'n'; }
  [[nodiscard]] bool is_string() const { return starts_with('"'); }
  [[nodiscard]] bool is_object() const { return starts_with('{'); }
  [[nodiscard]] bool is_array() const { return starts_with('['); }
  [[nodiscard]] bool is_bool() const { return starts_with('t') || starts_with('f'); }
  [[nodiscard]] bool is_number() const {
    return !raw_.empty() && (raw_[0] == '-' || (raw_[0] >= '0' && raw_[0] <= '9'));
  }
  [[nodiscard]] std::string_view raw() const { return raw_; }

  /// The text of a string; empty for anything else.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool text_is(std::string_view expected) const;
  /// Nothing for values of another type or out of range.
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<double> number() const;
  /// Empty for anything but the right container.
  [[nodiscard]] std::vector<Member> members() const;
  [[nodiscard]] std::vector<JsonView> elements() const;

 private:
  [[nodiscard]] bool starts_with(char c) const { return !raw_.empty() && raw_[0] == c; }
  std::string_view raw_;
};

struct JsonView::Member {
  std::string_view key;  // between the quotes, escapes left as they are
  JsonView value;
  [[nodiscard]] bool is(std::string_view name) const {
    // Escapes only make a name longer.
    return key == name || (key.size() > name.size() && key.find('\\') != std::string_view::npos && unescape(key) == name);
  }
};

/// The members of one object, found once. Of equal names the first counts.
class JsonFields {
 public:
  explicit JsonFields(JsonView object) : members_(object.members()) {}
  [[nodiscard]] JsonView operator[](std::string_view name) const {
    for (const auto& member : members_) {
      if (member.is(name)) return member.value;
    }
    return {};
  }
  [[nodiscard]] auto begin() const { return members_.begin(); }
  [[nodiscard]] auto end() const { return members_.end(); }
  [[nodiscard]] bool empty() const { return members_.empty(); }

 private:
  std::vector<JsonView::Member> members_;
};

}  // namespace turnpike::wire
