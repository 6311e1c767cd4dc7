#include <array>
#include <bit>
#include <concepts>
#include <type_traits>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include "record/describe.hpp"
#include "record/record.hpp"

namespace turnpike::record {

namespace {

/// Writes every member, those left out of the text included, as bytes that no other value has: numbers in 8 bytes, least
/// significant first, and the length in front of all that has one.
class Bytes {
 public:
  template <typename T>
  void always(std::string_view /*name*/, const T& value) {
    put(value);
  }
  template <typename T>
  void maybe(std::string_view /*name*/, const T& value) {
    put(value);
  }
  template <typename T>
  void maybe(std::string_view /*name*/, const T& value, const T& /*standard*/) {
    put(value);
  }
  template <typename T>
  void left_out(const T& value) {
    put(value);
  }
  template <typename Make>
  void derived(std::string_view /*name*/, const Make& /*make*/) {}

  void put(std::uint64_t number) {
    std::array<char, 8> eight;
    for (std::size_t i = 0; i < eight.size(); ++i) eight[i] = static_cast<char>(static_cast<unsigned char>(number >> (8 * i)));
    bytes_.append(eight.data(), eight.size());
  }
  void put(std::integral auto number) { put(static_cast<std::uint64_t>(number)); }
  void put(float number) { put(std::bit_cast<std::uint32_t>(number)); }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void put(Enum value) {
    put(static_cast<std::uint64_t>(value));
  }
  void put(Credits amount) { put(amount.nano()); }
  void put(const std::string& text) {
    put(text.size());
    bytes_ += text;
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    put(values.size());
    for (const auto& value : values) put(value);
  }
  void put(const PerServerTool& numbers) {
    for (const auto number : numbers) put(number);
  }
  void put(const PriceQuote& quote) {
    put(quote.price_id);
    put(quote.tier_count);
    for (std::size_t i = 0; i < quote.tier_count; ++i) put(quote.tiers[i]);
    put(quote.ceiling);
  }
  template <typename Described>
    requires requires(Bytes& bytes, const Described& value) { describe(bytes, value); }
  void put(const Described& value) {
    describe(*this, value);
  }

  static std::string with_room() {
    std::string bytes;
    bytes.reserve(4096);  // of a decision with a few candidates
    return bytes;
  }
  [[nodiscard]] std::uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  std::string bytes_ = with_room();
};

}  // namespace

std::string digest_of(const RouteDecision& decision) {
  Bytes bytes;
  bytes.put(decision);
  return fmt::format("{:016x}", bytes.hash());
}

}  // namespace turnpike::record
