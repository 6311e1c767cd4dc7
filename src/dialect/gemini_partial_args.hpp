// Arguments of a function call that arrive piece by piece (Vertex, streamFunctionCallArguments).
//
//   piece := {jsonPath, (stringValue | numberValue | boolValue | nullValue), willContinue?}
//   path  := "$" ("." name | "['" name "']" | "[" index "]")*
//
// A string that will continue is appended to by the next piece with the same path. Source:
// wire-formats §1.5.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace turnpike::dialect {

class PartialArgs {
 public:
  PartialArgs();
  PartialArgs(PartialArgs&&) noexcept;
  PartialArgs& operator=(PartialArgs&&) noexcept;
  ~PartialArgs();

  /// `pieces` is the validated JSON text of a partialArgs array. False if a piece cannot be placed.
  bool add(std::string_view pieces);
  /// The object built so far, as JSON text, keys in the order of arrival.
  [[nodiscard]] std::string text() const;

 private:
  struct Tree;
  std::unique_ptr<Tree> tree_;
};

}  // namespace turnpike::dialect
