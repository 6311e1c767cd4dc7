#include "account/charges.hpp"

#include <utility>

#include "account/fields.hpp"

namespace turnpike::account {
namespace {

Instant instant_of(std::int64_t micros) { return Instant{std::chrono::microseconds{micros}}; }

const PathDetail nobody;
const PriceQuote no_price;

template <typename Map>
const typename Map::mapped_type& find_or(const Map& map, std::int64_t seq,
                                         const typename Map::mapped_type& otherwise) {
  const auto found = map.find(seq);
  return found == map.end() ? otherwise : found->second;
}

}  // namespace

void add_usage(Usage& sum, const Usage& more) {
  sum.input_fresh += more.input_fresh;
  sum.input_cache_read += more.input_cache_read;
  sum.input_cache_write_5m += more.input_cache_write_5m;
  sum.input_cache_write_1h += more.input_cache_write_1h;
  sum.output_text += more.output_text;
  sum.output_reasoning += more.output_reasoning;
  for (std::size_t i = 0; i < sum.items.size(); ++i) sum.items[i] += more.items[i];
}

void ChargeReader::define(const std::vector<Entry>& entries) {
  for (const auto& entry : entries) {
    if (entry.kind == EntryKind::name_defined) {
      names_.emplace(entry.seq, entry.detail);
    } else if (entry.kind == EntryKind::price_defined) {
      if (auto price = parse_price(entry.detail)) prices_.emplace(entry.seq, *std::move(price));
    } else if (entry.kind == EntryKind::path_defined) {
      if (auto path = parse_path(entry.detail)) paths_.emplace(entry.seq, *std::move(path));
    }
  }
}

std::string_view ChargeReader::name(std::int64_t seq) const {
  const auto found = names_.find(seq);
  return found == names_.end() ? std::string_view{} : std::string_view{found->second};
}

const Charge* ChargeReader::read(const Entry& entry) {
  if (entry.kind == EntryKind::reserve) {
    open_[entry.seq] = {entry.at, entry.amount, entry.tier};
    return nullptr;
  }
  const bool end = is_end(entry.kind);
  if (!end && entry.kind != EntryKind::overrun && entry.kind != EntryKind::correction)
    return nullptr;
  auto& charge = charge_;
  charge = {};
  charge.entry = entry.seq;
  charge.kind = entry.kind;
  charge.at = instant_of(entry.at);
  charge.target = name(entry.model);
  charge.cause = name(entry.cause);
  charge.path = &find_or(paths_, entry.path, nobody);
  charge.price = &find_or(prices_, entry.price, no_price);
  charge.flags = entry.flags;
  charge.amount = Credits::from_nano(entry.amount);
  if (end) {
    const auto found = open_.find(entry.attempt);
    last_attempt_ = entry.attempt;
    last_ = found == open_.end() ? Open{} : found->second;
    if (found != open_.end()) {
      charge.reserved = Credits::from_nano(last_.amount);
      open_.erase(found);
    }
    charge.usage = entry.usage;
  } else if (entry.kind == EntryKind::correction) {
    charge.corrected = Fields{entry.detail}.number("entry").value_or(0);
  }
  if (entry.attempt == last_attempt_ && last_.at != 0) {
    charge.admitted = instant_of(last_.at);
    charge.tier = name(last_.tier);
  }
  return &charge;
}

}  // namespace turnpike::account
