#include "server/out_queue.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <span>

namespace turnpike::server {

namespace {

iovec part_of(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // only read from
}

}  // namespace

bool OutQueue::write(Transport& transport, std::initializer_list<std::string_view> parts) {
  assert(parts.size() <= parts_max);
  std::size_t sent = 0;
  if (empty()) {
    std::array<iovec, parts_max> gathered{};
    std::size_t count = 0;
    for (const auto part : parts) {
      if (!part.empty()) gathered[count++] = part_of(part);
    }
    const auto taken = transport.write(std::span{gathered}.first(count));
    if (!taken) return false;
    sent = *taken;
  }
  enqueue(parts, sent);
  return true;
}

void OutQueue::enqueue(std::initializer_list<std::string_view> parts, std::size_t skip) {
  for (auto part : parts) {
    const auto sent = std::min(skip, part.size());
    part.remove_prefix(sent);
    skip -= sent;
    if (!part.empty()) bytes_.append(part);
  }
}

bool OutQueue::flush(Transport& transport) {
  iovec rest = part_of(std::string_view{bytes_}.substr(begin_));
  const auto taken = transport.write({&rest, 1});
  if (!taken) return false;
  begin_ += *taken;
  if (empty()) {
    clear();
  } else if (begin_ > bytes_.size() / 2) {
    bytes_.erase(0, begin_);  // each byte moves at most once for every byte sent
    begin_ = 0;
  }
  return true;
}

void OutQueue::clear() {
  std::string{}.swap(bytes_);  // a stream that flows needs no buffer
  begin_ = 0;
}

}  // namespace turnpike::server
