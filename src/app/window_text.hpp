// A window of a budget as people write it.
//
//   window := amount "/" span ["@" zone] ("," option)*
//   span   := lifetime | hour | day | week | month | rolling ":" number ("m" | "h" | "d")
//   option := paced | (notify | prefer_cheap | cheap_only | release) "=" (percent | "off")
//
// "100/month", "5/day@Europe/Berlin", "20/lifetime", "3/rolling:6h",
// "100/month@Europe/Berlin,paced,notify=70,prefer_cheap=85,cheap_only=95".
#pragma once

#include <string>
#include <string_view>

#include "account/budget.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// Error 400 `bad_request` with what is wrong and examples; whether zone and limit make sense is
/// account::check_rule()'s to say.
Result<account::WindowRule> read_window(std::string_view text);
std::string to_string(const account::WindowRule& rule);
/// The text without amount and options: "month@Europe/Berlin". Names a window among those of its
/// budget.
std::string span_text(const account::WindowRule& rule);

/// "90s", "15m", "6h", "7d"; "0" is none at all. Error 400 names the field.
Result<std::chrono::seconds> read_duration(std::string_view text, std::string_view field);

}  // namespace turnpike::app
