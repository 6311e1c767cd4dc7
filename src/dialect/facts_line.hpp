// One line of `turnpike classify --jsonl`: an evaluation row or a whole request body.
#pragma once

#include <string>
#include <utility>

#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::dialect {

/// line := {"id", "text"} | {"id", "text", "request": body} | {"id", "body": body} | body (a chat
/// request) Gives the row's id ("" if it has none) and its facts; `request` and `body` win over
/// `text`. A row with a `learn` member (an outcome to learn from) is 422 learn_unsupported: this
/// version has no online layer. The line is changed by the parser (lone surrogates) and must not be
/// used afterwards.
Result<std::pair<std::string, RequestFacts>> read_facts_line(std::string& line);

}  // namespace turnpike::dialect
