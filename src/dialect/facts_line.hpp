// One line of `turnpike classify --jsonl`: an evaluation row or a whole request body.
#pragma once

#include <string>

#include "turnpike/error.hpp"
#include "turnpike/facts_row.hpp"

namespace turnpike::dialect {

/// line := {"id", "text"} | {"id", "text", "request": body} | {"id", "body": body} | body (a chat
/// request). `request` and `body` win over `text`. A row with "learn": {"weak": 0..1, "strong": 0..1}
/// teaches; "strong" may be left out. The line is changed by the parser (lone surrogates) and must not be
/// used afterwards.
Result<FactsRow> read_facts_line(std::string& line);

}  // namespace turnpike::dialect
