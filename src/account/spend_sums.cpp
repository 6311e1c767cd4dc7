#include "account/spend_sums.hpp"

#include "account/fields.hpp"

namespace turnpike::account {

void SpendSums::define(const std::vector<Entry>& entries) {
  for (const auto& entry : entries) {
    if (entry.kind == EntryKind::name_defined) {
      names_.emplace(entry.seq, entry.detail);
    } else if (entry.kind == EntryKind::price_defined) {
      prices_.emplace(entry.seq, Fields{entry.detail}.text("price"));
    } else if (auto path = parse_path(entry.detail)) {
      paths_.emplace(entry.seq, *std::move(path));
    }
  }
}

void SpendSums::add(const Entry& entry) {
  const bool settlement =
      entry.kind == EntryKind::settle_exact || entry.kind == EntryKind::settle_estimated;
  if (!settlement && entry.kind != EntryKind::overrun && entry.kind != EntryKind::correction)
    return;
  std::vector<std::string> group;
  group.reserve(query_.group_by.size());
  for (const auto by : query_.group_by) group.push_back(value(by, entry));
  auto& row = rows_[group];
  row.group = group;
  row.cost += Credits::from_nano(entry.amount);
  if (!settlement) return;
  ++row.attempts;
  if (entry.kind == EntryKind::settle_estimated) ++row.estimated;
  row.usage.input_fresh += entry.usage.input_fresh;
  row.usage.input_cache_read += entry.usage.input_cache_read;
  row.usage.input_cache_write_5m += entry.usage.input_cache_write_5m;
  row.usage.input_cache_write_1h += entry.usage.input_cache_write_1h;
  row.usage.output_text += entry.usage.output_text;
  row.usage.output_reasoning += entry.usage.output_reasoning;
}

std::string SpendSums::value(SpendBy by, const Entry& entry) const {
  const auto found = [](const auto& map, std::int64_t id) {
    const auto at = map.find(id);
    return at == map.end() ? typename std::decay_t<decltype(map)>::mapped_type{} : at->second;
  };
  switch (by) {
    case SpendBy::key:
      return found(paths_, entry.path).key_id;
    case SpendBy::user:
      return found(paths_, entry.path).user;
    case SpendBy::team:
      return found(paths_, entry.path).team;
    case SpendBy::org:
      return found(paths_, entry.path).org;
    case SpendBy::model:
      return found(names_, entry.model);
    case SpendBy::price:
      return found(prices_, entry.price);
    case SpendBy::day:
      return to_rfc3339(Instant{std::chrono::microseconds{entry.at}}).substr(0, 10);
    case SpendBy::settlement:
      return std::string{to_string(entry.kind)};
  }
  return {};
}

std::vector<SpendRow> SpendSums::rows() const {
  std::vector<SpendRow> rows;
  rows.reserve(rows_.size());
  for (const auto& item : rows_) rows.push_back(item.second);
  return rows;
}

}  // namespace turnpike::account
