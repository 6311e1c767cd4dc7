// Written by bench/routing/train.cpp together with built_in.cpp.bin.
#pragma once

#include <string_view>

namespace turnpike::classify {

inline constexpr std::string_view built_in_version = "linear-2-c149d95e";

}  // namespace turnpike::classify
