#include "catalog/fault.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace turnpike::catalog {
namespace {

/// Levenshtein with a transposition of neighbours counted as one edit, two rows back.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

constexpr std::size_t compared_bytes_max = 128;  // the distance costs the product of the lengths

}  // namespace

std::string to_string(const Fault& fault) {
  const std::string_view kind = fault.severity == Severity::warning ? "warning: " : "";
  if (fault.line == 0) return fmt::format("{}: {}{}", fault.file, kind, fault.message);
  return fmt::format("{}:{}:{}: {}{}", fault.file, fault.line, fault.column, kind, fault.message);
}

bool has_errors(std::span<const Fault> faults) {
  return std::any_of(faults.begin(), faults.end(),
                     [](const Fault& fault) { return fault.severity == Severity::error; });
}

void sort_faults(std::vector<Fault>& faults) {
  std::sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) {
    return std::tie(a.file, a.line, a.column, a.message) <
           std::tie(b.file, b.line, b.column, b.message);
  });
  faults.erase(std::unique(faults.begin(), faults.end()), faults.end());
}

std::optional<std::string> nearest_name(std::string_view wanted,
                                        std::span<const std::string> known) {
  if (wanted.size() > compared_bytes_max) return std::nullopt;
  const std::string* best = nullptr;
  std::size_t best_distance =
      std::max<std::size_t>(wanted.size() / 2, 2);  // beyond half the word nothing is near
  for (const auto& name : known) {
    if (name.size() > compared_bytes_max) continue;
    const bool beginning = wanted.size() >= 3 && name.starts_with(wanted);
    const std::size_t distance = beginning ? 1 : edit_distance(wanted, name);
    if (distance > best_distance || (best != nullptr && distance == best_distance)) continue;
    best = &name;
    best_distance = distance;
  }
  if (best == nullptr) return std::nullopt;
  return *best;
}

std::string nearest_hint(std::string_view wanted, std::span<const std::string> known) {
  const auto nearest = nearest_name(wanted, known);
  return nearest ? fmt::format(" (nearest: \"{}\")", *nearest) : std::string{};
}

}  // namespace turnpike::catalog
