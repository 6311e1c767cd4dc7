// Comma-separated values, RFC 4180, strict in what a field is and forgiving in how a file begins
// and how its lines end.
//
//   file    := BOM? record (eol record)* eol?      eol   := CRLF | LF
//   record  := field ("," field)*                  field := plain | quoted
//   quoted  := '"' (any byte but '"' | '""')* '"'  plain := bytes but ',' '"' CR LF
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "turnpike/error.hpp"

namespace turnpike::app {

struct CsvRecord {
  int line = 1;  // of its first byte, from 1
  std::vector<std::string> fields;
};

/// Records may differ in their number of fields; blank lines are left out. Errors name the line.
Result<std::vector<CsvRecord>> read_csv(std::string_view bytes);

/// One line, ended by LF; fields are quoted where they must be.
std::string csv_line(const std::vector<std::string>& fields);

}  // namespace turnpike::app
