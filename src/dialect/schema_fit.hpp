// Whether a tool call is one that the client can run: a declared tool, and arguments that fit its JSON Schema.
//
// Judged keywords: type, nullable, enum, const, properties, required, additionalProperties, items, prefixItems, minItems,
// maxItems, minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, anyOf, oneOf, allOf, not, and $ref
// into the same schema. Others (pattern, format, if, dependentRequired, …) are not judged and count as met: a client's
// schema never runs a regular expression here. Why no library: docs/decisions/0007-shadow-schema-check.md.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dialect/proposed_action.hpp"
#include "dialect/request_rules.hpp"
#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// True if the JSON text `value` fits `schema`. A schema that is not JSON, and one whose judging takes too many steps, is
/// met by everything; a value that is not JSON fits nothing.
bool fits_schema(std::string_view value, std::string_view schema);

/// The tools of one request. Owns what it needs: the body may go.
class DeclaredTools {
 public:
  /// `body` is the bytes that `view` was read from.
  static Result<DeclaredTools> read(Dialect client, const std::string& body, const RequestView& view);
  DeclaredTools(DeclaredTools&&) noexcept;
  DeclaredTools& operator=(DeclaredTools&&) noexcept;
  ~DeclaredTools();

  /// True if every call names a declared tool and brings arguments that fit. No arguments at all count as {}.
  [[nodiscard]] bool fit(const ProposedAction& action) const;

 private:
  struct Schemas;
  explicit DeclaredTools(std::unique_ptr<Schemas> schemas);
  std::unique_ptr<Schemas> schemas_;
};

}  // namespace turnpike::dialect
