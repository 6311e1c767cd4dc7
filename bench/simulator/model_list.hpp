// The makers' lists of models, each in its own shape.
#pragma once

#include <string>

#include "http.hpp"

namespace turnpike::simulator {

/// The body of the answer to `GET …/models`: the maker by path, else by an `anthropic-version`
/// header, else DeepSeek.
std::string model_list(const HttpRequest& request);

}  // namespace turnpike::simulator
