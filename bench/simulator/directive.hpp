// What a test writes into a message to steer the answer. It survives any gateway, because it is
// message text:
//   directive := "[[sim" (blank+ (name | name "=" value))* blank* "]]"      also "[[mock …]]"
//   value     := '"' any but '"'* '"' | any but blank and ']'*
// The full list of names is in docs/simulator.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::simulator {

class Directives {
 public:
  /// What a directive's conditions are held against.
  struct Situation {
    int step = 0;
    std::string_view provider;
    std::string_view dialect;
  };
  /// Adds every directive of `text`; what is added later wins. Directives whose `step`, `only` or
  /// `not` does not fit the situation are left out.
  void add_from(std::string_view text, const Situation& situation);
  /// Adds one directive's inside, for example "status=529 retry_after=2".
  void add(std::string_view inside);
  /// Takes out every fault, when its allowance of `times` is used up.
  void drop_faults();

  [[nodiscard]] bool has(std::string_view name) const { return values_.contains(name); }
  [[nodiscard]] bool faulty() const;
  [[nodiscard]] std::int64_t number(std::string_view name, std::int64_t otherwise) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view otherwise = "") const;
  /// A text that stands for all of it, to count applications of the same directive.
  [[nodiscard]] std::string canonical() const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace turnpike::simulator
