// Sums a stretch of the journal into the rows of a spend report.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "account/definitions.hpp"
#include "account/entry.hpp"
#include "account/spend.hpp"

namespace turnpike::account {

class SpendSums {
 public:
  explicit SpendSums(const SpendQuery& query) : query_(query) {}
  /// What the entries' numbers stand for; all definitions before the first add().
  void define(const std::vector<Entry>& entries);
  void add(const Entry& entry);
  /// Ordered by group.
  [[nodiscard]] std::vector<SpendRow> rows() const;

 private:
  [[nodiscard]] std::string value(SpendBy by, const Entry& entry) const;

  const SpendQuery& query_;
  std::unordered_map<std::int64_t, std::string> names_;
  std::unordered_map<std::int64_t, std::string> prices_;
  std::unordered_map<std::int64_t, PathDetail> paths_;
  std::map<std::vector<std::string>, SpendRow> rows_;
};

}  // namespace turnpike::account
