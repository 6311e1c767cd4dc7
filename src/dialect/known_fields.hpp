// What becomes of a body's own members on every crossing, whatever the target: a table per client
// dialect.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "dialect/losses.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

struct KnownField {
  std::string_view name;
  std::optional<Loss>
      loss;  // what is lost when the field is set; none: it is read, or judged elsewhere
};

/// null, false and an empty list ask for nothing.
inline bool asks_for_nothing(const wire::JsonView& value) {
  return value.none() || value.raw() == "false" || (value.is_array() && value.elements().empty());
}

/// `fields` is a range of JsonView::Member; `is(member, name)` knows the dialect's spellings.
template <typename Fields, typename Is>
void count_losses(const Fields& fields, std::span<const KnownField> known, Losses& losses, Is is) {
  for (const auto& member : fields) {
    if (asks_for_nothing(member.value)) continue;
    const auto field =
        std::ranges::find_if(known, [&](const KnownField& one) { return is(member, one.name); });
    if (field == known.end()) {
      losses.add(Loss::unknown_field);
    } else if (field->loss) {
      losses.add(*field->loss);
    }
  }
}

/// For dialects with one spelling.
inline void count_losses(const wire::JsonFields& fields, std::span<const KnownField> known,
                         Losses& losses) {
  count_losses(
      fields, known, losses,
      [](const wire::JsonView::Member& member, std::string_view name) { return member.is(name); });
}

}  // namespace turnpike::dialect
