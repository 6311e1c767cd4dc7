#include "gateway/race.hpp"

namespace turnpike::gateway {

Error lost_race() { return gateway_error(499, "hedge_lost", "Another attempt answered first."); }

bool Race::claim(std::size_t index) {
  if (winner_) return *winner_ == index;
  winner_ = index;
  if (SinkWatcher* other = lanes_.at(1 - index).watcher_) other->on_gone();  // calls its provider off
  return true;
}

void Race::on_drained() {
  for (Lane& lane : lanes_) {
    if (lane.watcher_ != nullptr && !lost(lane.index_)) lane.watcher_->on_drained();
  }
}

void Race::on_gone() {
  for (Lane& lane : lanes_) {
    if (lane.watcher_ != nullptr && !lost(lane.index_)) lane.watcher_->on_gone();
  }
}

void Race::Lane::reply(const ResponseHead& head, std::string_view body) {
  if (race_.claim(index_)) race_.client_.reply(head, body);
}

void Race::Lane::begin(const ResponseHead& head) {
  if (race_.claim(index_)) race_.client_.begin(head);
}

SinkState Race::Lane::write(std::string_view bytes) { return mine() ? race_.client_.write(bytes) : SinkState::gone; }

void Race::Lane::write_last(std::string_view bytes) {
  if (mine()) race_.client_.write_last(bytes);
}

void Race::Lane::finish() {
  if (mine()) race_.client_.finish();
}

void Race::Lane::abort() {
  if (mine()) race_.client_.abort();
}

void Race::Lane::watch(SinkWatcher* watcher) {
  watcher_ = watcher;
  race_.client_.watch(&race_);
}

}  // namespace turnpike::gateway
