// A Chat Completions body to blocks.
#pragma once

#include <string>

#include "dialect/ir.hpp"
#include "dialect/request_rules.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// `body` is the bytes that `view` was read from and must outlive the result. Errors are 400: roles
/// or parts nobody knows, media that is not a data: or http URL, efforts outside the vocabulary.
Result<ir::Request> read_chat_request(const std::string& body, const RequestView& view);

}  // namespace turnpike::dialect
