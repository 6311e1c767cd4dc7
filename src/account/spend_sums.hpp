// Sums charges into the rows of a spend report.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "account/charges.hpp"
#include "account/spend.hpp"

namespace turnpike::account {

class SpendSums {
 public:
  /// The query is borrowed for the life of the sums.
  explicit SpendSums(const SpendQuery& query) : query_(query) {}
  void add(const Charge& charge);
  /// Ordered by group.
  [[nodiscard]] std::vector<SpendRow> rows() const;

 private:
  [[nodiscard]] Credits shadow_of(const Charge& charge) const;

  const SpendQuery& query_;
  std::map<std::vector<std::string>, SpendRow> rows_;
};

}  // namespace turnpike::account
