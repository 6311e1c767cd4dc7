#include "account/entry.hpp"

#include <array>
#include <cstring>

namespace turnpike::account {

namespace {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// Slicing by eight: table k holds the remainder of a byte that is followed by k zero bytes.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1U) != 0 ? 0x82f63b78U : 0U);
    }
    tables[0][byte] = remainder;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xffU];
    }
  }
  return tables;
}

constexpr Tables crc_tables = make_tables();

void put(std::int64_t value, std::string& out) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  while (bits >= 0x80) {
    out.push_back(static_cast<char>(bits | 0x80));
    bits >>= 7;
  }
  out.push_back(static_cast<char>(bits));
}

void put(std::string_view text, std::string& out) {
  put(static_cast<std::int64_t>(text.size()), out);
  out.append(text);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  std::int64_t number() {
    std::uint64_t bits = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      bits |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80U) == 0) return static_cast<std::int64_t>((bits >> 1) ^ (0 - (bits & 1)));
    }
    failed_ = true;
    return 0;
  }

  std::string text() {
    const auto length = number();
    if (failed_ || length < 0 || static_cast<std::uint64_t>(length) > rest_.size()) {
      failed_ = true;
      return {};
    }
    std::string result{rest_.substr(0, static_cast<std::size_t>(length))};
    rest_.remove_prefix(static_cast<std::size_t>(length));
    return result;
  }

  [[nodiscard]] bool at_end() const { return failed_ || rest_.empty(); }
  [[nodiscard]] bool complete() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace

std::string_view to_string(EntryKind kind) {
  switch (kind) {
    case EntryKind::opened:
      return "opened";
    case EntryKind::name_defined:
      return "name_defined";
    case EntryKind::price_defined:
      return "price_defined";
    case EntryKind::key_created:
      return "key_created";
    case EntryKind::key_revoked:
      return "key_revoked";
    case EntryKind::budget_set:
      return "budget_set";
    case EntryKind::window_opened:
      return "window_opened";
    case EntryKind::path_defined:
      return "path_defined";
    case EntryKind::reserve:
      return "reserve";
    case EntryKind::progress:
      return "progress";
    case EntryKind::settle_exact:
      return "settle_exact";
    case EntryKind::settle_estimated:
      return "settle_estimated";
    case EntryKind::void_:
      return "void";
    case EntryKind::overrun:
      return "overrun";
    case EntryKind::correction:
      return "correction";
    case EntryKind::balance:
      return "balance";
    case EntryKind::clock_frozen:
      return "clock_frozen";
    case EntryKind::clock_released:
      return "clock_released";
    case EntryKind::key_changed:
      return "key_changed";
    case EntryKind::lease_granted:
      return "lease_granted";
    case EntryKind::lease_closed:
      return "lease_closed";
  }
  return "unknown";
}

void encode(const Entry& entry, std::string& out) {
  const auto& usage = entry.usage;
  for (const auto value : {static_cast<std::int64_t>(entry.kind),
                           entry.seq,
                           entry.at,
                           entry.epoch,
                           entry.lease,
                           entry.attempt,
                           entry.path,
                           entry.model,
                           entry.price,
                           entry.cause,
                           entry.amount,
                           entry.ordinal,
                           entry.flags,
                           entry.tokens,
                           usage.input_fresh,
                           usage.input_cache_read,
                           usage.input_cache_write_5m,
                           usage.input_cache_write_1h,
                           usage.output_text,
                           usage.output_reasoning}) {
    put(value, out);
  }
  put(entry.decision, out);
  put(entry.detail, out);
  // Entries without these are as they were before these existed, and so are their chains.
  if (entry.tier == 0 && usage.items == PerServerTool{}) return;
  put(entry.tier, out);
  for (const auto count : usage.items) put(count, out);
}

std::optional<Entry> decode(std::string_view bytes) {
  Reader reader{bytes};
  Entry entry;
  const auto kind = reader.number();
  if (kind < static_cast<std::int64_t>(EntryKind::opened) ||
      kind > static_cast<std::int64_t>(EntryKind::lease_closed)) {
    return std::nullopt;
  }
  entry.kind = static_cast<EntryKind>(kind);
  auto& usage = entry.usage;
  for (auto* field :
       {&entry.seq, &entry.at, &entry.epoch, &entry.lease, &entry.attempt, &entry.path,
        &entry.model, &entry.price, &entry.cause, &entry.amount, &entry.ordinal, &entry.flags,
        &entry.tokens, &usage.input_fresh, &usage.input_cache_read, &usage.input_cache_write_5m,
        &usage.input_cache_write_1h, &usage.output_text, &usage.output_reasoning}) {
    *field = reader.number();
  }
  entry.decision = reader.text();
  entry.detail = reader.text();
  if (!reader.at_end()) {
    entry.tier = reader.number();
    for (auto& count : usage.items) count = reader.number();
  }
  if (!reader.complete()) return std::nullopt;
  return entry;
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t remainder = ~seed;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);  // little-endian, as every machine this is built for
    word ^= remainder;
    remainder = 0;
    for (std::size_t byte = 0; byte < 8; ++byte) {
      remainder ^= crc_tables[7 - byte][(word >> (8 * byte)) & 0xffU];
    }
  }
  for (; left > 0; --left, ++at) {
    remainder =
        (remainder >> 8) ^ crc_tables[0][(remainder ^ static_cast<unsigned char>(*at)) & 0xffU];
  }
  return ~remainder;
}

std::uint32_t chain_of(const Entry& entry, std::uint32_t previous) {
  std::string bytes;
  bytes.reserve(128);
  encode(entry, bytes);
  return crc32c(bytes, previous);
}

}  // namespace turnpike::account
