// Collects replacements, insertions and removals inside one body, so that members and elements come
// and go with their commas.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "dialect/gemini_fields.hpp"
#include "wire/json_splice.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// Views must point into the body. Of one container either insert or erase its first member, not
/// both; what is erased must not be replaced inside.
class MemberSplicer {
 public:
  explicit MemberSplicer(const std::string& body) : body_(body) {}

  void replace(wire::JsonView value, std::string text);
  /// Name and value become `member`.
  void replace(const wire::JsonView::Member& old, std::string member);
  /// `member` becomes the first of the object.
  void insert_first(wire::JsonView object, std::string member);
  void insert_after_brace(wire::JsonView object, std::string text);
  void insert_at(std::size_t place, std::string text) {
    splices_.push_back({place, place, std::move(text)});
  }
  void erase(const GeminiFields& fields, const wire::JsonView::Member& member);
  /// `gone` has a flag for each element.
  void erase(const std::vector<wire::JsonView>& elements, const std::vector<bool>& gone);

  /// Once.
  [[nodiscard]] std::string apply() { return wire::apply(body_, std::move(splices_)); }

 private:
  struct Place {
    std::size_t begin;
    std::size_t end;
  };
  [[nodiscard]] Place place_of(wire::JsonView value) const;
  [[nodiscard]] Place place_of(const wire::JsonView::Member& member) const;
  void erase(const std::vector<Place>& items, const std::vector<bool>& gone);

  const std::string& body_;
  std::vector<wire::Splice> splices_;
};

}  // namespace turnpike::dialect
