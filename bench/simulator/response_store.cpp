#include "response_store.hpp"

#include "wire.hpp"

namespace turnpike::simulator {

void ResponseStore::keep(std::string_view key, const std::string& id, Json items) {
  for (const auto& item : items) {
    const auto item_id = string_member(item, "id");
    if (!item_id.empty()) items_.insert_or_assign(scoped(key, item_id), item);
  }
  const auto name = scoped(key, id);
  responses_.insert_or_assign(name, std::move(items));
  order_.push_back(name);
  if (order_.size() <= responses_max) return;
  const auto oldest = responses_.find(order_.front());
  for (const auto& item : oldest->second) items_.erase(scoped(key, string_member(item, "id")));
  responses_.erase(oldest);
  order_.pop_front();
}

const Json* ResponseStore::conversation(std::string_view key, std::string_view id) const {
  const auto at = responses_.find(scoped(key, id));
  return at == responses_.end() ? nullptr : &at->second;
}

const Json* ResponseStore::item(std::string_view key, std::string_view id) const {
  const auto at = items_.find(scoped(key, id));
  return at == items_.end() ? nullptr : &at->second;
}

void ResponseStore::clear() {
  responses_.clear();
  items_.clear();
  order_.clear();
}

std::string ResponseStore::scoped(std::string_view key, std::string_view id) {
  std::string name{key};
  name += '\n';
  name += id;
  return name;
}

}  // namespace turnpike::simulator
