#include "dialect/gemini_partial_args.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <variant>
#include <vector>

namespace turnpike::dialect {
namespace {

using Json = nlohmann::ordered_json;
using Step = std::variant<std::string, std::size_t>;

constexpr std::size_t steps_max = 64;
constexpr std::size_t array_index_max = 65535;  // a hostile index must not become a huge array

/// One bracketed step; `path` stands behind '['.
std::optional<Step> bracketed(std::string_view& path) {
  const std::size_t close = path.find(']');
  if (close == std::string_view::npos || close == 0) return std::nullopt;
  std::string_view inside = path.substr(0, close);
  path.remove_prefix(close + 1);
  const char quote = inside.front();
  if (quote == '\'' || quote == '"') {
    if (inside.size() < 2 || inside.back() != quote) return std::nullopt;
    return std::string{inside.substr(1, inside.size() - 2)};
  }
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(inside.data(), inside.data() + inside.size(), index);
  if (error != std::errc{} || end != inside.data() + inside.size()) return std::nullopt;
  if (index > array_index_max) return std::nullopt;
  return index;
}

std::optional<std::vector<Step>> steps_of(std::string_view path) {
  std::vector<Step> steps;
  if (path.starts_with('$')) path.remove_prefix(1);
  while (!path.empty() && steps.size() < steps_max) {
    if (path.starts_with('[')) {
      path.remove_prefix(1);
      auto step = bracketed(path);
      if (!step) return std::nullopt;
      steps.push_back(std::move(*step));
      continue;
    }
    if (path.starts_with('.')) path.remove_prefix(1);
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    if (end == 0) return std::nullopt;
    steps.emplace_back(std::string{path.substr(0, end)});
    path.remove_prefix(end);
  }
  if (!path.empty() || steps.empty()) return std::nullopt;
  return steps;
}

/// The place a step leads to, made if it is not there yet; null if something of another kind stands
/// in the way.
Json* descend(Json& from, const Step& step) {
  if (const auto* name = std::get_if<std::string>(&step)) {
    if (from.is_null()) from = Json::object();
    return from.is_object() ? &from[*name] : nullptr;
  }
  if (from.is_null()) from = Json::array();
  return from.is_array() ? &from[std::get<std::size_t>(step)] : nullptr;
}

}  // namespace

struct PartialArgs::Tree {
  Json root = Json::object();

  bool add(const Json& piece) {
    if (!piece.is_object()) return false;
    const auto path = piece.find("jsonPath");
    if (path == piece.end() || !path->is_string()) return false;
    const auto steps = steps_of(path->get_ref<const std::string&>());
    if (!steps) return false;
    Json* place = &root;
    for (const Step& step : *steps) {
      place = descend(*place, step);
      if (place == nullptr) return false;
    }
    put(piece, *place);
    return true;
  }

  static void put(const Json& piece, Json& place) {
    if (const auto text = piece.find("stringValue"); text != piece.end() && text->is_string()) {
      const std::string before = place.is_string() ? place.get<std::string>() : std::string{};
      place = before + text->get<std::string>();
    } else if (piece.contains("numberValue")) {
      place = piece["numberValue"];
    } else if (piece.contains("boolValue")) {
      place = piece["boolValue"];
    } else {
      place = nullptr;
    }
  }
};

PartialArgs::PartialArgs() : tree_(std::make_unique<Tree>()) {}
PartialArgs::PartialArgs(PartialArgs&&) noexcept = default;
PartialArgs& PartialArgs::operator=(PartialArgs&&) noexcept = default;
PartialArgs::~PartialArgs() = default;

bool PartialArgs::add(std::string_view pieces) {
  const Json parsed = Json::parse(pieces, nullptr, false);
  if (!parsed.is_array()) return false;
  bool placed = true;
  for (const Json& piece : parsed) placed = tree_->add(piece) && placed;
  return placed;
}

std::string PartialArgs::text() const {
  return tree_->root.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace turnpike::dialect
