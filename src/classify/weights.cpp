#include "classify/weights.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

namespace turnpike::classify {
namespace {

constexpr std::array<char, 4> magic{'T', 'P', 'K', 'W'};
constexpr std::uint32_t format = 1;
constexpr std::size_t version_bytes = 32;

std::uint64_t checksum(std::span<const std::byte> bytes) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const std::byte b : bytes) hash = (hash ^ static_cast<std::uint64_t>(b)) * 0x100000001B3ULL;
  return hash;
}

/// Reads little-endian numbers; after the first one beyond the end, ok() is false and all further
/// ones are 0.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  T number() {
    using Bits = std::make_unsigned_t<T>;
    Bits value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<Bits>(value | static_cast<Bits>(static_cast<Bits>(next()) << (8 * i)));
    }
    return static_cast<T>(value);
  }

  std::string text(std::size_t length) {
    std::string out;
    for (std::size_t i = 0; i < length; ++i) {
      const char c = static_cast<char>(next());
      if (c != 0) out += c;
    }
    return out;
  }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

 private:
  std::uint8_t next() {
    if (at_ >= bytes_.size()) {
      ok_ = false;
      return 0;
    }
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

class Writer {
 public:
  template <typename T>
  void number(T value) {
    const auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes_.push_back(static_cast<std::byte>((bits >> (8 * i)) & 0xFFU));
  }

  void text(std::string_view value, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i)
      bytes_.push_back(static_cast<std::byte>(i < value.size() ? value[i] : 0));
  }

  std::vector<std::byte> finish() && {
    number(checksum(bytes_));
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

std::unexpected<Error> bad(std::string_view what) {
  return std::unexpected{
      gateway_error(500, "bad_weights", "classifier weights: " + std::string{what})};
}

Result<void> read_header(Reader& reader, Weights& weights) {
  if (reader.text(magic.size()) != std::string_view{magic.data(), magic.size()}) {
    return bad("this is not a weights file (magic)");
  }
  if (reader.number<std::uint32_t>() != format)
    return bad("a format this version does not read; train anew");
  weights.version = reader.text(version_bytes);
  weights.ngram_step = reader.number<std::int32_t>();
  weights.bias = reader.number<std::int32_t>();
  weights.loop_text_share = reader.number<std::int32_t>();
  weights.confidence_floor = reader.number<std::int32_t>();
  return {};
}

Result<void> read_tables(Reader& reader, Weights& weights) {
  if (reader.number<std::uint32_t>() != text_feature_count)
    return bad("another set of counts; train anew");
  for (std::size_t i = 0; i < text_feature_count; ++i) {
    weights.count_means[i] = reader.number<std::int32_t>();
    weights.count_weights[i] = reader.number<std::int32_t>();
  }
  if (reader.number<std::uint32_t>() != trace_feature_count)
    return bad("another set of trace counters; train anew");
  for (auto& weight : weights.trace_weights) weight = reader.number<std::int32_t>();
  if (reader.number<std::uint32_t>() != curve_knots)
    return bad("another number of curve knots; train anew");
  for (auto& knot : weights.curve) knot = reader.number<std::uint32_t>();
  const bool rises =
      std::ranges::adjacent_find(weights.curve, std::greater_equal{}) == weights.curve.end();
  if (!rises || weights.curve.back() >= static_cast<std::uint32_t>(score_one))
    return bad("the curve does not rise");
  for (auto& quantile : weights.quantiles) {
    quantile = static_cast<float>(reader.number<std::uint32_t>()) / static_cast<float>(score_one);
  }
  if (!std::ranges::is_sorted(weights.quantiles)) return bad("the quantiles do not rise");
  return {};
}

}  // namespace

Result<Weights> read_weights(std::span<const std::byte> bytes) {
  Reader reader{bytes};
  Weights weights;
  if (auto header = read_header(reader, weights); !header) return std::unexpected{header.error()};
  if (auto tables = read_tables(reader, weights); !tables) return std::unexpected{tables.error()};
  if (reader.number<std::uint32_t>() != ngram_buckets)
    return bad("another number of buckets; train anew");
  if (!reader.ok() || reader.left() != ngram_buckets + sizeof(std::uint64_t))
    return bad("the file is cut or too long");
  weights.ngrams.resize(ngram_buckets);
  std::memcpy(weights.ngrams.data(), bytes.data() + (bytes.size() - reader.left()), ngram_buckets);
  Reader tail{bytes.last(sizeof(std::uint64_t))};
  if (tail.number<std::uint64_t>() != checksum(bytes.first(bytes.size() - sizeof(std::uint64_t)))) {
    return bad("the checksum does not fit");
  }
  const auto unseen = std::ranges::count(weights.ngrams, ngram_unseen);
  weights.ngrams_filled = feature_one - static_cast<std::int32_t>(unseen * feature_one / ngram_buckets);
  return weights;
}

std::vector<std::byte> write_weights(const Weights& weights) {
  Writer writer;
  writer.text({magic.data(), magic.size()}, magic.size());
  writer.number(format);
  writer.text(weights.version, version_bytes);
  writer.number(weights.ngram_step);
  writer.number(weights.bias);
  writer.number(weights.loop_text_share);
  writer.number(weights.confidence_floor);
  writer.number(static_cast<std::uint32_t>(text_feature_count));
  for (std::size_t i = 0; i < text_feature_count; ++i) {
    writer.number(weights.count_means[i]);
    writer.number(weights.count_weights[i]);
  }
  writer.number(static_cast<std::uint32_t>(trace_feature_count));
  for (const auto weight : weights.trace_weights) writer.number(weight);
  writer.number(static_cast<std::uint32_t>(curve_knots));
  for (const auto knot : weights.curve) writer.number(knot);
  for (const auto quantile : weights.quantiles) {
    writer.number(static_cast<std::uint32_t>(quantile * static_cast<float>(score_one)));
  }
  writer.number(ngram_buckets);
  for (const auto weight : weights.ngrams) writer.number(weight);
  return std::move(writer).finish();
}

}  // namespace turnpike::classify
