// The content of a message of Anthropic Messages, block by block, into the blocks of ir.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dialect/ir.hpp"
#include "dialect/losses.hpp"
#include "turnpike/error.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// Reads one message after another. `losses` must outlive it and receives what has no counterpart
/// elsewhere.
class AnthropicBlockReader {
 public:
  explicit AnthropicBlockReader(Losses& losses) : losses_(losses) {}

  /// `content` is a string or an array; `param` its path. Results of tools come out as ToolResult
  /// blocks in their place. Errors are 400; stored files are retried elsewhere.
  Result<std::vector<ir::Block>> read(wire::JsonView content, const std::string& param);

 private:
  using Blocks = std::vector<ir::Block>;
  Result<void> read_block(wire::JsonView raw, const std::string& param, Blocks& blocks);
  Result<void> read_document(const wire::JsonFields& fields, const std::string& param,
                             Blocks& blocks);
  Result<void> read_result(const wire::JsonFields& fields, const std::string& param,
                           Blocks& blocks);
  void read_thinking(const wire::JsonFields& fields, Blocks& blocks, bool redacted);
  void read_call(const wire::JsonFields& fields, Blocks& blocks);
  void read_vendor_block(std::string_view type, const wire::JsonFields& fields, Blocks& blocks);

  Losses& losses_;
};

}  // namespace turnpike::dialect
