#include <charconv>
#include <concepts>
#include <limits>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "record/describe.hpp"
#include "record/record.hpp"
#include "record/words.hpp"
#include "wire/json_document.hpp"
#include "wire/json_view.hpp"

namespace turnpike::record {

namespace {

using wire::JsonFields;
using wire::JsonView;

/// Where a moment lies that others are told from; itself nowhere in the text.
constexpr Monotonic begin_of_times{std::chrono::hours{1}};

/// Fills a value's members from an object; remembers the first that is not what it should be.
class Reader {
 public:
  Reader(JsonView object, std::list<std::string>& words, std::string& fault)
      : fields_(object), words_(words), fault_(fault) {}

  template <typename T>
  void always(std::string_view name, T& value) {
    const auto found = fields_[name];
    if (found.absent() || !take(found, value)) blame(name);
  }
  template <typename T>
  void maybe(std::string_view name, T& value) {
    maybe(name, value, T{});
  }
  template <typename T>
  void maybe(std::string_view name, T& value, const T& standard) {
    value = standard;
    if (const auto found = fields_[name]; !found.absent() && !take(found, value)) blame(name);
  }
  template <typename T>
  void left_out(T& /*value*/) {}
  template <typename Members>
  void group(std::string_view name, const Members& members) {
    const auto found = fields_[name];
    if (!found.is_object()) return blame(name);
    Reader inner{found, words_, fault_};
    members(inner);
  }
  void since(std::string_view name, Monotonic& begin, Monotonic& moment) {
    begin = begin_of_times;
    std::int64_t us = 0;
    maybe(name, us);
    moment = fields_[name].absent() ? Monotonic{} : begin + std::chrono::microseconds{us};
  }
  template <typename Make>
  void derived(std::string_view /*name*/, const Make& /*make*/) {}

 private:
  void blame(std::string_view name) {
    if (fault_.empty()) fault_ = name;
  }

  static bool take(JsonView from, bool& flag) {
    const auto found = from.boolean();
    flag = found.value_or(false);
    return found.has_value();
  }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  static bool take(JsonView from, Integer& number) {
    const auto found = from.integer();
    if (!found || !std::in_range<Integer>(*found)) return false;
    number = static_cast<Integer>(*found);
    return true;
  }
  /// By the bytes: a float that went through a double might be rounded twice.
  template <std::floating_point Number>
  static bool take(JsonView from, Number& number) {
    const auto raw = from.raw();
    if (raw == "null") {
      number = std::numeric_limits<Number>::quiet_NaN();
      return true;
    }
    const auto read = std::from_chars(raw.data(), raw.data() + raw.size(), number);
    return read.ec == std::errc{} && read.ptr == raw.data() + raw.size();
  }
  static bool take(JsonView from, std::string& text) {
    text = from.text();
    return from.is_string();
  }
  bool take(JsonView from, std::string_view& word) {
    word = words_.emplace_back(from.text());
    return from.is_string();
  }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  static bool take(JsonView from, Enum& value) {
    const auto found = value_of_word<Enum>(from.text());
    value = found.value_or(Enum{});
    return found.has_value();
  }
  static bool take(JsonView from, Credits& amount) {
    const auto found = parse_credits(from.text());
    amount = found.value_or(Credits{});
    return found.has_value();
  }
  static bool take(JsonView from, Instant& instant) {
    const auto found = parse_instant(from.text());
    instant = found.value_or(Instant{});
    return found.has_value();
  }
  bool take(JsonView from, std::shared_ptr<const Account>& account) {
    auto found = std::make_shared<Account>();
    const bool sound = take(from, *found);
    account = std::move(found);
    return sound;
  }
  template <typename T>
  bool take(JsonView from, std::optional<T>& value) {
    return take(from, value.emplace());
  }
  template <typename T>
  bool take(JsonView from, std::vector<T>& values) {
    if (!from.is_array()) return false;
    values.clear();
    for (const auto& element : from.elements()) {
      if (!take(element, values.emplace_back())) return false;
    }
    return true;
  }
  bool take(JsonView from, std::array<Signal, 4>& signals) {
    const auto elements = from.elements();
    if (!from.is_array() || elements.size() > signals.size()) return false;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      if (!take(elements[i], signals[i])) return false;
    }
    return true;
  }
  static bool take(JsonView from, PerServerTool& numbers) {
    if (!from.is_object()) return false;
    const JsonFields fields{from};
    for (std::size_t i = 0; i < server_tools; ++i) {
      const auto found = fields[to_string(static_cast<ServerTool>(i))];
      if (found.absent()) continue;
      const bool unbounded = found.boolean().value_or(false);
      if (!unbounded && !found.integer()) return false;
      numbers[i] = unbounded ? RequestFacts::server_calls_unbounded : *found.integer();
    }
    return true;
  }
  bool take(JsonView from, HealthView& health) {
    std::vector<std::pair<std::string, Health>> troubled;
    for (const auto& element : from.elements()) {
      auto& [target, state] = troubled.emplace_back();
      Reader inner{element, words_, fault_};
      inner.always("target", target);
      inner.always("state", state);
    }
    health = HealthView{std::move(troubled)};
    return from.is_array();
  }
  bool take(JsonView from, PriceQuote& quote) {
    if (!from.is_object()) return false;
    Reader inner{from, words_, fault_};
    inner.always("price", quote.price_id);
    const auto tiers = inner.fields_["tiers"].elements();
    if (tiers.empty() || tiers.size() > PriceQuote::tiers_max) return false;
    quote.tier_count = static_cast<std::uint8_t>(tiers.size());
    for (std::size_t i = 0; i < tiers.size(); ++i) {
      if (!take(tiers[i], quote.tiers[i])) return false;
    }
    inner.maybe("ceiling", quote.ceiling, quote.tiers[0].rates);
    return true;
  }
  template <typename Described>
    requires requires(Reader& reader, Described& value) { describe(reader, value); }
  bool take(JsonView from, Described& value) {
    if (!from.is_object()) return false;
    Reader inner{from, words_, fault_};
    describe(inner, value);
    return true;
  }

  JsonFields fields_;
  std::list<std::string>& words_;
  std::string& fault_;
};

}  // namespace

Result<Recorded> from_json(std::string text) {
  if (const auto checked = wire::JsonDocument::parse(text); !checked)
    return std::unexpected{gateway_error(500, "record_damaged", checked.error().message)};
  const JsonView root{text};
  const JsonFields fields{root};
  const auto found_form = fields["form"].integer().value_or(1);
  if (found_form != form)
    return std::unexpected{gateway_error(
        409, "record_too_old",
        fmt::format("the record has form {}, this program decides again from form {}", found_form, form))};
  Recorded recorded;
  std::string fault;
  Reader reader{root, recorded.words, fault};
  describe(reader, recorded.exchange);
  recorded.digest = fields["digest"].text();
  if (!fault.empty())
    return std::unexpected{gateway_error(500, "record_damaged", fmt::format("the record's \"{}\" cannot be read", fault))};
  return recorded;
}

}  // namespace turnpike::record
