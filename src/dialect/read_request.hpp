// A client's body to blocks, whatever its dialect.
#pragma once

#include <string>

#include "dialect/ir.hpp"
#include "dialect/request_rules.hpp"
#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// `body` is the bytes that `view` was read from and must outlive the result. Errors are 400.
Result<ir::Request> read_request(Dialect client, const std::string& body, const RequestView& view);

}  // namespace turnpike::dialect
