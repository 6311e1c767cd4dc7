#include "app/json_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "catalog/fault.hpp"

namespace turnpike::app {

using nlohmann::ordered_json;

namespace {

constexpr std::size_t text_bytes_max = 200;

/// Null if the field is absent.
const ordered_json* find(const ordered_json& body, std::string_view field) {
  const auto found = body.find(field);
  return found == body.end() ? nullptr : &*found;
}

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

Result<ordered_json> parse_body(const std::string& body) {
  if (body.empty()) return ordered_json::object();
  auto json = ordered_json::parse(body, nullptr, false);
  if (json.is_discarded())
    return std::unexpected{client_error("invalid_json", "The body is not valid JSON.")};
  return json;
}

Error bad_field(std::string_view field, std::string_view what) {
  return client_error("bad_request", fmt::format("{} {}", field, what), std::string{field});
}

Result<void> check_fields(const ordered_json& body, std::initializer_list<std::string_view> known) {
  if (!body.is_object()) return std::unexpected{bad_field("body", "must be a JSON object")};
  const std::vector<std::string> names{known.begin(), known.end()};
  for (const auto& [field, value] : body.items()) {
    if (std::ranges::find(names, field) != names.end()) continue;
    const auto quoted = quoted_for_message(field);
    return std::unexpected{client_error("unknown_field",
                                        fmt::format("{} is no field of this request{}", quoted,
                                                    catalog::nearest_hint(field, names)),
                                        quoted.substr(1, quoted.size() - 2))};
  }
  return {};
}

Result<std::optional<std::string>> read_text(const ordered_json& body, std::string_view field) {
  const auto* found = find(body, field);
  if (found == nullptr || found->is_null()) return std::nullopt;
  if (!found->is_string()) return std::unexpected{bad_field(field, "must be a string")};
  auto text = found->get<std::string>();
  if (text.size() > text_bytes_max || !is_printable(text)) {
    return std::unexpected{bad_field(
        field, fmt::format("has at most {} bytes, all of them printable", text_bytes_max))};
  }
  return text;
}

Result<std::optional<bool>> read_flag(const ordered_json& body, std::string_view field) {
  const auto* found = find(body, field);
  if (found == nullptr || found->is_null()) return std::nullopt;
  if (!found->is_boolean()) return std::unexpected{bad_field(field, "must be true or false")};
  return found->get<bool>();
}

Result<Bound<Credits>> read_credits_bound(const ordered_json& body, std::string_view field) {
  const auto* found = find(body, field);
  if (found == nullptr) return Bound<Credits>{};
  if (found->is_null()) return Bound<Credits>{std::optional<Credits>{}};
  const auto text = read_text(body, field);
  if (!text) return std::unexpected{text.error()};
  const auto amount = parse_credits(**text);
  if (!amount)
    return std::unexpected{
        bad_field(field, fmt::format("must be an amount of credits like \"0.50\", not {}",
                                     quoted_for_message(**text)))};
  if (*amount <= Credits{})
    return std::unexpected{bad_field(field, "must be above zero; leave it out for no bound")};
  return Bound<Credits>{*amount};
}

Result<Bound<std::int32_t>> read_count_bound(const ordered_json& body, std::string_view field,
                                             std::int64_t most) {
  const auto* found = find(body, field);
  if (found == nullptr) return Bound<std::int32_t>{};
  if (found->is_null()) return Bound<std::int32_t>{std::optional<std::int32_t>{}};
  if (!found->is_number_integer() || *found < 1 || *found > most) {
    return std::unexpected{bad_field(
        field, fmt::format("must be a whole number from 1 to {}; none (null) for no bound", most))};
  }
  return Bound<std::int32_t>{found->get<std::int32_t>()};
}

Result<Bound<Instant>> read_instant_bound(const ordered_json& body, std::string_view field) {
  const auto* found = find(body, field);
  if (found == nullptr) return Bound<Instant>{};
  if (found->is_null()) return Bound<Instant>{std::optional<Instant>{}};
  const auto text = read_text(body, field);
  if (!text) return std::unexpected{text.error()};
  const auto instant = parse_instant(**text);
  if (!instant) {
    return std::unexpected{bad_field(
        field, fmt::format("must be a date like 2026-12-31 or an RFC 3339 instant, not {}",
                           quoted_for_message(**text)))};
  }
  return Bound<Instant>{*instant};
}

Result<std::string> read_by(const ordered_json& body) {
  if (!body.is_object()) return "admin";
  auto by = read_text(body, "by");
  if (!by) return std::unexpected{by.error()};
  return by->value_or("").empty() ? std::string{"admin"} : *std::move(*by);
}

ordered_json json_of(const std::optional<Credits>& amount) {
  return amount ? ordered_json(turnpike::to_string(*amount)) : ordered_json(nullptr);
}

ordered_json json_of(const std::optional<Instant>& instant) {
  return instant ? ordered_json(to_rfc3339(*instant)) : ordered_json(nullptr);
}

ordered_json json_of(const std::optional<std::int32_t>& count) {
  return count ? ordered_json(*count) : ordered_json(nullptr);
}

}  // namespace turnpike::app
