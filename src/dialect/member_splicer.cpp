#include "dialect/member_splicer.hpp"

namespace turnpike::dialect {

using wire::JsonView;

MemberSplicer::Place MemberSplicer::place_of(JsonView value) const {
  const auto begin = static_cast<std::size_t>(value.raw().data() - body_.data());
  return {begin, begin + value.raw().size()};
}

MemberSplicer::Place MemberSplicer::place_of(const JsonView::Member& member) const {
  const auto quote = static_cast<std::size_t>(member.key.data() - body_.data()) - 1;
  return {quote, place_of(member.value).end};
}

void MemberSplicer::replace(JsonView value, std::string text) {
  const auto place = place_of(value);
  splices_.push_back({place.begin, place.end, std::move(text)});
}

void MemberSplicer::replace(const JsonView::Member& old, std::string member) {
  const auto place = place_of(old);
  splices_.push_back({place.begin, place.end, std::move(member)});
}

void MemberSplicer::insert_after_brace(JsonView object, std::string text) {
  insert_at(place_of(object).begin + 1, std::move(text));
}

void MemberSplicer::insert_first(JsonView object, std::string member) {
  if (!object.members().empty()) member += ',';
  insert_after_brace(object, std::move(member));
}

void MemberSplicer::erase(const GeminiFields& fields, const JsonView::Member& member) {
  std::vector<Place> items;
  std::vector<bool> gone;
  for (const auto& one : fields) {
    items.push_back(place_of(one));
    gone.push_back(one.key.data() == member.key.data());
  }
  erase(items, gone);
}

void MemberSplicer::erase(const std::vector<JsonView>& elements, const std::vector<bool>& gone) {
  std::vector<Place> items;
  items.reserve(elements.size());
  for (const auto& element : elements) items.push_back(place_of(element));
  erase(items, gone);
}

/// With the comma behind; those at the end with the comma before them.
void MemberSplicer::erase(const std::vector<Place>& items, const std::vector<bool>& gone) {
  std::size_t tail = items.size();
  while (tail > 0 && gone[tail - 1]) --tail;
  for (std::size_t i = 0; i < tail; ++i) {
    if (gone[i]) splices_.push_back({items[i].begin, items[i + 1].begin, ""});
  }
  if (tail == items.size()) return;
  const auto begin = tail > 0 ? items[tail - 1].end : items.front().begin;
  splices_.push_back({begin, items.back().end, ""});
}

}  // namespace turnpike::dialect
