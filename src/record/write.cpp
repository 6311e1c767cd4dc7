#include <bit>
#include <cmath>
#include <concepts>
#include <memory>

#include "record/describe.hpp"
#include "record/json_text.hpp"
#include "record/record.hpp"
#include "record/words.hpp"

namespace turnpike::record {

namespace {

class Writer {
 public:
  explicit Writer(JsonText& json) : json_(json) {}

  template <typename T>
  void always(std::string_view name, const T& value) {
    json_.key(name);
    put(value);
  }
  template <typename T>
  void maybe(std::string_view name, const T& value, const T& standard) {
    if (!(value == standard)) always(name, value);
  }
  template <typename T>
  void maybe(std::string_view name, const T& value) {
    if (says_something(value)) always(name, value);
  }
  template <typename T>
  void left_out(const T& /*value*/) {}
  template <typename Members>
  void group(std::string_view name, const Members& members) {
    json_.key(name);
    json_.open('{');
    members(*this);
    json_.close('}');
  }
  /// Nothing for a moment that was not reached.
  void since(std::string_view name, Monotonic begin, Monotonic moment) {
    if (begin == Monotonic{} || moment == Monotonic{}) return;
    always(name, std::chrono::duration_cast<std::chrono::microseconds>(moment - begin).count());
  }
  template <typename Make>
  void derived(std::string_view name, const Make& make) {
    always(name, make());
  }

 private:
  template <typename T>
  static bool says_something(const T& value) {
    return !(value == T{});
  }
  static bool says_something(float number) { return std::bit_cast<std::uint32_t>(number) != 0; }
  static bool says_something(const HealthView& health) { return !health.all_ok(); }
  template <typename T>
  static bool says_something(const std::optional<T>& value) {
    return value.has_value();
  }
  template <typename T>
  static bool says_something(const std::vector<T>& values) {
    return !values.empty();
  }

  void put(const std::string& text) { json_.text(text); }
  void put(std::string_view text) { json_.text(text); }
  void put(bool flag) { json_.flag(flag); }
  void put(std::integral auto number) { json_.number(number); }
  void put(std::floating_point auto number) {
    std::isfinite(number) ? json_.number(number) : json_.null();
  }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void put(Enum value) {
    json_.text(word_of(value));
  }
  void put(Credits amount) { json_.text(to_string(amount)); }
  void put(Instant instant) { json_.text(to_rfc3339(instant)); }
  void put(const std::shared_ptr<const Account>& account) { put(*account); }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(*value);
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    json_.open('[');
    for (const auto& value : values) put(value);
    json_.close(']');
  }
  void put(const std::array<Signal, 4>& signals) {
    json_.open('[');
    for (const auto& signal : signals) {
      if (signal.name.empty()) break;
      put(signal);
    }
    json_.close(']');
  }
  /// A member for each tool that has a number; true: without bound.
  void put(const PerServerTool& numbers) {
    json_.open('{');
    for (std::size_t i = 0; i < server_tools; ++i) {
      if (numbers[i] == 0) continue;
      json_.key(to_string(static_cast<ServerTool>(i)));
      if (numbers[i] == RequestFacts::server_calls_unbounded) {
        json_.flag(true);
      } else {
        json_.number(numbers[i]);
      }
    }
    json_.close('}');
  }
  void put(const HealthView& health) {
    json_.open('[');
    for (const auto& [target, state] : health.troubled()) {
      json_.open('{');
      always("target", target);
      always("state", state);
      json_.close('}');
    }
    json_.close(']');
  }
  void put(const PriceQuote& quote) {
    json_.open('{');
    always("price", quote.price_id);
    json_.key("tiers");
    json_.open('[');
    for (std::size_t i = 0; i < quote.tier_count; ++i) put(quote.tiers[i]);
    json_.close(']');
    maybe("ceiling", quote.ceiling, quote.tiers[0].rates);
    json_.close('}');
  }
  template <typename Described>
    requires requires(Writer& writer, const Described& value) { describe(writer, value); }
  void put(const Described& value) {
    json_.open('{');
    describe(*this, value);
    json_.close('}');
  }

  JsonText& json_;
};

}  // namespace

std::string to_json(const Exchange& exchange) {
  JsonText json{8192};
  Writer writer{json};
  json.open('{');
  writer.always("form", form);
  describe(writer, exchange);
  if (!exchange.decision.candidates.empty())
    writer.always("digest", digest_of(exchange.decision));
  json.close('}');
  return json.take();
}

}  // namespace turnpike::record
