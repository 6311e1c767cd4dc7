#include "dialect/opaque_bytes.hpp"

#include <cstddef>
#include <cstdint>

namespace turnpike::dialect {

namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t number_bytes = 4;
/// Of a block without any text: what bounds the count before anything is allocated.
constexpr std::size_t block_bytes_min = 2 + 3 * number_bytes;

class Packer {
 public:
  void byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void number(std::uint32_t value) {
    for (std::size_t i = 0; i < number_bytes; ++i)
      byte(static_cast<std::uint8_t>(value >> (8 * i) & 0xffU));
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_ += value;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

/// Reads zeros once the bytes have run out; failed() then says so.
class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t byte() {
    const auto taken = take(1);
    return taken.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(taken.front());
  }
  std::uint32_t number() {
    const auto taken = take(number_bytes);
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < taken.size(); ++i)
      value |= std::uint32_t{static_cast<std::uint8_t>(taken[i])} << (8 * i);
    return value;
  }
  std::string text() { return std::string{take(number())}; }
  /// An enumerator of `last` or below it.
  template <typename Enum>
  Enum word(Enum last) {
    const auto value = byte();
    if (value > static_cast<std::uint8_t>(last)) failed_ = true;
    return failed_ ? Enum{} : static_cast<Enum>(value);
  }

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
  std::string_view take(std::size_t count) {
    if (count > rest_.size()) {
      failed_ = true;
      rest_ = {};
    }
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace

std::string pack(const OpaqueState& state) {
  Packer packer;
  packer.byte(version);
  packer.byte(static_cast<std::uint8_t>(state.kind));
  packer.text(state.vendor);
  packer.text(state.family);
  packer.number(static_cast<std::uint32_t>(state.blocks.size()));
  for (const auto& block : state.blocks) {
    packer.byte(static_cast<std::uint8_t>(block.form));
    packer.byte(block.after_text ? 1 : 0);
    packer.number(static_cast<std::uint32_t>(block.calls_before));
    packer.text(block.text);
    packer.text(block.signature);
  }
  return packer.take();
}

std::optional<OpaqueState> unpack(std::string_view bytes) {
  Unpacker unpacker{bytes};
  if (unpacker.byte() != version) return std::nullopt;
  OpaqueState state;
  state.kind = unpacker.word(OpaqueKind::deepseek_reasoning);
  state.vendor = unpacker.text();
  state.family = unpacker.text();
  const std::size_t count = unpacker.number();
  if (count > unpacker.left() / block_bytes_min) return std::nullopt;
  for (std::size_t i = 0; i < count && !unpacker.failed(); ++i) {
    auto& block = state.blocks.emplace_back();
    block.form = unpacker.word(OpaqueBlock::Form::reasoning);
    block.after_text = unpacker.byte() != 0;
    block.calls_before = static_cast<std::int32_t>(unpacker.number());
    block.text = unpacker.text();
    block.signature = unpacker.text();
  }
  if (unpacker.failed() || unpacker.left() > 0) return std::nullopt;
  return state;
}

}  // namespace turnpike::dialect
