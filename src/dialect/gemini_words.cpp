#include "dialect/gemini_words.hpp"

#include <fmt/format.h>

#include <array>

namespace turnpike::dialect {

std::string upper_case(std::string_view word) {
  std::string upper;
  for (const char c : word) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return upper;
}

Result<GeminiThinkingWish> read_gemini_thinking(const GeminiFields& thinking_config) {
  GeminiThinkingWish wish;
  const auto level = upper_case(thinking_config["thinkingLevel"].text());
  if (level == "MINIMAL") {
    wish.effort = Effort::minimal;
  } else if (level == "LOW") {
    wish.effort = Effort::low;
  } else if (level == "MEDIUM") {
    wish.effort = Effort::medium;
  } else if (level == "HIGH") {
    wish.effort = Effort::high;
  } else if (!level.empty() && level != "THINKING_LEVEL_UNSPECIFIED") {
    return std::unexpected{
        client_error("invalid_value",
                     fmt::format("Nobody knows the thinking level {}.", quoted_for_message(level)),
                     "generationConfig.thinkingConfig.thinkingLevel")};
  }
  const auto budget = thinking_config["thinkingBudget"].integer();
  if (wish.effort != Effort::unset || !budget) return wish;
  if (*budget == 0) wish.effort = Effort::none;
  if (*budget > 0) wish.budget = budget;
  return wish;
}

GeminiMedia gemini_media_kind(std::string_view mime, std::string_view uri) {
  if (mime.starts_with("image/")) return GeminiMedia::image;
  if (mime.starts_with("audio/")) return GeminiMedia::audio;
  if (mime.starts_with("video/")) return GeminiMedia::video;
  if (mime.starts_with("text/")) return GeminiMedia::text;
  if (!mime.empty()) return GeminiMedia::document;
  constexpr std::array<std::string_view, 5> image_endings{".png", ".jpg", ".jpeg", ".webp", ".gif"};
  const auto path = uri.substr(0, uri.find_first_of("?#"));
  for (const auto ending : image_endings) {
    if (path.ends_with(ending)) return GeminiMedia::image;
  }
  return GeminiMedia::document;
}

}  // namespace turnpike::dialect
